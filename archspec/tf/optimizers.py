"""A recipe's optimizer, once for each factor of the learning rate that its rows have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from archspec.graph import Graph
from archspec.recipe import Train

EPSILON, MOMENTUM = 1e-7, 0.9  # unless the recipe says others


@dataclass(frozen=True)
class Group:
    """Variables that share a factor of the learning rate."""

    factor: float
    variables: tuple[Any, ...]
    optimizer: Any


def freeze(model: keras.Model, graph: Graph, rows: Sequence[str]) -> None:
    """Keep the weights of rows as they are; their batch norms use the statistics that they have."""
    names = {node.name for row, node in graph.row_of() if row.name in rows}
    for layer in model.layers:
        if layer.name in names:
            layer.trainable = False


def groups(model: keras.Model, graph: Graph, train: Train) -> tuple[Group, ...]:
    """The trainable variables by their factor, each group with an optimizer of its own, built."""
    factors = dict(train.learning_rates)
    of_layer = {node.name: factors.get(row.name, 1.0) for row, node in graph.row_of()}
    found: dict[float, list[Any]] = {}
    for layer in model.layers:
        for variable in layer.trainable_variables:
            found.setdefault(of_layer.get(layer.name, 1.0), []).append(variable)
    made = []
    for factor, variables in found.items():
        optimizer = optimizer_of(train)
        optimizer.build(variables)
        made.append(Group(factor, tuple(variables), optimizer))
    return tuple(made)


def optimizer_of(train: Train) -> Any:
    """The optimizer of a recipe, at its learning rate."""
    # Keras takes no whole numbers
    rate, epsilon = float(train.learning_rate), float(train.epsilon or EPSILON)
    if train.optimizer == "sgd":
        return keras.optimizers.SGD(rate)
    if train.optimizer == "momentum":
        return keras.optimizers.SGD(rate, momentum=MOMENTUM if train.momentum is None else float(train.momentum))
    if train.optimizer == "rmsprop":
        return keras.optimizers.RMSprop(
            rate, rho=float(train.decay), momentum=float(train.momentum or 0), epsilon=epsilon
        )
    # Keras's own names, by which states of runs are read
    if train.optimizer == "adam":
        return FusedAdam(rate, epsilon=epsilon, name="adam")
    return FusedAdamW(rate, weight_decay=float(train.weight_decay), epsilon=epsilon, name="adam_w")


class _Fused:
    """Adam's step by TensorFlow's own kernel, one op for each variable; Keras's goes through all weights ten times."""

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        adam: Any = self
        place = adam._get_variable_index(variable)
        step = tf.cast(adam.iterations, tf.float32) + 1
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle, m=adam._momentums[place].value.handle, v=adam._velocities[place].value.handle,
            beta1_power=tf.pow(adam.beta_1, step), beta2_power=tf.pow(adam.beta_2, step), lr=learning_rate,
            beta1=adam.beta_1, beta2=adam.beta_2, epsilon=adam.epsilon, grad=gradient,
        )  # fmt: skip


class FusedAdam(_Fused, keras.optimizers.Adam):  # type: ignore[misc]
    """keras.optimizers.Adam: its state, its answers."""


class FusedAdamW(_Fused, keras.optimizers.AdamW):  # type: ignore[misc]
    """keras.optimizers.AdamW: its state, its answers."""
