"""Findings as text, one-liners, JSON, SARIF and GitHub's annotations."""

import json
from pathlib import Path

import pytest
from diagnostic_pages import examples
from diagnostic_pages import findings as findings_of
from little import findings, spec

from archspec import render
from archspec.diagnostics import Diagnostic, Label, Source, Span


def at(source: Source, word: str, nth: int = 0) -> Span:
    """The place of a word in a text."""
    start = -1
    for _ in range(nth + 1):
        start = source.text.index(word, start + 1)
    return Span(source, start, start + len(word))


def shown(text: str, *words: str, name: str = "s.yaml") -> list[str]:
    """The lines that show some words of a text, the first one as the finding's own."""
    source = Source(name, text)
    others = tuple(Label(at(source, word), f"<{word}>") for word in words[1:])
    return render.text([Diagnostic("tag", "headline", at(source, words[0]), "label", others, "do this")]).splitlines()


def test_text() -> None:
    assert shown("a: one\nb: two\n", "two") == [
        "error[tag]: headline",
        " --> s.yaml:2:4",
        "  |",
        "2 | b: two",
        "  |    ^^^ label",
        "  |",
        "  = help: do this",
    ]


def test_text_shows_other_places_in_file_order_and_leaves_gaps_out() -> None:
    lines = "".join(f"w{i}\n" for i in range(1, 12))
    assert shown(lines, "w10", "w11", "w3", "w2")[1:-2] == [
        "  --> s.yaml:10:1",
        "   |",
        " 2 | w2",
        "   | -- <w2>",
        " 3 | w3",
        "   | -- <w3>",
        "...",
        "10 | w10",
        "   | ^^^ label",
        "11 | w11",
        "   | --- <w11>",
    ]


def test_text_shows_two_places_of_one_line_below_it() -> None:
    assert shown("a: [x, y]", "y", "x")[3:6] == ["1 | a: [x, y]", "  |     - <x>", "  |        ^ label"]


def test_place_in_another_source_has_a_head_of_its_own() -> None:
    file, argument = Source("s.yaml", "a: 1\n"), Source("--set a=x", "a=x")
    found = Diagnostic("tag", "headline", at(argument, "x"), "", (Label(at(file, "1"), "was"),))
    assert render.text([found]).splitlines() == [
        "error[tag]: headline",
        " --> --set a=x:1:3",
        "  |",
        "1 | a=x",
        "  |   ^",
        " ::: s.yaml:1:4",
        "  |",
        "1 | a: 1",
        "  |    - was",
    ]


@pytest.mark.parametrize(
    ("line", "word", "expected"),
    [
        ("\tb: x", "x", ["1 |   b: x", "  |      ^ label"]),
        ("中文: x", "x", ["1 | 中文: x", "  |       ^ label"]),
        ("e\u0301: x", "x", ["1 | e\u0301: x", "  |    ^ label"]),
        ("😀: 中", "中", ["1 | 😀: 中", "  |     ^^ label"]),
        ("a\x1b[31m: x", "x", ["1 | a\ufffd[31m: x", "  |         ^ label"]),
        ("\udcff: x", "x", ["1 | \ufffd: x", "  |    ^ label"]),
        ("a: x\r\nb", "x", ["1 | a: x", "  |    ^ label"]),
    ],
)
def test_caret_stands_under_the_word_on_a_terminal(line: str, word: str, expected: list[str]) -> None:
    assert shown(line, word)[3:5] == expected


def test_long_line_is_cut_around_its_word() -> None:
    lines = shown("a" * 5000 + "-word-" + "b" * 5000, "word")
    row, carets = lines[3], lines[4]
    assert len(row) < 180
    assert row.startswith("1 | ...aaa")
    assert row.endswith("bbb...")
    assert carets.index("^") == row.index("word")
    assert carets.count("^") == 4


def test_long_word_is_cut_too() -> None:
    lines = shown("w" * 5000, "w" * 5000)
    assert lines[3] == "1 | " + "w" * 160 + "..."
    assert lines[4] == "  | " + "^" * 160 + " label"


def test_span_of_several_lines_is_underlined_on_its_first() -> None:
    assert shown("- a:\n    b\n", "a:\n    b")[3:5] == ["1 | - a:", "  |   ^^ label"]


def test_place_at_the_end_of_a_text() -> None:
    source = Source("s", "a:\n")
    text = render.text([Diagnostic("tag", "m", Span(source, 3, 3))])
    assert text == "error[tag]: m\n --> s:2:1\n  |\n2 |\n  | ^\n"


def test_finding_without_a_text_has_no_excerpt() -> None:
    text = render.text([Diagnostic("unreadable-file", "m", Span(Source("s", ""), 0, 0), help="h")])
    assert text == "error[unreadable-file]: m\n --> s:1:1\n  = help: h\n"


def test_findings_are_parted_by_an_empty_line() -> None:
    found = Diagnostic("tag", "m", Span(Source("s", ""), 0, 0))
    assert render.text([found, found]) == "error[tag]: m\n --> s:1:1\n\nerror[tag]: m\n --> s:1:1\n"
    assert render.text([]) == ""


SAMPLE = findings(spec("Conv: {depth: 8, nme: c1}", "Dense: {units: 3, from: c2}", "Conv: {depth: 0}"))


def test_concise() -> None:
    assert render.concise(SAMPLE) == (
        "spec.yaml:5:20: error[unknown-option]: no option `nme` in block `Conv`\n"
        "spec.yaml:6:27: error[unknown-row]: no row above has the name `c2`\n"
        "spec.yaml:7:17: error[out-of-range]: `depth` must be a number of channels, a whole number from 1 to 65536, "
        "not `0`\n"
    )


def test_github() -> None:
    found = Diagnostic("tag", "50% a,b:\nc", Span(Source("a,b:c%.yaml", "x\ny"), 0, 3), help="do")
    assert render.github([found]) == (
        "::error file=a%2Cb%3Ac%25.yaml,line=1,endLine=2,col=1,endColumn=2,title=tag::50%25 a,b:%0Ac (do)\n"
    )
    assert render.github(SAMPLE).count("\n") == 3


def test_json() -> None:
    source = Source("s.yaml", "a: one\nb: two\n")
    found = Diagnostic("tag", "m", at(source, "two"), "l", (Label(at(source, "one"), "o"),), "h")
    assert json.loads(render.as_json([found])) == [
        {
            "code": "tag", "message": "m", "label": "l", "help": "h",
            "file": "s.yaml", "line": 2, "column": 4, "end_line": 2, "end_column": 7,
            "others": [{"file": "s.yaml", "line": 1, "column": 4, "end_line": 1, "end_column": 7, "text": "o"}],
        }
    ]  # fmt: skip
    assert json.loads(render.as_json([])) == []


@pytest.mark.parametrize("name", render.FORMATS)
def test_every_page_prints_in_every_format(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for example in examples():
        text = render.FORMATS[name](findings_of(example))
        assert example.code in text
        text.encode()
        assert text.endswith("\n")


def test_name_that_no_terminal_prints() -> None:
    found = [Diagnostic("tag", "m", Span(Source("a\n\x1b\udcff.yaml", ""), 0, 0))]
    for name, form in render.FORMATS.items():
        form(found).encode()
        assert "\x1b" not in form(found), name
    assert render.concise(found) == "a\ufffd\ufffd\ufffd.yaml:1:1: error[tag]: m\n"
    assert json.loads(render.as_json(found))[0]["file"] == "a\n\x1b\udcff.yaml"
