"""MobileNet v2 by hand, converted three times: what `archspec build` is measured against.

A script as one writes it from TensorFlow's guides: a Keras model, TFLiteConverter.from_keras_model once for each file.
The network is that of specs/mobilenet_v2.yaml. Usage: straightforward.py FOLDER
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

PARAMS = 3_538_984  # Keras's own count, and that of the spec
CALIBRATION = 20  # images


def images() -> Iterator[list[Any]]:
    """Noise over the declared range, as much as `archspec build` calibrates an untrained network with."""
    random = np.random.default_rng(0)
    for _ in range(CALIBRATION):
        yield [2 * random.random((1, 224, 224, 3), np.float32) - 1]


def convert(model: keras.Model, scheme: str) -> bytes:
    """The model as .tflite: float32, integers throughout, or 8-bit weights on float activations."""
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    if scheme != "none":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if scheme == "int8":
        converter.representative_dataset = images
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = tf.int8
        converter.inference_output_type = tf.int8
    return bytes(converter.convert())


def main() -> None:
    folder = Path(sys.argv[1])
    model = keras.applications.MobileNetV2(weights=None, classifier_activation=None)
    assert model.count_params() == PARAMS, model.count_params()
    for abi, scheme in (("arm64-v8a", "int8"), ("armeabi-v7a", "dynamic"), ("x86_64", "none")):
        (folder / abi).mkdir(parents=True, exist_ok=True)
        (folder / abi / "model.tflite").write_bytes(convert(model, scheme))


if __name__ == "__main__":
    main()
