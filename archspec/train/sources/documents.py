"""Generated photos of documents: edges of the border, a mask, a box."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from archspec.documents import Pictures, Settings, sample
from archspec.kinds import MOST_PHOTOS
from archspec.metrics.thinning import thin
from archspec.train.examples import Example, ExampleError
from archspec.train.sources import Asked
from archspec.train.sources.pictures import ENDINGS, pictures_in, read_picture

FIRST = 1_000_000  # seeds below are left to test sets
PER_SEED = FIRST + MOST_PHOTOS
LONGEST = 1024  # pixels of the longer side that a picture is kept at


def open_source(asked: Asked, path: str | None) -> Documents:
    """As many documents as the recipe says. Raises ExampleError."""
    data = asked.train.data
    pictures = Pictures(*(_pictures(asked.at(folder)) if folder else () for folder in (data.backgrounds, data.papers)))
    settings = Settings(**{name: share for name, share in asdict(data.shares).items() if share is not None})
    return Documents(asked.size, data.count, asked.train.seed * PER_SEED + FIRST, pictures, settings, data.amodal)


def _pictures(folder: Path) -> tuple[NDArray[np.uint8], ...]:
    found = tuple(read_picture(path, LONGEST) for path in pictures_in(folder))
    if not found:
        raise ExampleError(f"{folder}: no pictures in it ({', '.join(ENDINGS)})")
    return found


@dataclass(frozen=True, eq=False)
class Documents:
    """`count` documents of (height, width) pixels; example i has the seed `first` + i.

    Where `amodal`, edges are the whole border (Zhu et al. 2017, arXiv 1509.01329, on amodal segmentation), else what
    is seen of it.
    """

    size: tuple[int, int]
    count: int
    first: int
    pictures: Pictures
    settings: Settings
    amodal: bool
    labels: tuple[str, ...] = ("document",)

    def __len__(self) -> int:
        return self.count

    def name(self, index: int) -> str:
        return f"document {self.first + index}"

    def read(self, index: int) -> Example:
        made = sample(self.first + index, self.size, self.settings, self.pictures)
        boxes = np.zeros((0, 4), np.float32)
        if made.box is not None:
            left, top, right, bottom = made.box
            boxes = np.array([[top, left, bottom, right]], np.float32)
        truth = {
            "edges": thin(made.border if self.amodal else made.edges),  # as annotations are
            "mask": made.mask.astype(np.uint8),
            "boxes": boxes,
            "labels": np.zeros(len(boxes), np.int64),
        }
        return Example(made.image, truth)
