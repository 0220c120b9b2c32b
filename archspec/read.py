"""From the located tree of one network, which has passed the schema, to the data of `spec`."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import MISSING
from typing import Any, TypeVar

from archspec.blocks import ROW_KEYWORDS
from archspec.diagnostics import Code, Diagnostic, Label, Span, SpecError, near
from archspec.explain import explain_value
from archspec.kinds import Kind, LabelNames, OutputStride, kind_of
from archspec.recipe import Train
from archspec.source import Map, Node, Scalar, Seq, plain
from archspec.spec import (
    CHANNELS,
    DEFAULT_TARGETS,
    BrokenRow,
    Expect,
    Head,
    Input,
    RowSpec,
    Scale,
    Target,
    kinds_of,
    parts_of,
)
from archspec.spec import required as required_of

T = TypeVar("T")


def read_value(kind: Kind, name: str, node: Node, found: list[Diagnostic], place: Label | None = None) -> Any:
    """A value of a kind, or MISSING where it is none and `found` says why.

    The schema has not seen every value: where `let` names one it saw the name; a default for `all` blocks it held to
    what any block takes. Such a default comes with a `place` that asks for it.
    """
    value = plain(node)
    origins = tuple(dict.fromkeys(s.origin for s in scalars(node) if s.origin is not None))
    if any(isinstance(s.value, str) and s.value[:1] == "$" and s.origin is None for s in scalars(node)):
        return MISSING  # an unknown name, reported where names are replaced
    if (origins or place) and (problem := explain_value(kind, name, value)):
        code, message, help = problem
        others = (*origins, place) if place else origins
        found.append(Diagnostic(code, message, node.span, others=others, help=help))
        return MISSING
    return kind.read(value)


def scalars(node: Node) -> Iterator[Scalar]:
    """Every value in a tree, in order; not the keys."""
    if isinstance(node, Scalar):
        yield node
    elif isinstance(node, Seq):
        for item in node.items:
            yield from scalars(item)
    else:
        for _, value in node.entries:
            yield from scalars(value)


def _section(made: type[T], node: Node | None, found: list[Diagnostic]) -> T:
    """A section of the head as its dataclass. Raises SpecError where a value is wrong that has no default."""
    given: dict[str, Any] = {}
    section: type = made  # mypy takes no type[T] for hashable
    for name, kind in kinds_of(section).items():
        value = node.get(name) if isinstance(node, Map) else None
        if value is not None:
            given[name] = read_value(kind, name, value, found)
    for name, part in parts_of(section).items():
        if isinstance(node, Map) and node.get(name) is not None:
            given[name] = _section(part, node.get(name), found)
    given = {name: value for name, value in given.items() if value is not MISSING}
    if any(name not in given for name in required_of(made)):
        raise SpecError(found)
    return made(**given)


def read_head(root: Map, found: list[Diagnostic]) -> Head:
    """Read the head. What only a reader can see goes to `found`. Raises SpecError where there is no looking further."""
    model, section, outputs = root.get("model"), root.get("input"), root.get("outputs")
    contract = _section(Input, section, found)
    if isinstance(section, Map):
        _check_input(contract, section, found)
    stride, train, targets, defaults = (root.get(k) for k in ("output_stride", "train", "targets", "defaults"))
    output_stride = read_value(kind_of(OutputStride), "output_stride", stride, found) if stride else None
    return Head(
        model=str(plain(model)) if model else "",
        input=contract,
        scale=_section(Scale, root.get("scale"), found),
        output_stride=None if output_stride is MISSING else output_stride,
        outputs=tuple(n for n in outputs.items if isinstance(n, Scalar)) if isinstance(outputs, Seq) else (),
        labels=_labels(root.get("labels"), found),
        expect=_section(Expect, root.get("expect"), found),
        train=_section(Train, train, found) if train else None,
        targets=_targets(targets, found) if isinstance(targets, Map) else DEFAULT_TARGETS,
        defaults=_tables(defaults) if isinstance(defaults, Map) else {},
        tree=root,
    )


def _labels(node: Node | None, found: list[Diagnostic]) -> str | tuple[str, ...]:
    value = read_value(kind_of(LabelNames), "labels", node, found) if node else ()
    return () if value is MISSING else value


def _targets(node: Map, found: list[Diagnostic]) -> dict[str, Target]:
    return {str(key.value): _section(Target, value, found) for key, value in node.entries}


def _tables(node: Map) -> dict[str, Map]:
    return {str(key.value): value for key, value in node.entries if isinstance(value, Map)}


def _check_input(contract: Input, section: Map, found: list[Diagnostic]) -> None:
    def report(code: Code, message: str, key: str, help: str = "", other: tuple[str, str] = ("", "")) -> None:
        place, at = section.get(key) or section, section.get(other[0])
        others = (Label(at.span, other[1]),) if at else ()
        found.append(Diagnostic(code, message, place.span, others=others, help=help))

    if not section.get("range") and not (section.get("mean") and section.get("std")):
        message = "`input` does not say how a photo's values are scaled"
        place = section.entries[0][0].span
        found.append(Diagnostic("missing-key", message, place, help="add `range: [0, 1]`, or `mean` and `std`"))
    if contract.range is not None:
        for key in ("mean", "std"):
            if section.get(key):
                message = f"`input` has a `range` and a `{key}`, which say the same thing twice"
                report(
                    "conflicting-keys",
                    message,
                    key,
                    "keep the `range`, or `mean` and `std`",
                    other=("range", "said here"),
                )
        if contract.range[0] >= contract.range[1]:
            report("out-of-range", "the low end of `range` must be under the high end", "range")
    channels = contract.shape[2]
    for key in ("mean", "std"):
        value = getattr(contract, key)
        if isinstance(value, tuple) and len(value) != channels:
            report("wrong-length", f"`{key}` has {len(value)} values for {channels} channels", key)
    stds = contract.std if isinstance(contract.std, tuple) else (contract.std,)
    if any(s is not None and s <= 0 for s in stds):
        report("out-of-range", "`std` must be above 0", "std")
    if contract.color and CHANNELS[contract.color] != channels:
        message = f"`color` and `size` disagree on the channels: {CHANNELS[contract.color]}, {channels}"
        report("wrong-length", message, "color", other=("size", f"channels: {channels}"))


def read_rows(root: Map) -> list[RowSpec | BrokenRow]:
    """The rows of the table."""
    layers = root.get("layers")
    return [_read_row(item) for item in layers.items] if isinstance(layers, Seq) else []


def _read_row(item: Node) -> RowSpec | BrokenRow:
    if isinstance(item, Scalar) and isinstance(item.value, str):
        return RowSpec(item, item.span, {}, None, None, None, None)
    if not isinstance(item, Map) or len(item.entries) != 1:
        return BrokenRow(item.span, _name_in(item))
    block, body = item.entries[0]
    entries: dict[str, Node] = {str(k.value): v for k, v in body.entries} if isinstance(body, Map) else {}
    name, source = entries.pop("name", None), entries.pop("from", None)
    repeat, floor = entries.pop("repeat", None), entries.pop("min_depth", None)
    sources = source.items if isinstance(source, Seq) else (source,) if source else None
    return RowSpec(
        block,
        item.span,
        entries,
        name if isinstance(name, Scalar) else None,
        tuple(s for s in sources if isinstance(s, Scalar)) if sources is not None else None,
        repeat,
        floor,
    )


def _name_in(node: Node) -> Scalar | None:
    """What a row that is malformed probably means to be its name."""
    for key, value in node.entries if isinstance(node, Map) else ():
        if isinstance(value, Scalar) and near(str(key.value), ROW_KEYWORDS) == "name":
            return value
        if isinstance(value, Map) and (name := _name_in(value)):
            return name
    return None


def broken(row: RowSpec) -> BrokenRow:
    """The row, where something in it is wrong: only its name is left, misspelt or not."""
    options = Map(row.whole, tuple((Scalar(v.span, k), v) for k, v in row.options.items()))
    return BrokenRow(row.whole, row.name or _name_in(options))


def named_blocks(root: Map) -> list[Scalar]:
    """The words that stand for blocks in the table, as far as it is a table."""
    layers = root.get("layers")
    items = layers.items if isinstance(layers, Seq) else ()
    keys = [item.entries[0][0] if isinstance(item, Map) and item.entries else item for item in items]
    return [key for key in keys if isinstance(key, Scalar)]


def touched(rows: list[RowSpec | BrokenRow], bad: list[Span]) -> list[RowSpec | BrokenRow]:
    """The rows; one that holds a bad place is reduced to its name."""
    starts = {source: sorted(s.start for s in bad if s.source is source) for source in {s.source for s in bad}}

    def holds(span: Span) -> bool:
        at = starts.get(span.source, [])
        first = bisect_left(at, span.start)
        return first < len(at) and at[first] < max(span.end, span.start + 1)

    return [broken(row) if isinstance(row, RowSpec) and holds(row.whole) else row for row in rows]
