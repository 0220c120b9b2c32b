"""Weights of fewer bits, activations of 16, and files of several types: ai-edge-quantizer on a float .tflite file."""

from __future__ import annotations

import contextlib
import io
import logging
import re
import warnings
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from archspec.quantize.calibrate import Range
from archspec.tflite.compact import packed
from archspec.tflite.model import read_model

BITS = {"int8": 8, "int16x8": 16}  # of activations


def lighter(data: bytes, scheme: str) -> bytes:
    """The file with weights of `float16`, or for `dynamic` of 8 bits a scale for each output channel."""
    from ai_edge_quantizer import qtyping
    from ai_edge_quantizer.algorithm_manager import AlgorithmName
    from ai_edge_quantizer.recipe_manager import RecipeManager

    recipes, every = RecipeManager(), qtyping.TFLOperationName.ALL_SUPPORTED
    if scheme == "dynamic":
        recipes.add_dynamic_config(".*", every, num_bits=8)
    else:
        halves = qtyping.TensorQuantizationConfig(num_bits=16, dtype=qtyping.TensorDataType.FLOAT)
        cast = qtyping.OpQuantizationConfig(
            weight_tensor_config=halves, compute_precision=qtyping.ComputePrecision.FLOAT, explicit_dequantize=True
        )
        recipes.add_quantization_config(".*", every, cast, AlgorithmName.FLOAT_CASTING)
    return _quantized(data, recipes, None)


def mixed(
    data: bytes, scheme: str, ranges: Mapping[str, Range], floats: Collection[str], wide: Collection[str]
) -> bytes:
    """The file in integers by `scheme`; ops that write one of `floats` stay float, of `wide` have 16-bit activations.

    Tensors go by their names. Inputs and outputs have the type of the ops that they belong to.
    """
    from ai_edge_quantizer import qtyping
    from ai_edge_quantizer.algorithm_manager import AlgorithmName
    from ai_edge_quantizer.recipe_manager import RecipeManager

    recipes, every = RecipeManager(), qtyping.TFLOperationName.ALL_SUPPORTED
    recipes.add_static_config(".*", every, activation_num_bits=BITS[scheme], weight_num_bits=8)
    for tensor in wide:
        recipes.add_static_config(_only(tensor), every, activation_num_bits=16, weight_num_bits=8)
    for tensor in floats:
        recipes.add_quantization_config(_only(tensor), every, algorithm_key=AlgorithmName.NO_QUANTIZE)
    return _quantized(data, recipes, ranges)


def _only(tensor: str) -> str:
    """What matches the scope of the op that writes a tensor, and of no other: the names of its outputs."""
    return f"^{re.escape(tensor)};"


def _quantized(data: bytes, recipes: Any, ranges: Mapping[str, Range] | None) -> bytes:
    from ai_edge_quantizer.quantizer import Quantizer

    found = None
    if ranges is not None:
        pairs = {name: [np.array([end], np.float32) for end in range_] for name, range_ in ranges.items()}
        found = {name: {"min": low, "max": high} for name, (low, high) in pairs.items()}
    logging.getLogger("absl").setLevel(logging.ERROR)
    quantizer = Quantizer(data)
    quantizer.load_quantization_recipe(recipes.get_quantization_recipe())
    with contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings():  # a progress bar, and its interpreter
        warnings.simplefilter("ignore")
        result = quantizer.quantize(found, enable_progress_bar=False, enable_progress_report=False)
    return _inside(bytes(result.quantized_model))


def _inside(data: bytes) -> bytes:
    """The file with its buffers in its tables, as compacting wants them; the quantizer writes them behind."""
    model = read_model(data)
    for buffer in model.buffers:
        if buffer.offset > 1:
            buffer.data = np.frombuffer(data, np.uint8, buffer.size, buffer.offset)
        buffer.offset = buffer.size = 0
    return packed(model, len(data))
