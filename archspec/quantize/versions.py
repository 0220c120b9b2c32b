"""The versions of ops by the types they handle: what ai-edge-quantizer leaves as the float file had it."""

from __future__ import annotations

from typing import Any

VERSIONS = {
    "INT8": {
        "ADD": 2, "AVERAGE_POOL_2D": 2, "CONCATENATION": 2, "CONV_2D": 3, "DEPTHWISE_CONV_2D": 3, "DEQUANTIZE": 2,
        "FULLY_CONNECTED": 4, "LOGISTIC": 2, "MAXIMUM": 2, "MAX_POOL_2D": 2, "MEAN": 2, "MUL": 2, "PACK": 2,
        "PAD": 2, "RELU": 2, "RESIZE_BILINEAR": 2, "RESIZE_NEAREST_NEIGHBOR": 2, "SLICE": 2, "SOFTMAX": 2, "SPLIT": 2,
        "STRIDED_SLICE": 2, "SUB": 2, "TANH": 2, "TRANSPOSE": 2, "TRANSPOSE_CONV": 2,
    },
    "INT16": {
        "ADD": 3, "AVERAGE_POOL_2D": 3, "CONCATENATION": 3, "CONV_2D": 4, "DEPTHWISE_CONV_2D": 5, "DEQUANTIZE": 3,
        "FULLY_CONNECTED": 7, "LOGISTIC": 3, "MAXIMUM": 4, "MAX_POOL_2D": 3, "MEAN": 3, "MUL": 4, "PACK": 3,
        "PAD": 3, "RELU": 3, "RESIZE_BILINEAR": 4, "RESIZE_NEAREST_NEIGHBOR": 4, "SLICE": 4, "SOFTMAX": 3, "SPLIT": 4,
        "SUB": 5, "TANH": 3, "TRANSPOSE": 5, "TRANSPOSE_CONV": 3,
    },
}  # fmt: skip
"""By type and op, the least version. Source: GetBuiltinOperatorVersion of TensorFlow's op_version.cc (commit 03f49db5).

Ops that it does not name stay at the version they have. Of int16 convolutions, whose weights have 8 bits, it names no
version; theirs is the one for weights of 16 bits, the first release with any int16 kernel.
"""

HYBRID = {"CONV_2D": 5, "DEPTHWISE_CONV_2D": 6, "FULLY_CONNECTED": 12}
"""Versions of ops on floats with a scale for each output channel of their 8-bit kernels. Source as above."""


def with_versions(model: Any) -> None:
    """Give each op of a `ModelT` with one graph the version that its types ask for, at least the one it has."""
    from ai_edge_litert import schema_py_generated as schema

    ops = {number: name for name, number in vars(schema.BuiltinOperator).items() if name[0] != "_"}
    types = {number: name for name, number in vars(schema.TensorType).items() if name[0] != "_"}
    graph = model.subgraphs[0]
    written = {int(i) for o in graph.operators for i in o.outputs} | {int(i) for i in graph.inputs}
    codes: dict[tuple[int, bytes | None, int], int] = {}
    made: list[Any] = []
    for operator in graph.operators:
        code = model.operatorCodes[operator.opcodeIndex]
        read = [int(i) for i in operator.inputs if i >= 0]
        data = types[graph.tensors[next((i for i in read if i in written), read[0])].type]
        kernels = [types[graph.tensors[i].type] for i in read if i not in written]
        version = max(code.version, _version(ops[code.builtinCode], data, kernels))
        if ops[code.builtinCode] == "QUANTIZE":
            version = 2 if types[graph.tensors[int(operator.outputs[0])].type] == "INT16" else 1
        key = code.builtinCode, code.customCode, version
        if key not in codes:
            codes[key] = len(made)
            made.append(schema.OperatorCodeT(min(code.builtinCode, 127), code.customCode, version, code.builtinCode))
        operator.opcodeIndex = codes[key]
    model.operatorCodes = made


def _version(op: str, data: str, kernels: list[str]) -> int:
    if data == "FLOAT32" and "INT8" in kernels:
        return HYBRID.get(op, 1)
    return 3 if (op, data) == ("DEQUANTIZE", "FLOAT16") else VERSIONS.get(data, {}).get(op, 1)
