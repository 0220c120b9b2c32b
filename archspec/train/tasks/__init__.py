"""What a task is: the truth it takes from an example, its loss, what is measured, its picture. One module a task."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from archspec.graph import INPUT, Graph
from archspec.recipe import Train
from archspec.train import TrainError
from archspec.train.examples import Example

Arrays = Mapping[str, NDArray[Any]]


class TaskError(TrainError):
    """A network or examples that a task cannot be done with; says why."""


class Meter(Protocol):
    """Collects what a network answers to examples that it is measured on."""

    def add(self, outputs: Arrays, truth: Arrays) -> None:
        """One example: outputs by name and its truth, without batch axis."""
        ...

    def result(self) -> dict[str, float]:
        """Measures by name; the task's own first, and the larger that one the better."""
        ...


class Task(Protocol):
    """A task of one network. TensorFlow is handed in, so that a task's module loads without it."""

    mixes: bool
    """Whether two examples can be mixed: their losses are weighed (Zhang et al. 2018)."""

    def truth(self, example: Example) -> dict[str, NDArray[Any]]:
        """What the loss takes of a fitted example: arrays of fixed shapes. Raises TaskError."""
        ...

    def loss(self, tf: Any, outputs: Mapping[str, Any], truth: Mapping[str, Any]) -> Any:
        """The loss of each example, (batch,), from outputs and truth with a batch axis."""
        ...

    def meter(self, final: bool) -> Meter:
        """A new meter. `final` at the end of a run, when time does not matter."""
        ...

    def picture(self, image: NDArray[np.uint8], outputs: Arrays, truth: Arrays) -> NDArray[np.uint8]:
        """What people look at: a row of panels, uint8 RGB. `image` (height, width, 3)."""
        ...


def ends_of(graph: Graph, taken: tuple[str, ...]) -> tuple[str | None, ...]:
    """The activation that each output ends in, one of `taken`; None of logits. Raises TaskError for another one."""
    found = []
    for name, tensor in graph.outputs:
        function = getattr(graph.nodes[tensor.node].op, "function", None) if tensor.node != INPUT else None
        if function not in (None, *taken):
            wanted = " or ".join(["logits", *(f"`{one}`" for one in taken)])
            raise TaskError(f"output `{name}` ends in `{function}`, and its loss is of {wanted}")
        found.append(function)
    return tuple(found)


def logits_of(tf: Any, given: Any, ends: str | None) -> Any:
    """Logits (float32) of an output that ends in an activation; no probability is taken for less than 1e-7."""
    values = tf.cast(given, tf.float32)
    if ends is None:
        return values
    bounded = tf.clip_by_value(values, 1e-7, 1 - 1e-7)
    return tf.math.log(bounded) if ends == "softmax" else tf.math.log(bounded) - tf.math.log1p(-bounded)


def task_of(train: Train, graph: Graph, labels: tuple[str, ...]) -> Task:
    """The task of a recipe for a network; `labels` are the source's classes. Raises TaskError."""
    made: Task = import_module(f"{__name__}.{train.task}").make(train, graph, labels)
    return made
