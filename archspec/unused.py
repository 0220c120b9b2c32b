"""What a spec says in vain: names, defaults and multipliers that change nothing, rows that no output needs."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from archspec.diagnostics import Diagnostic, near
from archspec.graph import INPUT, Graph, RowNodes
from archspec.read import scalars
from archspec.source import Map
from archspec.spec import Head


def unused_names(root: Map) -> list[Diagnostic]:
    """Every name under `let` that nothing uses, the variants' tables included."""
    tables = [root.get("let")]
    overs = root.get("variants")
    if isinstance(overs, Map):
        tables += [over.get("let") for _, over in overs.entries if isinstance(over, Map)]
    keys = [key for table in tables if isinstance(table, Map) for key, _ in table.entries]
    if not keys:
        return []
    names = {str(key.value) for key in keys}
    used = {s.value[1:] for s in scalars(root) if isinstance(s.value, str) and s.value[:1] == "$"}
    used |= {near(name, names) or "" for name in used - names}  # a misspelt use is one finding, not two
    return [
        Diagnostic("unused-name", f"nothing uses `{k.value}`", k.span, help=f"write `${k.value}` where it is meant")
        for k in keys
        if k.value not in used
    ]


def idle_defaults(head: Head, used: Collection[tuple[str, str]]) -> Iterator[Diagnostic]:
    """Every default that no row takes. `used` holds the (block or `all`, option) that some row could."""
    for where, table in head.defaults.items():
        for key, _ in table.entries:
            if (where, str(key.value)) not in used:
                who = "block in the table has that option" if where == "all" else f"row is a `{where}`"
                message = f"the default `{key.value}` changes nothing: no {who}"
                yield Diagnostic("unused-default", message, key.span, help="drop it")


def idle_scale(head: Head, *, widened: bool, deepened: bool) -> Iterator[Diagnostic]:
    """Multipliers that leave every row as it was written."""
    tree = head.tree.get("scale")
    for name, changed, what in (("width", widened, "depth"), ("layers", deepened, "`repeat`")):
        node = tree.get(name) if isinstance(tree, Map) else None
        factor = getattr(head.scale, name)
        if factor != 1 and not changed and node is not None:
            message = f"`{name}: {factor:g}` changes nothing: no row's {what} comes out different"
            yield Diagnostic("idle-multiplier", message, node.span, help="drop it")


def idle_stride(head: Head, stride: float) -> Iterator[Diagnostic]:
    """An output stride that the network's own, `stride`, stays under."""
    node = head.tree.get("output_stride")
    if node is not None:
        message = f"`output_stride: {head.output_stride}` changes nothing: the network's own stride is {stride:g}"
        yield Diagnostic("idle-multiplier", message, node.span, help="drop it")


def _called(row: RowNodes) -> str:
    return f"row `{row.name}`" if row.named else f"this `{row.block}`"


def dead_rows(graph: Graph) -> list[Diagnostic]:
    """The rows that no output needs, but for those that only feed one of them: naming that one brings them all in."""
    alive: set[int] = set()
    stack = [tensor.node for _, tensor in graph.outputs]
    while stack:
        node = stack.pop()
        if node != INPUT and node not in alive:
            alive.add(node)
            stack += [t.node for t in graph.nodes[node].inputs]
    wanted = alive | {t.node for node in graph.nodes for t in node.inputs}
    help = "name it in a row's `from` or in `outputs`, or drop it"
    return [
        Diagnostic("dead-row", f"no output needs {_called(row)}", row.span, help=help)
        for row in graph.rows
        if row.stop > row.start and row.output.node not in wanted
    ]
