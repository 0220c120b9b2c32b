"""The network as a DAG of ops, frozen; and `Net`, which collects its nodes while a spec is expanded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from archspec.diagnostics import Span
from archspec.ops import Op, Shape, ShapeError, Split

if TYPE_CHECKING:
    from archspec.spec import Head

INPUT = -1  # the node number of the image
MOST_NODES = 200_000


class Tensor(NamedTuple):
    """An output of a node: the node's number in the graph, which of its outputs, the shape without batch."""

    node: int
    output: int
    shape: Shape

    def moved(self, numbers: Mapping[int, int]) -> Tensor:
        """The same tensor where its node has another number."""
        return self._replace(node=numbers[self.node])


class Node(NamedTuple):
    """One op at work. `role` is what the block calls it; `name` is unique and is the Keras layer's name."""

    name: str
    role: str
    op: Op
    inputs: tuple[Tensor, ...]
    shape: Shape

    @property
    def input_shapes(self) -> tuple[Shape, ...]:
        return tuple([t.shape for t in self.inputs])


class RowNodes(NamedTuple):
    """What one row of the table became: nodes `start` to `stop` (exclusive), and the tensor it gives.

    `options` are the block's, as the row and the defaults say them.
    """

    name: str
    block: str
    repeat: int
    span: Span
    start: int
    stop: int
    output: Tensor
    named: bool
    options: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True)
class Graph:
    """A network: nodes in topological order, the rows they came from, and the tensors that leave it."""

    head: Head
    variant: str | None
    nodes: tuple[Node, ...]
    rows: tuple[RowNodes, ...]
    outputs: tuple[tuple[str, Tensor], ...]

    @property
    def input_shape(self) -> Shape:
        return self.head.input.shape

    def row_of(self) -> Iterator[tuple[RowNodes, Node]]:
        """Each node with its row, in order."""
        for row in self.rows:
            for node in self.nodes[row.start : row.stop]:
                yield row, node


def cut(graph: Graph, names: Sequence[str]) -> Graph:
    """The network with other outputs, rows by name, without the rows that none of them needs. Raises KeyError.

    Slim's final_endpoint, and more than one of them.
    """
    gives = {row.name: row.output for row in graph.rows}
    outputs = tuple((name, gives[name]) for name in names)
    needed = {tensor.node for _, tensor in outputs}
    kept: list[RowNodes] = []
    for row in reversed(graph.rows):
        if row.name in names or not needed.isdisjoint(range(row.start, row.stop)):
            kept.append(row)
            needed.add(row.output.node)
            needed.update(t.node for node in graph.nodes[row.start : row.stop] for t in node.inputs)
    nodes: list[Node] = []
    rows: list[RowNodes] = []
    numbers = {INPUT: INPUT}  # a node's number before and after
    for row in reversed(kept):
        start = len(nodes)
        for number in range(row.start, row.stop):
            numbers[number] = len(nodes)
            node = graph.nodes[number]
            nodes.append(node._replace(inputs=tuple(t.moved(numbers) for t in node.inputs)))
        rows.append(row._replace(start=start, stop=len(nodes), output=row.output.moved(numbers)))
    leaving = tuple((name, tensor.moved(numbers)) for name, tensor in outputs)
    return replace(graph, nodes=tuple(nodes), rows=tuple(rows), outputs=leaving)


class NameTaken(Exception):
    """Two nodes ask for one name."""


class TooLarge(Exception):
    """The graph grows past `MOST_NODES`."""


@dataclass
class Net:
    """Collects nodes. Blocks call `add`; `prefix` stands before every name, and is set by `expand`."""

    nodes: list[Node] = field(default_factory=list)
    names: set[str] = field(default_factory=set)
    prefix: str = ""

    def add(self, op: Op, *inputs: Tensor, role: str = "") -> Tensor:
        """Add one op and return what it gives. `role` names it inside its row. Raises ShapeError."""
        if isinstance(op, Split):
            raise TypeError("a split gives several tensors: call `split`")
        return self._node(op, inputs, role)

    def split(self, parts: int, x: Tensor, role: str = "split") -> tuple[Tensor, ...]:
        """Split the channels into equal parts. Raises ShapeError."""
        first = self._node(Split(parts), (x,), role)
        return tuple(Tensor(first.node, i, first.shape) for i in range(parts))

    def again(self, start: int, before: Tensor, x: Tensor, prefix: str) -> Tensor | None:
        """The nodes from `start` on once more, reading `x` where they read `before`; None where they read others.

        A block is a function of shapes and options, so the same call on the same shapes adds the same ops; to copy
        them takes a quarter of the time. `prefix` is what stands before the copied names.
        """
        copied = self.nodes[start:]
        if before.shape != x.shape or not copied:
            return None
        shift = len(copied)
        for node in copied:
            if any(t != before and t.node < start for t in node.inputs):
                return None
        for name, role, op, inputs, shape in copied:
            moved = tuple([x if t == before else Tensor(t.node + shift, t.output, t.shape) for t in inputs])
            self._put(Node(self.prefix + name[len(prefix) :], role, op, moved, shape))
        return Tensor(x.node + shift, x.output, x.shape)

    def _node(self, op: Op, inputs: Sequence[Tensor], role: str) -> Tensor:
        shape = op.shape(*[t.shape for t in inputs])
        if min(shape) < 1:
            raise ShapeError("nothing is left of the map")
        name = f"{self.prefix}_{role}" if role else self.prefix
        self._put(Node(name, role, op, tuple(inputs), shape))
        return Tensor(len(self.nodes) - 1, 0, shape)

    def _put(self, node: Node) -> None:
        if node.name in self.names:
            raise NameTaken(node.name)
        if len(self.nodes) >= MOST_NODES:
            raise TooLarge(f"the network has more than {MOST_NODES} ops")
        self.names.add(node.name)
        self.nodes.append(node)
