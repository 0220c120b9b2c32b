"""A folder for each class, with its pictures in it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from archspec.train.examples import Example, ExampleError
from archspec.train.sources import Asked
from archspec.train.sources.pictures import pictures_in, read_picture


def open_source(asked: Asked, path: str | None) -> Labelled:
    """The classes are the folders' names, sorted. Raises ExampleError."""
    assert path is not None, "the recipe's check asks for it"
    folder = asked.at(path)
    if not folder.is_dir():
        raise ExampleError(f"{folder}: no such folder")
    classes = sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    found = [(picture, label) for label, inner in enumerate(classes) for picture in pictures_in(inner)]
    if not found:
        raise ExampleError(f"{folder}: no folders with pictures in it, one for each class")
    return Labelled(tuple(found), tuple(p.name for p in classes))


@dataclass(frozen=True)
class Labelled:
    """Pictures and the numbers of their classes."""

    pictures: tuple[tuple[Path, int], ...]
    labels: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.pictures)

    def name(self, index: int) -> str:
        return str(self.pictures[index][0])

    def read(self, index: int) -> Example:
        path, label = self.pictures[index]
        return Example(read_picture(path), {"label": np.array(label)})
