"""Every finding has a code, every code a page, and every page is what archspec really says."""

import ast
from pathlib import Path
from typing import get_args

import pytest
from diagnostic_pages import PAGES, Example, examples, findings, output_of
from little import assert_finds, spec

from archspec.diagnostics import Code, Diagnostic, Source, Span, SpecError, listing, near, suggestion

PACKAGE = Path(__file__).resolve().parent.parent / "archspec"
EXAMPLES = examples()


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def assert_says(example: Example) -> None:
    """Archspec says of the example, to the byte, what its page says."""
    assert output_of(example) == example.output


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda e: f"{e.code}-{e.number}")
def test_page(example: Example) -> None:
    assert_says(example)


@pytest.mark.parametrize("place", [0, 80, -1])
def test_page_with_a_changed_byte_fails(place: int) -> None:
    example = EXAMPLES[0]
    changed = list(example.output)
    changed[place] = "?"
    assert_says(example)
    with pytest.raises(AssertionError):
        assert_says(example._replace(output="".join(changed)))


@pytest.mark.parametrize("code", sorted({e.code for e in EXAMPLES}))
def test_page_shows_its_code_and_explains_it(code: str) -> None:
    title, _, rest = (PAGES / f"{code}.md").read_text(encoding="utf-8").partition("\n\n")
    assert title == f"# {code}"
    prose = rest.partition("\n\n```")[0].splitlines()
    assert 1 <= len(prose) <= 4
    assert max(map(len, prose)) <= 120
    for example in EXAMPLES:
        if example.code == code:
            assert {d.code for d in findings(example)} == {code}, example


def test_every_fence_of_a_page_is_part_of_an_example() -> None:
    fences = sum(page.read_text(encoding="utf-8").count("```") for page in PAGES.glob("*.md"))
    assert fences == 4 * len(EXAMPLES)


def code_constants(tree: ast.AST) -> set[str]:
    """The codes that a module writes down: constants that are the first argument of a `Diagnostic`."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and node.args]
    named = [c.args[0] for c in calls if isinstance(c.func, ast.Name) and c.func.id == "Diagnostic"]
    return {str(arg.value) for arg in named if isinstance(arg, ast.Constant)}


def constants(tree: ast.AST) -> set[str]:
    return {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def test_pages_are_those_of_the_codes() -> None:
    pages = {page.stem for page in PAGES.glob("*.md")}
    assert pages == set(get_args(Code))
    assert pages == {e.code for e in EXAMPLES}


def test_codes_are_those_of_the_source() -> None:
    trees = [ast.parse(p.read_text(encoding="utf-8")) for p in PACKAGE.rglob("*.py") if p.name != "diagnostics.py"]
    assert set().union(*map(code_constants, trees)) <= set(get_args(Code))
    assert set(get_args(Code)) <= set().union(*map(constants, trees))


def test_a_code_in_the_source_is_seen() -> None:
    tree = ast.parse('found.append(Diagnostic("no-such-code", "message", span))\nreport("other-code", "x")')
    assert code_constants(tree) == {"no-such-code"}
    assert constants(tree) == {"no-such-code", "message", "other-code", "x"}


def test_helper_of_findings_can_fail() -> None:
    good, bad = spec("Conv: {depth: 8}"), spec("Conv: {dpth: 8}")
    assert_finds(good)
    assert_finds(bad, ("unknown-option", "dpth"))
    for text, expected in ((good, [("unknown-option", "dpth")]), (bad, []), (bad, [("unknown-option", "8")])):
        with pytest.raises(AssertionError):
            assert_finds(text, *expected)


def test_error_holds_each_finding_once_in_file_order() -> None:
    a, b = Source("a.yaml", "xyz"), Source("b.yaml", "xyz")
    found = [
        Diagnostic("tag", "late", Span(b, 0, 1)),
        Diagnostic("tag", "second", Span(a, 2, 3)),
        Diagnostic("tag", "first", Span(a, 0, 1)),
        Diagnostic("tag", "second", Span(a, 2, 3)),
    ]
    error = SpecError(found)
    assert [d.message for d in error.diagnostics] == ["first", "second", "late"]
    assert str(error) == "first; second; late"


def test_positions_count_from_one() -> None:
    source = Source("s", "ab\r\n\nc")
    assert [source.position(i) for i in (0, 2, 4, 5, 6)] == [(1, 1), (1, 3), (2, 1), (3, 1), (3, 2)]
    assert [source.line(n) for n in (1, 2, 3)] == ["ab", "", "c"]


@pytest.mark.parametrize(
    ("name", "known", "expected"),
    [
        ("strides", ["stride", "rate"], "stride"),
        ("Relu6", ["relu", "relu6"], "relu6"),
        ("Convolution", ["Conv", "Dense"], "Conv"),
        ("dep", ["depth", "rate"], "depth"),
        ("xyzzy", ["stride", "rate"], None),
        ("", ["stride"], None),
    ],
)
def test_near(name: str, known: list[str], expected: str | None) -> None:
    assert near(name, known) == expected


def test_suggestion_lists_what_there_is_where_nothing_is_near() -> None:
    assert suggestion("xyzzy", ["a", "b"]) == "known: `a`, `b`"
    assert suggestion("xyzzy", []) == ""
    assert listing([str(i) for i in range(50)], most=2) == "`0`, `1` and 48 more"
