"""Two networks side by side: which rows came, went or changed, and which weights carry over."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from difflib import SequenceMatcher

from archspec.analysis import Network
from archspec.cost import RowCost
from archspec.graph import Graph, RowNodes
from archspec.ops import show

MOST_CHANGES = 3  # named in one row of the table


@dataclass(frozen=True)
class RowChange:
    """One row of either network. `kind` is same, changed, added or removed; `what` says what changed, in words."""

    kind: str
    name: str
    block: str
    before: RowCost | None
    after: RowCost | None
    what: str = ""


@dataclass(frozen=True)
class Difference:
    """All rows of both networks in order, and the values of the weights that one file could give to both.

    A weight carries over where a layer of the same name holds it in the same shape.
    """

    rows: tuple[RowChange, ...]
    carried: int
    only_before: int
    only_after: int


def compare(before: Network, after: Network) -> Difference:
    """The difference from one network to another."""
    rows = tuple(_rows(before, after))
    old, new = _weights(before.graph), _weights(after.graph)
    carried = sum(size for key, size in old.items() if key in new)
    return Difference(rows, carried, sum(old.values()) - carried, sum(new.values()) - carried)


def _rows(before: Network, after: Network) -> Iterator[RowChange]:
    old, new = before.graph.rows, after.graph.rows
    matcher = SequenceMatcher(None, [_identity(r) for r in old], [_identity(r) for r in new], autojunk=False)
    for tag, a, a_end, b, b_end in matcher.get_opcodes():
        if tag == "equal":
            for i, j in zip(range(a, a_end), range(b, b_end), strict=True):
                what = _what(before, old[i], after, new[j])
                kind = "changed" if what else "same"
                yield RowChange(kind, new[j].name, new[j].block, before.cost.rows[i], after.cost.rows[j], what)
            continue
        for i in range(a, a_end):
            yield RowChange("removed", old[i].name, old[i].block, before.cost.rows[i], None)
        for j in range(b, b_end):
            yield RowChange("added", new[j].name, new[j].block, None, after.cost.rows[j])


def _identity(row: RowNodes) -> tuple[str, str]:
    """What makes a row the same row: its block, and its name where the spec gives one."""
    return row.block, row.name if row.named else ""


def _what(before: Network, old: RowNodes, after: Network, new: RowNodes) -> str:
    """What a row does differently, in words; empty where it does the same on the same shapes."""
    if old.output.shape != new.output.shape:
        changes = [f"output {show(old.output.shape)} to {show(new.output.shape)}"]
    elif (shapes := _reads(before.graph, old)) != (others := _reads(after.graph, new)):
        changes = [f"input {shapes} to {others}"]
    else:
        changes = [f"named `{old.name}` before"] if old.name != new.name else []
    if old.repeat != new.repeat:
        changes.append(f"repeat {old.repeat} to {new.repeat}")
    if not changes:
        changes = list(dict.fromkeys(_op_changes(before.graph, old, after.graph, new)))
        changes = [*changes[:MOST_CHANGES], *(["..."] if len(changes) > MOST_CHANGES else [])]
    return "; ".join(changes)


def _reads(graph: Graph, row: RowNodes) -> str:
    """The shapes a row takes from other rows."""
    nodes = graph.nodes[row.start : row.stop]
    return ", ".join(show(t.shape) for node in nodes for t in node.inputs if not row.start <= t.node < row.stop)


def _op_changes(before: Graph, old: RowNodes, after: Graph, new: RowNodes) -> Iterator[str]:
    """The ops that only one of two rows has, and the settings in which their common ops differ."""
    mine = {n.name.removeprefix(old.name): n for n in before.nodes[old.start : old.stop]}
    theirs = {n.name.removeprefix(new.name): n for n in after.nodes[new.start : new.stop]}
    for key in dict.fromkeys([*mine, *theirs]):
        was, now = mine.get(key), theirs.get(key)
        if was is None or now is None or type(was.op) is not type(now.op):
            yield from [f"without {was.role}"] if was else []
            yield from [f"with {now.role}"] if now else []
        elif was.op != now.op:
            for f in fields(was.op):  # type: ignore[arg-type]
                one, other = getattr(was.op, f.name), getattr(now.op, f.name)
                if one != other:
                    yield f"{was.role or new.name} {f.name} {one} to {other}"


def _weights(graph: Graph) -> dict[tuple[str, str, tuple[int, ...]], int]:
    """Each weight as (layer, role, shape), with how many values it holds."""
    return {
        (node.name, weight.role, weight.shape): weight.size
        for node in graph.nodes
        for weight in node.op.weights(*node.input_shapes)
    }
