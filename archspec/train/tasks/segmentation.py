"""Classes of pixels: cross-entropy with a label that does not count; mean IoU, boundary F."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archspec.graph import Graph
from archspec.recipe import Train
from archspec.train.examples import Example
from archspec.train.tasks import Arrays, TaskError, ends_of, logits_of

TOLERANCE = 0.0075  # of the diagonal: how far a boundary may be off, as for edge maps
COLOURS = 256  # of the palette, VOC's


def make(train: Train, graph: Graph, labels: tuple[str, ...]) -> Segmentation:
    """Raises TaskError where an output is no map of two channels or more at the input's size."""
    size = graph.input_shape[:2]
    for name, tensor in graph.outputs:
        if tensor.shape[:2] != size or len(tensor.shape) != 3 or tensor.shape[2] < 2:
            shape = "×".join(map(str, tensor.shape))
            raise TaskError(f"output `{name}` is {shape}, and a map of classes is {size[0]}×{size[1]}×(2 or more)")
    channels = {tensor.shape[2] for _, tensor in graph.outputs}
    if len(channels) > 1:
        raise TaskError(f"the outputs differ in their classes: {', '.join(map(str, sorted(channels)))}")
    names, ends = tuple(name for name, _ in graph.outputs), ends_of(graph, ("softmax",))
    return Segmentation(names, channels.pop(), train.loss.sides, train.loss.ignore, ends)


@dataclass(frozen=True)
class Segmentation:
    """Logits, or probabilities where `ends` says softmax, of `classes` a pixel; the first output is the answer, the
    others have the weight `sides`. Pixels of the label `ignore` do not count.
    """

    outputs: tuple[str, ...]
    classes: int
    sides: float
    ignore: int
    ends: tuple[str | None, ...]
    mixes = False

    def truth(self, example: Example) -> dict[str, NDArray[Any]]:
        labels = example.truth["mask"].astype(np.int32)
        known = (labels < self.classes) | (labels == self.ignore)
        if not known.all():
            raise TaskError(f"a pixel of class {labels[~known].max()}, and the classes are 0 to {self.classes - 1}")
        return {"labels": labels}

    def loss(self, tf: Any, outputs: Mapping[str, Any], truth: Mapping[str, Any]) -> Any:
        """The mean over the pixels that count; zero where none does."""
        counts = tf.cast(truth["labels"] != self.ignore, tf.float32)
        labels = tf.where(truth["labels"] != self.ignore, truth["labels"], 0)
        total = 0.0
        for i, (name, ends) in enumerate(zip(self.outputs, self.ends, strict=True)):
            if i == 0 or self.sides:
                logits = logits_of(tf, outputs[name], ends)
                each = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits) * counts
                mean = tf.math.divide_no_nan(tf.reduce_sum(each, [1, 2]), tf.reduce_sum(counts, [1, 2]))
                total += (1.0 if i == 0 else self.sides) * mean
        return total

    def meter(self, final: bool) -> SegmentationMeter:
        return SegmentationMeter(self.outputs[0], self.classes, self.ignore, final)

    def picture(self, image: NDArray[np.uint8], outputs: Arrays, truth: Arrays) -> NDArray[np.uint8]:
        """The picture, the true classes, those that are found, in VOC's colours."""
        colours = palette()
        found = np.argmax(outputs[self.outputs[0]], -1)
        return np.concatenate([image, colours[truth["labels"] % COLOURS], colours[found % COLOURS]], 1)


def palette() -> NDArray[np.uint8]:
    """VOC's colour of each label, (256, 3): the bits of the label dealt out over the three channels."""
    labels, colours = np.arange(COLOURS), np.zeros((COLOURS, 3), np.int64)
    for bit in range(8):
        for channel in range(3):
            colours[:, channel] |= (labels >> (3 * bit + channel) & 1) << (7 - bit)
    return colours.astype(np.uint8)


@dataclass
class SegmentationMeter:
    """Mean intersection over union of the classes that occur; with `boundaries` the mean boundary F of pictures."""

    output: str
    classes: int
    ignore: int
    boundaries: bool
    confusion: NDArray[np.int64] = field(init=False)
    scores: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.confusion = np.zeros((self.classes, self.classes), np.int64)

    def add(self, outputs: Arrays, truth: Arrays) -> None:
        labels, found = truth["labels"], np.argmax(outputs[self.output], -1)
        counts = labels != self.ignore
        pairs = labels[counts] * self.classes + found[counts]
        self.confusion += np.bincount(pairs, minlength=self.classes**2).reshape(self.classes, self.classes)
        if self.boundaries:
            self.scores += boundary_scores(np.where(counts, found, self.ignore), labels, self.ignore)

    def result(self) -> dict[str, float]:
        both = np.diag(self.confusion)
        either = self.confusion.sum(0) + self.confusion.sum(1) - both
        seen = either > 0
        made = {"miou": float((both[seen] / either[seen]).mean()) if seen.any() else 0.0}
        if self.boundaries:
            made["boundary_f"] = float(np.mean(self.scores)) if self.scores else 0.0
        return made


def boundary_scores(found: NDArray[Any], labels: NDArray[Any], ignore: int) -> list[float]:
    """The F of each class that a picture truly shows: pixels of its boundary within the tolerance of the other's.

    Source: Csurka et al. 2013, What is a good evaluation measure for semantic segmentation?
    """
    from scipy.ndimage import distance_transform_edt

    radius, scores = TOLERANCE * float(np.hypot(*labels.shape)), []
    for label in np.setdiff1d(labels, [ignore]):
        lines = [_boundary(a == label) for a in (found, labels)]
        if not lines[1].any():
            continue  # it fills the picture
        if not lines[0].any():
            scores.append(0.0)
            continue
        near = [distance_transform_edt(~line) <= radius for line in lines]
        precision, recall = lines[0][near[1]].sum() / lines[0].sum(), lines[1][near[0]].sum() / lines[1].sum()
        scores.append(float(2 * precision * recall / max(precision + recall, 1e-12)))
    return scores


def _boundary(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The pixels of a mask that have a neighbour outside of it, above, below, left or right."""
    padded = np.pad(mask, 1, mode="edge")
    inside = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return np.asarray(mask & ~inside)
