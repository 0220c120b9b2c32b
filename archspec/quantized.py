"""Weights as an int8 file holds them, in floats: kernels in steps of their channel, biases in steps of 32 bits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from archspec import ops
from archspec.graph import INPUT, Graph
from archspec.quantization import IMAGE, Plan, Range, keeps_scale, plan

Floats = NDArray[np.float32]
Weights = Mapping[str, Sequence[Floats]]
"""By layer, in Keras's order."""


def fake_quantized(kernel: Floats, axes: Sequence[int]) -> Floats:
    """The kernel rounded: for each output channel multiples, -127 to 127, of its largest value / 127.

    A factor for each channel passes through: folding a batch norm before or after is the same.
    """
    step = _largest(kernel, axes) * np.float32(1 / 127)
    count = np.divide(kernel, step, out=np.zeros_like(kernel), where=step > 0)
    return np.asarray(np.rint(count) * step, np.float32)


def _largest(kernel: Floats, axes: Sequence[int]) -> Floats:
    others = tuple(axis for axis in range(kernel.ndim) if axis not in axes)
    return np.asarray(np.abs(kernel).max(others, keepdims=True))


def baked(graph: Graph, weights: Weights) -> dict[str, list[Floats]]:
    """The weights of a graph with every kernel rounded."""
    made = {name: list(values) for name, values in weights.items()}
    for name, axes in plan(graph).kernels.items():
        made[name][0] = fake_quantized(made[name][0], axes)
    return made


def rounded_biases(graph: Graph, weights: Weights, ranges: Mapping[str, Range]) -> dict[str, list[Floats]]:
    """The weights of a graph with each bias rounded to a multiple of its input's step times its kernel's.

    Kernels are `baked`. A layer that a batch norm follows, or whose input has no range, keeps its bias. The rounding
    is a small share of an output's step, but deep networks amplify it: a comparison with a file wants it in.
    """
    made = {name: list(values) for name, values in weights.items()}
    planned = plan(graph)
    behind = _behind(graph, planned)
    for name, step in _steps_read(graph, planned, ranges).items():
        if len(made[name]) < 2 or any(isinstance(op, ops.BatchNorm) for op in behind[name]):
            continue
        kernel, bias = made[name]
        unit = _largest(kernel, planned.kernels[name]).reshape(-1).astype(np.float64) / 127 * float(step)
        # hard_sigmoid's 3 goes into the bias before that is rounded
        shift = 3.0 if ops.Activation("hard_sigmoid") in behind[name] else 0.0
        count = np.divide(bias + shift, unit, out=np.zeros_like(unit), where=unit > 0)
        made[name][1] = np.where(unit > 0, np.rint(count) * unit - shift, bias).astype(np.float32)
    return made


def _behind(graph: Graph, planned: Plan) -> dict[str, list[ops.Op]]:
    """The ops that a file makes a part of each layer."""
    found = {node.name: node.op for node in graph.nodes}
    return {members[0]: [found[name] for name in members[1:]] for members in planned.groups.values()}


def _steps_read(graph: Graph, planned: Plan, ranges: Mapping[str, Range]) -> dict[str, np.float32]:
    """The step of what each layer with a kernel reads, where its range is known."""
    known = {**ranges, **planned.fixed}
    given: dict[int, np.float32 | None] = {INPUT: _step(known[IMAGE])}
    read: dict[str, np.float32] = {}
    for number, node in enumerate(graph.nodes):
        step = given[node.inputs[0].node]
        if node.name in planned.kernels and step is not None:
            read[node.name] = step
        own = _step(known[node.name]) if node.name in known else None
        given[number] = step if own is None and keeps_scale(node.op) else own
    return read


def _step(interval: Range) -> np.float32:
    """The step of a tensor of 256 values over a range."""
    return np.float32((np.float32(interval[1]) - np.float32(interval[0])) / np.float32(255))
