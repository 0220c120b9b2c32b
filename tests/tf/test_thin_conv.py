"""The layer against Keras's own."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from archspec.tf.thin_conv import LARGE, THIN, ThinConv2D

SIDE = int(LARGE**0.5)


def answers(layer: Any, images: Any, towards: Any) -> list[Any]:
    """The map, and the gradients of its product with another for the images, the kernel and the bias."""
    with tf.GradientTape() as tape:
        tape.watch(images)
        made = layer(images)
        loss = tf.reduce_sum(made * towards)
    return [made, *tape.gradient(loss, [images, layer.kernel, layer.bias])]


def both(channels: int, side: int, **options: Any) -> tuple[list[Any], list[Any], bool]:
    """The answers of Keras's layer and ours with the same weights, and whether ours took blocks."""
    random = np.random.default_rng(0)
    images = tf.constant(random.normal(size=(2, side, side, channels)), tf.float32)
    options = {"filters": 6, "kernel_size": 3, "padding": "same", **options}
    theirs, ours = keras.layers.Conv2D(**options), ThinConv2D(**options)
    shape = theirs(images).shape
    ours.build(images.shape)
    ours.set_weights([random.normal(size=w.shape) for w in theirs.weights])
    theirs.set_weights(ours.get_weights())
    towards = tf.constant(random.normal(size=shape), tf.float32)
    return answers(theirs, images, towards), answers(ours, images, towards), ours._pays(images)


@pytest.mark.parametrize("channels", [2, 3, THIN])
@pytest.mark.parametrize("kernel", [1, 3, 5, (3, 9), (5, 1)])
def test_answers_and_gradients_are_those_of_keras(channels: int, kernel: int | tuple[int, int]) -> None:
    theirs, ours, blocks = both(channels, SIDE, kernel_size=kernel)
    assert blocks
    for expected, found in zip(theirs, ours, strict=True):
        scale = np.abs(expected).max()
        np.testing.assert_allclose(found / scale, expected / scale, atol=2e-6)
        assert np.abs(found - np.roll(expected, 1, -1)).max() > 0.1 * scale


@pytest.mark.parametrize(
    "options",
    [
        {"strides": 2}, {"padding": "valid"}, {"dilation_rate": 2}, {"kernel_size": 2}, {"kernel_size": (3, 11)},
        {"filters": THIN + 1}, {"channels": THIN + 1}, {"side": SIDE - 4}, {"side": SIDE + 2}, {"groups": 3},
    ],
)  # fmt: skip
def test_what_is_left_to_keras(options: dict[str, Any]) -> None:
    theirs, ours, blocks = both(**{"channels": 3, "side": SIDE, **options})
    assert not blocks
    for expected, found in zip(theirs, ours, strict=True):
        np.testing.assert_array_equal(found, expected)
