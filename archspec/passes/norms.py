"""Batch norms and scales that stand apart from a layer with weights: into the layers they can reach, exactly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from archspec.graph import INPUT, Graph, Node, Tensor
from archspec.ops import Add, BatchNorm, Concat, Conv, Dense, DepthwiseConv, GlobalPool, Pool, Resize, Scale
from archspec.passes.fold import LINEAR, along, biased
from archspec.passes.rewrite import Rewrite, Weights
from archspec.passes.sketch import Sketch, Step, Values, readers, reading, rewritten

Doubles = NDArray[np.float64]


def affine(node: Node, weights: Weights) -> tuple[Doubles, Doubles]:
    """The factor and the shift of each channel of a batch norm, or of a scale."""
    channels = node.shape[-1]
    if isinstance(node.op, Scale):
        return np.full(channels, node.op.factor), np.zeros(channels)
    assert isinstance(node.op, BatchNorm)
    values = [v.astype(np.float64) for v in weights[node.name]]
    gamma = values.pop(0) if node.op.scale else np.ones(channels)
    beta, mean, variance = values
    factor = gamma / np.sqrt(variance + node.op.epsilon)
    return factor, beta - mean * factor


class Source(NamedTuple):
    """A layer that takes a norm in: the norm's channels from `start` on, and whether its shift too."""

    node: int
    start: int
    shifted: bool


def spread(graph: Graph) -> Rewrite:
    """Norms behind sums, concatenations, means and resizes of layers with weights, which alone read those layers.

    A mean and an interpolation of factor · x + shift is factor · mean + shift; a concatenation gives each branch its
    channels; a sum gives the factor to each branch and the shift to the first.
    """
    whole, total = Rewrite(graph, lambda weights: weights), 0
    while count := len(_spreadable(whole.graph)):
        whole, total = whole.then(_spread_once), total + count
    return replace(whole, notes=(f"norms and scales moved into layers before them: {total}",) if total else ())


def _spread_once(graph: Graph) -> Rewrite:
    """One round: no two norms share a layer, as a layer on the way to one has one reader.

    What stands between takes new names, as it means something else now: the last one that of the norm.
    """
    steps: dict[int, Step] = {}
    for number, sources in _spreadable(graph).items():
        norm = graph.nodes[number]
        last = norm.inputs[0].node
        steps[number] = lambda sketch, node: sketch.at(node.inputs[0])
        between = [(n, None) for n in _between(graph, last)]
        for at, source in [*between, *((s.node, s) for s in sources)]:
            direct = source is not None and at == last
            name = graph.nodes[at].name if direct else norm.name if at == last else f"{graph.nodes[at].name}_normed"
            steps[at] = partial(_take_in, norm=norm, source=source, name=name) if source else partial(_named, name=name)
    return rewritten(graph, steps)


def _between(graph: Graph, number: int) -> list[int]:
    """The nodes from the layers that take in a norm to the one that the norm reads."""
    node = graph.nodes[number]
    if isinstance(node.op, LINEAR):
        return []
    return [number, *(n for tensor in node.inputs for n in _between(graph, tensor.node))]


def _named(sketch: Sketch, node: Node, name: str) -> Tensor:
    return sketch.keep(node._replace(name=name))


def _spreadable(graph: Graph) -> dict[int, list[Source]]:
    """Norms and scales by number, each with the layers that take it in."""
    count = readers(graph)
    found = {}
    for number, node in enumerate(graph.nodes):
        if isinstance(node.op, BatchNorm | Scale):
            sources = _sources(graph, count, node.inputs[0], 0, shifted=True)
            if sources:
                found[number] = sources
    return found


def _sources(graph: Graph, count: Mapping[int, int], tensor: Tensor, start: int, *, shifted: bool) -> list[Source]:
    """The layers that can take in a norm of a tensor; none where not every branch ends in one."""
    if tensor.node == INPUT or count[tensor.node] != 1:
        return []
    node = graph.nodes[tensor.node]
    if isinstance(node.op, LINEAR):
        return [Source(tensor.node, start, shifted)]
    averages = isinstance(node.op, Pool | GlobalPool) and node.op.function == "avg"
    if averages or isinstance(node.op, Resize):
        return _sources(graph, count, node.inputs[0], start, shifted=shifted)
    if not isinstance(node.op, Add | Concat):
        return []
    found = []
    for i, branch in enumerate(node.inputs):
        summed = isinstance(node.op, Add)
        part = _sources(graph, count, branch, start, shifted=shifted and not (summed and i))
        if not part:
            return []
        found += part
        start += 0 if summed else branch.shape[-1]
    return found


def _take_in(sketch: Sketch, node: Node, norm: Node, source: Source, name: str) -> Tensor:
    channels = slice(source.start, source.start + node.shape[-1])

    def recipe(weights: Weights) -> Values:
        factor, shift = (values[channels] for values in affine(norm, weights))
        kernel, *bias = (v.astype(np.float64) for v in weights[node.name])
        old = bias[0] * factor if bias else np.zeros_like(shift)
        return [kernel * along(node, kernel, factor), old + shift if source.shifted else old]

    return sketch.keep(node._replace(name=name), biased(node), recipe)


def ahead(graph: Graph) -> Rewrite:
    """Norms whose readers all are 1×1 convolutions, convolutions without padding, or dense layers: into those.

    Zeros of a padding would have to be what the norm makes of zero.
    """
    read, count = reading(graph), readers(graph)
    steps: dict[int, Step] = {}
    folded = 0
    for number, node in enumerate(graph.nodes):
        behind = read.get(number, [])
        alone = len(behind) == count[number] > 0
        if isinstance(node.op, BatchNorm | Scale) and alone and all(_unpadded(graph.nodes[n]) for n in behind):
            steps[number] = lambda sketch, node: sketch.at(node.inputs[0])
            steps |= {n: partial(_take_ahead, norm=node) for n in behind}
            folded += 1
    return rewritten(graph, steps, f"norms and scales folded into layers behind them: {folded}")


def _unpadded(node: Node) -> bool:
    op = node.op
    if isinstance(op, Conv):
        return op.groups == 1 and (op.padding == "valid" or (op.kernel == (1, 1) and op.padding == "same"))
    return isinstance(op, Dense)


def _take_ahead(sketch: Sketch, node: Node, norm: Node) -> Tensor:
    def recipe(weights: Weights) -> Values:
        factor, shift = affine(norm, weights)
        kernel, *bias = (v.astype(np.float64) for v in weights[node.name])
        inputs = kernel.ndim - 2
        moved = np.tensordot(shift, kernel.sum(tuple(range(inputs))), 1)
        return [kernel * factor[:, None], moved + (bias[0] if bias else 0)]

    return sketch.keep(node, biased(node), recipe)


def alone(graph: Graph) -> Rewrite:
    """Batch norms of maps that are left: each a depthwise 1×1 convolution.

    The converter leaves a multiplication and an addition, and a relu by itself behind them.
    """
    found = [n for n, node in enumerate(graph.nodes) if isinstance(node.op, BatchNorm) and len(node.shape) == 3]
    note = f"batch norms as depthwise 1×1 convolutions: {len(found)}"
    return rewritten(graph, dict.fromkeys(found, _depthwise), note)


def _depthwise(sketch: Sketch, node: Node) -> Tensor:
    def recipe(weights: Weights) -> Values:
        factor, shift = affine(node, weights)
        return [factor.reshape(1, 1, -1, 1), shift]

    return sketch.keep(node, DepthwiseConv((1, 1), bias=True), recipe)
