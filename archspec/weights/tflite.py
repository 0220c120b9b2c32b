"""TFLite files, float or quantized: weights as floats in Keras' layouts, biases for batch norms, and the graph."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from archspec.weights.errors import WeightsError
from archspec.weights.units import Array, Source
from archspec.weights.upstream import IMAGE, TangledError, Upstream, join

IDENTIFIER = b"TFL3"  # bytes 4 to 8
STREAM = "operators"  # they stand in an order in which they can run
LAYERS = {  # operator -> Keras' layer, and the places of input, kernel and bias among its inputs
    "CONV_2D": ("conv2d", (0, 1, 2)),
    "DEPTHWISE_CONV_2D": ("depthwise_conv2d", (0, 1, 2)),
    "TRANSPOSE_CONV": ("conv2d_transpose", (2, 1, 3)),
    "FULLY_CONNECTED": ("dense", (0, 1, 2)),
}
JOINS = {
    "ADD": "add",
    "MUL": "multiply",
    "MAXIMUM": "maximum",
    "MINIMUM": "minimum",
    "AVERAGE_POOL_2D": "avg",
    "MEAN": "avg",
    "MAX_POOL_2D": "max",
    "REDUCE_MAX": "max",
}
TYPES = {
    "FLOAT32": "<f4",
    "FLOAT16": "<f2",
    "INT8": "i1",
    "UINT8": "u1",
    "INT16": "<i2",
    "INT32": "<i4",
    "INT64": "<i8",
}
PLAIN = ("FLOAT32", "FLOAT16")  # not quantized
INDICES = ("INT32", "INT64", "BOOL")  # shapes, axes, paddings: no weights, unless a layer takes them for its bias


def read_tflite(path: Path) -> Source:
    """All weights of a TFLite file. A layer goes by its kind and its operator's number: `conv2d_7`.

    Quantized weights, by tensor or by channel, become the floats that they stand for; a bias left out is zeros.
    Raises WeightsError where the file is damaged, or where its weights cannot be told.
    """
    from ai_edge_litert import schema_py_generated as schema

    try:
        return _Reader(path.read_bytes(), path.name, schema).source()
    except (struct.error, ValueError, TypeError, IndexError, KeyError, AttributeError, OSError) as error:
        raise WeightsError(f"{path.name}: damaged .tflite file: {error}") from error


class _Reader:
    """The one graph of a file, while it is read."""

    def __init__(self, data: bytes, name: str, schema: Any) -> None:
        self._data, self._name = data, name
        self._model = schema.Model.GetRootAs(data)
        if self._model.SubgraphsLength() != 1:
            raise WeightsError(f"{name}: {self._model.SubgraphsLength()} graphs in one file; only one is read")
        self._graph = self._model.Subgraphs(0)
        self._operators = {number: op for op, number in vars(schema.BuiltinOperator).items() if op[0] != "_"}
        self._types = {number: dtype for dtype, number in vars(schema.TensorType).items() if dtype[0] != "_"}
        self._constants: dict[int, int] = {}  # what dequantizes a constant -> the constant
        self._tensors: dict[str, Array] = {}
        self._given: dict[int, Upstream] = {int(i): IMAGE for i in self._graph.InputsAsNumpy()}
        self._reads: dict[str, Upstream] = {}

    def source(self) -> Source:
        classes: dict[str, str] = {}
        order: dict[str, tuple[str, int]] = {}
        tangled = False
        for number in range(self._graph.OperatorsLength()):
            op, inputs, outputs = self._operator(number)
            if op in LAYERS:
                kind, places = LAYERS[op]
                scope = f"{kind}_{number}"
                classes[scope], order[scope] = kind, (STREAM, number)
                image, kernel, bias = (inputs[place] if place < len(inputs) else -1 for place in places)
                self._add_layer(op, scope, kernel, bias, self._shape(image))
                self._reads[scope], self._given[outputs[0]] = self._given.get(image, IMAGE), scope
                continue
            if op == "DEQUANTIZE" and inputs[0] not in self._given:
                self._constants[outputs[0]] = inputs[0]
                continue
            for name, array in self._loose(f"{op.lower()}_{number}", inputs):
                self._tensors[name] = array
            try:
                given = self._joined(op, number, [self._given[i] for i in inputs if i in self._given])
            except TangledError:
                tangled, given = True, IMAGE
            if given is not None:
                self._given.update(dict.fromkeys(outputs, given))
        reads = {} if tangled else self._reads
        return Source("TFLite", self._tensors, classes, order, (), reads, folded=True)

    def _operator(self, number: int) -> tuple[str, list[int], list[int]]:
        """Name, inputs (-1 for one left out) and outputs of an operator."""
        operator = self._graph.Operators(number)
        code = self._model.OperatorCodes(operator.OpcodeIndex())
        # codes above 127 do not fit the older field, which then holds 127
        name = self._operators[max(code.DeprecatedBuiltinCode(), code.BuiltinCode())]
        return name, [int(i) for i in operator.InputsAsNumpy()], [int(i) for i in operator.OutputsAsNumpy()]

    def _add_layer(self, op: str, scope: str, kernel: int, bias: int, image: tuple[int, ...]) -> None:
        values = self._constant(kernel)
        if values is None:
            raise WeightsError(f"{self._name}: `{scope}` computes its kernel; only constant kernels are read")
        if op == "CONV_2D":  # out, height, width, in
            values = values.transpose(1, 2, 3, 0)
        elif op == "DEPTHWISE_CONV_2D":  # 1, height, width, in * multiplier
            values = values.reshape(*values.shape[1:3], image[-1], -1)
        elif op == "TRANSPOSE_CONV":  # out, height, width, in
            values = values.transpose(1, 2, 0, 3)
        else:  # out, in
            values = values.T
        self._tensors[f"{scope}/kernel"] = values
        out = image[-1] * values.shape[-1] if op == "DEPTHWISE_CONV_2D" else values.shape[-1]
        out = values.shape[2] if op == "TRANSPOSE_CONV" else out
        shift = self._constant(bias) if bias >= 0 else np.zeros(out, np.float32)
        if shift is None:
            raise WeightsError(f"{self._name}: `{scope}` computes its bias; only constant biases are read")
        self._tensors[f"{scope}/bias"] = shift.reshape(out)

    def _loose(self, scope: str, inputs: list[int]) -> Iterator[tuple[str, Array]]:
        """Constants of an operator that is no layer we know: numbers by channel, which nothing may lose."""
        for place, tensor in enumerate(inputs):
            if tensor >= 0 and tensor not in self._given and self._dtype(tensor) not in INDICES:
                values = self._constant(tensor)
                if values is not None and values.size > 1:
                    yield f"{scope}/input_{place}", values

    def _joined(self, op: str, number: int, parts: list[Upstream]) -> Upstream | None:
        if op in JOINS and parts:
            return join(JOINS[op], parts)
        if op == "CONCATENATION":
            rank = len(self._shape(self._operator(number)[2][0]))
            return join("concat" if self._axis(number) in (-1, rank - 1) else "concat along another axis", parts)
        return join(f"operator {op}", parts) if len(parts) > 1 else next(iter(parts), None)

    def _axis(self, number: int) -> int:
        from ai_edge_litert.schema_py_generated import ConcatenationOptions

        table = self._graph.Operators(number).BuiltinOptions()
        options = ConcatenationOptions()
        options.Init(table.Bytes, table.Pos)
        return int(options.Axis())

    def _shape(self, tensor: int) -> tuple[int, ...]:
        found = self._graph.Tensors(tensor)
        return tuple(int(side) for side in found.ShapeAsNumpy()) if found.ShapeLength() else ()

    def _dtype(self, tensor: int) -> str:
        return str(self._types[self._graph.Tensors(self._constants.get(tensor, tensor)).Type()])

    def _constant(self, tensor: int) -> Array | None:
        """The values of a constant as floats; None for what the network computes."""
        tensor = self._constants.get(tensor, tensor)
        found = self._graph.Tensors(tensor)
        data = self._bytes(self._model.Buffers(found.Buffer()))
        if data is None or tensor in self._given:
            return None
        dtype = self._dtype(tensor)
        if dtype not in TYPES or found.Sparsity() is not None:
            what = "is sparse" if dtype in TYPES else f"holds {dtype.lower()}"
            raise WeightsError(f"{self._name}: tensor `{found.Name().decode()}` {what}, which is not read")
        values = np.frombuffer(data, TYPES[dtype]).reshape(self._shape(tensor))
        if dtype in PLAIN:
            return values.astype(np.float32)
        return _dequantized(values, found.Quantization(), f"{self._name}: tensor `{found.Name().decode()}`")

    def _bytes(self, buffer: Any) -> bytes | None:
        if buffer.Offset() > 1:  # behind the tables, in files that are too large for them
            return self._data[buffer.Offset() : buffer.Offset() + buffer.Size()]
        return buffer.DataAsNumpy().tobytes() if buffer.DataLength() else None


def _dequantized(values: Array, quantization: Any, name: str) -> Array:
    """(stored - zero point) * scale, by tensor or along one axis. Raises WeightsError where there is no scale."""
    if quantization is None or not quantization.ScaleLength():
        raise WeightsError(f"{name} holds {values.dtype} without a scale")
    scale = quantization.ScaleAsNumpy().astype(np.float64)
    zero = quantization.ZeroPointAsNumpy().astype(np.float64) if quantization.ZeroPointLength() else np.zeros(1)
    shape = [1] * values.ndim
    if scale.size > 1:
        shape[quantization.QuantizedDimension()] = scale.size
    zero = np.broadcast_to(zero, scale.shape)
    steps = values.astype(np.float64) - zero.reshape(shape)
    return np.asarray(steps * scale.reshape(shape), np.float32)
