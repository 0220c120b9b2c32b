"""What a network costs, row by row, exactly.

The conventions, stated once:

- params: what Keras's `count_params()` says; batch norm counts four a channel. `trainable` stands beside it.
- MACs: multiplies of convolutions and dense layers only, batch 1; no bias, batch norm, activation, pooling; a
  transposed convolution is charged by input pixel, and a padded pixel like any other.
- activation memory: the peak, over the order of the table, of the elements of all tensors that are still to be
  read. Batch norm, activations, dropout and reshapes work in place where nothing else reads their input.
- receptive field: input pixels along the longer axis that an output pixel sees, borders left out of account;
  behind an upsampling that other windows follow, where pixels see unequally far, it can fall short of the widest.
- stride: input pixels between two neighbouring output pixels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from archspec.graph import INPUT, Graph, Node
from archspec.ops import POINT, Shape, volume


class RowCost(NamedTuple):
    """One row: parameters, trainable ones, MACs, the output's shape, what one output pixel sees."""

    name: str
    block: str
    repeat: int
    output: Shape
    params: int
    trainable: int
    macs: int
    receptive_field: int
    stride: int | float


@dataclass(frozen=True)
class NetCost:
    """The whole network. `activation_elements` is the peak; times one for bytes of int8, times four of float32."""

    rows: tuple[RowCost, ...]
    params: int
    trainable: int
    macs: int
    activation_elements: int

    @property
    def activation_bytes(self) -> dict[str, int]:
        return {"int8": self.activation_elements, "float32": 4 * self.activation_elements}


def cost(graph: Graph) -> NetCost:
    """Count a graph."""
    seen = _receptive_fields(graph)
    counted: dict[tuple[int, tuple[Shape, ...]], tuple[int, int, int]] = {}  # a repeated row shares its ops
    rows = []
    for row in graph.rows:
        params = trainable = macs = 0
        for node in graph.nodes[row.start : row.stop]:
            if not node.op.kind:
                continue  # an op without variables has no MACs either
            key = id(node.op), node.input_shapes
            counts = counted.get(key) or counted.setdefault(key, _counts(node))
            params, trainable, macs = params + counts[0], trainable + counts[1], macs + counts[2]
        height, width, step, parts = seen[row.output.node]
        field, stride = max(height, width), step // parts if step % parts == 0 else step / parts
        rows.append(RowCost(row.name, row.block, row.repeat, row.output.shape, params, trainable, macs, field, stride))
    return NetCost(
        tuple(rows),
        sum(r.params for r in rows),
        sum(r.trainable for r in rows),
        sum(r.macs for r in rows),
        peak_elements(graph),
    )


def _counts(node: Node) -> tuple[int, int, int]:
    """Parameters, trainable ones and MACs of a node."""
    shapes = node.input_shapes
    weights = node.op.weights(*shapes)
    return (
        sum([volume(shape) for _, shape, _ in weights]),
        sum([volume(shape) for _, shape, learned in weights if learned]),
        node.op.macs(*shapes),
    )


Seen = tuple[int, int, int, int]
"""Pixels of the image that an output pixel sees (height, width), and its stride as a fraction."""


def _receptive_fields(graph: Graph) -> dict[int, Seen]:
    seen: dict[int, Seen] = {INPUT: (1, 1, 1, 1)}
    for i, node in enumerate(graph.nodes):
        reach = node.op.reach(*node.input_shapes)
        if reach is POINT and len(node.inputs) == 1:
            seen[i] = seen[node.inputs[0].node]
            continue
        height, width, step, parts = seen[node.inputs[0].node]
        for tensor in node.inputs[1:]:
            other = seen[tensor.node]
            height, width = max(height, other[0]), max(width, other[1])
            if other[2] * parts < step * other[3]:  # a gate of one pixel strides far; the map it opens does not
                step, parts = other[2:]
        high, wide = reach.extent
        height -= -(high - 1) * step // parts  # rounded up
        width -= -(wide - 1) * step // parts
        step, parts = step * reach.stride, parts * reach.zoom
        if parts != 1:
            common = math.gcd(step, parts)
            step, parts = step // common, parts // common
        seen[i] = height, width, step, parts
    return seen


def peak_elements(graph: Graph) -> int:
    """The largest sum of elements of the tensors alive at one time."""
    nodes = graph.nodes
    reads: dict[tuple[int, int], int] = {}
    last: dict[tuple[int, int], int] = {}  # tensor -> the node that reads it last
    for i, node in enumerate(nodes):
        for tensor in node.inputs:
            key = tensor[:2]
            reads[key] = reads.get(key, 0) + 1
            last[key] = i
    last.update((tensor[:2], len(nodes)) for _, tensor in graph.outputs)
    freed = [0] * (len(nodes) + 1)  # elements let go after each node
    live = peak = volume(graph.input_shape)
    freed[last.get((INPUT, 0), 0)] += live
    for i, node in enumerate(nodes):
        size = volume(node.shape)
        for output in range(node.op.outputs):
            live += size
            freed[last.get((i, output), i)] += size
        key = node.inputs[0][:2]
        if node.op.in_place and key[0] != INPUT and reads[key] == 1 and last[key] == i:
            live -= size  # it is written over its input, which is as large
            freed[i] -= size
        peak = max(peak, live)
        live -= freed[i]
    return peak
