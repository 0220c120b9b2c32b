"""Boxes of objects: SSD's matching, hard negatives and smooth L1 (Liu et al. 2015); COCO's average precision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archspec.detection.anchors import AnchorError, Heads, encode, heads_of
from archspec.detection.boxes import match
from archspec.detection.found import found
from archspec.graph import Graph
from archspec.metrics.detection import Found, average_precision
from archspec.recipe import Train
from archspec.train.examples import Example
from archspec.train.tasks import Arrays, TaskError

MOST = 256  # objects of a picture; COCO's have up to 93


def make(train: Train, graph: Graph, labels: tuple[str, ...]) -> Detection:
    """Raises TaskError where the outputs are no SSD's, or of other classes."""
    try:
        heads = heads_of(graph)
    except AnchorError as error:
        raise TaskError(str(error)) from error
    if heads.classes != len(labels) + 1:
        raise TaskError(f"the heads have {heads.classes} classes, and there are {len(labels)} and the background")
    return Detection(heads, graph.input_shape[:2], train.loss.negatives)


@dataclass(frozen=True, eq=False)
class Detection:
    """Offsets of boxes and logits of classes at the anchors of `heads`; `size` is the input's height and width."""

    heads: Heads
    size: tuple[int, ...]
    negatives: float
    mixes = False

    def truth(self, example: Example) -> dict[str, NDArray[Any]]:
        """`offsets` (anchors, 4), `classes` (anchors,) to be said; `objects` (MOST, 5), boxes and classes, then -1."""
        sides = np.array([*self.size, *self.size], np.float32)
        boxes, labels = example.truth["boxes"] / sides, example.truth["labels"]
        if len(labels) and labels.max() + 1 >= self.heads.classes:
            raise TaskError(f"class {labels.max()}, and the classes are 0 to {self.heads.classes - 2}")
        if len(labels) > MOST:
            raise TaskError(f"a picture of {len(labels)} objects: more than {MOST}")
        chosen = match(self.heads.anchors, boxes)
        offsets = np.zeros_like(self.heads.anchors)
        hit = chosen >= 0
        offsets[hit] = encode(boxes[chosen[hit]].astype(np.float32), self.heads.anchors[hit])
        classes = np.where(hit, np.append(labels, 0)[chosen] + 1, 0).astype(np.int32)
        kept = np.full((MOST, 5), -1, np.float32)
        kept[: len(boxes), :4], kept[: len(boxes), 4] = boxes, labels
        return {"offsets": offsets, "classes": classes, "objects": kept}

    def loss(self, tf: Any, outputs: Mapping[str, Any], truth: Mapping[str, Any]) -> Any:
        """Smooth L1 of the offsets and cross-entropy of the classes, over the number of anchors that stand for a box
        (equation 1 of the paper); of the others the `negatives` times as many with the greatest loss count.
        """
        offsets = _joined(tf, outputs, self.heads.boxes, 4)
        logits = _joined(tf, outputs, self.heads.scores, self.heads.classes)
        positive = tf.cast(truth["classes"] > 0, tf.float32)
        count = tf.reduce_sum(positive, 1)
        apart = tf.abs(offsets - truth["offsets"])
        smooth = tf.reduce_sum(tf.where(apart < 1, 0.5 * apart**2, apart - 0.5), -1)
        each = tf.nn.sparse_softmax_cross_entropy_with_logits(truth["classes"], logits)
        mined = tf.sort(tf.stop_gradient(each) * (1 - positive), 1, direction="DESCENDING")
        # a picture without objects has its `negatives` too: nothing else says what is none
        wanted = tf.cast(self.negatives * tf.maximum(count, 1), tf.int32)
        wanted = tf.clip_by_value(wanted, 1, tf.shape(mined)[1])
        last = tf.gather(mined, wanted - 1, axis=1, batch_dims=1)
        hard = tf.cast(each >= last[:, None], tf.float32) * (1 - positive)
        return tf.reduce_sum(smooth * positive + each * (positive + hard), 1) / tf.maximum(count, 1)

    def meter(self, final: bool) -> BoxMeter:
        return BoxMeter(self)

    def picture(self, image: NDArray[np.uint8], outputs: Arrays, truth: Arrays) -> NDArray[np.uint8]:
        """True boxes in green, those found with a score of a half and more in red."""
        import cv2

        made, (height, width) = image.copy(), image.shape[:2]
        boxes, scores, _ = found(self.heads, outputs)
        objects = truth["objects"]
        for group, colour in ((objects[objects[:, 4] >= 0, :4], (40, 180, 60)), (boxes[scores >= 0.5], (220, 40, 40))):
            for top, left, bottom, right in np.rint(group * (height, width, height, width)).astype(int).tolist():
                cv2.rectangle(made, (left, top), (right - 1, bottom - 1), colour, 2)
        return made


def _joined(tf: Any, outputs: Mapping[str, Any], names: tuple[str, ...], values: int) -> Any:
    """The maps of several outputs as one list of anchors, (batch, anchors, values)."""
    maps = [tf.cast(outputs[name], tf.float32) for name in names]
    return tf.concat([tf.reshape(m, (tf.shape(m)[0], -1, values)) for m in maps], 1)


@dataclass
class BoxMeter:
    """COCO's mAP, and that at an overlap of a half, which comes first."""

    task: Detection
    found: list[Found] = field(default_factory=list)

    def add(self, outputs: Arrays, truth: Arrays) -> None:
        objects = truth["objects"][truth["objects"][:, 4] >= 0]
        self.found.append(Found(*found(self.task.heads, outputs), objects[:, :4], objects[:, 4].astype(np.int64)))

    def result(self) -> dict[str, float]:
        over, half = average_precision(self.found)
        return {"map50": half, "map": over}
