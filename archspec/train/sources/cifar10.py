"""CIFAR-10's binary files (Krizhevsky 2009): 10,000 records a file of one label and 32×32 pixels in three planes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from archspec.files import reason
from archspec.train.examples import Example, ExampleError
from archspec.train.sources import Asked

SIDE = 32
PIXELS = 3 * SIDE * SIDE


def open_source(asked: Asked, path: str | None) -> Cifar:
    """A folder of data_batch_1.bin ... or one .bin file. Raises ExampleError."""
    return open_binary(asked, path, "data_batch_*.bin", "batches.meta.txt", 1, 10)


def open_binary(asked: Asked, path: str | None, pattern: str, names: str, label_bytes: int, classes: int) -> Cifar:
    """Records of `label_bytes` labels, of which the last one counts, and the pixels. Raises ExampleError."""
    assert path is not None, "the recipe's check asks for it"
    given = asked.at(path)
    files = [given] if given.is_file() else sorted(given.glob(pattern))
    if not files:
        raise ExampleError(f"{given}: no {pattern} in it")
    records = np.concatenate([_records(file, label_bytes + PIXELS) for file in files])
    labels = records[:, label_bytes - 1]
    if labels.max() >= classes:
        raise ExampleError(f"{given}: label {labels.max()}, and there are {classes} classes")
    return Cifar(records[:, label_bytes:], labels, _names(files[0].parent / names, classes), str(given))


def _records(file: Path, size: int) -> NDArray[np.uint8]:
    try:
        data = np.fromfile(file, np.uint8)
    except OSError as error:
        raise ExampleError(f"{file}: {reason(error)}") from error
    if not data.size or data.size % size:
        raise ExampleError(f"{file}: {data.size} bytes are not records of {size}")
    return data.reshape(-1, size)


def _names(file: Path, classes: int) -> tuple[str, ...]:
    """The names of the classes where a file says them, else their numbers. Raises ExampleError."""
    try:
        lines = file.read_text(encoding="utf-8").split() if file.is_file() else []
    except (OSError, ValueError) as error:
        raise ExampleError(f"{file}: {reason(error)}") from error
    return tuple(lines) if len(lines) == classes else tuple(map(str, range(classes)))


@dataclass(frozen=True, eq=False)
class Cifar:
    """`planes` (n, 3072): red, green and blue, row by row; `classes` (n,)."""

    planes: NDArray[np.uint8]
    classes: NDArray[np.uint8]
    labels: tuple[str, ...]
    path: str

    def __len__(self) -> int:
        return len(self.planes)

    def name(self, index: int) -> str:
        return f"{self.path} record {index}"

    def read(self, index: int) -> Example:
        image = np.ascontiguousarray(self.planes[index].reshape(3, SIDE, SIDE).transpose(1, 2, 0))
        return Example(image, {"label": np.array(int(self.classes[index]))})
