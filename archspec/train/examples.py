"""An example, and what gives examples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from archspec.train import TrainError


class ExampleError(TrainError):
    """An example that cannot be read, or a source that has none; names the file."""


@dataclass(frozen=True)
class Example:
    """A picture (height, width, 3), RGB, 0 to 255, and what is true of it.

    `truth` holds of `edges` (height, width) bool, `mask` (height, width) uint8 labels, `label` a class's number,
    `boxes` (n, 4) as top, left, bottom, right in pixels with `labels` (n,), what the source knows.
    """

    image: NDArray[np.uint8]
    truth: Mapping[str, NDArray[Any]]


class Source(Protocol):
    """Examples by number."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of classes, by their numbers."""
        ...

    def __len__(self) -> int: ...

    def name(self, index: int) -> str:
        """What a message calls an example: its file."""
        ...

    def read(self, index: int) -> Example:
        """Raises ExampleError."""
        ...
