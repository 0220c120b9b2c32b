"""Edge maps: class-balanced cross-entropy with deep supervision (HED, Xie and Tu 2015)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archspec.graph import Graph
from archspec.metrics.edges import TOLERANCE, Counts, measure, score
from archspec.metrics.thinning import nms
from archspec.recipe import Train
from archspec.train.examples import Example
from archspec.train.tasks import Arrays, TaskError, ends_of

LEAST = 0.005  # share of edges: half of what a document that fills a picture of 256×256 has
THRESHOLDS = np.linspace(0.05, 0.95, 19)


def make(train: Train, graph: Graph, labels: tuple[str, ...]) -> Edges:
    """Raises TaskError where an output is no map of one channel of logits at the input's size."""
    wanted = (*graph.input_shape[:2], 1)
    for name, tensor in graph.outputs:
        if tensor.shape != wanted:
            shape = "×".join(map(str, tensor.shape))
            raise TaskError(f"output `{name}` is {shape}, and an edge map is {wanted[0]}×{wanted[1]}×1")
    ends_of(graph, ())
    return Edges(tuple(name for name, _ in graph.outputs), train.loss.sides, train.loss.balance)


@dataclass(frozen=True)
class Edges:
    """Logits of edges, (height, width, 1) by output; the first is the answer, the others have the weight `sides`."""

    outputs: tuple[str, ...]
    sides: float
    balance: str
    mixes = False

    def truth(self, example: Example) -> dict[str, NDArray[Any]]:
        return {"edges": example.truth["edges"][..., None].astype(np.float32)}

    def loss(self, tf: Any, outputs: Mapping[str, Any], truth: Mapping[str, Any]) -> Any:
        """The mean of pixels' cross-entropy, in which edges and the other pixels weigh the same by `balance`.

        By weights: that of edges is the share of pixels that are none, and reversed (equation 2 of the paper, over the
        number of pixels). By logits: each has the logarithm of the ratio of both shares added, so that without it, as
        the network is used, it says how much likelier a pixel is an edge than one drawn from as many of both kinds.
        A map of fewer edges, or none, counts as one of `LEAST`.
        """
        edges = truth["edges"]
        share = tf.maximum(tf.reduce_mean(edges, [1, 2, 3], keepdims=True), LEAST)
        if self.balance == "weights":
            weight, added = edges * (1 - share) + (1 - edges) * share, 0.0
        else:
            weight, added = 1.0, tf.math.log(share / (1 - share))
        against = 1 - 2 * edges  # the cross-entropy of 0 is softplus(logit), that of 1 softplus(-logit)
        total = 0.0
        for i, name in enumerate(self.outputs):
            if i == 0 or self.sides:
                each = tf.nn.softplus(against * (tf.cast(outputs[name], tf.float32) + added))
                total += (1.0 if i == 0 else self.sides) * tf.reduce_mean(weight * each, [1, 2, 3])
        return total

    def meter(self, final: bool) -> EdgeMeter | QuickMeter:
        return EdgeMeter(self.outputs[0]) if final else QuickMeter(self.outputs[0])

    def picture(self, image: NDArray[np.uint8], outputs: Arrays, truth: Arrays) -> NDArray[np.uint8]:
        """The picture, the true edges, those that each output finds."""
        maps = [truth["edges"], *(_sigmoid(outputs[name]) for name in self.outputs)]
        panels = [np.repeat(np.rint(255 * m).astype(np.uint8), 3, -1) for m in maps]
        return np.concatenate([image, *panels], 1)


def _sigmoid(logits: NDArray[Any]) -> NDArray[np.float32]:
    values = np.clip(logits.astype(np.float32), -60, 60)
    return np.asarray(1 / (1 + np.exp(-values)), np.float32)


@dataclass
class EdgeMeter:
    """ODS, OIS and AP of the benchmark."""

    output: str
    counts: list[Counts] = field(default_factory=list)

    def add(self, outputs: Arrays, truth: Arrays) -> None:
        edges = nms(_sigmoid(outputs[self.output][..., 0]).astype(np.float64))
        self.counts.append(measure(edges, truth["edges"][..., 0] > 0.5))

    def result(self) -> dict[str, float]:
        found = score(self.counts)
        return {"ods": found.ods, "ois": found.ois, "ap": found.ap}


@dataclass
class QuickMeter:
    """The best F of all images at one threshold, without thinning and matching: pixels within the tolerance count.

    A hundred times quicker than ODS, and near it where edges are thin.
    """

    output: str
    sums: NDArray[np.float64] = field(default_factory=lambda: np.zeros((4, THRESHOLDS.size)))

    def add(self, outputs: Arrays, truth: Arrays) -> None:
        from scipy.ndimage import distance_transform_edt

        edges, wanted = _sigmoid(outputs[self.output][..., 0]), truth["edges"][..., 0] > 0.5
        radius = TOLERANCE * float(np.hypot(*wanted.shape))
        near = distance_transform_edt(~wanted) <= radius if wanted.any() else np.zeros_like(wanted)
        for k, threshold in enumerate(THRESHOLDS):
            found = edges >= threshold
            reached = distance_transform_edt(~found) <= radius if found.any() else found
            self.sums[:, k] += (found & near).sum(), found.sum(), (wanted & reached).sum(), wanted.sum()

    def result(self) -> dict[str, float]:
        right, found, reached, wanted = self.sums
        precision, recall = right / np.maximum(found, 1), reached / np.maximum(wanted, 1)
        return {"f": float((2 * precision * recall / np.maximum(precision + recall, 1e-12)).max())}
