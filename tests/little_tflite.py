"""Small .tflite files for tests, written by the schema's own `Pack`: each part where it is used, nothing shared."""

from collections.abc import Sequence
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

OPTIONS = {"ADD": "Add", "SUB": "Sub", "MUL": "Mul", "DIV": "Div", "SOFTMAX": "Softmax", "SQUEEZE": "Squeeze",
           "CONCATENATION": "Concatenation"}  # fmt: skip
"""Ops whose kernels ask for their options -> the first part of the options' name."""

Step = tuple[str, Sequence[int], Sequence[int]]
"""An op and the tensors that it reads and writes."""


def tensor(name: str, shape: Sequence[int], dtype: str = "FLOAT32", **fields: Any) -> Any:
    """A tensor of the schema; its `buffer` is 0, the empty one, unless it is said."""
    return schema.TensorT(name=name, shape=np.array(shape, np.int32), type=getattr(schema.TensorType, dtype), **fields)


def quantized(scale: Any, zero_point: Sequence[int]) -> Any:
    return schema.QuantizationParametersT(scale=np.array(scale, np.float32), zeroPoint=np.array(zero_point, np.int64))


def little(
    tensors: Sequence[Any],
    steps: Sequence[Step],
    inputs: Sequence[int],
    outputs: Sequence[int],
    *,
    constants: Sequence[bytes] = (),
    version: int = 1,
) -> Any:
    """A model of one graph. Buffer 0 is empty, `constants` are those from 1 on; all ops are of one version."""
    ops = sorted({op for op, _, _ in steps})
    graph = schema.SubGraphT(
        tensors=list(tensors),
        inputs=np.array(inputs, np.int32),
        outputs=np.array(outputs, np.int32),
        operators=[_operator(ops.index(op), op, reads, writes) for op, reads, writes in steps],
    )
    return schema.ModelT(
        version=3,
        operatorCodes=[_code(op, version) for op in ops],
        subgraphs=[graph],
        buffers=[schema.BufferT(), *(schema.BufferT(data=np.frombuffer(data, np.uint8)) for data in constants)],
    )


def packed(model: Any) -> bytes:
    """The file of a model."""
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def unpacked(data: bytes) -> Any:
    """The model of a file."""
    return schema.ModelT.InitFromObj(schema.Model.GetRootAs(data))


def _code(op: str, version: int) -> Any:
    number = getattr(schema.BuiltinOperator, op, schema.BuiltinOperator.CUSTOM)
    return schema.OperatorCodeT(
        deprecatedBuiltinCode=min(number, 127),
        builtinCode=number,
        customCode=None if hasattr(schema.BuiltinOperator, op) else op,
        version=version,
    )


def _operator(opcode: int, op: str, reads: Sequence[int], writes: Sequence[int]) -> Any:
    found = schema.OperatorT(opcodeIndex=opcode, inputs=np.array(reads, np.int32), outputs=np.array(writes, np.int32))
    if op in OPTIONS:
        found.builtinOptionsType = getattr(schema.BuiltinOptions, f"{OPTIONS[op]}Options")
        found.builtinOptions = getattr(schema, f"{OPTIONS[op]}OptionsT")()
    return found
