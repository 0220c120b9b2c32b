"""From the tree as written to the tree of one network: overrides, a variant laid over the head, names replaced."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from archspec.diagnostics import Diagnostic, Label, Source, Span, SpecError, suggestion
from archspec.source import Map, Node, Scalar, Seq, parse, with_origin

PER_NETWORK = ("expect",)  # what a head says of its own network; a changed network does not inherit it


def assignment(option: str, text: str) -> tuple[str, Node]:
    """The key and located value of `KEY=VALUE` from the command line. Raises SpecError."""
    key, equals, value = text.partition("=")
    source = Source(f"{option} {text}", text)
    if not equals or not key.strip():
        raise SpecError([Diagnostic("malformed-override", f"`{text}` is not KEY=VALUE", Span(source, 0, len(text)))])
    blanked = Source(source.name, " " * (len(key) + 1) + value)  # keeps the columns of the argument
    return key.strip(), _moved(parse(blanked), source) if value.strip() else Scalar(Span(source, len(text), len(text)), None)


def _moved(node: Node, source: Source) -> Node:
    span = Span(source, node.span.start, node.span.end)
    if isinstance(node, Scalar):
        return Scalar(span, node.value)
    if isinstance(node, Seq):
        return Seq(span, tuple(_moved(item, source) for item in node.items))
    entries = tuple((Scalar(Span(source, k.span.start, k.span.end), k.value), _moved(v, source)) for k, v in node.entries)
    return Map(span, entries)


def override(root: Map, key: str, value: Node) -> Map:
    """The tree with the value at a dotted key replaced or added. What `expect` says no longer holds, so it goes."""
    changed = _put(root, key.split("."), value)
    return without(changed, PER_NETWORK) if key.split(".")[0] not in PER_NETWORK else changed


def _put(node: Map, path: Sequence[str], value: Node) -> Map:
    inner = node.get(path[0])
    if len(path) > 1:
        inside = inner if isinstance(inner, Map) else Map(value.span, ())
        value = _put(inside, path[1:], value)
    elif path[0] == "size":
        value = _square(inner, value)
    key = node.key(path[0]) or Scalar(value.span, path[0])
    entries = [(k, v) for k, v in node.entries if k.value != path[0]]
    at = next((i for i, (k, _) in enumerate(node.entries) if k.value == path[0]), len(entries))
    entries.insert(at, (key, value))
    return Map(node.span, tuple(entries))


def _square(before: Node | None, size: Node) -> Node:
    """One number laid over [height, width, channels] is a square that keeps the channels."""
    if isinstance(before, Seq) and len(before.items) == 3 and isinstance(size, Scalar) and type(size.value) is int:
        return Seq(size.span, (size, size, before.items[2]))
    return size


def without(node: Map, keys: Sequence[str]) -> Map:
    return Map(node.span, tuple((k, v) for k, v in node.entries if k.value not in keys))


def variants(root: Map) -> tuple[str, ...]:
    """The names of the variants, in order."""
    node = root.get("variants")
    return tuple(str(key.value) for key, _ in node.entries) if isinstance(node, Map) else ()


def network(root: Map, variant: str | None, found: list[Diagnostic]) -> Map:
    """The tree of one network: the variant laid over the head, and `$names` replaced."""
    merged = without(root, ("variants",))
    if variant is not None:
        table = root.get("variants")
        over = table.get(variant) if isinstance(table, Map) else None
        merged = lay_over(without(merged, PER_NETWORK), over) if isinstance(over, Map) else merged
    return substitute(merged, found)


def lay_over(head: Map, over: Map) -> Map:
    """A partial head over a head, one level deep: a mapping's keys replace the head's one by one."""
    for key, value in over.entries:
        name = str(key.value)
        below = head.get(name)
        if isinstance(value, Map) and isinstance(below, Map):
            for inner_key, inner in value.entries:
                below = _put(below, [str(inner_key.value)], inner)
            value = below
        head = _put(head, [name], value)
    return head


def substitute(root: Map, found: list[Diagnostic]) -> Map:
    """Every `$name` replaced by the value that `let` gives it. An unknown name is reported and stays."""
    table = root.get("let")
    values = {str(k.value): (k, v) for k, v in table.entries} if isinstance(table, Map) else {}
    if not any("$" in s.text for s in _sources(root)):
        return root
    entries = tuple((k, v if k.value == "let" else _replaced(v, values, found)) for k, v in root.entries)
    return Map(root.span, entries)


def _sources(root: Map) -> Iterator[Source]:
    yield root.span.source
    yield from (value.span.source for _, value in root.entries)


def _replaced(node: Node, values: Mapping[str, tuple[Scalar, Node]], found: list[Diagnostic]) -> Node:
    if isinstance(node, Scalar):
        if not isinstance(node.value, str) or not node.value.startswith("$"):
            return node
        name = node.value[1:]
        if name not in values:
            help = suggestion(name, list(values)) or "name it under `let`"
            found.append(Diagnostic("unknown-name", f"`let` names no `{name}`", node.span, help=help))
            return node
        key, value = values[name]
        shown = value.value if isinstance(value, Scalar) else "a list"
        return with_origin(value, node.span, Label(value.span, f"`{key.value}` is {_word(shown)}"))
    if isinstance(node, Seq):
        items = tuple(_replaced(item, values, found) for item in node.items)
        return node if all(a is b for a, b in zip(items, node.items, strict=True)) else node._replace(items=items)
    entries = tuple((k, _replaced(v, values, found)) for k, v in node.entries)
    same = all(a[1] is b[1] for a, b in zip(entries, node.entries, strict=True))
    return node if same else node._replace(entries=entries)


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def unused_names(root: Map) -> list[Diagnostic]:
    """Every name under `let` that nothing uses, the variants' tables included."""
    used = {s.value[1:] for s in _scalars(root) if isinstance(s.value, str) and s.value.startswith("$")}
    tables = [root.get("let")]
    overs = root.get("variants")
    if isinstance(overs, Map):
        tables += [over.get("let") for _, over in overs.entries if isinstance(over, Map)]
    keys = [key for table in tables if isinstance(table, Map) for key, _ in table.entries]
    return [
        Diagnostic("unused-name", f"nothing uses `{key.value}`", key.span, help=f"write `${key.value}` where it is meant")
        for key in keys
        if key.value not in used
    ]


def _scalars(node: Node) -> Iterator[Scalar]:
    if isinstance(node, Scalar):
        yield node
    elif isinstance(node, Seq):
        for item in node.items:
            yield from _scalars(item)
    else:
        for _, value in node.entries:
            yield from _scalars(value)
