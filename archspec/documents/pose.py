"""Where a document lies in a photo: a camera's view of it, its curl, and its border."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from archspec.documents.draw import Field, Points, Random, Size
from archspec.scan.plane import UNIT, apply, area, homography

TRIES = 40  # poses drawn before a plain one is taken
Window = tuple[int, int, int, int]  # left, top, right, bottom
SIDE = 160  # points of the border on each side


@dataclass(frozen=True, slots=True, eq=False)
class Bend:
    """A sheet that is not flat: a cylinder's profile along a direction of the sheet, and one lifted corner.

    What is raised towards the camera is seen displaced, here within the unit square of the sheet.
    """

    along: Points  # (2,)
    lift: Points  # (2,): displacement for a height of 1
    bow: float
    wave: tuple[float, float, float]  # height, cycles, phase
    ear: tuple[int, float]  # corner, height

    def height(self, place: Points) -> Points:
        """The sheet's height at places (..., 2) of the unit square."""
        along = place @ self.along
        size, cycles, phase = self.wave
        raised = self.bow * 4 * along * (1 - along) + size * np.sin(2 * np.pi * (cycles * along + phase))
        corner, ear = self.ear
        if ear:
            raised = raised + ear * np.exp(-np.sum((place - UNIT[corner]) ** 2, axis=-1) / 0.12**2)
        return np.asarray(raised)

    def shift(self, place: Points) -> Points:
        """How far a place is displaced."""
        return np.asarray(self.height(place)[..., None] * self.lift)


@dataclass(frozen=True, slots=True, eq=False)
class Pose:
    """`matrix` takes the sheet's unit square to pixels; `sides` are its width and height, the longer one 1."""

    matrix: Points
    sides: Points
    radius: float  # of rounded corners, in the units of `sides`
    bend: Bend | None

    def seen(self, place: Points) -> Points:
        """Pixels where places (n, 2) of the sheet's unit square are seen. Solves place = q - shift(q) for q."""
        moved = place
        for _ in range(6 if self.bend else 0):
            moved = place + self.bend.shift(moved) if self.bend else place
        return apply(self.matrix, moved)

    def corners(self) -> Points:
        """The four corners in pixels, (4, 2); of a rounded sheet where its sides would meet."""
        return self.seen(UNIT)

    def border(self) -> Points:
        """The border in pixels, a closed line of many points, (n, 2)."""
        if self.radius:
            arc = np.linspace(0, np.pi / 2, 24)
            bow = (1 - np.stack([np.cos(arc), np.sin(arc)], axis=1)) * self.radius / self.sides
            turned = [corner + bow[:: -1 if k % 2 else 1] * (1 - 2 * corner) for k, corner in enumerate(UNIT)]
            knots = np.concatenate([*turned, turned[0][:1]])
        else:
            knots = np.concatenate([UNIT, UNIT[:1]])
        parts = []
        for a, b in pairwise(knots):
            steps = max(2, int(np.ceil(SIDE * float(np.max(np.abs(b - a))))))
            parts.append(a + np.linspace(0, 1, steps, endpoint=False)[:, None] * (b - a))
        return self.seen(np.concatenate([*parts, knots[-1:]]))

    def places(self, window: Window) -> tuple[Field, Field]:
        """The place across and down the sheet that each pixel of a part of the picture shows, each (height, width).

        A pixel that looks past the horizon of the sheet's plane is far outside.
        """
        left, top, right, bottom = window
        x = np.arange(left, right, dtype=np.float32)[None] + np.float32(0.5)
        y = np.arange(top, bottom, dtype=np.float32)[:, None] + np.float32(0.5)
        inverse = np.linalg.inv(self.matrix)
        inverse /= (inverse @ np.append(apply(self.matrix, np.array([0.5, 0.5])), 1))[2]  # depth 1 at the middle
        rows = inverse.astype(np.float32)
        across, down, depth = (row[0] * x + row[1] * y + row[2] for row in rows)
        far = depth < 1e-6
        depth[far] = 1
        across, down = across / depth, down / depth
        across[far] = 9
        if self.bend is not None:
            height = self.bend.height(np.stack([across, down], axis=-1).astype(float)).astype(np.float32)
            across = across - np.float32(self.bend.lift[0]) * height
            down = down - np.float32(self.bend.lift[1]) * height
        return across, down

    def coverage(self, across: Field, down: Field) -> Field:
        """How much of each pixel the sheet covers, 0..1, by the distance of its place from the border."""
        x, y = (
            np.abs(place - np.float32(0.5)) * np.float32(side) - np.float32(side / 2 - self.radius)
            for place, side in zip((across, down), self.sides, strict=True)
        )
        distance = np.minimum(np.maximum(x, y), 0) - np.float32(self.radius)
        distance += np.hypot(np.maximum(x, 0), np.maximum(y, 0))
        steps = np.hypot(*np.gradient(distance))
        return np.asarray(np.clip(0.5 - distance / np.maximum(steps, 1e-6), 0, 1), np.float32)

    def window(self, border: Points, size: Size) -> Window:
        """The part of a picture that the sheet may be seen in, at least two pixels a side."""
        low, high = np.floor(border.min(axis=0)).astype(int) - 2, np.ceil(border.max(axis=0)).astype(int) + 3
        left, top = (int(np.clip(n, 0, most - 2)) for n, most in zip(low, size[::-1], strict=True))
        right, bottom = (int(np.clip(n, 2, most)) for n, most in zip(high, size[::-1], strict=True))
        return left, top, max(right, left + 2), max(bottom, top + 2)


def pose(random: Random, sides: Points, size: Size, aspect: float, partial: bool) -> Points:
    """The corners, (4, 2) in pixels of a picture of `size`, of a sheet in a photo of `aspect` stretched to it.

    All lie inside; with `partial` one is outside. Each side is long enough to be seen.
    """
    frame = np.array([aspect, 1.0])
    for _ in range(TRIES):
        seen = _view(random, sides)
        low, extent = seen.min(axis=0), np.ptp(seen, axis=0)
        scale = (random.uniform(0.68, 0.97) if random.random() < 0.8 else random.uniform(0.35, 0.7)) * np.min(
            frame / extent
        )
        corners = (seen - low) * scale + (frame - extent * scale) * random.beta(1.5, 1.5, 2)
        moved = _partly_outside(random, corners, frame) if partial else corners
        if moved is None:
            continue
        corners = moved
        lengths = np.linalg.norm(corners - np.roll(corners, 1, axis=0), axis=1)
        if lengths.min() > 0.12 and area(corners) > 0.03 * aspect:
            break
    return np.asarray(corners / frame * size[::-1])


def _view(random: Random, sides: Points) -> Points:
    """A sheet of `sides`, turned, under a tilted camera; the scale means nothing."""
    kind = random.random()
    turn = random.normal(0, 0.1) if kind < 0.5 else random.normal(0, 0.4) if kind < 0.85 else random.uniform(-3.1, 3.1)
    pitch, roll = random.uniform(-0.15, 0.85) * random.random() ** 0.5, random.normal(0, 0.15)
    flat = (UNIT - 0.5) * sides * 2
    flat = flat @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    distance = random.uniform(2.2, 6) - flat[:, 1] * np.sin(pitch) - flat[:, 0] * np.sin(roll)
    return np.asarray(flat * [np.cos(roll), np.cos(pitch)] / distance[:, None])


def _partly_outside(random: Random, corners: Points, frame: Points) -> Points | None:
    """The same quadrilateral moved so that just one corner is a little outside the frame, and most of each side inside;
    None where no move was found."""
    along = np.linspace(0, 1, 21)[:, None, None]
    sides = corners + along * (np.roll(corners, -1, axis=0) - corners)
    for move in random.uniform(-0.4, 0.4, (60, 2)) * frame:
        inside = ((sides + move > 0) & (sides + move < frame)).all(axis=2)
        beyond = np.maximum(np.maximum(-(corners + move), corners + move - frame), 0).max()
        if np.sum(~inside[0]) == 1 and inside.mean(axis=0).min() > 0.45 and 0.015 < beyond < 0.15:
            return np.asarray(corners + move)
    return None


def bend(random: Random, sides: Points, curl: float) -> Bend:
    """A bend of about `curl` of the longer side, mostly about one of the sheet's axes."""
    angle = random.choice([0.0, np.pi / 2]) + random.normal(0, 0.2)
    along = np.array([np.cos(angle), np.sin(angle)])
    lean = random.normal(0, 1, 2)
    lift = curl * lean / np.linalg.norm(lean) / sides
    ear = (int(random.integers(4)), float(random.uniform(0, 1.5)) if random.random() < 0.3 else 0.0)
    return Bend(
        along / (np.abs(along).sum() or 1), lift, random.uniform(-1, 1),
        (random.uniform(0, 0.3), random.uniform(0.7, 2), random.uniform(0, 1)), ear,
    )  # fmt: skip


def placed(random: Random, corners: Points, sides: Points, radius: float, curl: float, size: Size) -> Pose:
    """A sheet with its corners, before it curls, at `corners`; flat with a `curl` of 0, or if its curl would take a
    corner out of the picture."""
    flat = Pose(homography(UNIT, corners), sides, radius, None)
    bent = Pose(flat.matrix, sides, radius, bend(random, sides, curl)) if curl else flat
    return bent if np.sum(_inside(bent.corners(), size)) >= np.sum(_inside(corners, size)) else flat


def _inside(points: Points, size: Size) -> NDArray[np.bool_]:
    return np.asarray(((points >= 0) & (points <= size[::-1])).all(axis=1))
