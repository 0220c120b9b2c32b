"""HED's fixed upsampling, and MobileNet v1's trunk against the document scanner's written in Keras."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from zoo import randomize, relative_error, spec_network

from archspec.tf.lower import assign, lower

CLOSE = 1e-5  # of the largest value
SIZE = 64
OUTPUTS = ("fuse", "side1", "side2", "side3", "side4", "side5")


def maps(variant: str | None) -> tuple[Any, dict[str, Any], dict[str, Any]]:
    """HED with random weights in all it trains: the model, its maps, and the side outputs before upsampling."""
    model = lower(spec_network("hed", variant, "input.size=[64, 96, 3]").graph)
    fixed = {layer.name: layer.get_weights() for layer in model.layers if layer.weights and not layer.trainable}
    randomize(model)
    assign(model, fixed)
    image = np.random.default_rng(1).uniform(-1, 1, (1, 64, 96, 3)).astype(np.float32)
    inner = {f"side{i}": model.get_layer(f"side{i}_conv").output for i in range(2, 6)}
    both = keras.Model(model.input, [model.output, inner])
    outputs, small = both(image, training=False)
    return model, outputs, small


def interior(x: Any, border: int) -> Any:
    return np.asarray(x)[:, border:-border, border:-border]


def interpolated(variant: str | None) -> float:
    """The worst relative error of the side outputs against TensorFlow's bilinear resize, off the borders."""
    _, outputs, small = maps(variant)
    worst = 0.0
    for name, x in small.items():
        factor = 64 // x.shape[1]
        wanted = tf.image.resize(x, (64, 96), "bilinear")  # it repeats the border, a transposed convolution has zeros
        worst = max(worst, relative_error(interior(outputs[name], factor), interior(wanted, factor)))
    return worst


def test_upsampling_is_bilinear() -> None:
    assert interpolated(None) <= CLOSE


def test_other_upsampling_is_found() -> None:
    assert interpolated("learned") > 10 * CLOSE  # its kernels are random here


def test_upsampling_stays() -> None:
    model, outputs, _ = maps(None)
    assert tuple(outputs) == OUTPUTS
    frozen = [layer.name for layer in model.layers if layer.weights and not layer.trainable]
    assert frozen == [f"side{i}_upsample" for i in range(2, 6)]
    assert sum(w.shape.num_elements() for w in model.non_trainable_weights) == 1364


def by_hand(depths: tuple[int, ...]) -> Any:
    """The document scanner's layers, named as the spec's rows: norm and relu after every convolution."""
    layers = keras.layers

    def normalized(x: Any, name: str) -> Any:
        return layers.ReLU()(layers.BatchNormalization(epsilon=1e-3, name=f"{name}_bn")(x))

    def conv(x: Any, depth: int, name: str, kernel: int = 3, stride: int = 1) -> Any:
        x = layers.Conv2D(depth, kernel, strides=stride, padding="same", use_bias=False, name=name)(x)
        return normalized(x, name)

    def separable(x: Any, depth: int, name: str, stride: int = 1) -> Any:
        name_1, name_2 = f"{name}_depthwise", f"{name}_pointwise"
        x = layers.DepthwiseConv2D(3, strides=stride, padding="same", use_bias=False, name=name_1)(x)
        return conv(normalized(x, name_1), depth, name_2, kernel=1)

    image = keras.Input((SIZE, SIZE, 3))
    c1 = conv(conv(image, depths[0], "c1_1_conv"), depths[0], "c1_2_conv")
    c2 = separable(conv(c1, depths[1], "conv_1_conv", stride=2), depths[2], "c2")
    stages = [c1, c2]
    for stage, (depth, repeat) in enumerate(zip(depths[3:], (2, 2, 6), strict=True), 3):
        x = stages[-1]
        for i in range(repeat):
            x = separable(x, depth, f"c{stage}_{i + 1}", stride=2 if i == 0 else 1)
        stages.append(x)
    sides = []
    for i, x in enumerate(stages):
        name, factor = f"side{i + 1}", 2**i
        y = layers.Conv2D(1, 1, use_bias=False, name=f"{name}_conv")(x)
        y = layers.BatchNormalization(epsilon=1e-3, name=f"{name}_conv_bn")(y)
        if i:
            y = layers.Conv2DTranspose(1, 2 * factor, strides=factor, padding="same", name=f"{name}_upsample")(y)
        sides.append(y)
    fuse = layers.Conv2D(1, 1, name="fuse_conv")(layers.Concatenate()(sides))
    return keras.Model(image, dict(zip(OUTPUTS, [fuse, *sides], strict=True)))


def mobilenet_differs_by(*settings: str) -> float:
    """The worst relative error of the six maps of w0.25 against the network by hand."""
    reference = by_hand((8, 8, 16, 32, 64, 128))
    randomize(reference)
    ours = lower(spec_network("mobilenet_v1_hed", "w0.25", f"input.size={SIZE}", *settings).graph)
    wanted = {layer.name: layer.get_weights() for layer in reference.layers if layer.weights}
    assert wanted.keys() == {layer.name for layer in ours.layers if layer.weights}
    assign(ours, wanted)
    image = 20 * np.random.default_rng(1).random((1, SIZE, SIZE, 3), np.float32)  # activations above 6, too
    got, expected = ours(image, training=False), reference(image, training=False)
    return max(relative_error(got[name], expected[name]) for name in OUTPUTS)


def test_mobilenet_v1_hed() -> None:
    assert mobilenet_differs_by() <= CLOSE


@pytest.mark.parametrize("wrong", ["{activation: relu6}", "{padding: explicit}"])
def test_a_wrong_mobilenet_v1_hed_is_found(wrong: str) -> None:
    assert mobilenet_differs_by(f"defaults.DepthSepConv={wrong}") > 10 * CLOSE
