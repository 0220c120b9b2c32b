"""The document scanner's edge network by hand, converted three times: what `archspec build` is measured against.

A script as one writes it from TensorFlow's guides: plain Keras layers, TFLiteConverter.from_keras_model once for each
file. The network is that of specs/mobilenet_v2_hed.yaml. Usage: straightforward.py FOLDER
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

PARAMS = 293_973  # of the released checkpoint
CALIBRATION = 20  # images


def conv_bn(x: Any, depth: int, kernel: int, stride: int = 1, activation: str | None = None) -> Any:
    """A convolution, batch norm, an activation."""
    x = layers.Conv2D(depth, kernel, strides=stride, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization(epsilon=1e-3)(x)
    return layers.Activation(activation)(x) if activation else x


def inverted_residual(x: Any, depth: int, expansion: int, stride: int = 1) -> Any:
    """MobileNetV2's block as the document scanner has it: the expansion always, a projected shortcut."""
    y = conv_bn(x, expansion * x.shape[-1], 1, activation="relu6")
    y = layers.DepthwiseConv2D(3, strides=stride, padding="same", use_bias=False)(y)
    y = layers.BatchNormalization(epsilon=1e-3)(y)
    y = layers.Activation("relu6")(y)
    y = conv_bn(y, depth, 1)
    if stride > 1:
        return y
    if x.shape[-1] != depth:
        x = conv_bn(x, depth, 1)
    return layers.Add()([y, x])


def stage(x: Any, depth: int, expansion: int, stride: int, repeat: int) -> Any:
    """Blocks of one depth; the stride belongs to the first."""
    for i in range(repeat):
        x = inverted_residual(x, depth, expansion, stride if i == 0 else 1)
    return x


def side_output(x: Any, upsample: int, name: str) -> Any:
    """A stage's edge map at the size of the image."""
    if upsample == 1:
        x = layers.Conv2D(1, 1, padding="same", use_bias=False)(x)
        return layers.BatchNormalization(epsilon=1e-3, name=name)(x)
    x = conv_bn(x, 1, 1)
    return layers.Conv2DTranspose(1, 2 * upsample, strides=upsample, padding="same", name=name)(x)


def mobilenet_v2_style_hed() -> keras.Model:
    """Image (batch, 256, 256, 3) to six edge maps (batch, 256, 256, 1) of logits."""
    image = keras.Input((256, 256, 3))
    x = conv_bn(image, 3, 3, activation="relu")
    c1 = conv_bn(x, 6, 3, activation="relu")
    x = conv_bn(c1, 12, 3, stride=2, activation="relu")
    c2 = stage(x, 6, expansion=1, stride=1, repeat=1)
    c3 = stage(c2, 12, expansion=6, stride=2, repeat=2)
    c4 = stage(c3, 24, expansion=6, stride=2, repeat=3)
    x = stage(c4, 48, expansion=6, stride=2, repeat=4)
    c5 = stage(x, 64, expansion=6, stride=1, repeat=3)
    sides = [side_output(c, 2**i, f"side{i + 1}") for i, c in enumerate((c1, c2, c3, c4, c5))]
    fuse = layers.Conv2D(1, 1, name="fuse")(layers.Concatenate()(sides))
    return keras.Model(image, [fuse, *sides])


def images() -> Iterator[list[Any]]:
    """Noise over the declared range, as much as `archspec build` calibrates an untrained network with."""
    random = np.random.default_rng(0)
    for _ in range(CALIBRATION):
        yield [random.random((1, 256, 256, 3), np.float32)]


def convert(model: keras.Model, integer: bool) -> bytes:
    """The model as .tflite: float32, or integers throughout."""
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    if integer:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = images
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = tf.int8
        converter.inference_output_type = tf.int8
    return bytes(converter.convert())


def main() -> None:
    folder = Path(sys.argv[1])
    model = mobilenet_v2_style_hed()
    assert model.count_params() == PARAMS, model.count_params()
    for abi, integer in (("arm64-v8a", True), ("armeabi-v7a", True), ("x86_64", False)):
        (folder / abi).mkdir(parents=True, exist_ok=True)
        (folder / abi / "model.tflite").write_bytes(convert(model, integer))


if __name__ == "__main__":
    main()
