"""Pictures with annotated edges: a CSV of image,annotation, and annotations cut as their images are for a network."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from archspec.files import reason
from archspec.metrics.thinning import thin
from archspec.photo import PhotoError, read_photo, windows

Bits = NDArray[np.bool_]


class PairError(Exception):
    """A CSV, or an annotation, that cannot be used; names the file, of a CSV the line too."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A picture, and the picture of its edges: two values, of which 0 is the background."""

    image: Path
    annotation: Path


def read_pairs(path: Path) -> tuple[Pair, ...]:
    """The pairs of a CSV without a header, one `image,annotation` a line; paths are relative to the CSV's folder.

    Raises PairError where a line is no pair, names a file that does not exist, or where there is none.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream)
            pairs = tuple(_pair(path, reader.line_num, cells) for cells in reader if cells)
    except (OSError, ValueError, csv.Error) as error:
        raise PairError(f"{path}: {reason(error)}") from error
    if not pairs:
        raise PairError(f"{path}: no pairs in it")
    return pairs


def _pair(path: Path, line: int, cells: list[str]) -> Pair:
    if len(cells) != 2:
        raise PairError(f"{path}:{line}: not image,annotation: {','.join(cells)}")
    files = [path.parent / cell.strip() for cell in cells]
    for file in files:
        if not file.is_file():
            raise PairError(f"{path}:{line}: no such file: {file}")
    return Pair(*files)


def truth_map(
    path: Path, size: tuple[int, int], resize: str = "stretch", photo: tuple[int, int] | None = None
) -> Bits:  # fmt: skip
    """The annotation of a picture as a map of `size`, (height, width), cut from the picture as `photo.prepare` does.

    A pixel is an edge where the annotation has one anywhere within it, then lines are thinned to one pixel: they do not
    break, however small the map, and a line that is wider in places holds no pixel that a thin one cannot match.
    `photo` is the picture's own width and height, which the annotation must have.
    Raises PairError where it has not, or where the annotation cannot be read or has other than two values.
    """
    try:
        picture = read_photo(path)
    except PhotoError as error:
        raise PairError(str(error)) from error
    if photo is not None and picture.size != photo:
        sizes = ["×".join(map(str, pair)) for pair in (picture.size, photo)]
        raise PairError(f"{path}: {sizes[0]} pixels, and its image has {sizes[1]}")
    grey = np.asarray(picture.convert("L"))
    values = np.unique(grey)
    if values.size > 2 or (values.size == 2 and values[0] != 0):
        raise PairError(f"{path}: not binary: an annotation has one value for edges, and 0 elsewhere")
    part, filled = windows(picture.size, (size[1], size[0]), resize)
    edges = grey[part[1] : part[3], part[0] : part[2]] > 0
    found = np.zeros(size, np.bool_)
    inside = found[filled[1] : filled[3], filled[0] : filled[2]]
    inside[:] = _covered(_covered(edges, inside.shape[0]).T, inside.shape[1]).T
    return thin(found)


def _covered(mask: Bits, size: int) -> Bits:
    """The map with its first axis made `size` long: set where a pixel covers any part of one that is set."""
    length = mask.shape[0]
    before = np.concatenate([np.zeros((1, mask.shape[1]), np.int64), np.cumsum(mask, 0)])
    at = np.arange(size)
    first, end = at * length // size, -(-(at + 1) * length // size)
    return np.asarray(before[end] > before[first])
