"""The schema file says the same as the schema that checks, in less text."""

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from networks import SPECS

from archspec.definitions import with_definitions
from archspec.schema import schema
from archspec.source import parse, plain, read_source


def resolved(part: Any, root: dict[str, Any]) -> Any:
    """The part with every reference replaced by what it names."""
    if isinstance(part, list):
        return [resolved(item, root) for item in part]
    if not isinstance(part, dict):
        return part
    if "$ref" in part:
        return resolved(root["$defs"][part["$ref"].removeprefix("#/$defs/")], root)
    return {key: resolved(value, root) for key, value in part.items() if key != "$defs"}


def assert_same(short: dict[str, Any], whole: dict[str, Any]) -> None:
    assert resolved(short, short) == json.loads(json.dumps(whole))


def test_nothing_is_lost() -> None:
    assert_same(with_definitions(schema()), schema())


def test_a_lost_limit_is_noticed() -> None:
    short = with_definitions(schema())
    limited = next(d for d in short["$defs"].values() if "maximum" in json.dumps(d))
    limited.clear()
    with pytest.raises(AssertionError):
        assert_same(short, schema())


def test_it_is_short_and_valid() -> None:
    short = with_definitions(schema())
    Draft202012Validator.check_schema(short)
    assert 3 * len(json.dumps(short)) < len(json.dumps(schema()))


@pytest.mark.parametrize("name", ["mobilenet_v1", "mobilenet_v2_hed"])
def test_it_takes_specs_and_refuses_slips(name: str) -> None:
    validator = Draft202012Validator(with_definitions(schema()))
    spec = plain(parse(read_source(SPECS / f"{name}.yaml")))
    assert list(validator.iter_errors(spec)) == []
    spec["layers"][0] = {"Conv": {"depht": 3}}
    assert list(validator.iter_errors(spec)) != []
