"""The front half as one call: a file of text to its networks, each expanded, counted and held to what it expects."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from archspec import overlay, schema
from archspec.blocks import BLOCKS, load_entry_points
from archspec.cost import NetCost, cost
from archspec.diagnostics import Diagnostic, Source, Span, SpecError, suggestion
from archspec.expand import expand
from archspec.graph import Graph
from archspec.source import Map, Node, Scalar, parse, read_source
from archspec.spec import RowSpec, block_names, read_head, read_rows


@dataclass(frozen=True)
class Document:
    """A spec that has passed the schema: its tree and the names of its variants."""

    source: Source
    root: Map
    variants: tuple[str, ...]
    found: tuple[Diagnostic, ...] = ()  # of rows only; the rest of the table can still be looked at


@dataclass(frozen=True)
class Network:
    """One network of a spec: the head's own (variant None) or a variant's."""

    spec: str
    variant: str | None
    graph: Graph
    cost: NetCost


Override = tuple[str, Node]


def open_spec(path: Path) -> Document:
    """Read a file and check it against the schema. Raises SpecError where there is no looking further."""
    return document(read_source(path))


def document(source: Source, overrides: Sequence[Override] = ()) -> Document:
    """Parse a text, apply overrides of its head, check it. Raises SpecError where there is no looking further."""
    root = parse(source)
    if isinstance(root, Map):
        for key, value in overrides:
            root = overlay.override(root, key, value)
        if not all(name in BLOCKS for name in block_names(root)):
            load_entry_points()  # only now: looking for installed packages takes as long as checking a spec
    found = schema.check(root)
    layers = root.get("layers") if isinstance(root, Map) else None
    if not isinstance(root, Map) or layers is None or not all(_inside(d.span, layers.span) for d in found):
        raise SpecError(found)
    found += overlay.unused_names(root)
    found += _unknown_variants(root)
    return Document(source, root, overlay.variants(root), tuple(found))


def _inside(span: Span, outer: Span) -> bool:
    return span.source is outer.source and outer.start <= span.start <= outer.end


def _unknown_variants(root: Map) -> Iterator[Diagnostic]:
    names = overlay.variants(root)
    targets = root.get("targets")
    for _, target in targets.entries if isinstance(targets, Map) else ():
        variant = target.get("variant") if isinstance(target, Map) else None
        if isinstance(variant, Scalar) and str(variant.value) not in names:
            help = suggestion(str(variant.value), names) or "the spec has no variants"
            yield Diagnostic("unknown-variant", f"no variant `{variant.value}`", variant.span, help=help)


def network(doc: Document, variant: str | None = None) -> Network:
    """One network of a spec. Raises SpecError with all that is wrong with it."""
    if variant is not None and variant not in doc.variants:
        help = suggestion(variant, doc.variants) or "the spec has no variants"
        place = Span(Source(doc.source.name, ""), 0, 0)
        raise SpecError([Diagnostic("unknown-variant", f"no variant `{variant}`", place, help=help)])
    found = list(doc.found)
    tree = overlay.network(doc.root, variant, found)
    head = read_head(tree, found)
    rows = read_rows(tree)
    bad = [d.span for d in found]
    graph = expand(head, [_whole(row, bad) for row in rows], variant, found)
    if graph is None:
        raise SpecError(found)
    counted = cost(graph)
    if unmet := list(_unmet(graph, counted)):
        raise SpecError(unmet)
    return Network(doc.source.name, variant, graph, counted)


def _whole(row: RowSpec | Scalar | None, bad: Sequence[Span]) -> RowSpec | Scalar | None:
    """The row, or only its name where something in it is wrong already."""
    if not isinstance(row, RowSpec) or not bad:
        return row
    nodes = [row.block, *row.options.values(), *(row.sources or ()), *([row.name] if row.name else [])]
    if any(_touches(node.span, span) for node in nodes for span in bad):
        return row.name
    return row


def _touches(a: Span, b: Span) -> bool:
    return a.source is b.source and a.start <= b.start <= a.end


def networks(doc: Document) -> Iterator[Network | SpecError]:
    """The head's network, then every variant's; for one that is wrong, what is wrong with it."""
    for variant in (None, *doc.variants):
        try:
            yield network(doc, variant)
        except SpecError as error:
            yield error


def _unmet(graph: Graph, counted: NetCost) -> Iterator[Diagnostic]:
    expect = graph.head.expect
    section = graph.head.tree.get("expect")
    for name in ("params", "trainable", "macs"):
        wanted, got = getattr(expect, name), getattr(counted, name)
        if wanted is not None and wanted != got and isinstance(section, Map):
            place = section.get(name) or section
            which = f" (variant `{graph.variant}`)" if graph.variant else ""
            message = f"expected {wanted} {name}, counted {got}{which}"
            yield Diagnostic("unmet-expectation", message, place.span, label=f"off by {got - wanted:+}")
