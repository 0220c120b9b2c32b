"""The layers of a graph that hold weights, as the import of weights wants them."""

from __future__ import annotations

from archspec.graph import INPUT, Graph
from archspec.weights import Slot


def slots_of(graph: Graph) -> tuple[Slot, ...]:
    """One slot a weighted layer, in the graph's order, with the slots upstream of each."""
    slots: list[Slot] = []
    above: dict[int, frozenset[int]] = {INPUT: frozenset()}
    number = 0
    for row, node in graph.row_of():
        upstream = frozenset().union(*(above[t.node] for t in node.inputs))
        weights = node.op.weights(*node.input_shapes)
        if weights:
            shapes = tuple((w.role, w.shape) for w in weights)
            slots.append(Slot(node.name, row.name, row.block, node.role, node.op.kind, shapes, upstream))
            upstream |= {len(slots) - 1}
        above[number] = upstream
        number += 1
    return tuple(slots)
