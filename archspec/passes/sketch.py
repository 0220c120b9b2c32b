"""A graph that is made anew, node by node, from another one: what a pass works on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from archspec.graph import INPUT, Graph, Node, RowNodes, Tensor
from archspec.ops import Op
from archspec.passes.rewrite import Rewrite, Weights

Values = Sequence[NDArray[np.floating]]  # of one layer, in Keras's order
Recipe = Callable[[Weights], Values]
"""Makes a layer's weights of those of the graph before."""


class Sketch:
    """Collects the nodes of the graph to be, and knows what stands for each tensor of the graph before.

    Alive inside one pass. Weights of layers that keep their name are kept, unless a recipe is given.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.nodes: list[Node] = []
        self.recipes: dict[str, Recipe] = {}
        self._stand: dict[tuple[int, int], Tensor] = {(INPUT, 0): Tensor(INPUT, 0, graph.input_shape)}

    def at(self, tensor: Tensor) -> Tensor:
        """What stands for a tensor of the graph before."""
        return self._stand[tensor[:2]]

    def add(self, name: str, op: Op, *inputs: Tensor, role: str = "", recipe: Recipe | None = None) -> Tensor:
        """Add a node that reads tensors of the new graph. Raises ShapeError."""
        self.nodes.append(Node(name, role, op, inputs, op.shape(*[t.shape for t in inputs])))
        if recipe:
            self.recipes[name] = recipe
        return Tensor(len(self.nodes) - 1, 0, self.nodes[-1].shape)

    def keep(self, node: Node, op: Op | None = None, recipe: Recipe | None = None) -> Tensor:
        """Add a node as it was, or with another op."""
        return self.add(node.name, op or node.op, *map(self.at, node.inputs), role=node.role, recipe=recipe)

    def stand(self, number: int, tensor: Tensor) -> None:
        """Let a tensor, and those that the same node gives beside it, stand for the outputs of an old node."""
        for output in range(self.graph.nodes[number].op.outputs):
            self._stand[number, output] = tensor._replace(output=tensor.output + output)


Step = Callable[[Sketch, Node], Tensor]
"""Puts something in the place of a node, and gives the tensor that stands for its output."""


def rewritten(graph: Graph, steps: Mapping[int, Step], note: str = "") -> Rewrite:
    """The graph with other nodes in the place of some, by number, and without those that nothing reads then."""
    sketch = Sketch(graph)
    starts: list[int] = []
    for number, node in enumerate(graph.nodes):
        starts.append(len(sketch.nodes))
        step = steps.get(number)
        sketch.stand(number, step(sketch, node) if step else sketch.keep(node))
    starts.append(len(sketch.nodes))
    rows = tuple(
        row._replace(start=starts[row.start], stop=starts[row.stop], output=sketch.at(row.output)) for row in graph.rows
    )
    outputs = tuple((name, sketch.at(tensor)) for name, tensor in graph.outputs)
    made = pruned(replace(graph, nodes=tuple(sketch.nodes), rows=rows, outputs=outputs))
    if not steps and made == graph:
        return Rewrite(graph, lambda weights: weights)
    return Rewrite(made, _maker(made, sketch.recipes), (note,) if note else ())


def _maker(graph: Graph, recipes: Mapping[str, Recipe]) -> Callable[[Weights], Weights]:
    names = [node.name for node in graph.nodes if node.op.kind]

    def weights(before: Weights) -> Weights:
        kind = next((v.dtype for values in before.values() for v in values), np.float32)
        return {
            name: [np.asarray(v, kind) for v in (recipes[name](before) if name in recipes else before[name])]
            for name in names
        }

    return weights


def pruned(graph: Graph) -> Graph:
    """The graph without the nodes that no output needs, and without the rows of which nothing is left.

    A row whose own output is gone gives its last node's.
    """
    needed = {tensor.node for _, tensor in graph.outputs}
    for number in range(len(graph.nodes) - 1, -1, -1):
        if number in needed:
            needed.update(t.node for t in graph.nodes[number].inputs)
    numbers = {INPUT: INPUT}
    nodes: list[Node] = []
    rows: list[RowNodes] = []
    for row in graph.rows:
        start = len(nodes)
        for number in range(row.start, row.stop):
            if number in needed:
                node = graph.nodes[number]
                numbers[number] = len(nodes)
                nodes.append(node._replace(inputs=tuple(t.moved(numbers) for t in node.inputs)))
        if len(nodes) > start:
            last = Tensor(len(nodes) - 1, 0, nodes[-1].shape)
            output = row.output.moved(numbers) if row.output.node in numbers else last
            rows.append(row._replace(start=start, stop=len(nodes), output=output))
    outputs = tuple((name, tensor.moved(numbers)) for name, tensor in graph.outputs)
    return replace(graph, nodes=tuple(nodes), rows=tuple(rows), outputs=outputs)


def readers(graph: Graph) -> Counter[int]:
    """How often each node is read; to leave the network is to be read."""
    count = Counter(t.node for node in graph.nodes for t in node.inputs)
    count.update(t.node for _, t in graph.outputs)
    return count


def reading(graph: Graph) -> dict[int, list[int]]:
    """The nodes that read each node."""
    found: dict[int, list[int]] = {}
    for number, node in enumerate(graph.nodes):
        for tensor in node.inputs:
            found.setdefault(tensor.node, []).append(number)
    return found
