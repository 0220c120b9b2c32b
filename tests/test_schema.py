"""The structure of a spec: what the schema takes, and one message for one mistake."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from diagnostic_pages import blocks_of
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from little import HEAD, assert_finds, built, findings, spec

from archspec.blocks import BLOCKS
from archspec.kinds import Kind
from archspec.schema import schema, value_schema

SPECS = sorted((Path(__file__).resolve().parent.parent / "specs").glob("*.yaml"))


def test_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(schema())


@pytest.mark.parametrize("path", SPECS, ids=lambda p: p.stem)
def test_specs_pass_the_schema_that_editors_read(path: Path) -> None:
    Draft202012Validator(schema()).validate(yaml.safe_load(path.read_text(encoding="utf-8")))


def test_schema_that_editors_read_refuses() -> None:
    errors = Draft202012Validator(schema()).iter_errors(yaml.safe_load(spec("Conv: {dpth: 8}")))
    assert [e.json_path for e in errors] == ["$.layers[0]"]


def test_schema_holds_every_block_and_is_drawn_anew_for_a_new_one() -> None:
    row = schema()["properties"]["layers"]["items"]["anyOf"][0]["properties"]
    assert set(row) == set(BLOCKS)
    for name, block in BLOCKS.items():
        assert set(block.options) <= set(row[name]["properties"])
        assert row[name]["description"] == block.doc.splitlines()[0]
    with blocks_of("user_blocks"):
        assert "Thicken" in json.dumps(schema())
    assert "Thicken" not in json.dumps(schema())


def test_widening_words_stand_only_where_there_is_a_depth() -> None:
    row = schema()["properties"]["layers"]["items"]["anyOf"][0]["properties"]
    assert "min_depth" in row["Conv"]["properties"]
    assert "min_depth" not in row["Dense"]["properties"]
    assert "repeat" not in schema()["properties"]["defaults"]["properties"]["Conv"]["properties"]


def accepted(kind: Kind, value: Any) -> bool:
    return bool(Draft202012Validator(value_schema(kind)).is_valid(value))


@pytest.mark.parametrize(
    ("value", "expected"),
    [(3, True), ([3, 5], True), ("$k", True), (["$k", 5], True), (["$k", "$k"], True), ("k", False), (["k", 5], False),
     ("$", False), ("$2", False), ("x$k", False), ([3, 5, 7], False), (["$k"], False), (None, False)],
)  # fmt: skip
def test_name_of_a_value_stands_for_a_value_or_an_item(value: Any, expected: bool) -> None:
    assert accepted(BLOCKS["Conv"].options["kernel"].kind, value) == expected


def test_name_of_a_value_does_not_stand_for_the_name_of_a_row() -> None:
    head = "let: {a: c1}\noutputs: [$a]\n"
    assert_finds(
        spec("Conv: {depth: 8, name: $a}", "Conv: {depth: 8, from: $a}", head=head),
        ("invalid-name", "$a"), ("invalid-name", "$a"), ("invalid-name", "$a"),
    )  # fmt: skip


@pytest.mark.parametrize("text", ["1.0", "'1'", "true", "0", "$one", "~"])
def test_version_is_the_whole_number_1(text: str) -> None:
    found = findings(spec("Conv: {depth: 8}").replace("archspec: 1", f"archspec: {text}"))
    assert [d.message[:52] for d in found] == ["`archspec` must be the version of the language, 1, n"]


@pytest.mark.parametrize("text", ["16.0", "true", "3", "[2]", "-1"])
def test_output_stride_is_a_power_of_two(text: str) -> None:
    (found,) = findings(spec("Conv: {depth: 8}", head=f"output_stride: {text}\n"))
    assert found.message.startswith("`output_stride` must be one of 1, 2, 4, 8, 16, 32, 64, not ")


ONE_MISTAKE: dict[str, tuple[str, tuple[str, str]]] = {
    "misspelt option, row is read below": (
        spec("Conv: {dpth: 8, name: c1}", "Conv: {depth: 8, from: c1}"), ("unknown-option", "dpth")),
    "misspelt name, row is read below": (
        spec("Conv: {depth: 8, nam: c1}", "Conv: {depth: 8, from: c1}"), ("unknown-option", "nam")),
    "misspelt block, row is read below": (
        spec("Cnv: {depth: 8, name: c1}", "Conv: {depth: 8, from: c1}"), ("unknown-block", "Cnv")),
    "misspelt block, bare": (spec("Flaten", "Dense: {units: 9}"), ("unknown-block", "Flaten")),
    "wrong value, row is read below": (
        spec("Conv: {depth: x, name: c1}", "Conv: {depth: 8, from: c1}"), ("wrong-type", "x")),
    "option beside the block": (
        spec("Conv: {depth: 8}\n  name: c1", "Conv: {depth: 8, from: c1}"), ("malformed-row", "Conv: {depth: 8}")),
    "options not indented": (
        spec("Conv:\n  depth: 8\n  name: c1", "Conv: {depth: 8, from: c1}"), ("malformed-row", "Conv:")),
    "number for a row": (spec("3", "Conv: {depth: 8}"), ("malformed-row", "3")),
    "number for options": (spec("Conv: 3", "Conv: {depth: 8}"), ("wrong-type", "3")),
    "misspelt key that is required": (spec("Conv: {depth: 8}").replace("model", "modle"), ("unknown-key", "modle")),
    "misspelt input": (spec("Conv: {depth: 8}").replace("input", "inptu"), ("unknown-key", "inptu")),
    "misspelt size": (spec("Conv: {depth: 8}").replace("size", "szie"), ("unknown-key", "szie")),
    "misspelt name of a value": (
        spec("Conv: {depth: $width}", head="let: {widht: 8}\n"), ("unknown-name", "$width")),
    "unknown name in the head": (
        spec("Conv: {depth: 8}", head="scale: {width: $w}\n"), ("unknown-name", "$w")),
    "unknown name for the size": (spec("Conv: {depth: 8}").replace("32, 32", "$s, 32"), ("unknown-name", "$s")),
    "unknown row, read again": (
        spec("Conv: {depth: 8, from: c0, name: c1}", "Add: {from: [c1, c1]}", "Flatten"), ("unknown-row", "c0")),
    "shape, read again": (
        spec("Dense: {units: 8, name: c1}", "Activation: {activation: relu}", "Add: {from: [c1, c1]}"),
        ("shape-mismatch", "Dense")),
    "row in every variant": (
        spec("Conv: {dpth: 8}", head="variants: {a: {input: {size: 16}}, b: {input: {size: 8}}}\n"),
        ("unknown-option", "dpth")),
    "shape in every variant": (
        spec("Dense: {units: 8}", head="variants: {a: {input: {size: 16}}, b: {input: {size: 8}}}\n"),
        ("shape-mismatch", "Dense")),
    "name in every variant": (
        spec("Conv: {depth: $x}", head="variants: {a: {input: {size: 16}}, b: {input: {size: 8}}}\n"),
        ("unknown-name", "$x")),
    "head in every variant": (
        spec("Conv: {depth: 8}", head="targets: {x86_64: {variant: c}}\nvariants: {a: {input: {size: 16}}}\n"),
        ("unknown-variant", "c")),
}  # fmt: skip


@pytest.mark.parametrize("case", ONE_MISTAKE)
def test_one_mistake_is_one_message(case: str) -> None:
    text, expected = ONE_MISTAKE[case]
    assert_finds(text, expected)


def test_all_mistakes_come_at_once_in_file_order() -> None:
    assert_finds(
        spec("Conv: {dpth: 8, name: c1}", "Conv: {depth: 0}", "Cnv", "Conv: {depth: 8, from: c2}", "Conv",
             head="let: {a: 1}\n"),
        ("unused-name", "a"), ("unknown-option", "dpth"), ("out-of-range", "0"), ("unknown-block", "Cnv"),
        ("unknown-row", "c2"), ("missing-option", "Conv"),
    )  # fmt: skip


def test_wrong_value_by_name_shows_both_places() -> None:
    text = spec("Conv: {depth: $a, kernel: [$b, $a]}", head="let: {a: x, b: 3}\n")
    depth, kernel = assert_finds(text, ("wrong-type", "$a"), ("wrong-type", "[$b, $a]"))
    assert [(o.text, o.span.source.text[o.span.start : o.span.end]) for o in depth.others] == [
        ("the value of `a`", "x")
    ]
    assert [o.text for o in kernel.others] == ["the value of `b`", "the value of `a`"]
    assert kernel.message.endswith("not `[3, x]`")


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        ("let: {r: 149497088}\n", "out-of-range"),
        ("let: {r: -1}\n", "out-of-range"),
        ("let: {r: 2.0}\n", "wrong-type"),
        ("let: {r: true}\n", "wrong-type"),
        ("let: {r: two}\n", "wrong-type"),
    ],
)
def test_repeat_and_min_depth_by_name_are_checked(head: str, expected: str) -> None:
    assert_finds(spec("Conv: {depth: 8, repeat: $r}", head=head), (expected, "$r"))
    assert_finds(spec("Conv: {depth: 8, min_depth: $r}", head=head + "scale: {width: 0.5}\n"), (expected, "$r"))


@pytest.mark.parametrize(
    "head",
    ["let: {x: a}\nscale: {width: $x}\n", "let: {x: a}\noutput_stride: $x\n", "let: {x: a}\nexpect: {params: $x}\n",
     "let: {x: a}\ntrain: {task: $x}\n", "let: {x: a}\ntargets: {x86_64: {quantize: $x}}\n",
     "let: {x: a}\ndefaults: {Conv: {stride: $x}}\n", "let: {x: a}\ndefaults: {all: {momentum: $x}}\n"],
)  # fmt: skip
def test_wrong_value_by_name_in_the_head_is_found(head: str) -> None:
    (found,) = findings(spec("Conv: {depth: 8}", head=head))
    assert found.code in ("wrong-type", "unknown-value", "out-of-range")
    assert found.others[0].text == "the value of `x`"


def test_value_of_let_is_no_name() -> None:
    assert_finds(spec("Conv: {depth: $a}", head="let: {a: $b, b: 8}\n"), ("wrong-type", "$b"))


def test_default_for_all_is_held_to_each_block_that_takes_it() -> None:
    text = spec("Thicken", "Conv: {depth: 8}", "Conv: {depth: 8}", head="defaults: {all: {stride: [2, 2]}}\n")
    with blocks_of("user_blocks"):
        (found,) = assert_finds(text, ("wrong-type", "[2, 2]"))
        assert [(o.text, o.span.start) for o in found.others] == [("for this row", text.index("Conv: {depth"))]
        assert built(text.replace("Conv: {depth: 8}", "Flatten")).cost.rows[0].output == (16, 16, 8)


def test_second_error_of_a_default_for_all_does_not_hide() -> None:
    assert_finds(HEAD + "defaults: {all: {activation: rellu}}\nlayers: [Flatten]\n", ("unknown-value", "rellu"))


SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-5, 70_000), st.floats(), st.text(max_size=5), st.just("$a"))
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner))


@settings(max_examples=150, deadline=None)
@given(value=VALUES)
def test_integers_of_the_schema_are_whole(value: Any) -> None:
    """What the strict validator takes for a depth is what Python calls a whole number of that range."""
    from archspec.explain import VALIDATOR

    taken = VALIDATOR({"type": "integer", "minimum": 1, "maximum": 65_536}).is_valid(value)
    assert taken == (type(value) is int and 1 <= value <= 65_536)
