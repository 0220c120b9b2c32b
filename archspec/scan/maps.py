"""Maps of edges, and what they say at a point."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Map = NDArray[np.float32]
"""(height, width) of 0..1: how sure an edge is at each pixel."""

STEP = 2  # places looked at across a side, a pixel


def look(edges: Map, points: Floats) -> Floats:
    """The map at points (..., 2), x, y with 0, 0 the first pixel's outer corner: bilinear, 0 outside of it."""
    import cv2

    flat = (points.reshape(-1, 2) - 0.5).astype(np.float32)
    parts = [  # OpenCV's limit is 32,767 rows
        cv2.remap(edges, part[:, :1], part[:, 1:], cv2.INTER_LINEAR)
        for part in np.array_split(flat, len(flat) // 30000 + 1)
    ]
    return np.concatenate(parts).reshape(points.shape[:-1]).astype(float)


def band(edges: Map, start: Floats, end: Floats, ends: float, reach: float) -> tuple[Floats, Floats, Floats, Floats]:
    """The map beside a side: (steps, places), the places within `reach` pixels across it.

    Before it where its steps lie, 0..1 of the way from start to end, about a pixel apart, a share of `ends` left out
    at either end; where its places lie, in pixels; and the unit vector across.
    """
    along = end - start
    length = max(1e-6, float(np.linalg.norm(along)))
    across = np.array([-along[1], along[0]]) / length
    t = np.linspace(ends, 1 - ends, max(8, int(length)))
    away = np.arange(-int(STEP * reach), int(STEP * reach) + 1) / STEP
    return t, away, across, look(edges, start + t[:, None, None] * along + away[None, :, None] * across)
