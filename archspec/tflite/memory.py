"""How much memory the activations of a .tflite file take while it runs."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from archspec.artifact import ArtifactError
from archspec.tflite.model import Graph, Step, Tensor, one_graph

ALIGNMENT = 64  # bytes, of every tensor in the arena: kDefaultTensorAlignment of TensorFlow Lite
BITS = {
    "INT2": 2, "INT4": 4, "UINT4": 4, "BOOL": 8, "INT8": 8, "UINT8": 8, "INT16": 16, "UINT16": 16, "FLOAT16": 16,
    "BFLOAT16": 16, "INT32": 32, "UINT32": 32, "FLOAT32": 32, "INT64": 64, "UINT64": 64, "FLOAT64": 64,
    "COMPLEX64": 64, "COMPLEX128": 128,
}  # fmt: skip
OVERWRITES = {"ADD": 2, "SUB": 2, "MUL": 2, "DIV": 2, "SOFTMAX": 1, "DYNAMIC_UPDATE_SLICE": 1}
"""Ops whose kernels may write over an input, and which: so many from the first on."""

KEEPS = ("RESHAPE", "SQUEEZE", "EXPAND_DIMS", "BITCAST")  # ops that leave the bytes of their first input as they are
SCALAR = 4  # bytes of a tensor that is too small to be written over


@dataclass(frozen=True)
class Activation:
    """A tensor that holds `size` bytes from the op number `first` to the op number `last`, both included."""

    tensor: int
    size: int
    first: int
    last: int


def peak_ram(data: bytes) -> int:
    """The most bytes of activations that are alive during one op of the .tflite file `data`.

    A tensor is alive from the op that writes it to the last that reads it; an output, and what nothing reads, to the
    end; an input or a variable from beginning to end: TensorFlow Lite overwrites none of these. Constants do not count,
    nor does what kernels take for themselves. Raises ArtifactError where the file is broken, holds several graphs, or
    tensors whose size it does not say.
    """
    found = _activations(one_graph(data), {})
    return max((sum(a.size for a in found if a.first <= at.first <= a.last) for at in found), default=0)


def arena_size(data: bytes) -> int:
    """The bytes of the arena in which TensorFlow Lite's own kernels keep the activations of the .tflite file `data`.

    As its planner lays them out: by size, the greatest first, each in the narrowest gap that is free while it lives, at
    multiples of 64 bytes (greedy by size, Pisarchyk and Lee 2020, arXiv 2001.03288; `ArenaPlanner`, `SimpleMemoryArena`
    in LiteRT). An op may write over its input, so this can be less than `peak_ram`, and gaps may be lost, so it can be
    more. What kernels take for themselves, which the file does not say, comes on top. XNNPACK keeps inputs and outputs
    alone in this arena. Raises ArtifactError as `peak_ram` does.
    """
    graph = one_graph(data)
    end = _end(graph)

    def turn(a: Activation) -> tuple[int, int, int]:
        return (0, a.tensor, 0) if (a.first, a.last) == (0, end) else (1, -a.size, a.first)

    placed: list[tuple[int, Activation]] = []
    for activation in sorted(_activations(graph, _shared(graph)), key=turn):
        placed.append((_offset(activation, placed), activation))
    return max((offset + a.size for offset, a in placed), default=0)


def _end(graph: Graph) -> int:
    return max(len(graph.steps) - 1, 0)


def _kept(graph: Graph) -> list[int]:
    """The tensors that live from beginning to end."""
    return [*graph.inputs, *(i for i, tensor in enumerate(graph.tensors) if tensor.variable)]


def _activations(graph: Graph, shared: Mapping[int, int]) -> list[Activation]:
    """The tensors that hold memory. `shared`: tensor -> the one in whose memory it lies."""
    end = _end(graph)
    first, last = dict.fromkeys(_kept(graph), 0), dict[int, int]()
    for step in graph.steps:
        for tensor in step.outputs:
            first.setdefault(shared.get(tensor, tensor), step.number)
        last |= {shared.get(i, i): step.number for i in step.inputs}
    last |= dict.fromkeys([*_kept(graph), *graph.outputs], end)
    # constants are read, but nothing writes them
    return [Activation(i, _size(graph.tensors[i]), step, last.get(i, end)) for i, step in first.items()]


def _shared(graph: Graph) -> dict[int, int]:
    """Tensor -> the one in whose memory an op writes it, as `ArenaPlanner::IdentifyInPlaceTensors` has it."""
    uses = Counter([*_kept(graph), *graph.outputs, *(i for step in graph.steps for i in step.inputs)])
    written = {i for step in graph.steps for i in step.outputs}
    found: dict[int, int] = {}
    for step in graph.steps:
        taken = next((i for i in _candidates(step, graph, uses) if i in written), None)
        if taken is not None and step.outputs[0] not in graph.outputs:
            root = found.get(taken, taken)
            if step.op in KEEPS or uses[root] == 1:
                found[step.outputs[0]] = root
    return found


def _candidates(step: Step, graph: Graph, uses: Mapping[int, int]) -> list[int]:
    """The inputs in whose memory an op may write its first output, as far as the op alone can tell."""
    if step.op in KEEPS:
        return list(step.inputs[:1])
    size = _size(graph.tensors[step.outputs[0]]) if step.op in OVERWRITES else 0
    inputs = step.inputs[: OVERWRITES.get(step.op, 0)]
    return [i for i in inputs if uses[i] == 1 and _size(graph.tensors[i]) == size > SCALAR]


def _size(tensor: Tensor) -> int:
    """In bytes. Raises ArtifactError where the file does not say it."""
    if tensor.dtype not in BITS or min(tensor.shape, default=0) < 0:
        raise ArtifactError(f"the size of tensor `{tensor.name}` ({tensor.dtype.lower()}) is not known")
    return -(-math.prod(tensor.shape) * BITS[tensor.dtype] // 8)


def _offset(new: Activation, placed: list[tuple[int, Activation]]) -> int:
    """Where `new` goes among what is placed already: the narrowest gap that takes it, else behind all."""
    best, narrowest, free = None, math.inf, 0
    for at, size in sorted((at, a.size) for at, a in placed if a.first <= new.last and new.first <= a.last):
        start = _aligned(free)
        if start + new.size <= at and at - start < narrowest:
            best, narrowest = start, at - start
        free = max(free, at + size)
    return _aligned(free) if best is None else best


def _aligned(offset: int) -> int:
    return -(-offset // ALIGNMENT) * ALIGNMENT
