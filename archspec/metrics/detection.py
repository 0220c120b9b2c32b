"""Average precision of boxes, as COCO's evaluation has it.

Source: pycocotools' cocoeval.py: ten overlaps 0.50 to 0.95, precision at 101 recalls, the best 100 boxes of a picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archspec.detection.boxes import overlaps

OVERLAPS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0, 1, 101)
MOST = 100  # boxes of a picture that count


@dataclass(frozen=True, eq=False)
class Found:
    """One picture: boxes (n, 4), their scores and classes (n,), and the true boxes (m, 4) and classes (m,)."""

    boxes: NDArray[Any]
    scores: NDArray[Any]
    classes: NDArray[Any]
    true_boxes: NDArray[Any]
    true_classes: NDArray[Any]


def average_precision(pictures: Sequence[Found]) -> tuple[float, float]:
    """mAP over all overlaps, and at 0.50; over the classes that truly occur. 0 where none does."""
    classes = np.unique(np.concatenate([p.true_classes for p in pictures])) if pictures else np.zeros(0)
    each = np.array([_of_class(pictures, label) for label in classes]).reshape(-1, OVERLAPS.size)
    return (float(each.mean()), float(each[:, 0].mean())) if len(each) else (0.0, 0.0)


def _of_class(pictures: Sequence[Found], label: Any) -> NDArray[np.float64]:
    """The average precision at each overlap."""
    scores: list[NDArray[Any]] = []
    hits: list[NDArray[np.bool_]] = []
    total = 0
    for p in pictures:
        chosen = np.flatnonzero(p.classes == label)
        chosen = chosen[np.argsort(-p.scores[chosen], kind="stable")][:MOST]
        true = p.true_boxes[p.true_classes == label]
        total += len(true)
        scores.append(p.scores[chosen])
        hits.append(_hits(overlaps(p.boxes[chosen], true)))
    order = np.argsort(-np.concatenate(scores), kind="stable")
    right = np.concatenate(hits, 1)[:, order]
    found, wrong = right.cumsum(1), (~right).cumsum(1)
    recall, precision = found / total, found / np.maximum(found + wrong, 1)
    best = np.maximum.accumulate(precision[:, ::-1], 1)[:, ::-1]  # the best at this recall or a higher one
    made = np.zeros(OVERLAPS.size)
    for k in range(OVERLAPS.size):
        at = np.searchsorted(recall[k], RECALLS, side="left")
        made[k] = np.where(at < recall.shape[1], np.append(best[k], 0)[np.minimum(at, recall.shape[1])], 0).mean()
    return made


def _hits(shares: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(overlaps, n): whether each box, best first, gets a true one that no better box has."""
    made = np.zeros((OVERLAPS.size, shares.shape[0]), bool)
    for k, least in enumerate(OVERLAPS):
        free = np.ones(shares.shape[1], bool)
        for i, row in enumerate(shares):
            open_shares = np.where(free, row, -1)
            if free.any() and open_shares.max() >= min(least, 1 - 1e-10):
                free[np.flatnonzero(open_shares == open_shares.max())[-1]] = False
                made[k, i] = True
    return made
