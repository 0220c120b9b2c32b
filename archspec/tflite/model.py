"""A .tflite file as objects: those of its schema, and what of its graphs is asked for here."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from archspec.artifact import ArtifactError

IDENTIFIER = b"TFL3"  # bytes 4 to 8


@dataclass(frozen=True)
class Tensor:
    """`dtype` as the format spells it: INT8. A variable keeps its values from one run to the next."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    variable: bool


@dataclass(frozen=True)
class Step:
    """One op in its place; a custom op goes by its own name. Inputs that are left out are not among `inputs`."""

    number: int
    op: str
    version: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True)
class Graph:
    """Ops in the order in which they run, and the tensors that they count."""

    tensors: tuple[Tensor, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    steps: tuple[Step, ...]


def read_model(data: bytes) -> Any:
    """The file as a `ModelT` of ai-edge-litert's schema. Raises ArtifactError where it is broken."""
    from ai_edge_litert import schema_py_generated as schema

    if data[4:8] != IDENTIFIER:
        raise ArtifactError("not a .tflite file")
    try:
        model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(data))
    except (struct.error, ValueError, TypeError, IndexError, AttributeError) as error:
        raise ArtifactError("the .tflite file is broken or cut short") from error
    if not model.subgraphs:
        raise ArtifactError("the .tflite file holds no graph")
    return model


def graphs(data: bytes) -> tuple[Graph, ...]:
    """All graphs of a file. Raises ArtifactError where it is broken."""
    from ai_edge_litert import schema_py_generated as schema

    model = read_model(data)
    types = {number: name for name, number in vars(schema.TensorType).items() if name[0] != "_"}
    ops = {number: name for name, number in vars(schema.BuiltinOperator).items() if name[0] != "_"}
    try:
        codes = [(_op(code, ops), int(code.version)) for code in model.operatorCodes or ()]
        return tuple(_graph(graph, codes, types) for graph in model.subgraphs)
    except (IndexError, UnicodeDecodeError) as error:
        raise ArtifactError("the .tflite file is broken: it names what it does not hold") from error


def one_graph(data: bytes) -> Graph:
    """The graph of a file that holds one. Raises ArtifactError where it does not, or is broken."""
    found = graphs(data)
    if len(found) != 1:
        raise ArtifactError(f"the .tflite file holds {len(found)} graphs; only one is counted")
    return found[0]


def _op(code: Any, ops: dict[int, str]) -> str:
    # a number above 127 does not fit the older field, which then holds 127
    number = max(code.deprecatedBuiltinCode, code.builtinCode)
    custom = (code.customCode or b"").decode()
    return custom if ops.get(number) == "CUSTOM" and custom else ops.get(number, f"op {number}")


def _graph(graph: Any, codes: Sequence[tuple[str, int]], types: dict[int, str]) -> Graph:
    tensors = tuple(
        Tensor((t.name or b"").decode(), types.get(t.type, f"type {t.type}"), _shape(t.shape), bool(t.isVariable))
        for t in graph.tensors or ()
    )

    def numbers(vector: Sequence[int] | None) -> tuple[int, ...]:
        found = () if vector is None else tuple(int(i) for i in vector if i != -1)
        if any(not 0 <= i < len(tensors) for i in found):
            raise IndexError
        return found

    steps = tuple(
        Step(
            i,
            codes[operator.opcodeIndex][0],
            codes[operator.opcodeIndex][1],
            numbers(operator.inputs),
            numbers(operator.outputs),
        )
        for i, operator in enumerate(graph.operators or ())
    )
    return Graph(tensors, numbers(graph.inputs), numbers(graph.outputs), steps)


def _shape(vector: Sequence[int] | None) -> tuple[int, ...]:
    return () if vector is None else tuple(int(side) for side in vector)
