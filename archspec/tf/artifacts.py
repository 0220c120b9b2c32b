"""A float .tflite file to the file of a target: quantized by its scheme, its borders of the type asked for, compact.

Measured (docs/quantization.md): TensorFlow's quantizer and ai-edge-quantizer are equally exact on the same ranges.
TensorFlow's knows more ops in int8 and sets their versions, so it makes int8 files, with float rows or without.
ai-edge-quantizer has 16-bit activations beside 8-bit ones and needs no second conversion of the graph for lighter
weights, so it makes all else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from archspec.graph import Graph
from archspec.jobs import Conversion
from archspec.quantize.borders import bordered
from archspec.quantize.calibrate import Range
from archspec.quantize.mixed import lighter, mixed
from archspec.quantize.placed import tensors_of
from archspec.spec import CALIBRATED
from archspec.tf.quantize import integers
from archspec.tflite.compact import compact
from archspec.tflite.model import read_model
from archspec.tflite.names import brief

TENSORFLOW, AEQ = "tensorflow", "ai-edge-quantizer"
NONE = "none"


def engine(conversion: Conversion) -> str:
    """What quantizes the file; `none` for a float one."""
    if conversion.scheme == "none":
        return NONE
    return TENSORFLOW if conversion.scheme == "int8" and not conversion.int16_rows else AEQ


def artifact(data: bytes, graph: Graph, conversion: Conversion, ranges: Callable[[], Mapping[str, Range]]) -> bytes:
    """The file that a conversion asks for, from the float file `data` that was made of `graph`.

    `ranges` gives those of the float file's tensors, and is asked for integer schemes only. Raises ArtifactError where
    a row that is to be of another type has no op in the file.
    """
    if conversion.scheme == "none":
        return compact(data, brief)
    if conversion.scheme not in CALIBRATED:
        return compact(lighter(data, conversion.scheme), brief)
    known, floats = ranges(), tensors_of(data, graph, conversion.float_rows)
    if engine(conversion) == TENSORFLOW:
        made = integers(data, known, floats, conversion.border)
    else:
        made = mixed(data, conversion.scheme, known, floats, tensors_of(data, graph, conversion.int16_rows))
    return compact(bordered(made, conversion.border, known, outputs_of(data)), brief)


def outputs_of(data: bytes) -> dict[str, str]:
    """The tensor of each output of a file, by the names of both."""
    model = read_model(data)
    (signature,) = model.signatureDefs
    tensors = model.subgraphs[0].tensors
    return {end.name.decode(): tensors[end.tensorIndex].name.decode() for end in signature.outputs}
