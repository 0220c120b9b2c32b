"""Maps of edges, and what they say at a point."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Map = NDArray[np.float32]
"""(height, width) of 0..1: how sure an edge is at each pixel."""


def look(edges: Map, points: Floats) -> Floats:
    """The map at points (..., 2), x, y with 0, 0 the first pixel's outer corner: bilinear, 0 outside of it."""
    import cv2

    flat = (points.reshape(-1, 2) - 0.5).astype(np.float32)
    parts = [  # OpenCV's limit is 32,767 rows
        cv2.remap(edges, part[:, :1], part[:, 1:], cv2.INTER_LINEAR)
        for part in np.array_split(flat, len(flat) // 30000 + 1)
    ]
    return np.concatenate(parts).reshape(points.shape[:-1]).astype(float)
