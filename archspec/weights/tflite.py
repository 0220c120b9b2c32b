"""TFLite files, float or quantized: weights as floats in Keras' layouts, biases for batch norms, and the graph."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from archspec.weights.constants import Constants
from archspec.weights.errors import WeightsError
from archspec.weights.units import HARD_SIGMOID, RELU6, Array, Source
from archspec.weights.upstream import IMAGE, TangledError, Upstream, join

IDENTIFIER = b"TFL3"  # bytes 4 to 8
STREAM = "operators"  # they stand in an order in which they can run
LAYERS = {  # operator -> Keras' layer, and the places of image, kernel and bias among its inputs
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
INDICES = ("INT32", "INT64", "BOOL")  # shapes, axes, paddings: no weights
SIXTH = 0.002  # how far a quantized 1/6 may be from 1/6


class Operator(NamedTuple):
    """One step of the graph: inputs (-1 for one left out) and outputs are numbers of tensors."""

    number: int
    op: str
    inputs: list[int]
    outputs: list[int]
    options: Any


def read_tflite(path: Path) -> Source:
    """All weights of a TFLite file. A layer goes by its kind and its operator's number: `conv2d_7`.

    Quantized weights, by tensor or by channel, become the floats that they stand for; a bias left out is zeros.
    Raises WeightsError where the file is damaged, or where its weights cannot be told.
    """
    from ai_edge_litert import schema_py_generated as schema

    try:
        data = path.read_bytes()
        model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(data))
        if len(model.subgraphs) != 1:
            raise WeightsError(f"{len(model.subgraphs)} graphs in one file; only one is read")
        return _Reader(model, data, schema).source()
    except WeightsError as error:
        raise WeightsError(f"{path.name}: {error}") from None
    except (struct.error, ValueError, TypeError, IndexError, KeyError, AttributeError, OSError) as error:
        raise WeightsError(f"{path.name}: damaged .tflite file: {error}") from error


class _Reader:
    """The one graph of a file, while it is read."""

    def __init__(self, model: Any, data: bytes, schema: Any) -> None:
        names = {number: op for op, number in vars(schema.BuiltinOperator).items() if op[0] != "_"}
        dtypes = {number: dtype for dtype, number in vars(schema.TensorType).items() if dtype[0] != "_"}
        # codes above 127 do not fit the older field, which then holds 127
        codes = [names[max(code.deprecatedBuiltinCode, code.builtinCode)] for code in model.operatorCodes]
        self._graph = model.subgraphs[0]
        self._operators = [
            Operator(i, codes[o.opcodeIndex], _numbers(o.inputs), _numbers(o.outputs), o.builtinOptions)
            for i, o in enumerate(self._graph.operators)
        ]
        self._constants = Constants(self._graph, model.buffers, data, dtypes)
        self._given: dict[int, Upstream] = dict.fromkeys(_numbers(self._graph.inputs), IMAGE)
        self._relu6 = schema.ActivationFunctionType.RELU6
        self._none = schema.ActivationFunctionType.NONE

    def source(self) -> Source:
        tensors: dict[str, Array] = {}
        layers: dict[str, Operator] = {}
        reads: dict[str, Upstream] = {}
        tangled = False
        for step in self._operators:
            if step.op in LAYERS:
                scope = f"{LAYERS[step.op][0]}_{step.number}"
                layers[scope] = step
                tensors |= {f"{scope}/{leaf}": array for leaf, array in self._layer(scope, step)}
                image = step.inputs[LAYERS[step.op][1][0]]
                reads[scope], self._given[step.outputs[0]] = self._given[image], scope
            elif step.op == "DEQUANTIZE" and step.inputs[0] not in self._given:
                self._constants.alias(step.outputs[0], step.inputs[0])
            else:
                tensors |= self._loose(step)
                try:
                    given = self._joined(step)
                except TangledError:
                    tangled, given = True, IMAGE
                self._given |= dict.fromkeys(step.outputs, given) if given is not None else {}
        return Source(
            "TFLite",
            tensors,
            {scope: LAYERS[step.op][0] for scope, step in layers.items()},
            {scope: (STREAM, step.number) for scope, step in layers.items()},
            reads={} if tangled else reads,
            folded=True,
            follows={scope: found for scope, step in layers.items() if (found := self._follows(step)) is not None},
        )

    def _layer(self, scope: str, step: Operator) -> Iterator[tuple[str, Array]]:
        """Kernel and bias, in Keras' layouts."""
        image, *places = LAYERS[step.op][1]
        kernel, bias = (step.inputs[place] if place < len(step.inputs) else -1 for place in places)
        values, shift = self._constants.values(kernel), self._constants.values(bias) if bias >= 0 else None
        if values is None or (shift is None and bias >= 0):
            raise WeightsError(f"`{scope}` computes its weights; only constants are read")
        out = values.shape[-1] if step.op == "DEPTHWISE_CONV_2D" else values.shape[0]
        if step.op == "CONV_2D":  # out, height, width, in
            values = values.transpose(1, 2, 3, 0)
        elif step.op == "DEPTHWISE_CONV_2D":  # 1, height, width, in * multiplier
            values = values.reshape(*values.shape[1:3], self._constants.shape(step.inputs[image])[-1], -1)
        elif step.op == "TRANSPOSE_CONV":  # out, height, width, in
            values = values.transpose(1, 2, 0, 3)
        else:  # out, in
            values = values.T
        yield "kernel", values
        yield "bias", np.zeros(out, np.float32) if shift is None else shift.reshape(out)

    def _loose(self, step: Operator) -> dict[str, Array]:
        """Constants of an operator that is no layer we know, where they are more than one number: none may get lost."""
        found: dict[str, Array] = {}
        for place, tensor in enumerate(step.inputs):
            if tensor >= 0 and tensor not in self._given and self._constants.dtype(tensor) not in INDICES:
                values = self._constants.values(tensor)
                if values is not None and values.size > 1:
                    found[f"{step.op.lower()}_{step.number}/input_{place}"] = values
        return found

    def _joined(self, step: Operator) -> Upstream | None:
        """What a step without weights makes of what it reads; None for a step that reads constants alone."""
        parts = [self._given[i] for i in step.inputs if i in self._given]
        if step.op == "CONCATENATION":
            last = len(self._constants.shape(step.outputs[0])) - 1
            kind = "concat" if step.options.axis in (-1, last) else f"concat along {step.options.axis}"
        else:
            kind = JOINS.get(step.op, f"operator {step.op}" if len(parts) > 1 else "")
        return join(kind, parts) if kind and parts else next(iter(parts), None)

    def _follows(self, layer: Operator) -> float | str | None:
        """The number by which a layer's output is multiplied before all else, or the activation that is fused to it."""
        (made,) = layer.outputs
        fused = layer.options.fusedActivationFunction
        factor = self._factor(made)
        if fused == self._none:
            return factor
        if fused != self._relu6:
            return None
        return HARD_SIGMOID if factor is not None and abs(factor - 1 / 6) < SIXTH else RELU6

    def _factor(self, tensor: int) -> float | None:
        """The constant number that multiplies a tensor, where nothing else reads it."""
        readers = [step for step in self._operators if tensor in step.inputs]
        if tensor in _numbers(self._graph.outputs) or [step.op for step in readers] != ["MUL"]:
            return None
        other = next((i for i in readers[0].inputs if i != tensor), tensor)
        factor = None if other in self._given else self._constants.values(other)
        return None if factor is None or factor.size != 1 else float(factor.reshape(()))


def _numbers(tensors: Sequence[int] | None) -> list[int]:
    return [] if tensors is None else [int(i) for i in tensors]
