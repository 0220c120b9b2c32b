"""Test-time augmentation: one map from a network's answers to a photo in several quarter turns."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def turned(images: Floats) -> Floats:
    """Images, (n, height, width, channels), each in all four quarter turns if square, else upright and upside down.

    All of one turn stand together, (4 n or 2 n, height, width, channels).
    """
    return np.concatenate([np.rot90(images, quarter, (1, 2)) for quarter in _quarters(images)])


def averaged(maps: Floats) -> Floats:
    """The mean of a network's maps of `turned` images, turned back: (n, height, width, channels)."""
    quarters = _quarters(maps)
    parts = zip(np.split(maps, len(quarters)), quarters, strict=True)
    return np.asarray(np.mean([np.rot90(part, -quarter, (1, 2)) for part, quarter in parts], axis=0), np.float32)


def _quarters(images: Floats) -> tuple[int, ...]:
    return (0, 1, 2, 3) if images.shape[1] == images.shape[2] else (0, 2)
