"""Quadrilaterals between lines: which could be a sheet seen in perspective, and how well an edge map bears each out."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from archspec.scan.lines import Line
from archspec.scan.maps import Map, look

Floats = NDArray[np.float64]

BEYOND = 0.25  # of a side of the map: how far outside of it a corner may lie
SMALLEST = 0.015  # of the map's area
ANGLES = np.deg2rad([25.0, 155.0])  # of a corner
SHORTEST = 0.06  # of the diagonal: a side
SURE = 0.5  # the sharpened probability from which an edge is one: 0.7 of a network's
SAMPLES = 48  # points looked at on a side
FEW = 12  # points in a first look
SEEN = 0.3  # of a side that must lie inside the map
REACH = 2  # pixels from a side within which an edge bears it out, at a diagonal of 362
FAINT = 0.02  # of a side: less support counts as this much
# of the evidence, in its order: fitted on 800 generated photos by benchmarks/finder.py
WEIGHTS, BIAS = np.array([-0.07, 5.41, 3.62, -3.29, -3.74, -0.81]), 2.89
PAST = 0.08  # of the diagonal: how far past a corner a side is followed


def candidates(lines: list[Line], size: tuple[int, int]) -> Floats:
    """Every plausible quadrilateral with its sides on four of the lines, (n, 4, 2), clockwise as seen."""
    if len(lines) < 4:
        return np.zeros((0, 4, 2))
    fours = np.array(list(combinations(range(len(lines)), 4)))
    orders = np.concatenate([fours[:, order] for order in ((0, 1, 2, 3), (0, 1, 3, 2), (0, 2, 1, 3))])
    angles, offsets = (np.array([getattr(line, key) for line in lines]) for key in ("angle", "offset"))
    corners = np.stack([_meet(angles, offsets, orders[:, k - 1], orders[:, k]) for k in range(4)], axis=1)
    corners = corners[np.isfinite(corners).all(axis=(1, 2))]
    x, y = corners[..., 0], corners[..., 1]
    turned = np.sum(x * np.roll(y, -1, axis=1) - np.roll(x, -1, axis=1) * y, axis=1) < 0
    corners[turned] = corners[turned][:, ::-1]
    return corners[plausible(corners, size)]


def _meet(angles: Floats, offsets: Floats, first: NDArray[np.int_], second: NDArray[np.int_]) -> Floats:
    """Where two lines meet, (n, 2); infinite where they are parallel within half a degree."""
    a, b, p, q = angles[first], angles[second], offsets[first], offsets[second]
    sine = np.sin(b - a)
    sine = np.where(np.abs(sine) < 0.01, np.nan, sine)
    return np.stack([(p * np.sin(b) - q * np.sin(a)) / sine, (q * np.cos(a) - p * np.cos(b)) / sine], axis=-1)


def plausible(corners: Floats, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Which quadrilaterals, (n, 4, 2) clockwise, are convex, large and blunt enough, and near enough the map."""
    height, width = size
    frame = np.array([width, height])
    sides = np.roll(corners, -1, axis=1) - corners
    lengths = np.linalg.norm(sides, axis=2)
    before = np.roll(sides, 1, axis=1)
    cross = before[..., 0] * sides[..., 1] - before[..., 1] * sides[..., 0]
    inner = np.pi - np.arctan2(cross, np.sum(before * sides, axis=2))
    x, y = corners[..., 0], corners[..., 1]
    area = np.sum(x * np.roll(y, -1, axis=1) - np.roll(x, -1, axis=1) * y, axis=1) / 2
    near = ((corners > -BEYOND * frame) & (corners < (1 + BEYOND) * frame)).all(axis=(1, 2))
    blunt = ((inner > ANGLES[0]) & (inner < ANGLES[1])).all(axis=1)
    long = (lengths > SHORTEST * np.hypot(height, width)).all(axis=1)
    return np.asarray(near & blunt & long & (area > SMALLEST * height * width))


def evidence(corners: Floats, edges: Map) -> Floats:
    """What an edge map of probabilities says for and against each quadrilateral, (n, 4, 2): (n, 6).

    The sides' support: the mean of its logarithms with an edge anywhere near, and the least where the side is, both
    of a side's part inside the map; the share of the map's edges that lie on the sides; how far the two sides beside
    one run on past it, as when the map shows more of the sheet; how unlike opposite sides are, as the logarithms of
    their lengths' ratios; and 1 where less than `SEEN` of a side lies inside.
    """
    diagonal = float(np.hypot(*edges.shape))
    wide, reach = _widened(edges)
    (near, sharp), seen, points = _support(corners, (wide, edges), SAMPLES)
    lengths = np.linalg.norm(np.roll(corners, -1, axis=1) - corners, axis=2)
    unlike = np.abs(np.log(lengths[:, 0] / lengths[:, 2])) + np.abs(np.log(lengths[:, 1] / lengths[:, 3]))
    hidden = (seen < SEEN).any(axis=1)
    support, least = np.log(np.clip(near, FAINT, 1)).mean(axis=1), np.log(np.clip(sharp, FAINT, 1)).min(axis=1)
    explained = _explained(points, edges, 2 * reach)
    return np.stack([support, least, explained, _past(corners, wide, PAST * diagonal), unlike, hidden], axis=1)


def scores(corners: Floats, edges: Map) -> Floats:
    """The probability that each quadrilateral, (n, 4, 2), is the document's border, (n,), by logistic regression."""
    return np.asarray(1 / (1 + np.exp(-(evidence(corners, edges) @ WEIGHTS + BIAS))))


def likeliest(corners: Floats, edges: Map, most: int) -> Floats:
    """The `most` quadrilaterals, (n, 4, 2), with the best support at a few points of their sides, best first."""
    (support,), seen, _ = _support(corners, (_widened(edges)[0],), FEW)
    marks = np.log(np.clip(support, FAINT, 1)).sum(axis=1) - 9 * (seen < SEEN).any(axis=1)
    return corners[np.argsort(-marks, kind="stable")[:most]]


def _widened(edges: Map) -> tuple[Map, int]:
    """How sure an edge lies within reach of each pixel, and that reach in pixels."""
    import cv2

    reach = max(1, round(REACH * float(np.hypot(*edges.shape)) / 362))
    sure = np.minimum(edges / SURE, 1).astype(np.float32)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    return np.asarray(cv2.dilate(sure, disc), np.float32), reach


def _support(corners: Floats, maps: Sequence[Map], samples: int) -> tuple[list[Floats], Floats, Floats]:
    """For each side the mean of each map along its part inside, and that part's share, all (n, 4); and the points."""
    share = (np.arange(samples) + 0.5)[:, None] / samples
    start, end = corners[:, :, None], np.roll(corners, -1, axis=1)[:, :, None]
    points = start + share * (end - start)
    frame = np.array([maps[0].shape[1], maps[0].shape[0]])
    inside = ((points > 0.5) & (points < frame - 0.5)).all(axis=-1)
    counts = np.maximum(inside.sum(axis=2), 1)
    support = [(look(each, points) * inside).sum(axis=2) / counts for each in maps]
    return support, inside.mean(axis=2), points


def _past(corners: Floats, wide: Map, length: float) -> Floats:
    """How surely both neighbours of a side run straight on past it, of the side of which this is surest, (n,)."""
    sides = np.roll(corners, -1, axis=1) - corners
    along = sides / np.linalg.norm(sides, axis=2, keepdims=True)
    share = np.linspace(0.25, 1, 12)[:, None] * length
    after = look(wide, np.roll(corners, -1, axis=1)[:, :, None] + share * along[:, :, None]).mean(axis=2)
    before = look(wide, corners[:, :, None] - share * along[:, :, None]).mean(axis=2)
    return np.asarray(np.minimum(np.roll(after, 1, axis=1), np.roll(before, -1, axis=1)).max(axis=1))


def _explained(points: Floats, edges: Map, reach: int) -> Floats:
    """The share of the map's edges that lie within `reach` pixels of each quadrilateral's sides."""
    import cv2

    total = float(edges.sum())
    if total <= 0:
        return np.zeros(len(points))
    across = 2 * reach + 1
    around = cv2.boxFilter(edges, cv2.CV_32F, (across, across), normalize=False)  # the edges in a square
    band = np.asarray(around, np.float32)
    steps = np.linalg.norm(points[:, :, -1] - points[:, :, 0], axis=2) / (SAMPLES - 1)
    found = (look(band, points).mean(axis=2) / across * steps * SAMPLES).sum(axis=1)
    return np.asarray(np.clip(found / total, 0, 1))
