"""Two networks side by side: which rows came, went or changed, and which weights carry over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from difflib import SequenceMatcher
from typing import Any, NamedTuple

from archspec.analysis import Network
from archspec.cost import RowCost
from archspec.graph import Graph, RowNodes
from archspec.ops import Shape, show

MOST_CHANGES = 3  # named in one row of the table

Key = tuple[str, str, Shape]  # a weight: layer, role, shape


class RowChange(NamedTuple):
    """One row of either network. `kind` is same, changed, added or removed; `what` says what changed, in words.

    `carried` counts the values of its weights that carry over.
    """

    kind: str
    name: str
    block: str
    before: RowCost | None
    after: RowCost | None
    what: str = ""
    carried: int = 0


@dataclass(frozen=True)
class Difference:
    """All rows of both networks in order, and the values of the weights that one file could give to both.

    A weight carries over where a layer of the same name holds it in the same shape; `layers` are those that keep all of
    theirs.
    """

    rows: tuple[RowChange, ...]
    carried: int
    only_before: int
    only_after: int
    layers: tuple[str, ...]


def compare(before: Network, after: Network) -> Difference:
    """The difference from one network to another."""
    old, new = _weights(before.graph), _weights(after.graph)
    kept = {key: size for key, size in new.items() if key in old}
    rows = tuple(row._replace(carried=_carried(after.graph, row, kept)) for row in _rows(before, after))
    carried = sum(kept.values())
    lost = {key[0] for key in (*old, *new) if key not in kept}
    layers = tuple(dict.fromkeys(key[0] for key in kept if key[0] not in lost))
    return Difference(rows, carried, sum(old.values()) - carried, sum(new.values()) - carried, layers)


def _carried(graph: Graph, row: RowChange, kept: Mapping[Key, int]) -> int:
    """The values of a row of the network after that carry over."""
    if row.after is None:
        return 0
    found = next(r for r in graph.rows if r.name == row.name)
    names = {node.name for node in graph.nodes[found.start : found.stop]}
    return sum(size for key, size in kept.items() if key[0] in names)


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
            yield from (f"{was.role or new.name} {change}" for change in _settings(was.op, now.op))


def _settings(was: Any, now: Any) -> Iterator[str]:
    """The fields in which two ops differ, those of a field that has fields among them, in the words of a spec."""
    for f in fields(was):
        one, other = getattr(was, f.name), getattr(now, f.name)
        if is_dataclass(one) and is_dataclass(other):
            yield from _settings(one, other)
        elif one != other:
            yield f"{f.name} {_word(one)} to {_word(other)}"


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)


def _weights(graph: Graph) -> dict[Key, int]:
    """Each weight as (layer, role, shape), with how many values it holds."""
    return {
        (node.name, weight.role, weight.shape): weight.size
        for node in graph.nodes
        for weight in node.op.weights(*node.input_shapes)
    }
