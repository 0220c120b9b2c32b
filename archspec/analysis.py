"""The front half as one call: a file of text to its networks, each expanded, counted and held to what it expects."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from archspec import overlay, schema
from archspec.blocks import BLOCKS, BlockError, load_entry_points
from archspec.cost import NetCost, cost
from archspec.diagnostics import Code, Diagnostic, Label, Source, Span, SpecError, suggestion
from archspec.expand import expand
from archspec.graph import Graph, cut
from archspec.read import named_blocks, read_head, read_rows, touched
from archspec.recipes import check_recipe
from archspec.source import Map, Node, Scalar, parse, read_source
from archspec.targets import check_targets
from archspec.unused import unused_names


@dataclass(frozen=True)
class Document:
    """A spec that has passed the schema: its tree and the names of its variants."""

    source: Source
    root: Map
    variants: tuple[str, ...]
    found: tuple[Diagnostic, ...] = ()  # of rows only; the rest of the table can still be looked at
    outputs: tuple[Scalar, ...] = ()  # rows that are the outputs instead of the spec's own


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


def document(source: Source, overrides: Sequence[Override] = (), outputs: Sequence[str] = ()) -> Document:
    """Parse a text, apply overrides of its head, check it. Raises SpecError where there is no looking further.

    Rows named as `outputs` are every network's outputs instead of the spec's: other rows go where none of them needs
    them, and what `expect` says no longer holds.
    """
    root = parse(source)
    if isinstance(root, Map):
        for key, value in overrides:
            root = overlay.override(root, key, value)
        _load_blocks(root)
    found = schema.check(root)
    layers = root.get("layers") if isinstance(root, Map) else None
    if not isinstance(root, Map) or layers is None or not all(_within(d.span, layers.span) for d in found):
        raise SpecError(found)
    found += unused_names(root)
    return Document(source, root, overlay.variants(root), tuple(found), _named(outputs))


def _load_blocks(root: Map) -> None:
    """Load what is installed where the table names a block that is not there: the search takes as long as a check."""
    unknown = next((word for word in named_blocks(root) if word.value not in BLOCKS), None)
    if unknown is not None:
        try:
            load_entry_points()
        except BlockError as error:
            raise SpecError([Diagnostic("block-failed", str(error), unknown.span)]) from None


def _within(span: Span, outer: Span) -> bool:
    return span.source is outer.source and outer.start <= span.start <= outer.end


def network(doc: Document, variant: str | None = None) -> Network:
    """One network of a spec. Raises SpecError with all that is wrong with it."""
    if variant is not None and variant not in doc.variants:
        place = Span(Source(doc.source.name, ""), 0, 0)
        raise SpecError([_unknown_variant(variant, doc.variants, place)])
    found = list(doc.found)
    try:
        tree = overlay.network(doc.root, variant, found)
        found += _unknown_variants(tree, doc.variants)
        head = read_head(tree, found)
        rows = touched(read_rows(tree), [d.span for d in found])
        graph = expand(head, rows, variant, found)
        if graph is None:
            raise SpecError(found)
    except SpecError as error:
        raise SpecError(_placed(doc, variant, d) for d in error.diagnostics) from None
    if wrong := [*check_recipe(graph), *check_targets(graph)]:
        raise SpecError(_placed(doc, variant, d) for d in wrong)
    if doc.outputs:
        graph = _cut(graph, doc.outputs)
    counted = cost(graph)
    if not doc.outputs and (unmet := list(_unmet(graph, counted))):
        raise SpecError(unmet)
    return Network(doc.source.name, variant, graph, counted)


def _named(outputs: Sequence[str]) -> tuple[Scalar, ...]:
    """Names with their places in what the command line says."""
    source, end = Source("--outputs", ",".join(outputs)), -1
    scalars = []
    for name in outputs:
        start, end = end + 1, end + 1 + len(name)
        scalars.append(Scalar(Span(source, start, end), name))
    return tuple(scalars)


def _cut(graph: Graph, outputs: Sequence[Scalar]) -> Graph:
    """The network with other outputs. Raises SpecError where they are no rows."""
    found: list[Diagnostic] = []
    rows, names = [row.name for row in graph.rows], [str(scalar.value) for scalar in outputs]
    for i, name in enumerate(names):
        if name in names[:i]:
            message, help = f"output `{name}` stands twice", "name each output once"
            found.append(Diagnostic("duplicate-name", message, outputs[i].span, help=help))
        elif name not in rows:
            help = suggestion(name, rows)
            found.append(Diagnostic("unknown-row", f"no row has the name `{name}`", outputs[i].span, help=help))
    if found:
        raise SpecError(found)
    return cut(graph, names)


def _unknown_variants(tree: Map, names: Sequence[str]) -> Iterator[Diagnostic]:
    targets = tree.get("targets")
    for _, target in targets.entries if isinstance(targets, Map) else ():
        variant = target.get("variant") if isinstance(target, Map) else None
        if isinstance(variant, Scalar) and str(variant.value) not in names:
            yield _unknown_variant(str(variant.value), names, variant.span)


def _unknown_variant(name: str, names: Sequence[str], place: Span) -> Diagnostic:
    help = suggestion(name, names) or "the spec has no variants"
    return Diagnostic("unknown-variant", f"no variant `{name}`", place, help=help)


def _placed(doc: Document, variant: str | None, found: Diagnostic) -> Diagnostic:
    """A finding with the place of its variant, where it stands outside of that."""
    table = doc.root.get("variants")
    if variant is None or not isinstance(table, Map) or found in doc.found:
        return found
    key, over = table.key(variant), table.get(variant)
    if key is None or over is None or _within(found.span, over.span):
        return found
    return found._replace(others=(*found.others, Label(key.span, "in this variant")))


def networks(doc: Document) -> Iterator[Network | SpecError]:
    """The head's network, then every variant's; for one that is wrong, what is wrong with it.

    What is wrong in the same way at the same place of several networks comes as the same diagnostic each time, so
    that a set of all findings holds it once.
    """
    seen: dict[tuple[Code, Span], list[Diagnostic]] = {}
    for variant in (None, *doc.variants):
        try:
            yield network(doc, variant)
        except SpecError as error:
            new: dict[tuple[Code, Span], list[Diagnostic]] = {}
            for found in error.diagnostics:
                if (found.code, found.span) not in seen:
                    new.setdefault((found.code, found.span), []).append(found)
            seen |= new
            yield SpecError(same for found in error.diagnostics for same in seen[found.code, found.span])


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
