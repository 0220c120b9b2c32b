"""The ops of a .tflite file, with the types they handle and the rows of the table that they came from."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from archspec.artifact import ArtifactError
from archspec.graph import Graph
from archspec.tflite.model import one_graph, read_model

KERNELS = {"CONV_2D": 1, "DEPTHWISE_CONV_2D": 1, "FULLY_CONNECTED": 1, "TRANSPOSE_CONV": 1}
"""Ops with weights, and which of their inputs is the kernel; the next one but for TRANSPOSE_CONV is the bias."""

BORDERS = ("QUANTIZE", "DEQUANTIZE")  # ops that go from one type to another


@dataclass(frozen=True)
class Placed:
    """An op and where it is from; `tensor` is the name of what it writes.

    `rows` are those of the table, several where ops of different rows are fused, none where no name tells. `reads`,
    `kernel`, `bias` and `writes` are data types as the format spells them: of inputs that are computed, of the
    kernel and the bias where the op has them, of the outputs.
    """

    number: int
    op: str
    tensor: str
    rows: tuple[str, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    reads: tuple[str, ...]
    kernel: str | None
    bias: str | None
    writes: tuple[str, ...]


def placed(data: bytes, graph: Graph) -> tuple[Placed, ...]:
    """The ops of a file that was made of `graph`, in the order in which they run.

    A float16 kernel, which a DEQUANTIZE turns to floats as the file is loaded, is the kernel of the op that reads it;
    that DEQUANTIZE is left out. Raises ArtifactError where the file is broken, or holds several graphs.
    """
    found, model = one_graph(data), read_model(data)
    constants = {i: i for i, t in enumerate(model.subgraphs[0].tensors) if _holds(model, t.buffer)}
    names = _Names(graph)
    made: list[Placed] = []
    rows: dict[int, tuple[str, ...]] = {}  # of what is written, by tensor
    for step in found.steps:
        if step.op == "DEQUANTIZE" and step.inputs[0] in constants:
            constants[step.outputs[0]] = step.inputs[0]
            continue
        tensor = found.tensors[step.outputs[0]].name if step.outputs else ""
        at = names.rows(tensor) or next((rows[i] for i in step.inputs if rows.get(i)), ())
        rows |= dict.fromkeys(step.outputs, at)
        types = [found.tensors[constants.get(i, i)].dtype for i in step.inputs]
        computed = [t for i, t in zip(step.inputs, types, strict=True) if i not in constants]
        kernel, bias = _weights(step.op, step.inputs, types, constants)
        writes = tuple(found.tensors[i].dtype for i in step.outputs)
        made.append(
            Placed(step.number, step.op, tensor, at, step.inputs, step.outputs, tuple(computed), kernel, bias, writes)
        )
    return tuple(_between(made, names))


def _between(made: Sequence[Placed], names: _Names) -> Iterator[Placed]:
    """The ops. Where the name tells nothing, what leads into another type is of the row that reads or has it.

    A converter adds a digit to the name of an output that it makes in another type first, and gives none to the ops
    that lead from there to the output.
    """
    readers = {i: op for op in reversed(made) for i in op.inputs}
    leads: dict[int, tuple[str, ...]] = {}  # an op's number -> the rows of what it, or borders behind it, write
    for op in reversed(made):
        reader = readers.get(op.outputs[0]) if op.outputs else None
        told = names.rows(op.tensor)
        if not told and reader is not None and reader.op in BORDERS:
            told = leads[reader.number]
        leads[op.number] = told
    for op in made:
        reader = readers.get(op.outputs[0]) if op.outputs else None
        if leads[op.number]:
            op = replace(op, rows=leads[op.number])
        elif op.op == "DEQUANTIZE" and reader is not None:
            op = replace(op, rows=reader.rows)
        yield op


def _holds(model: Any, buffer: int) -> bool:
    data = model.buffers[buffer].data
    return data is not None and len(data) > 0


def _weights(
    op: str, inputs: Sequence[int], types: Sequence[str], constants: dict[int, int]
) -> tuple[str | None, str | None]:
    """The types of an op's kernel and bias; None for what it has not, or computes."""
    if op not in KERNELS or len(inputs) < 2:
        return None, None
    bias = 3 if op == "TRANSPOSE_CONV" else 2
    known = [types[i] if i < len(inputs) and inputs[i] in constants else None for i in (KERNELS[op], bias)]
    return known[0], known[1]


class _Names:
    """What the names of tensors say of rows.

    The converter joins the paths of all layers that it fuses, `net_1/c1_conv_relu_1/Relu;net_1/c1_conv_1/BiasAdd`.
    TensorFlow numbers layers that it traces, all of a model's with the same number. An output has its row's name.
    """

    def __init__(self, graph: Graph) -> None:
        model = re.sub(r"\W", "_", graph.head.model)
        self._path = re.compile(rf"(?:^|;){re.escape(model)}(_\d+)?/(\w+)")
        self._rows = {node.name: row.name for row, node in graph.row_of()}
        self._outputs = {name for name, _ in graph.outputs}

    def rows(self, tensor: str) -> tuple[str, ...]:
        layers = []
        for number, layer in self._path.findall(tensor):
            layers.append(layer.removesuffix(number) if number else layer)
        rows = dict.fromkeys(self._rows[layer] for layer in layers if layer in self._rows)
        return tuple(rows) or ((tensor,) if tensor in self._outputs else ())


def tensors_of(data: bytes, graph: Graph, rows: Sequence[str]) -> list[str]:
    """What the ops of some rows write, by name. Raises ArtifactError where the file holds nothing of a row."""
    wanted, there = set(rows), set[str]()
    found = []
    for op in placed(data, graph):
        if wanted.intersection(op.rows):
            found.append(op.tensor)
            there.update(op.rows)
    for row in rows:
        if row not in there:
            raise ArtifactError(f"row `{row}` has no op of its own in the file: others have taken it in")
    return found
