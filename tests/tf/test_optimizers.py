"""Adam by TensorFlow's kernel against Keras's own: weights and state after some steps."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from archspec.recipe import Train
from archspec.tf.optimizers import optimizer_of

RATE, EPSILON = 0.1, 1e-3
ROUNDED = 1e-4  # the kernel takes 1 - 0.999 in single precision, 4.7e-5 more than Keras's 0.001


def after(optimizer: keras.optimizers.Optimizer, steps: int) -> tuple[list[str], list[NDArray[np.float32]]]:
    """What the state is called, and two variables and the state after steps with rates of their own."""
    random = np.random.default_rng(0)
    shapes = {"a": (3, 4), "b": (5,)}
    weights = [keras.Variable(random.normal(size=shape), dtype="float32", name=n) for n, shape in shapes.items()]
    optimizer.build(weights)

    @tf.function(autograph=False)  # type: ignore[untyped-decorator]
    def step(gradients: list[tf.Tensor]) -> None:
        optimizer.apply_gradients(zip(gradients, weights, strict=True))

    for number in range(steps):
        optimizer.learning_rate.assign(RATE / (number + 1))
        step([tf.constant(random.normal(size=w.shape), tf.float32) for w in weights])
    return [v.path for v in optimizer.variables], [np.asarray(v) for v in (*weights, *optimizer.variables)]


def recipe(name: str, decay: float = 0.1) -> Train:
    return Train("edges", optimizer=name, learning_rate=RATE, epsilon=EPSILON, weight_decay=decay)


@pytest.mark.parametrize(
    ("name", "kind", "options"),
    [("adam", keras.optimizers.Adam, {}), ("adamw", keras.optimizers.AdamW, {"weight_decay": 0.1})],
)
def test_it_steps_as_keras_does(name: str, kind: type, options: dict[str, float]) -> None:
    names, got = after(optimizer_of(recipe(name)), 6)
    wanted_names, wanted = after(kind(RATE, epsilon=EPSILON, **options), 6)
    assert names == wanted_names, "states of runs are read by these"
    for value, right in zip(got, wanted, strict=True):
        np.testing.assert_allclose(value, right, rtol=ROUNDED, atol=1e-5)
    assert np.abs(got[0] - after(optimizer_of(recipe(name)), 5)[1][0]).max() > 1e-3


def test_decay_is_told_apart() -> None:
    decayed, plain = (after(optimizer_of(recipe("adamw", share)), 3)[1][0] for share in (0.1, 0.0))
    assert np.abs(decayed - plain).max() > 1e-3
