"""What an SSD has found: its outputs as boxes, scores and classes, without doubles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from archspec.detection.anchors import Heads, decode
from archspec.detection.boxes import suppress
from archspec.spec import Nms


class Objects(NamedTuple):
    """Boxes (n, 4) as top, left, bottom, right in shares of the input's sides, scores and classes (n,), best first."""

    boxes: NDArray[Any]
    scores: NDArray[Any]
    classes: NDArray[Any]


def found(heads: Heads, outputs: Mapping[str, NDArray[Any]], nms: Nms = Nms()) -> Objects:  # noqa: B008  frozen
    """The objects in the outputs for one image; class 0 is the first that is not the background."""
    boxes, scores = candidates(heads, outputs)
    kept = np.zeros((0, 2), np.int64)
    for label in range(1, heads.classes):
        likely = np.flatnonzero(scores[:, label] >= nms.score)
        likely = likely[suppress(boxes[likely], scores[likely, label], nms.overlap, nms.most)]
        kept = np.concatenate([kept, np.stack([likely, np.full_like(likely, label)], 1)])
    kept = kept[np.argsort(-scores[kept[:, 0], kept[:, 1]], kind="stable")][: nms.most]
    return Objects(boxes[kept[:, 0]], scores[kept[:, 0], kept[:, 1]], kept[:, 1] - 1)


def candidates(heads: Heads, outputs: Mapping[str, NDArray[Any]]) -> tuple[NDArray[Any], NDArray[Any]]:
    """The box of every anchor (anchors, 4), and the probability that it is of each class (anchors, classes)."""
    offsets = np.concatenate([outputs[name].reshape(-1, 4) for name in heads.boxes])
    logits = np.concatenate([outputs[name].reshape(-1, heads.classes) for name in heads.scores])
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return decode(offsets, heads.anchors), powers / powers.sum(-1, keepdims=True)
