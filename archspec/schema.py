"""The JSON Schema of the language, drawn from the types and the blocks; and its errors, in the words of a spec."""

from __future__ import annotations

import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator

from archspec.blocks import BLOCKS, Block
from archspec.diagnostics import Diagnostic, Span, suggestion
from archspec.kinds import NAME, From, Kind, Name, OutputStride, Repeat, Units, kind_of
from archspec.source import Map, Node, Scalar, Seq, plain
from archspec.spec import ABIS, MODEL, SECTIONS, VERSION, Target, required

DOLLAR = {"type": "string", "pattern": rf"^\${NAME}$"}
MOST_ROWS = 20_000
HEAD_OF_VARIANT = ("input", "let", "defaults", "scale", "output_stride", "outputs", "expect")
NAMED = {"type": "string", "pattern": f"^{NAME}$"}
VARIANT_NAME = "^[A-Za-z0-9][A-Za-z0-9_.-]*$"

Json = dict[str, Any]


def value_schema(kind: Kind) -> Json:
    """A value of a kind, or the name of one."""
    return {"title": kind.expects, "anyOf": [dict(kind.schema), DOLLAR]}


def section_schema(made: type) -> Json:
    """A section of the head from its dataclass."""
    hints = typing.get_type_hints(made, include_extras=True)
    schema: Json = {
        "type": "object",
        "properties": {f.name: value_schema(kind_of(hints[f.name])) for f in fields(made)},
        "additionalProperties": False,
    }
    return schema | ({"required": names} if (names := required(made)) else {})


def block_schema(block: Block, *, row: bool) -> Json:
    """The options of a block; in a row also the row's own words."""
    properties = {name: value_schema(option.kind) for name, option in block.options.items()}
    if row:
        properties |= {"name": _exact(Name), "from": _exact(From), "repeat": value_schema(kind_of(Repeat))}
        if any(option.kind.scaled for option in block.options.values()):
            properties["min_depth"] = value_schema(kind_of(Units))
    summary = block.doc.splitlines()[0]
    return {
        "description": summary,
        "type": ["object", "null"],
        "properties": properties,
        "additionalProperties": False,
        "x-block": block.name,
    }


def _exact(annotation: Any) -> Json:
    kind = kind_of(annotation)
    return {"title": kind.expects, "anyOf": [dict(kind.schema)]}


def schema() -> Json:
    """The JSON Schema of a spec, with every block that is registered."""
    return _schema(tuple(BLOCKS.values()))


@cache
def _schema(blocks: tuple[Block, ...]) -> Json:
    anything: dict[str, Json] = {}
    for block in blocks:
        for name, option in block.options.items():
            known = anything.setdefault(name, {"title": option.kind.expects, "anyOf": [DOLLAR]})
            if option.kind.schema not in known["anyOf"]:
                known["anyOf"].insert(0, dict(option.kind.schema))
    every: Json = {"description": "Options of every block that has them.", "type": "object", "properties": anything,
                   "additionalProperties": False, "x-block": "all"}  # fmt: skip
    head: Json = {
        "archspec": _exact(typing.Annotated[int, VERSION]),
        "model": _exact(typing.Annotated[str, MODEL]),
        **{name: section_schema(made) for name, made in SECTIONS.items()},
        "let": _named({"title": "a number, a word, true or false", "anyOf": [{"type": ["number", "string", "boolean"]}]}),
        "defaults": {
            "type": "object",
            "properties": {"all": every, **{b.name: block_schema(b, row=False) for b in blocks}},
            "additionalProperties": False,
            "x-blocks": True,
        },
        "output_stride": value_schema(kind_of(OutputStride)),
        "outputs": {"type": "array", "items": _exact(Name), "minItems": 1, "maxItems": 1000},
        "targets": {
            "type": "object",
            "properties": {abi: section_schema(Target) for abi in ABIS},
            "additionalProperties": False,
        },
    }
    variant = {"type": "object", "properties": {n: head[n] for n in HEAD_OF_VARIANT}, "additionalProperties": False}
    variant = {**variant, "properties": {n: _partial(s) for n, s in variant["properties"].items()}}
    head["variants"] = {
        "type": "object",
        "propertyNames": {"title": "the name of a variant", "pattern": VARIANT_NAME, "maxLength": 64},
        "additionalProperties": variant,
    }
    head["layers"] = {"type": "array", "items": _row(blocks), "minItems": 1, "maxItems": MOST_ROWS}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "archspec",
        "description": "A convolutional network as a table of layers.",
        "type": "object",
        "properties": head,
        "required": ["archspec", "model", "input", "layers"],
        "additionalProperties": False,
    }


def _partial(schema: Json) -> Json:
    return {k: v for k, v in schema.items() if k != "required"}


def _named(value: Json) -> Json:
    names = {"title": "a name: a letter, then letters, digits or `_`", "pattern": f"^{NAME}$", "maxLength": 64}
    return {"type": "object", "propertyNames": names, "additionalProperties": value}


def _row(blocks: Sequence[Block]) -> Json:
    return {
        "title": "a row: `- Block: {options}`",
        "anyOf": [
            {"type": "string", "enum": [b.name for b in blocks]},
            {
                "type": "object",
                "properties": {b.name: block_schema(b, row=True) for b in blocks},
                "additionalProperties": False,
                "minProperties": 1,
                "maxProperties": 1,
                "x-blocks": True,
            },
        ],
    }


@cache
def _validator(blocks: tuple[Block, ...]) -> Any:
    return Draft202012Validator(_schema(blocks))


def check(root: Node) -> list[Diagnostic]:
    """Check a located tree against the schema: every error, at its place."""
    found: list[Diagnostic] = []
    for error in _validator(tuple(BLOCKS.values())).iter_errors(plain(root)):
        found += _explain(error, root)
    return found


@cache
def _kind_validator(kind: Kind) -> Any:
    return Draft202012Validator({"title": kind.expects, "anyOf": [dict(kind.schema)]})


def explain_value(kind: Kind, name: str, value: Any) -> tuple[str, str] | None:
    """Code and message of what is wrong with a value of a kind, or None."""
    error = next(iter(_kind_validator(kind).iter_errors(value)), None)
    if error is None:
        return None
    code, message, _ = _value_problem(error, name)
    return code, message


def _locate(node: Node, path: Iterable[Any]) -> tuple[Node, str]:
    """The node at a path, and the last key on the way there."""
    name = ""
    for step in path:
        if isinstance(node, Map):
            name = str(step)
            node = node.get(str(step)) or node
        elif isinstance(node, Seq):
            node = node.items[step]
    return node, name


def _explain(error: Any, root: Node) -> Iterator[Diagnostic]:
    node, name = _locate(root, error.absolute_path)
    rule, schema = error.validator, error.schema
    if rule == "anyOf" and schema.get("title", "").startswith("a row"):
        yield from _explain_row(error, root, node)
    elif rule == "additionalProperties":
        yield from _unknown(error, node, schema, name)
    elif rule == "required":
        for missing in (key for key in error.validator_value if key not in error.instance):
            if f"'{missing}' is a required" in error.message:
                place = f"`{name}`" if name else "the spec"
                yield Diagnostic("missing-key", f"{place} has no `{missing}`", _start(node), help=_example(missing))
    elif "propertyNames" in error.absolute_schema_path:
        key = node.key(str(error.instance)) if isinstance(node, Map) else None
        message = f"`{_shown(error.instance)}` is not {schema.get('title', 'a name')}"
        yield Diagnostic("invalid-name", message, (key or node).span)
    elif rule in ("minProperties", "maxProperties"):
        yield _malformed_row(node)
    else:
        code, message, help = _value_problem(error, name)
        yield Diagnostic(code, message, _first_line(node.span), help=help)


def _explain_row(error: Any, root: Node, node: Node) -> Iterator[Diagnostic]:
    if isinstance(node, Map):
        for inner in error.context:
            if inner.schema_path[0] == 1:
                yield from _explain(inner, root)
    elif isinstance(node, Scalar) and isinstance(node.value, str):
        yield _unknown_block(node.value, node.span)
    else:
        yield _malformed_row(node)


def _malformed_row(node: Node) -> Diagnostic:
    names = [str(key.value) for key, _ in node.entries] if isinstance(node, Map) else []
    message = f"a row holds one block, not {len(names)}" if names else "a row holds one block"
    help = "one row a block: `- Conv: {depth: 32}`"
    if len(names) > 1 and names[0] in BLOCKS and names[1] not in BLOCKS:
        help = f"options stand in braces: `- {names[0]}: {{{names[1]}: ...}}`"
    return Diagnostic("malformed-row", message, _first_line(node.span), help=help)


def _unknown_block(name: str, span: Span) -> Diagnostic:
    return Diagnostic("unknown-block", f"no block `{_shown(name)}`", span, help=suggestion(name, list(BLOCKS)))


def _unknown(error: Any, node: Node, schema: Mapping[str, Any], name: str) -> Iterator[Diagnostic]:
    known = list(schema.get("properties", ()))
    if not isinstance(node, Map):
        return
    for key, _ in node.entries:
        word = str(key.value)
        if word in known:
            continue
        if schema.get("x-blocks"):
            yield _unknown_block(word, key.span)
        elif block := schema.get("x-block"):
            where = f"block `{block}`" if block != "all" else "any block"
            yield Diagnostic("unknown-option", f"no option `{_shown(word)}` in {where}", key.span, help=suggestion(word, known))
        else:
            where = f"`{name}`" if name else "a spec"
            yield Diagnostic("unknown-key", f"no key `{_shown(word)}` in {where}", key.span, help=suggestion(word, known))


_LIMITS = {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minItems", "maxItems", "maxLength", "const"}


def _value_problem(error: Any, name: str) -> tuple[str, str, str]:
    """Code, message and help for a value that is not what its place takes."""
    errors = [e for e in error.context or [error] if e.schema is not DOLLAR] or [error]
    expects = error.schema.get("title") or _type_in_words(error)
    message = f"`{name}` must be {expects}, not {_shown_value(error.instance)}"
    words = [w for e in errors if e.validator == "enum" for w in e.validator_value if isinstance(w, str)]
    if isinstance(error.instance, str) and words:
        return "unknown-value", message, suggestion(error.instance, words)
    if any(e.validator in _LIMITS or (e.validator == "enum" and not words) for e in _deep(errors)):
        return "out-of-range", message, ""
    if isinstance(error.instance, str) and any(e.validator == "pattern" for e in errors):
        return "invalid-name", message, ""
    return "wrong-type", message, ""


def _deep(errors: Iterable[Any]) -> Iterator[Any]:
    for e in errors:
        yield e
        yield from _deep(e.context or ())


def _type_in_words(error: Any) -> str:
    words = {"object": "a mapping", "array": "a list", "string": "a word", "integer": "a whole number"}
    wanted = error.validator_value if error.validator == "type" else error.schema.get("type")
    first = wanted[0] if isinstance(wanted, list) else wanted
    if error.validator == "minItems":
        return "a list that is not empty"
    if error.validator == "maxItems":
        return f"a list of at most {error.validator_value}"
    return words.get(str(first), str(first))


def _shown_value(value: Any) -> str:
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        text = "[" + ", ".join("..." if isinstance(v, (dict, list)) else str(v) for v in value[:4]) + "]"
        return f"`{_shown(text)}`" if value else "an empty list"
    if value is None:
        return "nothing"
    return f"`{_shown(str(value).lower() if isinstance(value, bool) else value)}`"


def _shown(value: object) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= 60 else text[:57] + "..."


def _example(key: str) -> str:
    examples = {
        "archspec": "begin with `archspec: 1`, the version of the language",
        "model": "add `model: my_network`",
        "input": "add `input: {size: [224, 224, 3], range: [-1, 1]}`",
        "layers": "add `layers:` and one row a layer: `- Conv: {depth: 32}`",
        "size": "add `size: [224, 224, 3]`",
    }
    return examples.get(key, "")


def _start(node: Node) -> Span:
    """A place for what is missing: the first key."""
    return node.entries[0][0].span if isinstance(node, Map) and node.entries else _first_line(node.span)


def _first_line(span: Span) -> Span:
    end = span.source.text.find("\n", span.start, span.end)
    return Span(span.source, span.start, end) if end > span.start else span


