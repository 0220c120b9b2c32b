"""A Keras model to TFLite: its variables become constants, and the function is converted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow.python.eager.wrap_function import function_from_graph_def
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from archspec.expand import IMAGE
from archspec.quantize.borders import signed

Floats = np.ndarray[Any, np.dtype[np.float32]]
BATCH = 4  # images that are answered at a time: more take more memory and no less time


def convert(model: keras.Model, outputs: Sequence[str]) -> bytes:
    """The model's inference on one image as a float .tflite file, which all others are made of.

    The variables become constants first: an unfrozen function would convert to a file whose variables are never set.
    Batch is fixed to one: a free batch leaves SHAPE and PACK ops that split XNNPACK's graph. The converter takes a
    graph by itself in a second less than a SavedModel, and forgets the names of outputs, which are put back.
    """
    converter = tf.lite.TFLiteConverter.from_concrete_functions([_frozen(model)])
    converter.experimental_lower_to_saved_model = False
    return signed(bytes(converter.convert()), sorted(outputs))


def freeze(model: keras.Model, outputs: Sequence[str]) -> tf.Module:
    """The model's inference on one image as a function with constants, in a module with a named signature."""
    frozen = _frozen(model)
    order = sorted(outputs)
    module = tf.Module()
    image = tf.TensorSpec((1, *model.input_shape[1:]), name=IMAGE)

    @tf.function(input_signature=[image], autograph=False)  # type: ignore[untyped-decorator]
    def serve(image: Any) -> Any:
        return dict(zip(order, frozen(image), strict=True))

    module.serve = serve
    return module


def _frozen(model: keras.Model) -> Any:
    """A function of one image with constants; its outputs are a dict's, which come by their sorted names.

    It has no gradients of its own, as swish has: with one a SavedModel loses its signature.
    """

    @tf.function(autograph=False)  # type: ignore[untyped-decorator]
    def infer(image: Any) -> Any:
        return model(image, training=False)

    shape = (1, *model.input_shape[1:])
    frozen = convert_variables_to_constants_v2(infer.get_concrete_function(tf.TensorSpec(shape, name=IMAGE)))
    graph = frozen.graph.as_graph_def()
    own = [node for node in graph.node if "_gradient_op_type" in node.attr]
    for node in own:
        del node.attr["_gradient_op_type"]
    ends = [[tensor.name for tensor in tensors] for tensors in (frozen.inputs, frozen.outputs)]
    return function_from_graph_def(graph, *ends) if own else frozen


def convert_ranged(module: tf.Module, border: str, samples: Callable[[], Iterator[Floats]] | None) -> bytes:
    """A frozen module that holds ranges (`bake.lower_quantized`) as a .tflite file of integers throughout.

    Inputs and outputs are of type `border`. `samples` gives images (1, height, width, channels) that show the ranges
    which the module lacks, None where it lacks none: the converter refuses a demand for integer ops without them.
    """
    converter = tf.lite.TFLiteConverter.from_concrete_functions([module.serve.get_concrete_function()], module)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if samples is not None:
        converter.representative_dataset = lambda: ([image] for image in samples())
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.as_dtype(border)
    return bytes(converter.convert())


def answers(model: keras.Model, images: Floats, outputs: Sequence[str]) -> dict[str, Floats]:
    """What the float model answers to each image, (n, ...) by output, in the order of `outputs`."""

    image = tf.TensorSpec((None, *images.shape[1:]))

    @tf.function(input_signature=[image], autograph=False)  # type: ignore[untyped-decorator]
    def infer(image: Any) -> Any:
        return model(image, training=False)

    batches = [infer(tf.constant(images[i : i + BATCH])) for i in range(0, len(images), BATCH)]
    return {name: np.concatenate([a[name].numpy() for a in batches]) for name in outputs}
