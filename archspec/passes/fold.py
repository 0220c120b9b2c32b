"""Batch norms folded into the layers in front of them, with their weights."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from archspec.graph import INPUT, Graph, Node
from archspec.ops import BatchNorm, Conv, Dense, DepthwiseConv, Op, TransposeConv
from archspec.passes.rewrite import Rewrite, Weights

Floats = NDArray[np.float32]
LINEAR = (Conv, DepthwiseConv, TransposeConv, Dense)


def fold(graph: Graph) -> Rewrite:
    """`fold_batch_norm` and `fold_weights` as one pass."""
    count = len(foldable(graph))
    notes = (f"batch norms folded: {count}",) if count else ()
    return Rewrite(fold_batch_norm(graph), lambda weights: fold_weights(graph, weights), notes)


def fold_batch_norm(graph: Graph) -> Graph:
    """The graph without each batch norm that directly follows a convolution or a dense layer: a bias stands for it.

    The layers keep their names. A batch norm in front of a convolution, or behind an activation, stays.
    """
    folded = foldable(graph)
    made: list[Node] = []
    moved: dict[int, int] = {INPUT: INPUT}  # old node number -> new
    starts: list[int] = []
    norms = set(folded)
    layers = set(folded.values())
    for number, node in enumerate(graph.nodes):
        starts.append(len(made))
        if number in norms:
            moved[number] = moved[node.inputs[0].node]
            continue
        op = biased(node) if number in layers else node.op
        moved[number] = len(made)
        made.append(node._replace(op=op, inputs=tuple(t.moved(moved) for t in node.inputs)))
    starts.append(len(made))
    rows = tuple(
        row._replace(start=starts[row.start], stop=starts[row.stop], output=row.output.moved(moved))
        for row in graph.rows
    )
    outputs = tuple((name, tensor.moved(moved)) for name, tensor in graph.outputs)
    return replace(graph, nodes=tuple(made), rows=rows, outputs=outputs)


def foldable(graph: Graph) -> dict[int, int]:
    """Each batch norm that can be folded, with the layer in front of it: nothing else reads that layer."""
    readers = Counter(t.node for node in graph.nodes for t in node.inputs)
    readers.update(t.node for _, t in graph.outputs)
    found = {}
    for number, node in enumerate(graph.nodes):
        before = node.inputs[0].node
        follows = before != INPUT and isinstance(graph.nodes[before].op, LINEAR)
        if isinstance(node.op, BatchNorm) and follows and readers[before] == 1:
            found[number] = before
    return found


def fold_weights(graph: Graph, weights: Weights) -> dict[str, list[Floats]]:
    """The weights of `fold_batch_norm(graph)` from those of `graph`, by layer name in Keras's order.

    y = gamma (W x + b - mean) / sqrt(variance + epsilon) + beta, computed in double precision.
    """
    folded = {name: list(values) for name, values in weights.items()}
    for number, before in foldable(graph).items():
        norm, layer = graph.nodes[number], graph.nodes[before]
        assert isinstance(norm.op, BatchNorm)
        values = [v.astype(np.float64) for v in folded.pop(norm.name)]
        gamma = values.pop(0) if norm.op.scale else np.ones_like(values[0])
        beta, mean, variance = values
        factor = gamma / np.sqrt(variance + norm.op.epsilon)
        kind = folded[layer.name][0].dtype
        kernel, *bias = (v.astype(np.float64) for v in folded[layer.name])
        shift = beta + ((bias[0] if bias else 0) - mean) * factor
        folded[layer.name] = [(kernel * along(layer, kernel, factor)).astype(kind), shift.astype(kind)]
    return folded


def biased(layer: Node) -> Op:
    """The op of a layer with weights, with a bias."""
    return replace(layer.op, bias=True)  # type: ignore[type-var]  # every op is a dataclass but Op itself


def along(layer: Node, kernel: NDArray[np.float64], factor: NDArray[np.float64]) -> NDArray[np.float64]:
    """The factor of each output channel, shaped to multiply the layer's kernel."""
    if isinstance(layer.op, DepthwiseConv):
        return factor.reshape(1, 1, *kernel.shape[2:])
    if isinstance(layer.op, TransposeConv):
        return factor.reshape(1, 1, -1, 1)
    return factor
