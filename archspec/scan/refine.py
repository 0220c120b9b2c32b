"""Corners below the pixel: each side as a line, or a slight curve, through the ridge of an edge map beside it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Map = NDArray[np.float32]

ENDS = 0.06  # of a side left out at each end, where corners are rounded and two sides meet
ROUNDS = 3
NEARER = 0.6  # of the reach: where a ridge counts 1/e of one on the side, as another edge may run beside a side
STRAY = 0.8  # pixels from the fit at which a place counts half: fingers over a side leave longer strays than gaps
CURVED = 0.75  # a curve is taken if it leaves less than this share of a line's squared error


@dataclass(frozen=True, slots=True)
class Side:
    """A side as the curve start + t along + (a + b t + c t²) across, t in 0..1; `across` is a unit vector."""

    start: Floats
    along: Floats
    across: Floats
    bow: Floats  # a, b, c

    def at(self, t: float) -> Floats:
        return np.asarray(self.start + t * self.along + float(np.polyval(self.bow[::-1], t)) * self.across)

    def slope(self, t: float) -> Floats:
        return np.asarray(self.along + (self.bow[1] + 2 * self.bow[2] * t) * self.across)


def refine(corners: Floats, edges: Map, reach: float) -> Floats:
    """The corners, (4, 2), where the sides meet once each follows the ridge of `edges` within `reach` pixels of it.

    A side that the map does not show stays where it was; so does all, if the corners would move by more than three
    times `reach`.
    """
    refined = corners
    for _ in range(ROUNDS):
        sides = [_side(refined[k], refined[(k + 1) % 4], edges, reach) for k in range(4)]
        refined = np.array([_corner(sides[k - 1], sides[k]) for k in range(4)])
    moved = np.linalg.norm(refined - corners, axis=1).max()
    return refined if np.isfinite(moved) and moved <= 3 * reach else corners


def _side(start: Floats, end: Floats, edges: Map, reach: float) -> Side:
    """A weighted least-squares fit to the ridge's place at each step, the weight its strength."""
    import cv2

    along = end - start
    length = max(1e-6, float(np.linalg.norm(along)))
    across = np.array([-along[1], along[0]]) / length
    t = np.linspace(ENDS, 1 - ENDS, max(8, int(length)))
    away = np.arange(-2 * int(np.ceil(reach)), 2 * int(np.ceil(reach)) + 1) / 2
    away = away[np.abs(away) <= reach]
    points = start + t[:, None, None] * along + away[None, :, None] * across - 0.5
    values = cv2.remap(edges, points[..., 0].astype(np.float32), points[..., 1].astype(np.float32), cv2.INTER_LINEAR)
    values = values.astype(float) ** 2 * np.exp(-((away / (NEARER * reach)) ** 2))  # the ridge counts, its foot hardly
    weight = values.sum(axis=1)
    place = (values * away).sum(axis=1) / np.maximum(weight, 1e-9)
    return Side(start, along, across, _fit(t, place, np.sqrt(weight)))


def _fit(t: Floats, place: Floats, weight: Floats) -> Floats:
    """a, b, c of place = a + b t + c t²; c is 0 unless a curve is much the better, all are where little is seen."""
    if np.sum(weight > 0.1) < 0.25 * t.size:
        return np.zeros(3)
    for _ in range(4):
        line = _least(t, place, weight, 1)
        error = np.abs(place - np.polyval(line, t))
        weight = weight / (1 + (error / STRAY) ** 2)
    curve = _least(t, place, weight, 2)
    straight, curved = (float(np.sum(weight * (place - np.polyval(fit, t)) ** 2)) for fit in (line, curve))
    whole = np.sum(weight > 0.1) > 0.7 * t.size
    if whole and curved < CURVED * straight and abs(curve[0]) > 2:
        return np.asarray(curve[::-1])
    return np.array([line[1], line[0], 0.0])


def _least(t: Floats, place: Floats, weight: Floats, degree: int) -> Floats:
    """The polynomial's coefficients, highest first, of the least weighted squares: normal equations, t in 0..1."""
    powers = np.vander(t, degree + 1)
    moments = powers.T @ (weight[:, None] * powers)
    moments[np.diag_indices(degree + 1)] += 1e-9  # where hardly a place counts
    return np.asarray(np.linalg.solve(moments, powers.T @ (weight * place)))


def _corner(before: Side, after: Side) -> Floats:
    """Where one side ends and the next begins: Newton's method from t = 1 and t = 0."""
    s, t = 1.0, 0.0
    for _ in range(3):
        gap = before.at(s) - after.at(t)
        slopes = np.stack([before.slope(s), -after.slope(t)], axis=1)
        if abs(np.linalg.det(slopes)) < 1e-6:
            return before.at(1.0)
        step = np.linalg.solve(slopes, gap)
        s, t = float(np.clip(s - step[0], 0.5, 1.5)), float(np.clip(t - step[1], -0.5, 0.5))
    return (before.at(s) + after.at(t)) / 2
