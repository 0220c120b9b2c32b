"""One step of training and one of measuring, for one device or several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from archspec.recipe import Train
from archspec.tf.optimizers import Group
from archspec.train.feed import IMAGE
from archspec.train.tasks import Task


@dataclass(frozen=True, eq=False)
class Trained:
    """A model in training, under a strategy: its groups of variables, and their moving averages where there are any."""

    model: keras.Model
    task: Task
    train: Train
    groups: tuple[Group, ...]
    averages: tuple[Any, ...]
    strategy: Any

    @property
    def variables(self) -> list[Any]:
        return [variable for group in self.groups for variable in group.variables]


def averages(variables: list[Any]) -> tuple[Any, ...]:
    """A moving average of each variable, which begins as it is."""
    return tuple(
        # replicas hold the same values, so that nothing need be sent
        keras.Variable(v, False, aggregation="only_first_replica", name=v.path.replace("/", "_"), autocast=False)
        for v in variables
    )


def make_step(trained: Trained, batch: int) -> Any:
    """A compiled function of a fed batch (this process's part, per device) and the number of the step, from 0.

    It gives the mean loss over the whole `batch`, and whether it and its gradients are finite; else no weight moves.
    Optimizers add gradients up over replicas, so that each replica's are those of its own part.
    """
    train, model, replicas = trained.train, trained.model, trained.strategy.num_replicas_in_sync
    kernels = [v for v in trained.variables if v.name.endswith("kernel")] if train.l2 else []
    variables = trained.variables
    ends = [sum(len(g.variables) for g in trained.groups[: i + 1]) for i in range(len(trained.groups))]

    def replica(fed: Mapping[str, Any], step: Any) -> tuple[Any, Any]:
        with tf.GradientTape() as tape:
            with keras.StatelessScope() if replicas > 1 else nullcontext() as kept:
                outputs = model(fed[IMAGE], training=True)
            each = trained.task.loss(tf, outputs, {k: v for k, v in fed.items() if k != IMAGE})
            penalties = [*model.losses, *(train.l2 / 2 * tf.reduce_sum(tf.square(k)) for k in kernels)]
            loss = tf.reduce_sum(each) / batch
            if penalties:
                loss += tf.cast(tf.add_n(penalties), tf.float32) / replicas
        gradients = tape.gradient(loss, variables, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        total = _adds_up if replicas > 1 else lambda values: values
        if train.clip_norm:
            gradients = total(gradients)  # a norm is not the sum of the replicas' norms
            gradients = [g / replicas for g in gradients]  # which optimizers add up once more
        # no norm: its squares are infinite where gradients are finite still
        sums = tf.add_n([tf.reduce_sum(tf.abs(g)) for g in gradients])
        loss, sums = total([loss, sums])
        good = tf.math.is_finite(loss) & tf.math.is_finite(sums)
        if train.clip_norm:
            norm = tf.linalg.global_norm(gradients)
            scale = tf.minimum(1.0, train.clip_norm / tf.maximum(norm * replicas, 1e-12))
            gradients = [g * scale for g in gradients]
        if replicas > 1:  # they cannot meet inside of a condition; without gradients weights stay finite
            gradients = [tf.where(good, g, 0.0) for g in gradients]

        def move() -> Any:
            for group, end in zip(trained.groups, ends, strict=True):
                part = slice(end - len(group.variables), end)
                group.optimizer.apply_gradients(zip(gradients[part], variables[part], strict=True))
            _follow(trained, step)
            if kept is not None:
                _assign_means(model.non_trainable_variables, kept, replicas)
            return tf.constant(0)

        if replicas > 1:
            move()
        else:
            tf.cond(good, move, lambda: tf.constant(0))
        return loss, good

    @tf.function(autograph=False, jit_compile=train.jit)  # type: ignore[untyped-decorator]
    def run(fed: Mapping[str, Any], step: Any) -> tuple[Any, Any]:
        if replicas == 1:
            return replica(fed, step)
        answers = trained.strategy.run(replica, args=(fed, step))
        loss, good = (trained.strategy.experimental_local_results(answer)[0] for answer in answers)
        return loss, good

    return run


def _adds_up(values: Any) -> Any:
    """The sums of some values over all replicas; for a step's function."""
    return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, values)


def _assign_means(variables: Sequence[Any], scope: Any, replicas: int) -> None:
    """Give variables the means of what the replicas assigned to them in a scope; to whole numbers, what one did.

    All means are taken at once: a message for each statistic of each batch norm would take longer than gradients do.
    """
    found = [(v, value) for v in variables if (value := scope.get_current_value(v)) is not None]
    floats = [(v, tf.convert_to_tensor(value)) for v, value in found if tf.as_dtype(v.dtype).is_floating]
    means = _adds_up([value / replicas for _, value in floats]) if floats else []
    for v, value in found:
        if not tf.as_dtype(v.dtype).is_floating:
            v.assign(value)

    def assign(strategy: Any, values: Any) -> None:
        for (v, _), value in zip(floats, values, strict=True):
            strategy.extended.update(v.value, lambda one, x: one.assign(x), args=(value,), group=False)

    tf.distribute.get_replica_context().merge_call(assign, args=(means,))


def make_agree(strategy: Any) -> Any:
    """A compiled function of a number: whether all replicas have the same. They wait for each other."""

    @tf.function(autograph=False)  # type: ignore[untyped-decorator]
    def agree(value: Any) -> Any:
        total = strategy.run(lambda: _adds_up(tf.identity(value)))  # on the replica's device
        total = strategy.experimental_local_results(total)[0]
        return tf.equal(total, value * strategy.num_replicas_in_sync)

    return agree


def _follow(trained: Trained, step: Any) -> None:
    """Move the averages: tf.train.ExponentialMovingAverage's, whose decay grows over the first steps."""
    if not trained.averages:
        return
    done = tf.cast(step, tf.float32)
    decay = tf.minimum(trained.train.ema, (1 + done) / (10 + done))
    for average, variable in zip(trained.averages, trained.variables, strict=True):
        average.assign(decay * average + (1 - decay) * variable)


def make_measure(model: keras.Model) -> Any:
    """A compiled function of images (n, height, width, channels): the outputs by name."""

    @tf.function(autograph=False)  # type: ignore[untyped-decorator]
    def answer(images: Any) -> Any:
        return {name: tf.cast(output, tf.float32) for name, output in model(images, training=False).items()}

    return answer
