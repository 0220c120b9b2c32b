"""What a spec asks of its targets, held against the network: rows it has, settings that go with a scheme."""

from __future__ import annotations

from collections.abc import Iterator

from archspec.diagnostics import Diagnostic, Label, suggestion
from archspec.graph import Graph, cut
from archspec.source import Map, Scalar, Seq
from archspec.spec import BORDERS, Target

MIXES = {"float_rows": ("int8", "int16x8"), "int16_rows": ("int8",)}
"""The schemes that rows can be kept out of."""


def check_targets(graph: Graph) -> Iterator[Diagnostic]:
    """What is wrong with the targets of a network, in the order of the spec."""
    tree = graph.head.tree.get("targets")
    rows = [row.name for row in graph.rows]
    for abi, node in tree.entries if isinstance(tree, Map) else ():
        if isinstance(node, Map):
            yield from _check(graph, str(abi.value), node, rows)


def _check(graph: Graph, abi: str, node: Map, rows: list[str]) -> Iterator[Diagnostic]:
    target = graph.head.targets[abi]
    scheme, said = target.quantize, node.get("quantize")
    others = (Label(said.span, f"the scheme is `{scheme}`"),) if said else ()
    for key, schemes in MIXES.items():
        listed = node.get(key)
        if listed is not None and scheme not in schemes:
            message = f"`{key}` changes nothing under `quantize: {scheme}`"
            help = f"drop it, or quantize by {' or '.join(f'`{s}`' for s in schemes)}"
            yield Diagnostic("conflicting-keys", message, listed.span, others=others, help=help)
    border = node.get("io")
    if border is not None and target.border not in BORDERS[scheme]:
        message = f"a file of scheme `{scheme}` has no `{target.border}` inputs and outputs"
        help = f"it can have {', or '.join(BORDERS[scheme])}"
        yield Diagnostic("conflicting-keys", message, border.span, others=others, help=help)
    known = all(name in rows for name in target.outputs)  # others are told of below
    if target.nms and known and (problem := _no_boxes(graph, target)):
        help = "name the `SSDHead` rows in `outputs`, those of boxes first, or drop `nms`"
        nms = node.get("nms")
        assert nms is not None
        yield Diagnostic("conflicting-keys", f"`nms` needs the heads of an SSD: {problem}", nms.span, help=help)
    for key in ("outputs", *MIXES):
        yield from _check_names(node.get(key), rows)
    for scalar in _names(node.get("int16_rows")):
        twin = next((s for s in _names(node.get("float_rows")) if s.value == scalar.value), None)
        if twin is not None:
            message = f"row `{scalar.value}` cannot be both float and at 16 bits"
            yield Diagnostic("conflicting-keys", message, scalar.span, others=(Label(twin.span, "float here"),))


def _no_boxes(graph: Graph, target: Target) -> str | None:
    """Why a target serves no boxes; None where it does."""
    from archspec.detection.anchors import AnchorError, heads_of  # NumPy, which other specs need not wait for

    try:
        heads_of(cut(graph, target.outputs) if target.outputs else graph)
    except AnchorError as error:
        return str(error)
    return None


def _names(node: object) -> list[Scalar]:
    return [item for item in node.items if isinstance(item, Scalar)] if isinstance(node, Seq) else []


def _check_names(node: object, rows: list[str]) -> Iterator[Diagnostic]:
    seen: set[str] = set()
    for scalar in _names(node):
        name = str(scalar.value)
        if name in seen:
            yield Diagnostic("duplicate-name", f"row `{name}` stands twice", scalar.span, help="name each row once")
        elif name not in rows:
            yield Diagnostic(
                "unknown-row", f"no row has the name `{name}`", scalar.span, help=suggestion(name, rows)
            )  # fmt: skip
        seen.add(name)
