"""What a network costs, row by row, exactly.

The conventions, stated once:

- params: what Keras's `count_params()` says; batch norm counts four a channel. `trainable` stands beside it.
- MACs: multiplies of convolutions and dense layers only, batch 1; no bias, batch norm, activation, pooling; a
  transposed convolution is charged by input pixel, and a padded pixel like any other.
- activation memory: the peak, over the order of the table, of the elements of all tensors that are still to be
  read. Batch norm, activations, dropout and reshapes work in place where nothing else reads their input.
- receptive field: input pixels along the longer axis that an output pixel sees, borders left out of account.
- stride: input pixels between two neighbouring output pixels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from archspec.graph import INPUT, Graph, Node, Tensor
from archspec.ops import Shape, volume


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
    rows = []
    for row in graph.rows:
        params = trainable = macs = 0
        for node in graph.nodes[row.start : row.stop]:
            shapes = node.input_shapes
            macs += node.op.macs(*shapes)
            for weight in node.op.weights(*shapes):
                params += weight.size
                trainable += weight.size if weight.trainable else 0
        field, step = seen[row.output.node]
        stride = int(step) if step.denominator == 1 else float(step)
        rows.append(
            RowCost(row.name, row.block, row.repeat, row.output.shape, params, trainable, macs, field, stride)
        )
    return NetCost(
        tuple(rows),
        sum(r.params for r in rows),
        sum(r.trainable for r in rows),
        sum(r.macs for r in rows),
        peak_elements(graph),
    )


def _receptive_fields(graph: Graph) -> dict[int, tuple[int, Fraction]]:
    """For each node, the pixels of the image that one of its pixels sees, and its stride."""
    seen: dict[int, tuple[int, Fraction]] = {INPUT: (1, Fraction(1))}
    for i, node in enumerate(graph.nodes):
        reach = node.op.reach(*node.input_shapes)
        field = max(seen[t.node][0] for t in node.inputs)
        step = max(seen[t.node][1] for t in node.inputs)
        seen[i] = (math.ceil(field + (reach.extent - 1) * step), step * reach.step)
    return seen


def peak_elements(graph: Graph) -> int:
    """The largest sum of elements of the tensors alive at one time."""
    readers: dict[tuple[int, int], int] = {}
    last: dict[tuple[int, int], int] = {}
    for i, node in enumerate(graph.nodes):
        for tensor in node.inputs:
            key = (tensor.node, tensor.output)
            readers[key] = readers.get(key, 0) + 1
            last[key] = i
    for _, tensor in graph.outputs:
        last[(tensor.node, tensor.output)] = len(graph.nodes)
    dying: dict[int, list[int]] = {}
    live = peak = 0

    def born(key: tuple[int, int], shape: Shape, at: int) -> None:
        nonlocal live
        live += volume(shape)
        dying.setdefault(last.get(key, at), []).append(volume(shape))

    born((INPUT, 0), graph.input_shape, -1)
    for i, node in enumerate(graph.nodes):
        held = volume(node.shape) if _in_place(node, readers, last, i) else 0
        live -= held
        if held:
            dying[i].remove(held)
        for output in _outputs_of(node, i):
            born((i, output.output), output.shape, i)
        peak = max(peak, live)
        live -= sum(dying.pop(i, ()))
    return max(peak, volume(graph.input_shape))


def _in_place(node: Node, readers: dict[tuple[int, int], int], last: dict[tuple[int, int], int], at: int) -> bool:
    key = (node.inputs[0].node, node.inputs[0].output)
    return node.op.in_place and key[0] != INPUT and readers[key] == 1 and last[key] == at


def _outputs_of(node: Node, number: int) -> list[Tensor]:
    from archspec.ops import Split

    parts = node.op.parts if isinstance(node.op, Split) else 1
    return [Tensor(number, i, node.shape) for i in range(parts)]
