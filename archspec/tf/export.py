"""A Keras model to TFLite: freeze its variables once, convert the frozen function for each scheme."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from archspec.expand import IMAGE

Floats = np.ndarray[Any, np.dtype[np.float32]]


def freeze(model: keras.Model, outputs: Sequence[str]) -> tf.Module:
    """The model's inference on one image as a function with constants, in a module with a named signature.

    Batch is fixed to one: a free batch leaves SHAPE and PACK ops that split XNNPACK's graph. An unfrozen function
    would convert to a file whose variables are never set.
    """
    shape = (1, *model.input_shape[1:])

    @tf.function(autograph=False)  # type: ignore[untyped-decorator]
    def infer(image: Any) -> Any:
        return model(image, training=False)

    frozen = convert_variables_to_constants_v2(infer.get_concrete_function(tf.TensorSpec(shape)))
    order = sorted(outputs)  # of a dict's values in a function's flat outputs
    module = tf.Module()

    @tf.function(input_signature=[tf.TensorSpec(shape, name=IMAGE)], autograph=False)  # type: ignore[untyped-decorator]
    def serve(image: Any) -> Any:
        return dict(zip(order, frozen(image), strict=True))

    module.serve = serve
    return module


def convert(module: tf.Module, scheme: str, samples: Callable[[], Iterator[Floats]]) -> bytes:
    """A frozen module as .tflite: `none` is float32, `int8` is integers throughout, in and out.

    `samples` gives images (1, height, width, channels) that show the range of every activation.
    """
    converter = tf.lite.TFLiteConverter.from_concrete_functions([module.serve.get_concrete_function()], module)
    if scheme == "int8":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([image] for image in samples())
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = tf.int8
        converter.inference_output_type = tf.int8
    return bytes(converter.convert())


def answers(model: keras.Model, images: Floats, outputs: Sequence[str]) -> dict[str, Floats]:
    """What the float model answers to each image, (n, ...) by output, in the order of `outputs`."""

    @tf.function(autograph=False)  # type: ignore[untyped-decorator]
    def infer(image: Any) -> Any:
        return model(image, training=False)

    each = [infer(tf.constant(image[None])) for image in images]
    return {name: np.concatenate([a[name].numpy() for a in each]) for name in outputs}
