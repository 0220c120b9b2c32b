"""Corners of paper that curls: where its sides, followed pixel by pixel, point near their ends."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from archspec.scan.maps import STEP, Map, band
from archspec.scan.refine import ENDS, STRAY, least, meet

Floats = NDArray[np.float64]

REACH = 6.0  # pixels from a straight side that its edge is looked for, at a diagonal of 362 (256×256): curls bow out
TURN = 0.6  # of an edge's certainty, lost where the path moves across by a whole pixel from one pixel to the next
STRAIGHT = 0.02  # of an edge's certainty, lost where the path is a pixel beside the straight side; grows squared
NEAR = 0.1  # of the map's diagonal from a corner: what of a side says where it is
HELD = 5.0  # places' worth of certainty that the side is straight
ROUNDS = 6


def follow(corners: Floats, edges: Map) -> Floats:
    """The corners, (4, 2), where the sides meet as their ends run, each side followed along the ridge of `edges`
    within `REACH` of the straight line.

    A corner that would move by more than 1.5 times as far stays.
    """
    diagonal = float(np.hypot(*edges.shape))
    reach, near = max(3.0, REACH * diagonal / 362), NEAR * diagonal
    ends = [_ends(corners[k], corners[(k + 1) % 4], edges, reach, near) for k in range(4)]
    moved = np.array([meet(ends[k - 1][1], ends[k][0]) for k in range(4)])
    return np.where(np.linalg.norm(moved - corners, axis=1, keepdims=True) <= 1.5 * reach, moved, corners)


def _ends(start: Floats, end: Floats, edges: Map, reach: float, near: float) -> tuple[Floats, Floats]:
    """The lines along which a side begins and ends, each as two points, (2, 2)."""
    t, away, across, values = band(edges, start, end, 0, reach)
    along = end - start
    length = max(1e-6, float(np.linalg.norm(along)))
    path = ridge(values, away)
    around = np.clip(path[:, None] + np.arange(-STEP, STEP + 1), 0, len(away) - 1)
    beside = np.take_along_axis(values, around, 1) ** 2
    sure = np.sqrt(beside.sum(axis=1))
    place = np.where(sure > 0.2, (beside * away[around]).sum(axis=1) / np.maximum(sure**2, 1e-9), away[path])
    lines = []
    for corner, inwards, far in ((start, along, t), (end, -along, 1 - t)):
        these = (far > ENDS) & (far * length < max(near, ENDS * length + 8))
        slope, offset = _fit(far[these] * length / near, place[these], sure[these])
        first = corner + offset * across
        lines.append(np.array([first, first + inwards / length * near + slope * across]))
    return lines[0], lines[1][::-1]


def ridge(values: Floats, away: Floats) -> NDArray[np.int_]:
    """The path along a side, the index of its place across at each step, (steps,), that has the most of the edge,
    `values` (steps, places), is nearest the straight side and turns the least: dynamic programming (Viterbi 1967)."""
    gain = values - STRAIGHT * away**2
    turns = np.abs(away[:, None] - away)
    cost = np.where(turns > 1, np.inf, TURN / STEP**2 * turns**2)
    best = gain[0]
    before = np.zeros(values.shape, int)
    for step in range(1, len(values)):
        marks = best - cost
        before[step] = marks.argmax(axis=1)
        best = gain[step] + marks.max(axis=1)
    path = np.full(len(values), best.argmax())
    for step in range(len(values) - 1, 0, -1):
        path[step - 1] = before[step, path[step]]
    return path


def _fit(far: Floats, place: Floats, sure: Floats) -> Floats:
    """Slope and offset of place = offset + slope far, held straight, strays hardly counting."""
    weight = sure
    for _ in range(ROUNDS):
        line = least(far, place, weight, HELD)
        weight = sure / (1 + ((place - np.polyval(line, far)) / STRAY) ** 2)
    return line
