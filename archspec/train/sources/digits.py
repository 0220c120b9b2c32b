"""scikit-learn's handwritten digits: 1,797 real pictures of 8×8 pixels (Alpaydin and Kaynak 1998, UCI).

They are read from the file that its `load_digits` reads: to import the package takes longer than a hundred steps, and a
worker hides it from Keras.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.machinery import PathFinder
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from archspec.files import reason
from archspec.train.examples import Example, ExampleError
from archspec.train.sources import Asked

FILE = Path("datasets/data/digits.csv.gz")  # lines of 64 values 0 to 16, row by row, and the class
SIDE, MOST = 8, 16


def open_source(asked: Asked, path: str | None) -> Digits:
    """Raises ExampleError where scikit-learn is not installed."""
    spec = PathFinder.find_spec("sklearn")
    if spec is None or not spec.submodule_search_locations:
        message = "the digits come with scikit-learn: pip install 'archspec-compiler[digits]', or name `train.data`"
        raise ExampleError(message)
    file = Path(spec.submodule_search_locations[0]) / FILE
    try:
        table = np.loadtxt(file, delimiter=",")
    except (OSError, ValueError) as error:
        raise ExampleError(f"{file}: {reason(error)}") from error
    images = np.rint(table[:, :-1].reshape(-1, SIDE, SIDE) * 255 / MOST).astype(np.uint8)
    return Digits(images, table[:, -1].astype(np.int64))


@dataclass(frozen=True, eq=False)
class Digits:
    """Grey pictures (n, 8, 8) of 0 to 255 and their classes."""

    images: NDArray[np.uint8]
    classes: NDArray[np.int64]
    labels: tuple[str, ...] = tuple("0123456789")

    def __len__(self) -> int:
        return len(self.images)

    def name(self, index: int) -> str:
        return f"digit {index}"

    def read(self, index: int) -> Example:
        return Example(np.repeat(self.images[index][..., None], 3, -1), {"label": self.classes[index]})
