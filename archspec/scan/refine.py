"""Corners below the pixel: each side as the straight line through the ridge of an edge map beside it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from archspec.scan.maps import Map, band

Floats = NDArray[np.float64]

ENDS = 0.06  # of a side left out at each end, where corners are rounded and two sides meet
ROUNDS = 3
NEARER = 0.6  # of the reach: where a ridge counts 1/e of one on the side, as another edge may run beside a side
STRAY = 0.8  # pixels from the fit at which a place counts half: fingers over a side leave longer strays than gaps


def refine(corners: Floats, edges: Map, reach: float) -> Floats:
    """The corners, (4, 2), where the sides meet once each follows the ridge of `edges` within `reach` pixels of it.

    Sides are straight even where paper curls: a curve through what is seen of a side strays past its ends.
    A side that the map does not show stays where it was; so does all, if the corners would move by more than three
    times `reach`.
    """
    refined = corners
    for _ in range(ROUNDS):
        sides = [_side(refined[k], refined[(k + 1) % 4], edges, reach) for k in range(4)]
        refined = np.array([meet(sides[k - 1], sides[k]) for k in range(4)])
    moved = np.linalg.norm(refined - corners, axis=1).max()
    return refined if np.isfinite(moved) and moved <= 3 * reach else corners


def _side(start: Floats, end: Floats, edges: Map, reach: float) -> Floats:
    """Two points of the line, (2, 2) beside start and end, of a weighted least-squares fit to the ridge's place at
    each step, the weight its strength."""
    t, away, across, values = band(edges, start, end, ENDS, reach)
    values = values**2 * np.exp(-((away / (NEARER * reach)) ** 2))  # the ridge counts, its foot hardly
    weight = values.sum(axis=1)
    place = (values * away).sum(axis=1) / np.maximum(weight, 1e-9)
    slope, offset = _fit(t, place, np.sqrt(weight))
    return np.array([start + offset * across, end + (offset + slope) * across])


def _fit(t: Floats, place: Floats, weight: Floats) -> Floats:
    """Slope and offset of place = offset + slope t, strays hardly counting; both 0 where little is seen."""
    if np.sum(weight > 0.1) < 0.25 * t.size:
        return np.zeros(2)
    for _ in range(4):
        line = least(t, place, weight, 1e-9)  # there is one where hardly a place counts
        weight = weight / (1 + ((place - np.polyval(line, t)) / STRAY) ** 2)
    return line


def least(t: Floats, place: Floats, weight: Floats, held: float) -> Floats:
    """Slope and offset of the least weighted squares, (2,), each pulled towards 0 by a weight of `held`."""
    powers = np.vander(t, 2)
    moments = powers.T @ (weight[:, None] * powers) + held * np.eye(2)
    return np.asarray(np.linalg.solve(moments, powers.T @ (weight * place)))


def meet(before: Floats, after: Floats) -> Floats:
    """Where two lines meet, each through two points; the end of the first where they are parallel."""
    ways = np.stack([before[1] - before[0], after[0] - after[1]], axis=1)
    if abs(np.linalg.det(ways)) < 1e-6:
        return np.asarray(before[1])
    along, _ = np.linalg.solve(ways, after[0] - before[0])
    return np.asarray(before[0] + along * (before[1] - before[0]))
