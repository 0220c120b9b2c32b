"""Scores of edge maps as BSDS500's boundary benchmark has them: ODS, OIS and AP.

Sources: Arbelaez, Maire, Fowlkes and Malik 2011 (Contour Detection and Hierarchical Image Segmentation), section 3, and
`edgesEvalImg.m`, `edgesEvalDir.m` of Dollar's toolbox, whose results are the benchmark's. There a picture has several
annotations, here one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archspec.metrics.matching import match
from archspec.metrics.thinning import thin

Floats = NDArray[np.float64]

TOLERANCE = 0.0075  # of the image's diagonal: how far a predicted pixel may lie from the true one
THRESHOLDS = np.arange(1, 100) / 100
BETWEEN = 100  # points on the line between two thresholds where the best F is sought


@dataclass(frozen=True, slots=True)
class Counts:
    """Pixels of one image at each threshold: predicted ones, and those in pairs with true ones; and the true ones."""

    matched: tuple[int, ...]
    predicted: tuple[int, ...]
    truth: int


@dataclass(frozen=True, slots=True)
class EdgeScore:
    """F-measures and precisions of a set of images, 0 to 1.

    `ods` has one threshold for all images, `ods_threshold`; `ois` the best one for each. `ap` is the mean precision
    over recalls 0, 0.01 ... 1; a recall that no threshold gives counts 0, and so does the only one where all give the
    same. `precision` and `recall` belong to `THRESHOLDS`.
    """

    images: int
    ods: float
    ods_threshold: float
    ois: float
    ap: float
    precision: tuple[float, ...]
    recall: tuple[float, ...]


def measure(edges: NDArray[np.floating[Any]], truth: NDArray[np.bool_]) -> Counts:
    """The counts of an edge map (height, width) of 0 to 1, as `nms` leaves it, held against a thin annotation.

    Raises ValueError where their sizes differ.
    """
    radius = TOLERANCE * float(np.hypot(*truth.shape))
    matched: list[int] = []
    predicted: list[int] = []
    before = None
    for threshold in THRESHOLDS:
        mask = edges >= threshold
        if before is not None and np.count_nonzero(mask) == np.count_nonzero(before):
            matched.append(matched[-1])  # a higher threshold took nothing away
            predicted.append(predicted[-1])
            continue
        before, lines = mask, thin(mask)
        matched.append(match(lines, truth, radius))
        predicted.append(int(np.count_nonzero(lines)))
    return Counts(tuple(matched), tuple(predicted), int(np.count_nonzero(truth)))


def score(counts: Iterable[Counts]) -> EdgeScore:
    """The scores of a set of images, which are taken one after the other. Raises ValueError where there is none."""
    images, truth = 0, 0
    matched, predicted = np.zeros((2, THRESHOLDS.size), np.int64)
    best = np.zeros(3, np.int64)  # matched, predicted and true pixels at each image's own threshold
    for one in counts:
        own, given = np.array(one.matched), np.array(one.predicted)
        # F is twice that; it is 0 at all thresholds where nothing is true, which BSDS500 has no image of
        k = int(np.argmax(own / np.maximum(given + one.truth, 1))) if one.truth else int(np.argmin(given))
        best += own[k], given[k], one.truth
        images, truth, matched, predicted = images + 1, truth + one.truth, matched + own, predicted + given
    if not images:
        raise ValueError("no image, no score")
    precision, recall = _rates(matched, predicted, truth)
    ods, threshold = _best_between(precision, recall)
    ois = float(2 * best[0] / max(best[1] + best[2], 1))
    ap = _average_precision(precision, recall)
    return EdgeScore(images, ods, threshold, ois, ap, tuple(precision.tolist()), tuple(recall.tolist()))


def _rates(matched: NDArray[np.int64], predicted: NDArray[np.int64], truth: int) -> tuple[Floats, Floats]:
    """Precision and recall; 0 where there is nothing to be precise about or to recall."""
    return matched / np.maximum(predicted, 1), matched / np.maximum(truth, 1)


def _f(precision: Floats, recall: Floats) -> Floats:
    both = precision + recall
    return np.asarray(2 * precision * recall / np.where(both > 0, both, 1))


def _best_between(precision: Floats, recall: Floats) -> tuple[float, float]:
    """The best F with its threshold, precision and recall being linear between thresholds."""
    share = np.linspace(0, 1, BETWEEN)
    lines = [values[:-1, None] * (1 - share) + values[1:, None] * share for values in (precision, recall, THRESHOLDS)]
    f = _f(lines[0], lines[1])
    at = np.unravel_index(np.argmax(f), f.shape)
    return float(f[at]), float(lines[2][at])


def _average_precision(precision: Floats, recall: Floats) -> float:
    """Of thresholds with the same recall the lowest counts. As the benchmark, 101 recalls are divided by 100."""
    recalls, first = np.unique(recall, return_index=True)
    if recalls.size < 2:
        return 0.0
    return float(np.interp(np.linspace(0, 1, 101), recalls, precision[first], left=0, right=0).sum() / 100)
