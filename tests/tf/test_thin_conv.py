"""The layer against Keras's own."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from archspec.tf.thin_conv import LARGE, THIN, ThinConcatenate, ThinConv2D, ThinConv2DTranspose
from archspec.weights.hdf5 import read_hdf5

SIDE = int(LARGE**0.5)


def answers(layer: Any, images: Any, towards: Any) -> list[Any]:
    """The map, and the gradients of its product with another for the images, the kernel and the bias."""
    with tf.GradientTape() as tape:
        tape.watch(images)
        made = layer(images)
        loss = tf.reduce_sum(made * towards)
    return [np.asarray(one) for one in (made, *tape.gradient(loss, [images, layer.kernel, layer.bias]))]


def both(channels: int, side: int, **options: Any) -> tuple[list[Any], list[Any], bool]:
    """The answers of Keras's layer and ours with the same weights, and whether ours took blocks."""
    return compared(keras.layers.Conv2D, ThinConv2D, (side, side, channels), options)


def upsampled(
    channels: int, width: int, exact: str | None = None, **options: Any
) -> tuple[list[Any], list[Any], bool]:  # fmt: skip
    """As `both`, of a transposed convolution of a map `width` pixels wide, to one that is large."""
    stride = int(np.min(options.get("strides", 2)))
    height = -(-LARGE // (width * stride**2))
    options = {"filters": 1, "strides": stride, "kernel_size": 2 * stride, **options}
    return compared(keras.layers.Conv2DTranspose, ThinConv2DTranspose, (height, width, channels), options, exact)


def compared(
    stock: Any, layer: Any, shape: tuple[int, int, int], options: dict[str, Any], exact: str | None = None
) -> tuple[list[Any], list[Any], bool]:
    """Keras's answers are in the type `exact` where it is named, else in that of ours.

    In float32 TensorFlow 2.21 aborts in some gradients of Keras's layer, on some processors: oneDNN's convolution finds
    a tensor of another type than it expects. Of float64 it has none.
    """
    random = np.random.default_rng(0)
    images = tf.constant(random.normal(size=(2, *shape)), tf.float32)
    options = {"filters": 6, "kernel_size": 3, "padding": "same", "dtype": "float32", **options}
    theirs, ours = stock(**options | {"dtype": exact or options["dtype"]}), layer(**options)
    made = theirs(images).shape
    ours.build(images.shape)
    ours.set_weights([random.normal(size=w.shape) for w in theirs.weights])
    theirs.set_weights(ours.get_weights())
    towards = tf.constant(random.uniform(size=made), tf.float32)  # a sum of which does not cancel
    found = [answers(each, *(tf.cast(x, each.dtype) for x in (images, towards))) for each in (theirs, ours)]
    return found[0], found[1], ours._pays(images)


@pytest.mark.parametrize("channels", [2, 3, THIN // 6])
@pytest.mark.parametrize("kernel", [1, 3, 5, (3, 9), (5, 1)])
def test_answers_and_gradients_are_those_of_keras(channels: int, kernel: int | tuple[int, int]) -> None:
    theirs, ours, blocks = both(channels, SIDE, kernel_size=kernel)
    assert blocks
    agree(theirs, ours)


@pytest.mark.parametrize(
    "options",
    [
        {"strides": 2}, {"padding": "valid"}, {"dilation_rate": 2}, {"kernel_size": 2}, {"kernel_size": (3, 11)},
        {"filters": THIN // 3 + 1}, {"channels": THIN // 6 + 1}, {"side": SIDE - 4}, {"side": SIDE + 2}, {"groups": 3},
    ],
)  # fmt: skip
def test_what_is_left_to_keras(options: dict[str, Any]) -> None:
    theirs, ours, blocks = both(**{"channels": 3, "side": SIDE, **options})
    assert not blocks
    for expected, found in zip(theirs, ours, strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("stride", [2, 3, 4, 8, 16, 32])
@pytest.mark.parametrize("times", [1, 1.5, 2])
def test_upsampling_and_its_gradients_are_those_of_keras(stride: int, times: float) -> None:
    """By the stride, of one pixel for each, half as many more, twice as many; no two sides alike."""
    kernel = (round(times * stride), stride + (round(times * stride) != stride))
    theirs, ours, blocks = upsampled(1, 24, "float64", strides=stride, kernel_size=kernel)
    assert blocks == (24 % max(1, 16 // stride) == 0)
    agree(theirs, ours)


@pytest.mark.parametrize(("channels", "filters"), [(1, 2), (2, 2), (4, 1)])
def test_upsampling_of_a_few_channels(channels: int, filters: int) -> None:
    theirs, ours, blocks = upsampled(channels, 32, filters=filters, activation="tanh")
    assert blocks
    agree(theirs, ours)


def agree(theirs: list[Any], ours: list[Any]) -> None:
    for expected, found in zip(theirs, ours, strict=True):
        scale = np.abs(expected).max()
        np.testing.assert_allclose(found / scale, expected / scale, atol=2e-5)
        assert np.size(expected) == 1 or np.abs(found - np.roll(expected, 1)).max() > 1e-4 * scale, "shifted is noticed"


@pytest.mark.parametrize(
    "options",
    [
        {"channels": 5}, {"filters": 3, "channels": 2}, {"padding": "valid"}, {"strides": (2, 4), "kernel_size": 4},
        {"kernel_size": 5}, {"kernel_size": 1, "dtype": "float64"}, {"width": 20},
    ],
)  # fmt: skip
def test_upsampling_that_is_left_to_keras(options: dict[str, Any]) -> None:
    theirs, ours, blocks = upsampled(**{"channels": 1, "width": 32, **options})
    assert not blocks
    for expected, found in zip(theirs, ours, strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("shapes", [[(6, 8, 1)] * 3, [(6, 8, 1)], [(6, 8, 2), (6, 8, 1)], [(5, 1)] * 2])
def test_concatenation_is_that_of_keras(shapes: list[tuple[int, ...]]) -> None:
    random = np.random.default_rng(0)
    maps = [tf.constant(random.normal(size=(2, *shape)), tf.float32) for shape in shapes]
    towards = tf.constant(random.normal(size=(*maps[0].shape[:-1], sum(m.shape[-1] for m in maps))), tf.float32)
    found = []
    for layer in (keras.layers.Concatenate(), ThinConcatenate()):
        with tf.GradientTape() as tape:
            tape.watch(maps)
            made = layer(maps)
            loss = tf.reduce_sum(made * towards)
        found.append([made, *tape.gradient(loss, maps)])
        images = [keras.Input(shape) for shape in shapes]
        assert keras.Model(images, layer(images)).output_shape == (None, *made.shape[1:])
    for expected, got in zip(*found, strict=True):
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize(
    ("stock", "layer"),
    [(keras.layers.Conv2D, ThinConv2D), (keras.layers.Conv2DTranspose, ThinConv2DTranspose)],
)
def test_files_of_weights_are_read_as_those_of_keras(stock: Any, layer: Any, tmp_path: Path) -> None:
    classes = []
    for number, each in enumerate((stock, layer)):
        image = keras.Input((8, 8, 2))
        model = keras.Model(image, each(3, 2, name="up")(image))
        model.save_weights(tmp_path / f"{number}.weights.h5")
        classes.append(read_hdf5(tmp_path / f"{number}.weights.h5").classes)
    assert classes[0] == classes[1] != {}
