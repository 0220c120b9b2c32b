"""Runs many small files at one place, in one process as long as none of them fails."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from archspec.abi import AbiError
from archspec.abi.count import each
from archspec.abi.run import Answers, Place, taken_apart
from archspec.artifact import TensorInfo


@dataclass(frozen=True)
class Work:
    """A .tflite file, its inputs as it takes them, in the order of its signature, and the outputs it has."""

    model: Path
    fed: tuple[NDArray[Any], ...]
    outputs: tuple[TensorInfo, ...]


def run_each(place: Place, works: Sequence[Work]) -> list[Answers | str]:
    """What each file answers by output, (1, *shape), or why it failed. Raises AbiError, OSError.

    The place's command has to take any number of files.
    """

    def attempt(left: Sequence[Work]) -> tuple[list[Answers], str | None]:
        with tempfile.TemporaryDirectory(prefix="archspec-") as folder:
            files = [
                (work.model, *(Path(folder) / f"{i}.{end}" for end in ("in", "out"))) for i, work in enumerate(left)
            ]
            for work, (_, given, _) in zip(left, files, strict=True):
                given.write_bytes(b"".join(tensor.tobytes() for tensor in work.fed))
            said, how = place.go((*place.command, *(str(file) for three in files for file in three)), Path(folder))
            parts = f"\n{said}".split("\nmodel ")[1:]
            if how and not parts:
                raise AbiError(f"{place.cpu}: {how}")
            ended = len(parts) - 1 if how else len(parts)
            made = [
                taken_apart(place, part, got.read_bytes(), 1, work.outputs)
                for part, work, (_, _, got) in zip(parts[:ended], left, files, strict=False)
            ]
        return made, how

    return each(attempt, works)
