"""What a network that only answers has no use for."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from math import prod

from archspec.graph import INPUT, Graph, Node, Tensor
from archspec.ops import Dropout, Op, Pad, Pool, Reshape, Resize, Scale
from archspec.passes.rewrite import Rewrite
from archspec.passes.sketch import Sketch, Step, rewritten


def tidy(graph: Graph) -> Rewrite:
    """Without what no output needs, without ops that change nothing in inference, without the same op twice.

    The node behind an output stays: two outputs that are one tensor are more than a runtime can tell apart.
    """
    leaving = {tensor.node for _, tensor in graph.outputs}
    first: dict[tuple[Op, tuple[tuple[int, int], ...]], int] = {}
    same: dict[int, int] = {}  # a node -> the first one that gives the same
    steps: dict[int, Step] = {}
    for number, node in enumerate(graph.nodes):
        read = tuple((same.get(t.node, t.node), t.output) for t in node.inputs)
        if number in leaving:
            continue
        if _does_nothing(node):
            steps[number] = _input
        elif isinstance(node.op, Reshape) and (before := _reshaped(graph, node)):
            steps[number] = partial(_reshape, before=before)
        elif not node.op.kind and node.op.outputs == 1:
            same[number] = first.setdefault((node.op, read), number)
            if same[number] != number:
                steps[number] = partial(_again, twin=Tensor(same[number], 0, node.shape))
    made = rewritten(graph, steps)
    dropped = len(graph.nodes) - len(made.graph.nodes)
    return replace(made, notes=(f"ops without use in inference dropped: {dropped}",) if dropped else ())


def _does_nothing(node: Node) -> bool:
    """Whether the op gives its first input as it is."""
    op, shape = node.op, node.inputs[0].shape
    if isinstance(op, Dropout) or op == Scale(1.0):
        return True
    if isinstance(op, Pool):
        return op.kernel == (1, 1) and op.stride == 1 and node.shape == shape
    return isinstance(op, Resize | Reshape | Pad) and node.shape == shape


def _reshaped(graph: Graph, node: Node) -> Tensor | None:
    """What a reshape in front of this one reads."""
    before = node.inputs[0].node
    if before == INPUT or not isinstance(graph.nodes[before].op, Reshape):
        return None
    return graph.nodes[before].inputs[0]


def _input(sketch: Sketch, node: Node) -> Tensor:
    return sketch.at(node.inputs[0])


def _again(sketch: Sketch, node: Node, twin: Tensor) -> Tensor:
    return sketch.at(twin)


def _reshape(sketch: Sketch, node: Node, before: Tensor) -> Tensor:
    target = node.shape if len(node.shape) == 3 else (prod(node.shape),)
    return sketch.add(node.name, Reshape(target), sketch.at(before))
