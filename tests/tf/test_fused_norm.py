"""The fused batch norm against Keras's own: training, inference, moving statistics, weights, folding."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from archspec.tf.fused_norm import FusedBatchNorm

SHAPES = [(4, 6, 5, 7), (2, 1, 1, 3), (8, 5), (2, 32, 34, 6), (1, 32, 33, 1), (2, 32, 32, 36)]  # thin: the last three

TWO_ULP = 2.4e-7  # two units in the last place of a float32: processors round in other orders


def pair(shape: tuple[int, ...], **options: Any) -> tuple[keras.Model, keras.Model]:
    """Our layer and Keras's, as models with the same random weights."""
    random = np.random.default_rng(0)
    made = []
    for layer in (FusedBatchNorm, keras.layers.BatchNormalization):
        image = keras.Input(shape[1:])
        made.append(keras.Model(image, layer(name="norm", **options)(image)))
    values = [random.uniform(0.5, 1.5, value.shape).astype(np.float32) for value in made[1].get_weights()]
    for model in made:
        model.set_weights(values)
    return made[0], made[1]


def inputs(shape: tuple[int, ...]) -> NDArray[np.float32]:
    return np.random.default_rng(1).normal(1, 3, shape).astype(np.float32)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("scale", [True, False])
def test_it_computes_what_keras_computes(shape: tuple[int, ...], scale: bool) -> None:
    ours, wanted = pair(shape, momentum=0.9, epsilon=1e-2, scale=scale)
    x = inputs(shape)
    np.testing.assert_allclose(ours(x, training=False), wanted(x, training=False), rtol=TWO_ULP, atol=2e-6)
    np.testing.assert_allclose(ours(x, training=True), wanted(x, training=True), atol=4e-6)
    for got, value in zip(ours.get_weights(), wanted.get_weights(), strict=True):
        np.testing.assert_allclose(got, value, rtol=2e-6)
    assert np.abs(np.asarray(ours(x, training=True) - ours(x, training=False))).max() > 1e-2


@pytest.mark.parametrize("shape", [(4, 6, 5, 7), (2, 32, 34, 6), (3, 40, 40, 3), (2, 32, 40, 24)])
def test_gradients_are_those_of_keras(shape: tuple[int, ...]) -> None:
    """Those of the picture too."""
    x = tf.constant(inputs(shape))
    weight = np.random.default_rng(2).normal(size=x.shape).astype(np.float32)
    found = []
    for model in pair(x.shape):
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(weight * model(x, training=True))
        found.append(tape.gradient(loss, [*model.trainable_variables, x]))
    for got, wanted in zip(*found, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-4)


def test_names_order_and_what_is_trained_are_those_of_keras() -> None:
    for options in ({}, {"scale": False}, {"trainable": False}):
        ours, wanted = pair((2, 3, 3, 4), **options)
        assert [(w.name, w.shape, w.trainable) for w in ours.weights] == [
            (w.name, w.shape, w.trainable) for w in wanted.weights
        ]


def test_a_frozen_layer_uses_its_statistics_while_training() -> None:
    ours, wanted = pair((4, 3, 3, 2), trainable=False)
    x = inputs((4, 3, 3, 2))
    before = ours.get_weights()
    np.testing.assert_allclose(ours(x, training=True), wanted(x, training=True), atol=2e-6)
    for value, kept in zip(ours.get_weights(), before, strict=True):
        np.testing.assert_array_equal(value, kept)


def test_it_reloads_from_a_saved_model(tmp_path: Path) -> None:
    ours, _ = pair((2, 3, 3, 4), momentum=0.7, epsilon=0.1)
    ours.save(tmp_path / "m.keras")
    again = keras.models.load_model(tmp_path / "m.keras")
    x = inputs((2, 3, 3, 4))
    np.testing.assert_array_equal(again(x), ours(x))
    assert (again.get_layer("norm").momentum, again.get_layer("norm").epsilon) == (0.7, 0.1)
