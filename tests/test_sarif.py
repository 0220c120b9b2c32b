"""Findings as SARIF 2.1.0, held to what the standard says of the parts that archspec writes."""

import json
from pathlib import Path
from typing import Any

import pytest
from diagnostic_pages import examples
from diagnostic_pages import findings as findings_of
from jsonschema import Draft4Validator, Draft202012Validator, ValidationError
from little import findings, spec

from archspec import render
from archspec.diagnostics import Diagnostic, Source, Span

SAMPLE = findings(spec("Conv: {depth: 8, nme: c1}", "Dense: {units: 3, from: c2}", "Conv: {depth: 0}"))


def _object(required: str, **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required.split(), "additionalProperties": False}


def _list(items: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "array", "items": items, **more}


_TEXT: dict[str, Any] = {"type": "string"}
_FROM_1 = {"type": "integer", "minimum": 1}
_MESSAGE = _object("text", text={"type": "string", "minLength": 1})
_URI = {"type": "string", "pattern": r"^(?:[A-Za-z0-9._~!$&'()*+;=@/-]|%[0-9A-F]{2})+$"}  # RFC 3986, without a scheme
_REGION = _object("startLine", startLine=_FROM_1, startColumn=_FROM_1, endLine=_FROM_1, endColumn=_FROM_1)
_PHYSICAL = _object("artifactLocation", artifactLocation=_object("uri", uri=_URI), region=_REGION)
_LOCATION = _object("physicalLocation", physicalLocation=_PHYSICAL, message=_MESSAGE)
SARIF = _object(
    "version runs",
    **{"$schema": {"type": "string", "pattern": "^https://.*/sarif-schema-2.1.0.json$"}},
    version={"const": "2.1.0"},
    runs=_list(
        _object(
            "tool results",
            tool=_object(
                "driver",
                driver=_object("name rules", name=_TEXT, rules=_list(_object("id", id=_TEXT), uniqueItems=True)),
            ),
            columnKind={"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
            results=_list(
                _object(
                    "message ruleId ruleIndex level locations",
                    message=_MESSAGE,
                    ruleId=_TEXT,
                    ruleIndex={"type": "integer", "minimum": 0},
                    level={"enum": ["none", "note", "warning", "error"]},
                    locations=_list(_LOCATION, minItems=1, maxItems=1),
                    relatedLocations=_list(_LOCATION, minItems=1, uniqueItems=True),
                )
            ),
        ),
        minItems=1,
        maxItems=1,
    ),
)
"""The part of SARIF 2.1.0 (OASIS, errata 01) that archspec writes, with the standard's rules for it: sections 3.13
sarifLog, 3.14 run, 3.18 tool, 3.19 toolComponent, 3.27 result, 3.28 location, 3.29 physicalLocation, 3.30 region."""

PUBLISHED = json.loads((Path(__file__).parent / "data" / "sarif-2.1.0-rtm.5.json").read_text(encoding="utf-8"))
"""The whole schema of SARIF 2.1.0, which is less strict on the part that archspec writes."""


def assert_is_sarif(text: str) -> dict[str, Any]:
    """The text is a SARIF log of what archspec writes, and refers to rules that are there."""
    log = json.loads(text)
    Draft4Validator(PUBLISHED).validate(log)
    Draft202012Validator(SARIF).validate(log)
    (run,) = log["runs"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    for result in run["results"]:
        assert rules[result["ruleIndex"]] == result["ruleId"]
        for location in (*result["locations"], *result.get("relatedLocations", ())):
            region = location["physicalLocation"]["region"]
            start, end = ((region[f"{side}Line"], region[f"{side}Column"]) for side in ("start", "end"))
            assert start <= end
    return log  # type: ignore[no-any-return]


def test_sarif() -> None:
    log = assert_is_sarif(render.sarif(SAMPLE))
    results = log["runs"][0]["results"]
    assert [r["ruleId"] for r in results] == ["unknown-option", "unknown-row", "out-of-range"]
    assert results[0]["message"]["text"] == "no option `nme` in block `Conv`; did you mean `name`?"
    assert results[0]["locations"][0]["physicalLocation"] == {
        "artifactLocation": {"uri": "spec.yaml"},
        "region": {"startLine": 5, "startColumn": 20, "endLine": 5, "endColumn": 23},
    }
    assert_is_sarif(render.sarif([]))


@pytest.mark.parametrize(
    ("name", "uri"),
    [("a b/ä.yaml", "a%20b/%C3%A4.yaml"), ("--set a.b=c: d", "--set%20a.b%3Dc%3A%20d"), ("\udcff.yaml", "%FF.yaml")],
)
def test_sarif_names_files_by_their_bytes(name: str, uri: str) -> None:
    log = assert_is_sarif(render.sarif([Diagnostic("tag", "m", Span(Source(name, ""), 0, 0))]))
    location = log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]
    assert location["artifactLocation"]["uri"] == uri


@pytest.mark.parametrize(
    ("old", "new"),
    [('"version": "2.1.0"', '"version": "2.0.0"'), ('"ruleIndex": 0', '"ruleIndex": 1'), ('"text":', '"words":'),
     ('"startLine": 5', '"startLine": 0'), ('"startColumn": 20', '"startColumn": 24'), ('"columnKind"', '"columns"'),
     ('"level": "error"', '"level": "bad"'), ('"uri": "spec.yaml"', '"uri": "a b"')],
)  # fmt: skip
def test_sarif_that_is_wrong_is_found(old: str, new: str) -> None:
    text = render.sarif(SAMPLE)
    assert old in text
    with pytest.raises((ValidationError, AssertionError)):
        assert_is_sarif(text.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new"),
    [('"version": "2.1.0"', '"version": "2.0.0"'), ('"level": "error"', '"level": "bad"'), ('"results"', '"result"')],
)
def test_the_published_schema_finds_what_is_wrong(old: str, new: str) -> None:
    text = render.sarif(SAMPLE)
    Draft4Validator(PUBLISHED).validate(json.loads(text))
    with pytest.raises(ValidationError):
        Draft4Validator(PUBLISHED).validate(json.loads(text.replace(old, new)))


def test_every_page_is_sarif(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for example in examples():
        log = assert_is_sarif(render.sarif(findings_of(example)))
        assert {result["ruleId"] for result in log["runs"][0]["results"]} == {example.code}
