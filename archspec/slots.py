"""The layers of a graph that hold weights, as the import of weights wants them."""

from __future__ import annotations

from archspec import ops
from archspec.graph import INPUT, Graph
from archspec.weights import Slot
from archspec.weights.upstream import IMAGE, TangledError, Upstream, join

JOINS: dict[type[ops.Op], str] = {ops.Concat: "concat", ops.Add: "add", ops.Multiply: "multiply"}


def slots_of(graph: Graph) -> tuple[Slot, ...]:
    """One slot a weighted layer, in the graph's order, with the slots upstream of each and what it reads."""
    slots: list[Slot] = []
    above: dict[int, frozenset[int]] = {INPUT: frozenset()}
    reads, follows = _reads(graph), _follows(graph)
    for number, (row, node) in enumerate(graph.row_of()):
        upstream = frozenset().union(*(above[t.node] for t in node.inputs))
        weights = node.op.weights(*node.input_shapes)
        if weights:
            shapes = tuple((w.role, w.shape) for w in weights)
            read = reads.get(node.name)
            after = follows.get(number)
            slots.append(Slot(node.name, row.name, row.block, node.role, node.op.kind, shapes, upstream, read, after))
            upstream |= {len(slots) - 1}
        above[number] = upstream
    return tuple(slots)


def _follows(graph: Graph) -> dict[int, float | str]:
    """The factor or the activation that is the only reader of a node, by the node's number."""
    readers: dict[int, list[ops.Op | None]] = {tensor.node: [None] for _, tensor in graph.outputs}
    for node in graph.nodes:
        for tensor in node.inputs:
            readers.setdefault(tensor.node, []).append(node.op)
    found: dict[int, float | str] = {}
    for number, read in readers.items():
        if len(read) == 1 and isinstance(read[0], ops.Scale):
            found[number] = read[0].factor
        elif len(read) == 1 and isinstance(read[0], ops.Activation):
            found[number] = read[0].function
    return found


def _reads(graph: Graph) -> dict[str, Upstream]:
    """What each weighted layer reads, by name; nothing for a graph too tangled to be told in such a way."""
    reads: dict[str, Upstream] = {}
    given: dict[int, Upstream] = {INPUT: IMAGE}
    try:
        for number, node in enumerate(graph.nodes):
            sources = [given[t.node] for t in node.inputs]
            if node.op.weights(*node.input_shapes):
                reads[node.name], given[number] = sources[0], node.name
            elif isinstance(node.op, (ops.Pool, ops.GlobalPool)):
                given[number] = join(node.op.function, sources)
            else:
                given[number] = join(JOINS[type(node.op)], sources) if type(node.op) in JOINS else sources[0]
    except TangledError:
        return {}
    return reads
