"""Integers by TensorFlow's own quantizer, from a float .tflite file and the ranges of its activations."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import tensorflow as tf
from tensorflow.lite.python.convert import mlir_quantize

from archspec.quantize.calibrate import Range
from archspec.tflite.compact import packed
from archspec.tflite.model import read_model


def integers(data: bytes, ranges: Mapping[str, Range], floats: Collection[str], border: str) -> bytes:
    """The file in int8, with a scale for each output channel of its weights, and inputs and outputs of type `border`.

    Tensors go by their names; ops that write one of `floats` stay float. It is what the converter does behind a
    calibration of its own, which takes reference kernels and a conversion of the graph for each file: files that
    differ in ranges or float ops take only this.
    """
    return bytes(
        mlir_quantize(
            ranged(data, ranges),
            input_data_type=tf.as_dtype(border),
            output_data_type=tf.as_dtype(border),
            denylisted_nodes=sorted(floats),
        )
    )


def ranged(data: bytes, ranges: Mapping[str, Range]) -> bytes:
    """The float file with the range of each tensor in its quantization parameters."""
    from ai_edge_litert import schema_py_generated as schema

    model = read_model(data)
    for tensor in model.subgraphs[0].tensors:
        if tensor.name.decode() in ranges:
            low, high = ranges[tensor.name.decode()]
            made = schema.QuantizationParametersT()
            made.min, made.max = np.array([low], np.float32), np.array([high], np.float32)
            tensor.quantization = made
    return packed(model, len(data))
