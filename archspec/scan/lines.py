"""Straight lines in an edge map: segments, merged where they continue one another, the strongest first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from archspec.scan.maps import Map

Floats = NDArray[np.float64]

MOST = 24  # lines that are kept
LEAST = 0.2  # sharpened probability of the weakest edge pixel that is looked at
SHORTEST = 0.04  # of the diagonal: a segment
GAP = 0.03  # of the diagonal, between two pixels of a segment
ANGLE = np.deg2rad(4.0)  # between segments of one line
OFFSET = 0.009  # of the diagonal, from a segment's middle to the line that it is merged into


@dataclass(frozen=True, slots=True)
class Line:
    """The points with x cos(angle) + y sin(angle) = offset, in pixels with 0, 0 the first pixel's outer corner.

    `weight` is the length of the segments in it, in pixels.
    """

    angle: float
    offset: float
    weight: float


def lines(edges: Map) -> list[Line]:
    """The lines of an edge map of probabilities, (height, width), at most `MOST`, heaviest first."""
    return merge(segments(thin(edges)), float(np.hypot(*edges.shape)))


def thin(edges: Map) -> NDArray[np.uint8]:
    """The ridges of an edge map, one or two pixels wide, 255: what is highest across its own direction."""
    import cv2

    calm = cv2.GaussianBlur(edges, (0, 0), 1.0)
    xx, yy, xy = (cv2.Sobel(calm, cv2.CV_32F, dx, dy, ksize=5) for dx, dy in ((2, 0), (0, 2), (1, 1)))
    across = 0.5 * np.arctan2(2 * xy, xx - yy) + np.pi / 2  # where the second derivative is the most negative
    y, x = np.indices(edges.shape, dtype=np.float32)
    step_x, step_y = np.cos(across).astype(np.float32), np.sin(across).astype(np.float32)
    sides = [cv2.remap(calm, x + k * step_x, y + k * step_y, cv2.INTER_LINEAR) for k in (-1, 1)]
    top = (calm >= sides[0]) & (calm >= sides[1]) & (xx + yy < 0)
    return np.where(top & (calm >= LEAST * 0.5), np.uint8(255), np.uint8(0))


def segments(ridges: NDArray[np.uint8]) -> Floats:
    """Straight segments of a thin binary map, (n, 4) as x, y, x, y. OpenCV's Hough transform has a fixed seed."""
    import cv2

    diagonal = float(np.hypot(*ridges.shape))
    found = cv2.HoughLinesP(
        ridges, 1, np.pi / 180, max(8, int(0.035 * diagonal)), None, max(6.0, SHORTEST * diagonal), GAP * diagonal
    )
    return np.zeros((0, 4)) if found is None else found.reshape(-1, 4).astype(float) + 0.5


def merge(found: Floats, diagonal: float) -> list[Line]:
    """Segments that lie on one line, as that line: longest first, each joins the first line that it fits."""
    lengths = np.hypot(found[:, 2] - found[:, 0], found[:, 3] - found[:, 1])
    groups: list[list[int]] = []
    made: list[Line] = []
    for index in np.argsort(-lengths, kind="stable"):
        for number, line in enumerate(made):
            if _fits(found[index], line, diagonal):
                groups[number].append(int(index))
                made[number] = _through(found[groups[number]], lengths[groups[number]])
                break
        else:
            groups.append([int(index)])
            made.append(_through(found[[index]], lengths[[index]]))
    return sorted(made, key=lambda line: -line.weight)[:MOST]


def _fits(segment: Floats, line: Line, diagonal: float) -> bool:
    normal = np.array([np.cos(line.angle), np.sin(line.angle)])
    ends = segment.reshape(2, 2)
    along = ends[1] - ends[0]
    tilt = np.arcsin(min(1.0, abs(float(along @ normal)) / float(np.linalg.norm(along))))
    return bool(tilt < ANGLE and abs(float(ends.mean(axis=0) @ normal) - line.offset) < max(1.5, OFFSET * diagonal))


def _through(group: Floats, lengths: Floats) -> Line:
    """The line nearest the ends of segments, each weighted by its length (total least squares)."""
    points, weights = group.reshape(-1, 2), np.repeat(lengths, 2)
    middle = np.average(points, axis=0, weights=weights)
    away = (points - middle) * np.sqrt(weights)[:, None]
    values, vectors = np.linalg.eigh(away.T @ away)
    normal = vectors[:, int(np.argmin(values))]
    angle = float(np.arctan2(normal[1], normal[0])) % np.pi
    return Line(angle, float(middle @ [np.cos(angle), np.sin(angle)]), float(lengths.sum()))
