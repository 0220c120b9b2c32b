"""One call of a block's function, which may be a user's and do anything."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from archspec.blocks import Block
from archspec.graph import NameTaken, Net, Tensor, TooLarge
from archspec.ops import ShapeError, show, volume

MOST_ELEMENTS = 1 << 62  # of one tensor: more is a slip, and counts must stay of a length that prints


class BlockFailedError(Exception):
    """A user's block raised what is no finding about shapes. `place` is the line it comes from."""

    def __init__(self, message: str, place: str) -> None:
        super().__init__(message)
        self.place = place


def call(block: Block, net: Net, inputs: list[Tensor], values: Mapping[str, Any]) -> Tensor:
    """What the block gives. Raises ShapeError, NameTaken, TooLarge; BlockFailedError for all else of a user's block."""
    try:
        output = block.function(net, inputs if block.several else inputs[0], **block.arguments(values))
        if not isinstance(output, Tensor):
            raise TypeError(f"it gives {type(output).__name__}, not a tensor")
    except (ShapeError, NameTaken, TooLarge):
        raise
    except Exception as error:
        if block.function.__module__.partition(".")[0] == "archspec":
            raise  # a bug of ours, which no spec excuses
        reason = " ".join(str(error).split())
        message = f"block `{block.name}` failed: {type(error).__name__}{': ' if reason else ''}{reason}"
        raise BlockFailedError(message, _place(block, error)) from error
    if volume(output.shape) > MOST_ELEMENTS:
        raise TooLarge(f"a tensor of {show(output.shape)} is too large to count")
    return output


def _place(block: Block, error: Exception) -> str:
    """The last line of the block's own module that the error passed through."""
    import inspect  # here, since only a failure needs them
    import traceback

    code = getattr(inspect.unwrap(block.function), "__code__", None)
    if code is None:
        return f"see the module `{block.function.__module__}`"
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == code.co_filename and frame.lineno]
    return f"see {Path(code.co_filename).name}, line {lines[-1] if lines else code.co_firstlineno}"
