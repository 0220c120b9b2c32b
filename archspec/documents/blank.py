"""A document before anything is printed on it: its paper, its folds, its form."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from archspec.documents import printing
from archspec.documents.draw import Field, Random, colour, smooth
from archspec.documents.printing import Face

MOST = 1400  # pixels of a face's longer side
LEAST = 24  # pixels of its shorter


@dataclass(frozen=True, slots=True)
class Page:
    """A document seen flat: its picture, how round its corners are (the radius as a share of the shorter side), how
    thick it is and how much it curls, as shares of the longer side, how much it shines, 0 to 1, and the chance that it
    was cut out and pasted, as in pictures that were composed."""

    face: Face
    radius: float = 0.0
    thickness: float = 0.0
    curl: float = 0.02
    gloss: float = 0.0
    pasted: float = 0.15


def given(random: Random, picture: NDArray[np.uint8], longest: float) -> Page:
    """A picture as a document, `longest` pixels long."""
    import cv2

    scale = min(longest, MOST) / max(picture.shape[:2])
    size = (max(LEAST, round(picture.shape[1] * scale)), max(LEAST, round(picture.shape[0] * scale)))
    face = cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(np.uint8)
    return Page(face, gloss=random.uniform(0, 0.3))


def blank(random: Random, longest: float, aspect: float, tone: Field) -> Face:
    """A face of one tone, width / height `aspect`, slightly uneven."""
    long = float(np.clip(longest, LEAST, MOST))
    height, width = (long, long * aspect) if aspect < 1 else (long / aspect, long)
    size = (max(LEAST, round(height)), max(LEAST, round(width)))
    uneven = 1 + random.uniform(0, 0.03) * smooth(random, (5, 4), size)
    return np.asarray(np.clip(uneven[..., None] * tone, 0, 255), np.uint8)


def paper(random: Random) -> Field:
    """White, cream, grey, recycled or tinted paper."""
    value = random.uniform(205, 255)
    kind = random.random()
    if kind < 0.55:
        return np.asarray(value - np.array([0, 1, 2]) * random.uniform(0, 4), np.float32)
    if kind < 0.8:
        return np.asarray(value - np.array([0, 6, 22]) * random.uniform(0.3, 1.4), np.float32)
    return colour(random, (0.03, 0.3), (0.75, 1))


def worn(random: Random, face: Face) -> Face:
    """Folds: the page is a little lighter on one side of each."""
    height, width = face.shape[:2]
    if random.random() < 0.25:
        for share in ((1 / 2,), (1 / 3, 2 / 3))[int(random.integers(2))]:
            at, depth = int(share * height), random.uniform(0.93, 1.0)
            printing.lay_box(face, (0, at, width, height), depth)
            printing.lay_box(face, (0, at, width, at + max(1, height // 400)), random.uniform(0.8, 0.95))
    if random.random() < 0.15:
        printing.lay_box(face, (width // 2, 0, width, height), random.uniform(0.94, 1))
    return face
