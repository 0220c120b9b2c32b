"""The types of a file's input and outputs, whatever its ops work with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from archspec.quantize.calibrate import Range
from archspec.quantize.versions import with_versions
from archspec.tflite.compact import packed
from archspec.tflite.model import read_model

SIGNATURE = b"serving_default"  # the key that TensorFlow gives
STEPS = {"INT8": (-128, 127), "UINT8": (0, 255), "INT16": (-32768, 32767)}


def bordered(data: bytes, border: str, ranges: Mapping[str, Range], outputs: Mapping[str, str]) -> bytes:
    """The file with inputs and outputs of one type, `border` as numpy spells it, and each op in its right version.

    Where an op at the border works with another type, QUANTIZE or DEQUANTIZE goes between. `ranges` are those of the
    float file's tensors by name. `outputs` gives the tensor of each output by the output's name: where an op reads
    what is an output too, ai-edge-quantizer leaves the wrong one, and an op whose answer nothing reads. Raises
    ArtifactError where the file is broken.
    """
    model = read_model(data)
    graph = model.subgraphs[0]
    places = {tensor.name.decode(): i for i, tensor in enumerate(graph.tensors)}
    (signature,) = model.signatureDefs
    ends = [places[outputs[end.name.decode()]] for end in signature.outputs]
    names = [ranges.get(graph.tensors[i].name.decode(), (0.0, 0.0)) for i in ends]
    border = border.upper()
    image = int(graph.inputs[0])
    made = _other(model, image, border, ranges[graph.tensors[image].name.decode()], entering=True)
    graph.inputs = np.array([made], np.int32)
    signature.inputs[0].tensorIndex = made
    given: dict[int, int] = {}
    for end, tensor, range_ in zip(signature.outputs, ends, names, strict=True):
        if tensor not in given:
            given[tensor] = _other(model, tensor, border, range_, entering=False)
        end.tensorIndex = given[tensor]
    graph.outputs = np.array([given[i] for i in ends], np.int32)
    read = {int(i) for operator in graph.operators for i in operator.inputs} | set(map(int, graph.outputs))
    graph.operators = [operator for operator in graph.operators if not read.isdisjoint(map(int, operator.outputs))]
    with_versions(model)
    return packed(model, len(data))


def named(data: bytes) -> bytes:
    """The file with the names of its signature for the tensors of its outputs. Raises ArtifactError if it is broken."""
    model = read_model(data)
    (signature,) = model.signatureDefs
    for end in signature.outputs:
        model.subgraphs[0].tensors[end.tensorIndex].name = end.name
    return packed(model, len(data))


def signed(data: bytes, outputs: Sequence[str]) -> bytes:
    """The float file with a signature: its input by the name of its tensor, its outputs by the names given, in order.

    The outputs' tensors get those names too. One that is several outputs keeps the first. Raises ArtifactError where
    the file is broken.
    """
    from ai_edge_litert import schema_py_generated as schema

    model = read_model(data)
    graph = model.subgraphs[0]
    image = int(graph.inputs[0])
    ends = [int(i) for i in graph.outputs]
    for i, name in reversed([*zip(ends, outputs, strict=True)]):
        graph.tensors[i].name = name.encode()
    maps = [schema.TensorMapT(name.encode(), i) for i, name in zip(ends, outputs, strict=True)]
    inputs = [schema.TensorMapT(graph.tensors[image].name, image)]
    model.signatureDefs = [schema.SignatureDefT(inputs, maps, SIGNATURE, 0)]
    return packed(model, len(data))


def _other(model: Any, tensor: int, border: str, range_: Range, *, entering: bool) -> int:
    """The tensor that stands at the border for `tensor`: itself, or a new one behind or before an op between them."""
    from ai_edge_litert import schema_py_generated as schema

    graph = model.subgraphs[0]
    old = graph.tensors[tensor]
    types = {number: name for name, number in vars(schema.TensorType).items() if name[0] != "_"}
    inside = types[old.type]
    if inside == border:
        return tensor
    if (inside, border) == ("INT16", "UINT8"):  # no kernel goes from the one to the other
        return _other(
            model, _other(model, tensor, "INT8", range_, entering=entering), border, range_, entering=entering
        )
    new = schema.TensorT(old.shape, getattr(schema.TensorType, border), 0, old.name, shapeSignature=old.shapeSignature)
    if border in STEPS:
        new.quantization = _parameters(border, range_, old.quantization if (inside, border) == SHIFTED else None)
    graph.tensors.append(new)
    old.name += b"_" + inside.lower().encode()
    op = "DEQUANTIZE" if (inside if entering else border) == "FLOAT32" else "QUANTIZE"
    pair = [len(graph.tensors) - 1, tensor]
    source, sink = pair if entering else reversed(pair)
    operator = schema.OperatorT(_code(model, op), np.array([source], np.int32), np.array([sink], np.int32))
    graph.operators.insert(0 if entering else len(graph.operators), operator)
    return len(graph.tensors) - 1


SHIFTED = ("INT8", "UINT8")  # one is the other 128 steps on, so that nothing is rounded


def _parameters(border: str, range_: Range, inside: Any) -> Any:
    """Scale and zero point of a type over a range that holds zero; int16 is symmetric, as all kernels want it."""
    from ai_edge_litert import schema_py_generated as schema

    made = schema.QuantizationParametersT()
    if inside is not None:
        made.scale, made.zeroPoint = inside.scale, np.asarray(inside.zeroPoint, np.int64) + 128
        return made
    low, high = min(range_[0], 0.0), max(range_[1], 0.0)
    least, most = STEPS[border]
    if border == "INT16":
        scale, zero = max(-low, high) / most or 1.0, 0
    else:
        scale = (high - low) / (most - least) or 1.0
        zero = round(least - low / scale)
    made.scale, made.zeroPoint = np.array([scale], np.float32), np.array([zero], np.int64)
    return made


def _code(model: Any, op: str) -> int:
    """The number of an op's code, added where the file has none."""
    from ai_edge_litert import schema_py_generated as schema

    number = getattr(schema.BuiltinOperator, op)
    model.operatorCodes.append(schema.OperatorCodeT(min(number, 127), None, 1, number))
    return len(model.operatorCodes) - 1
