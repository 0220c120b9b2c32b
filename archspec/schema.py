"""The JSON Schema of the language, drawn from the types and the blocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from itertools import islice
from typing import Any

from archspec.blocks import BLOCKS, Block
from archspec.diagnostics import Diagnostic, SpecError
from archspec.explain import DOLLAR, VALIDATOR, explain
from archspec.kinds import NAME, From, Kind, LabelNames, ModelName, Name, OutputStride, Repeat, Units, Version, kind_of
from archspec.source import MOST_FINDINGS, Node, plain
from archspec.spec import ABIS, SECTIONS, Target, kinds_of, parts_of, required

MOST_ROWS = 20_000
MOST_NAMES = 1_000  # of variants, of values under `let`
HEAD_OF_VARIANT = ("input", "let", "defaults", "scale", "output_stride", "outputs", "expect")
LET: Mapping[str, Any] = {"type": ["number", "string", "boolean"], "not": {"type": "string", "pattern": r"^\$"}}
VARIANT_NAME = "^[A-Za-z0-9][A-Za-z0-9_.-]*$"

Json = dict[str, Any]


def value_schema(kind: Kind) -> Json:
    """A value of a kind, or the name of one."""
    return {"title": kind.expects, "anyOf": [_with_names(kind.schema), DOLLAR]}


def _with_names(schema: Mapping[str, Any]) -> Json:
    """The schema of a value whose items may be names too."""
    made = dict(schema)
    if "items" in made:
        made["items"] = {"anyOf": [_with_names(made["items"]), DOLLAR]}
    if "anyOf" in made:
        made["anyOf"] = [_with_names(s) for s in made["anyOf"]]
    return made


def section_schema(made: type) -> Json:
    """A section of the head from its dataclass."""
    schema: Json = {
        "type": "object",
        "properties": {name: value_schema(kind) for name, kind in kinds_of(made).items()}
        | {name: section_schema(part) for name, part in parts_of(made).items()},
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
            if (form := _with_names(option.kind.schema)) not in known["anyOf"]:
                known["anyOf"].insert(0, form)
    every: Json = {"description": "Options of every block that has them.", "type": "object", "properties": anything,
                   "additionalProperties": False, "x-block": "all"}  # fmt: skip
    head: Json = {
        "archspec": _exact(Version),
        "model": _exact(ModelName),
        **{name: section_schema(made) for name, made in SECTIONS.items()},
        "let": _named({"title": "a number, a word, true or false", "anyOf": [LET]}),
        "defaults": {
            "type": "object",
            "properties": {"all": every, **{b.name: block_schema(b, row=False) for b in blocks}},
            "additionalProperties": False,
            "x-blocks": True,
        },
        "output_stride": value_schema(kind_of(OutputStride)),
        "labels": _exact(LabelNames),
        "outputs": {"type": "array", "items": _exact(Name), "minItems": 1, "maxItems": 1000},
        "targets": {
            "type": "object",
            "properties": {abi: section_schema(Target) for abi in ABIS},
            "additionalProperties": False,
        },
    }
    partial = {name: _partial(head[name]) for name in HEAD_OF_VARIANT}
    variant: Json = {"type": "object", "properties": partial, "additionalProperties": False}
    head["variants"] = {
        "type": "object",
        "maxProperties": MOST_NAMES,
        "propertyNames": {
            "title": "a variant's name: letters, digits, `_`, `.` or `-`",
            "pattern": VARIANT_NAME,
            "maxLength": 64,
        },
        "additionalProperties": variant,
    }
    head["layers"] = {"type": "array", "minItems": 1, "maxItems": MOST_ROWS, "items": _row(blocks)}
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
    return {"type": "object", "maxProperties": MOST_NAMES, "propertyNames": names, "additionalProperties": value}


def _row(blocks: Sequence[Block]) -> Json:
    return {
        "title": "a row: `- Block: {options}`",
        "x-row": True,
        "anyOf": [
            {
                "type": "object",
                "properties": {b.name: block_schema(b, row=True) for b in blocks},
                "additionalProperties": False,
                "minProperties": 1,
                "maxProperties": 1,
                "x-blocks": True,
            },
            {"type": "string", "enum": [b.name for b in blocks]},
        ],
    }


@cache
def _validator(blocks: tuple[Block, ...]) -> Any:
    return VALIDATOR(_schema(blocks))


def check(root: Node) -> list[Diagnostic]:
    """Check a located tree against the schema: every error at its place.

    Raises SpecError where the tree is too large to look at all of it, or has MOST_FINDINGS errors.
    """
    found: list[Diagnostic] = []
    for error in _validator(tuple(BLOCKS.values())).iter_errors(plain(root)):
        found += islice(explain(error, root), MOST_FINDINGS - len(found))
        if len(found) >= MOST_FINDINGS or error.validator in ("maxItems", "maxProperties"):
            raise SpecError(found)
    return found
