"""From the tree as written to the tree of one network: overrides, a variant laid over the head, names replaced."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from archspec.diagnostics import Diagnostic, Label, Source, Span, SpecError, suggestion
from archspec.source import Map, Node, Scalar, Seq, parse, with_origin

PER_NETWORK = ("expect",)  # what a head says of its own network; a changed network does not inherit it


def assignment(option: str, text: str) -> tuple[str, Node]:
    """The key and located value of `KEY=VALUE` from the command line. Raises SpecError."""
    key, equals, value = text.partition("=")
    source = Source(f"{option} {text}", text)
    if not equals or not all(word.strip() for word in key.split(".")):
        help = "write the key with dots and a value: `scale.width=0.5`"
        here = Span(source, 0, len(text))
        message = f"`{' '.join(text.split())}` is not KEY=VALUE"
        raise SpecError([Diagnostic("malformed-override", message, here, help=help)])
    if not value.strip() or value.lstrip().startswith("#"):
        return key.strip(), Scalar(Span(source, len(text), len(text)), None)
    return key.strip(), parse(source, len(key) + 1)


def override(root: Map, key: str, value: Node) -> Map:
    """The tree with the value at a dotted key replaced or added, in the variants too where they say it themselves.

    `value` comes from `assignment`. What `expect` says no longer holds, so it goes.
    """
    path = _path(key, value.span.source)
    stale = PER_NETWORK if str(path[0].value) not in PER_NETWORK else ()
    table = root.get("variants")
    if isinstance(table, Map) and path[0].value != "variants":
        over = tuple((k, _variant(v, path, value, stale) if isinstance(v, Map) else v) for k, v in table.entries)
        root = _put(root, [root.key("variants") or path[0]], Map(table.span, over))
    return _put(without(root, stale), path, value)


def _path(key: str, source: Source) -> list[Scalar]:
    at = source.text.find(key)
    words = []
    for word in key.split("."):
        words.append(Scalar(Span(source, at, at + len(word)), word))
        at += len(word) + 1
    return words


def _variant(over: Map, path: Sequence[Scalar], value: Node, stale: Sequence[str]) -> Map:
    """A variant's keys replace the head's one level deep, so a key that it holds must change here to change at all."""
    inner = over.get(str(path[0].value))
    says = len(path) == 1 or (isinstance(inner, Map) and inner.get(str(path[1].value)) is not None)
    changed = _put(over, path, value) if inner is not None and says else over
    return without(changed, stale)


def _put(node: Map, path: Sequence[Scalar], value: Node) -> Map:
    key = path[0]
    inner = node.get(str(key.value))
    if len(path) > 1:
        value = _put(inner if isinstance(inner, Map) else Map(value.span, ()), path[1:], value)
    elif key.value == "size":
        value = _square(inner, value)
    entries = [(k, v) for k, v in node.entries if k.value != key.value]
    at = next((i for i, (k, _) in enumerate(node.entries) if k.value == key.value), len(entries))
    entries.insert(at, (key, value))
    return Map(node.span, tuple(entries))


def _square(before: Node | None, size: Node) -> Node:
    """One number laid over [height, width, channels] is a square that keeps the channels."""
    if isinstance(before, Seq) and len(before.items) == 3 and isinstance(size, Scalar) and type(size.value) is int:
        return Seq(size.span, (size, size, before.items[2]))
    return size


def without(node: Map, keys: Sequence[str]) -> Map:
    """The mapping without some of its keys."""
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
        below = head.get(str(key.value))
        if isinstance(value, Map) and isinstance(below, Map):
            for inner_key, inner in value.entries:
                below = _put(below, [inner_key], inner)
            value = below
        head = _put(head, [key], value)
    return head


def substitute(root: Map, found: list[Diagnostic]) -> Map:
    """Every `$name` replaced by the value that `let` gives it. An unknown name is reported and stays."""
    table = root.get("let")
    values = {str(k.value): (k, v) for k, v in table.entries} if isinstance(table, Map) else {}
    entries = tuple((k, v if k.value == "let" else _replaced(v, values, found)) for k, v in root.entries)
    return Map(root.span, entries)


def _replaced(node: Node, values: Mapping[str, tuple[Scalar, Node]], found: list[Diagnostic]) -> Node:
    if isinstance(node, Scalar):
        if not isinstance(node.value, str) or node.value[:1] != "$":
            return node
        name = node.value[1:]
        if name not in values:
            help = suggestion(name, list(values)) or f"name it: `let: {{{name}: ...}}`"
            found.append(Diagnostic("unknown-name", f"`let` names no `{name}`", node.span, help=help))
            return node
        key, value = values[name]
        return with_origin(value, node.span, Label(value.span, f"the value of `{key.value}`"))
    if isinstance(node, Seq):
        items = tuple([_replaced(item, values, found) for item in node.items])
        return node if items == node.items else node._replace(items=items)
    entries = tuple([(k, _replaced(v, values, found)) for k, v in node.entries])
    return node if entries == node.entries else node._replace(entries=entries)
