"""Boxes held against each other: overlap, matching of anchors, suppression of doubles.

Boxes are (n, 4) as top, left, bottom, right.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]


def overlaps(a: Floats, b: Floats) -> NDArray[np.float64]:
    """Intersection over union of each of n boxes with each of m, (n, m)."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    both = np.prod(np.maximum(high - low, 0).astype(np.float64), -1)
    either = _area(a)[:, None] + _area(b)[None] - both
    return np.asarray(np.divide(both, either, out=np.zeros_like(both), where=either > 0))


def _area(boxes: Floats) -> NDArray[np.float64]:
    return np.asarray(np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2], 0).astype(np.float64), -1))


def match(anchors: Floats, boxes: Floats, threshold: float = 0.5) -> NDArray[np.int64]:
    """For each anchor the box that it stands for, -1 for none (SSD, section 2.2).

    Each box gets the anchor that overlaps it best, boxes in the order of that overlap; every other anchor stands for
    the box it overlaps most, where that is more than `threshold`.
    """
    chosen = np.full(len(anchors), -1, np.int64)
    if not len(boxes):
        return chosen
    shares = overlaps(anchors, boxes)
    likeliest = shares.argmax(1)
    over = shares[np.arange(len(anchors)), likeliest] > threshold
    chosen[over] = likeliest[over]
    left = shares.copy()
    for _ in range(min(len(boxes), len(anchors))):
        anchor, box = np.unravel_index(left.argmax(), left.shape)
        chosen[anchor] = box
        left[anchor], left[:, box] = -1, -1
    return chosen


def suppress(boxes: Floats, scores: Floats, threshold: float = 0.5, most: int = 100) -> NDArray[np.int64]:
    """Non-maximum suppression: the boxes that stay, best first; one that overlaps a better one more than `threshold`
    goes.
    """
    order = np.argsort(-scores, kind="stable")
    kept: list[int] = []
    while order.size and len(kept) < most:
        best, rest = order[0], order[1:]
        kept.append(int(best))
        order = rest[overlaps(boxes[best : best + 1], boxes[rest])[0] <= threshold]
    return np.array(kept, np.int64)
