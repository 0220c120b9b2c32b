"""A made-up CPU: this machine's builtin kernels, whose answers are changed for ops that write certain tensors."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from numpy.typing import NDArray

from archspec.abi import AbiError, opwise, rowwise
from archspec.abi.batch import Work
from archspec.abi.run import Answers, Place
from archspec.artifact import TensorInfo, inspect_tflite
from archspec.tflite.model import one_graph
from archspec.tflite.slices import cut

Change = Callable[[NDArray[Any]], NDArray[Any]]
CPU = Place("cortex-a7", "builtin", ())


def inwards(value: NDArray[Any]) -> NDArray[Any]:
    """Every integer one step nearer to zero, or to one where it is there."""
    return np.where(value > 0, value - 1, value + 1).astype(value.dtype)


def evaluate(data: bytes, given: Sequence[NDArray[Any]], changes: Mapping[str, Change]) -> dict[int, NDArray[Any]]:
    """All tensors that the ops of a file write, by number, op after op; `changes` are by a part of the tensor's name.

    Raises AbiError where a change does.
    """
    graph = one_graph(data)
    known = dict(zip(graph.inputs, given, strict=True))
    for one in cut(data):
        net = Interpreter(
            model_content=one.data,
            experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        )
        net.allocate_tensors()
        for detail, i in zip(net.get_input_details(), one.inputs, strict=True):
            net.set_tensor(detail["index"], known[i])
        net.invoke()
        for detail, i in zip(net.get_output_details(), one.outputs, strict=True):
            known[i] = net.get_tensor(detail["index"])
            for part, change in changes.items():
                if part in graph.tensors[i].name:
                    known[i] = change(known[i])
    return known


def install(monkeypatch: pytest.MonkeyPatch, changes: Mapping[str, Change]) -> None:
    """Let ops and rows be run here: changed on another CPU, and as they are on this machine."""

    def whole(place: Place, model: Path, fed: NDArray[Any], outputs: Sequence[TensorInfo]) -> Answers:
        data = model.read_bytes()
        known = evaluate(data, [fed[0]], changes if place.cpu != "x86_64" else {})
        return {info.name: known[i][None] for info, i in zip(outputs, one_graph(data).outputs, strict=True)}

    def each(place: Place, works: Sequence[Work]) -> list[Answers | str]:
        return [one(work) for work in works]

    def one(work: Work) -> Answers | str:
        data = work.model.read_bytes()
        try:
            known = evaluate(data, work.fed, changes)
        except AbiError as error:
            return str(error)
        infos = inspect_tflite(data).outputs
        return {info.name: known[i][None] for info, i in zip(infos, one_graph(data).outputs, strict=True)}

    monkeypatch.setattr(opwise, "run", whole)
    monkeypatch.setattr(opwise, "run_each", each)
    monkeypatch.setattr(rowwise, "run", whole)
    monkeypatch.setattr(rowwise, "run_each", each)
