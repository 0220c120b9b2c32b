"""How far annotations of documents lie beside the photos' own edges, and what that does to corner errors.

python benchmarks/annotations.py pairs.csv [build/NAME/x86_64/model.tflite ...]

A line that was drawn half a pixel beside an edge is as good to a person, and not to the measure of a corner: a network
that learned from such lines answers beside the edge as well. Across each side of the annotated quadrilateral the photo
changes most somewhere; where that is, over all sides of all photos, is one shift. No network has a part in it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.optimize import least_squares

from archspec.evaluate import annotated
from archspec.pairs import read_pairs
from archspec.photo import prepare
from archspec.predict import edge_probability, load, run
from archspec.scan import Found, locate
from archspec.scan.plane import corner_error

Floats = NDArray[np.float64]

REACH, STEP = 4.0, 0.25  # pixels from a side that are looked at, and between two looks
PEAK = 3  # steps on either side of the strongest change that say where it is
CLEAR = 8.0  # of 255, the least change over a step that counts, summed over the colours
STRAY = 0.2  # pixels from the fit from which a side counts less, as where something else is the stronger edge


def sides(photo: NDArray[np.uint8], corners: Floats) -> Iterator[tuple[Floats, float]]:
    """Of each side of a quadrilateral, (4, 2) clockwise, its outward normal and how far outside the photo changes most.

    Sides near the photo's border and those without a clear edge are left out.
    """
    import cv2

    away = np.arange(-REACH, REACH + STEP / 2, STEP)
    between = (away[1:] + away[:-1]) / 2
    last = np.array(photo.shape[1::-1]) - 1
    for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        along = (end - start) / np.linalg.norm(end - start)
        outward = np.array([along[1], -along[0]])
        share = np.linspace(0.15, 0.85, 60)[:, None, None]
        points = start + share * (end - start) + away[:, None] * outward - 0.5
        if (points < 0).any() or (points > last).any():
            continue
        x, y = points[..., 0].astype(np.float32), points[..., 1].astype(np.float32)
        across = cv2.remap(photo.astype(np.float32), x, y, cv2.INTER_LINEAR).mean(axis=0)
        change = np.abs(np.diff(across, axis=0)).sum(axis=1)
        top = int(change.argmax())
        if change[top] >= CLEAR and PEAK <= top < len(change) - PEAK:
            near = slice(top - PEAK, top + PEAK + 1)
            yield outward, float(np.average(between[near], weights=change[near] ** 2))


def shift(seen: Iterable[tuple[Floats, float]]) -> tuple[Floats, float]:
    """The shift in x and y, (2,) pixels, that takes quadrilaterals to the edges, and the median of what it leaves.

    How far outside all edges lie alike, as of lines drawn within a document, is fitted beside it.
    """
    normals, places = (np.array(part) for part in zip(*seen, strict=True))
    known = np.column_stack([normals, np.ones(len(normals))])
    fit = least_squares(lambda x: known @ x - places, np.zeros(3), loss="cauchy", f_scale=STRAY)
    return fit.x[:2], float(np.median(np.abs(known @ fit.x - places)))


def errors(file: Path, seen: Sequence[tuple[Image.Image, Floats]], moved: Floats) -> list[float]:
    """The median corner error of a built file, of the diagonal, against annotations as they are and moved."""
    built = load(file)
    output = built.edge_maps[0].name
    found = np.full((len(seen), 2), np.inf)
    for own, (photo, true) in zip(found, seen, strict=True):
        edges = edge_probability(run(built, prepare(photo, built.contract)[None])[output][0, :, :, 0])
        said = locate(np.asarray(photo), edges, built.contract.resize)
        if isinstance(said, Found):
            own[:] = [corner_error(said.corners, true + by) / np.hypot(*photo.size) for by in (0, moved)]
    return [float(median) for median in np.median(found, axis=0)]


def main() -> int:
    every = map(annotated, read_pairs(Path(sys.argv[1])))
    seen = [(photo, true) for photo, true in every if true is not None]
    beside = [side for photo, true in seen for side in sides(np.asarray(photo), true)]
    moved, left = shift(beside)
    x, y = moved
    print(f"{len(beside)} sides: the photos' edges lie {x:+.2f} {y:+.2f} pixels from the annotations, x and y")
    print(f"half of the sides within {left:.2f} pixels of that")
    for file in sys.argv[2:]:
        as_is, as_moved = errors(Path(file), seen, moved)
        print(f"{file}: corner error {as_is:.3%}, against annotations moved by that {as_moved:.3%}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
