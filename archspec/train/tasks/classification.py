"""Classes of pictures: cross-entropy with label smoothing, auxiliary heads (Szegedy et al. 2014, 2016)."""

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

TOP = 5


def make(train: Train, graph: Graph, labels: tuple[str, ...]) -> Classification:
    """Raises TaskError where an output is no vector of the source's classes, or of another activation than the loss."""
    for name, tensor in graph.outputs:
        if len(tensor.shape) != 1 or tensor.shape[0] != len(labels):
            shape = "×".join(map(str, tensor.shape))
            raise TaskError(f"output `{name}` is {shape}, and there are {len(labels)} classes")
    loss = train.loss
    names, ends = tuple(name for name, _ in graph.outputs), ends_of(graph, (loss.activation,))
    return Classification(names, labels, loss.sides, loss.label_smoothing, loss.activation, ends)


@dataclass(frozen=True)
class Classification:
    """Logits or probabilities of classes by output; the first is the answer, the others have the weight `sides`.

    `ends` says in which activation each output ends; None: it gives logits.
    """

    outputs: tuple[str, ...]
    labels: tuple[str, ...]
    sides: float
    smoothing: float
    activation: str
    ends: tuple[str | None, ...]
    mixes = True

    def truth(self, example: Example) -> dict[str, NDArray[Any]]:
        label = int(example.truth["label"])
        if not 0 <= label < len(self.labels):
            raise TaskError(f"label {label}, and the classes are 0 to {len(self.labels) - 1}")
        return {"classes": np.eye(len(self.labels), dtype=np.float32)[label]}

    def loss(self, tf: Any, outputs: Mapping[str, Any], truth: Mapping[str, Any]) -> Any:
        """Cross-entropy, of sigmoids the mean over the classes; smoothing gives each class its share (Szegedy et al.
        2016, section 7).
        """
        count = len(self.labels)
        wanted = truth["classes"] * (1 - self.smoothing) + self.smoothing / count
        total = 0.0
        for i, (name, ends) in enumerate(zip(self.outputs, self.ends, strict=True)):
            if i and not self.sides:
                continue
            logits = logits_of(tf, outputs[name], ends)
            if self.activation == "softmax":
                each = tf.nn.softmax_cross_entropy_with_logits(wanted, logits)
            else:
                each = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(wanted, logits), -1)
            total += (1.0 if i == 0 else self.sides) * each
        return total

    def meter(self, final: bool) -> ClassMeter:
        return ClassMeter(self.outputs[0])

    def picture(self, image: NDArray[np.uint8], outputs: Arrays, truth: Arrays) -> NDArray[np.uint8]:
        """The picture with a border: green where the likeliest class is the true one, red where it is not."""
        right = np.argmax(outputs[self.outputs[0]]) == np.argmax(truth["classes"])
        wide = max(2, min(image.shape[:2]) // 24)
        framed = np.empty((image.shape[0] + 2 * wide, image.shape[1] + 2 * wide, 3), np.uint8)
        framed[:] = (40, 160, 60) if right else (200, 40, 40)
        framed[wide:-wide, wide:-wide] = image
        return framed


@dataclass
class ClassMeter:
    """The shares of examples whose true class is the likeliest, and among the five likeliest."""

    output: str
    ranks: list[int] = field(default_factory=list)

    def add(self, outputs: Arrays, truth: Arrays) -> None:
        given, label = outputs[self.output], int(np.argmax(truth["classes"]))
        # of equal values the lower class comes first, as argmax has it
        self.ranks.append(int((given > given[label]).sum() + (given[:label] == given[label]).sum()))

    def result(self) -> dict[str, float]:
        ranks = np.array(self.ranks)
        return {"top1": float((ranks < 1).mean()), "top5": float((ranks < TOP).mean())}
