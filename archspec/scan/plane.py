"""Plane geometry of quadrilaterals and homographies. Points are x, y; 0, 0 is the first pixel's outer corner."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

UNIT = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
"""The unit square: top left, top right, bottom right, bottom left."""


def homography(source: Floats, target: Floats) -> Floats:
    """The 3×3 matrix that takes four points, (4, 2), to four others; no three of either on a line.

    Raises numpy.linalg.LinAlgError where there is none.
    """
    rows = []
    for (x, y), (u, v) in zip(source, target, strict=True):
        rows.append([x, y, 1, 0, 0, 0, -u * x, -u * y])
        rows.append([0, 0, 0, x, y, 1, -v * x, -v * y])
    return np.append(np.linalg.solve(np.array(rows), np.asarray(target, float).ravel()), 1).reshape(3, 3)


def apply(matrix: Floats, points: Floats) -> Floats:
    """Points, (..., 2), seen through a homography."""
    seen = points @ matrix[:, :2].T + matrix[:, 2]
    return np.asarray(seen[..., :2] / seen[..., 2:])


def clockwise(corners: Floats) -> Floats:
    """A quadrilateral's corners, (4, 2) in either sense, clockwise as seen, from the one nearest the top left."""
    turned = corners if area(corners) > 0 else corners[::-1]
    return np.asarray(np.roll(turned, -int(np.argmin(turned.sum(axis=1))), axis=0))


def area(corners: Floats) -> float:
    """The area of a polygon, (n, 2), in square pixels; negative where it runs anticlockwise as seen."""
    x, y = corners.T
    return float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y) / 2)


def corner_error(found: Floats, true: Floats) -> float:
    """The largest distance between two quadrilaterals' corners, in pixels, whichever corner each starts from."""
    return min(float(np.linalg.norm(np.roll(found, turn, axis=0) - true, axis=1).max()) for turn in range(4))
