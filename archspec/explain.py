"""What JSON Schema refuses, in the words of a spec."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator, validators

from archspec.diagnostics import Code, Diagnostic, Span, near, suggestion
from archspec.kinds import NAME, Kind
from archspec.source import Map, Node, Scalar, Seq

DOLLAR = {"type": "string", "pattern": rf"^\${NAME}$"}
"""The name of a value under `let`, which may stand for any scalar."""


def _items(validator: Any, items: Any, instance: Any, schema: Mapping[str, Any]) -> Iterator[Any]:
    if not isinstance(instance, list) or len(instance) <= schema.get("maxItems", len(instance)):
        yield from Draft202012Validator.VALIDATORS["items"](validator, items, instance, schema)


VALIDATOR: Any = validators.extend(  # type: ignore[no-untyped-call]  # its stubs leave it so
    Draft202012Validator,
    {"items": _items},
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine("integer", lambda _, value: type(value) is int),
)
"""JSON Schema's rules, but `32.0` is not a whole number, as a shape of floats is a bug met late; and a list that is too
long is not looked into, which would take seconds."""

_LIMITS = {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "const", "enum"}
_LENGTHS = {"minItems", "maxItems"}
_EXAMPLES = {
    "archspec": "begin with `archspec: 1`, the version of the language",
    "model": "add `model: my_network`",
    "input": "add `input: {size: [224, 224, 3], range: [-1, 1]}`",
    "layers": "add `layers:` and one row a layer: `- Conv: {depth: 32}`",
    "size": "add `size: [224, 224, 3]`",
    "task": "add `task: classification`",
}


def explain(error: Any, root: Node) -> Iterator[Diagnostic]:
    """One error of a validator as diagnostics: none where another one says it already."""
    path = list(error.absolute_path)
    node = _at(root, path)
    rule, schema = error.validator, error.schema
    if schema.get("x-row"):
        yield from _explain_row(error, root, node)
    elif rule == "additionalProperties" and isinstance(node, Map):
        yield from _unknown(node, schema, path)
    elif rule == "required" and isinstance(node, Map):
        yield from _missing(error, node, path)
    elif "propertyNames" in error.absolute_schema_path:
        key = node.key(str(error.instance)) if isinstance(node, Map) else None
        message = f"`{_cut(error.instance)}` is not {schema['title']}"
        yield Diagnostic("invalid-name", message, (key or node).span)
    else:
        code, message, help = _problem(error, _subject(path, schema))
        yield Diagnostic(code, message, _first_line(node.span), help=help)


@cache
def _kind_validator(kind: Kind) -> Any:
    return VALIDATOR({"title": kind.expects, "anyOf": [dict(kind.schema)]})


def explain_value(kind: Kind, name: str, value: Any) -> tuple[Code, str, str] | None:
    """Code, message and help where a value is not of a kind; None where it is."""
    error = next(iter(_kind_validator(kind).iter_errors(value)), None)
    return None if error is None else _problem(error, f"`{name}`")


def _at(node: Node, path: Iterable[Any]) -> Node:
    for step in path:
        if isinstance(node, Map):
            node = node.get(str(step)) or node
        elif isinstance(node, Seq):
            node = node.items[step]
    return node


def _subject(path: Sequence[Any], schema: Mapping[str, Any]) -> str:
    """What is spoken of: `depth`, variant `w0.5`, the options of `Conv`."""
    name = next((str(step) for step in reversed(path) if isinstance(step, str)), "")
    if not name:
        return "the spec"
    if path[0] == "variants" and len(path) == 2:
        return f"variant `{name}`"
    return f"the options of `{name}`" if schema.get("x-block") else f"`{name}`"


def _explain_row(error: Any, root: Node, node: Node) -> Iterator[Diagnostic]:
    blocks = error.schema["anyOf"][1]["enum"]
    if isinstance(node, Scalar) and isinstance(node.value, str):
        yield _unknown_block(node.value, node.span, blocks)
    elif not isinstance(node, Map) or len(node.entries) != 1:
        yield _malformed_row(error.instance, node, blocks)
    else:
        for inner in error.context:
            if inner.schema_path[0] == 0:
                yield from explain(inner, root)


def _malformed_row(instance: Any, node: Node, blocks: Sequence[str]) -> Diagnostic:
    message, help = f"a row is one block, not {_shown(instance)}", "write one block a row: `- Conv: {depth: 32}`"
    if isinstance(node, Map) and node.entries:
        names = [str(key.value) for key, _ in node.entries]
        message = f"a row is one block, not {len(names)} keys"
        if names[0] in blocks and names[1] not in blocks:
            help = f"options stand in braces: `- {names[0]}: {{{_cut(names[1])}: ...}}`"
    return Diagnostic("malformed-row", message, _first_line(node.span), help=help)


def _unknown_block(name: str, span: Span, blocks: Sequence[str]) -> Diagnostic:
    return Diagnostic("unknown-block", f"no block `{_cut(name)}`", _first_line(span), help=suggestion(name, blocks))


def _unknown(node: Map, schema: Mapping[str, Any], path: Sequence[Any]) -> Iterator[Diagnostic]:
    known = list(schema.get("properties", ()))
    for key, _ in node.entries:
        word = str(key.value)
        if word in known:
            continue
        help = suggestion(word, known)
        if schema.get("x-blocks"):
            yield _unknown_block(word, key.span, known)
        elif block := schema.get("x-block"):
            where = "any block" if block == "all" else f"block `{block}`"
            yield Diagnostic("unknown-option", f"no option `{_cut(word)}` in {where}", _first_line(key.span), help=help)
        else:
            if path[:1] == ["variants"] and word in ("layers", "model"):
                help = f"a variant changes the head, never the {word}"
            message = f"no key `{_cut(word)}` in {_subject(path, schema)}"
            yield Diagnostic("unknown-key", message, _first_line(key.span), help=help)


def _missing(error: Any, node: Map, path: Sequence[Any]) -> Iterator[Diagnostic]:
    """A key that is missing, unless an unknown one looks like its misspelling."""
    known = list(error.schema["properties"])
    misspelt = {near(str(key.value), known) for key, _ in node.entries if key.value not in known}
    for missing in error.validator_value:
        if missing not in error.instance and missing not in misspelt and f"'{missing}'" in error.message:
            message = f"{_subject(path, error.schema)} has no `{missing}`"
            yield Diagnostic("missing-key", message, _start(node), help=_EXAMPLES.get(missing, ""))


def _leaves(error: Any) -> Iterator[Any]:
    """The errors at the bottom of an `anyOf`, without those that only say the value is no `$name`."""
    for inner in error.context:
        if inner.schema is not DOLLAR:
            yield from _leaves(inner)
    if not error.context:
        yield error


def _problem(error: Any, subject: str) -> tuple[Code, str, str]:
    """Code, message and help for a value that is not what its place takes."""
    value, errors = error.instance, list(_leaves(error))
    if error.validator in ("maxItems", "maxProperties"):
        return "wrong-length", f"{subject} must hold at most {error.validator_value}, not {len(value)}", ""
    expects = error.schema["title"] if error.validator == "anyOf" else _type_in_words(error)
    message = f"{subject} must be {expects}, not {_shown(value)}"
    words = [w for e in errors if e.validator == "enum" for w in e.validator_value if isinstance(w, str)]
    if isinstance(value, str) and words:
        return "unknown-value", message, suggestion(value, words)
    if any(e.validator in _LENGTHS for e in errors):
        return "wrong-length", message, ""
    if any(e.validator in _LIMITS and not words for e in errors):
        return "out-of-range", message, ""
    if isinstance(value, str) and any(e.validator in ("pattern", "maxLength") for e in errors):
        return "invalid-name", message, ""
    return "wrong-type", message, ""


def _type_in_words(error: Any) -> str:
    if error.validator == "minItems":
        return "a list that is not empty"
    return "a list" if error.schema["type"] == "array" else "a mapping"


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list) and any(isinstance(v, dict) for v in value[:99]):
        return "a list"
    if isinstance(value, list) and value:
        return f"`{_cut('[' + ', '.join(_item(v) for v in value[:99]) + ']')}`"
    if value is None or value == []:
        return "nothing" if value is None else "an empty list"
    return f"`{_item(value)}`"


def _item(value: Any) -> str:
    if isinstance(value, (dict, list)):
        return "..."
    return "" if value is None else str(value).lower() if isinstance(value, bool) else _cut(value)


def _cut(value: object) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= 60 else text[:57] + "..."


def _start(node: Map) -> Span:
    """A place for what is missing: the first key."""
    return _first_line(node.entries[0][0].span if node.entries else node.span)


def _first_line(span: Span) -> Span:
    end = span.source.text.find("\n", span.start, span.end)
    return Span(span.source, span.start, end) if end > span.start else span
