"""A spec with one token changed gives a graph or findings: never a traceback, never a wrong place."""

import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from survival import EVERYTHING, WORDS, assert_survives

from archspec import graph
from archspec.diagnostics import Diagnostic, Source, Span, SpecError

SPECS = [path.read_text(encoding="utf-8") for path in sorted((Path(__file__).parent.parent / "specs").glob("*.yaml"))]
TOKEN = re.compile(r"[A-Za-z_$][\w.$-]*|-?[0-9][\w.]*|\n *|[^\S\n]+|.")


@pytest.fixture(autouse=True)
def _small_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph, "MOST_NODES", 3000)  # a digit more must not take seconds


def mutant(rng: random.Random) -> str:
    """A spec with one token changed: dropped, doubled, replaced, swapped, a digit changed; or the file cut."""
    text = EVERYTHING if rng.random() < 0.5 else rng.choice(SPECS)
    tokens = TOKEN.findall(text)
    i, j = rng.randrange(len(tokens)), rng.randrange(len(tokens))
    change = rng.choice(["drop", "double", "replace", "nasty", "swap", "digit", "cut"])
    if change == "drop":
        del tokens[i]
    elif change == "double":
        tokens.insert(i, tokens[i])
    elif change == "replace":
        tokens[i] = tokens[j]
    elif change == "nasty":
        tokens[i] = rng.choice(WORDS)
    elif change == "swap":
        tokens[i], tokens[j] = tokens[j], tokens[i]
    elif change == "digit":
        tokens[i] = re.sub(r"[0-9]", lambda _: rng.choice("0123456789"), tokens[i])
    else:
        tokens = tokens[:i]
    return "".join(tokens)


def test_tokens_are_all_of_a_text() -> None:
    for text in (EVERYTHING, *SPECS):
        assert "".join(TOKEN.findall(text)) == text


def test_mutants_survive(mutants: int) -> None:
    rng, taken = random.Random(20170417), 0
    for number in range(mutants):
        text = mutant(rng)
        try:
            taken += assert_survives(text)
        except Exception as error:
            raise AssertionError(f"mutant {number}:\n{text}") from error
    assert mutants // 100 < taken < mutants * 3 // 4, "mutants are neither all fine nor all broken"


def test_what_is_mutated_uses_all_of_the_language() -> None:
    text = EVERYTHING.replace("expect: {params: 1, macs: 2}\n", "")
    assert assert_survives(text)
    assert not assert_survives(EVERYTHING)
    assert text.replace("{k: 3}", "{k: 4}") != text


def _crash(text: str) -> None:
    raise KeyError(text)


def _finding(**changes: Any) -> Callable[[str], None]:
    def refuse(text: str) -> None:
        source = Source("s", text)
        found = Diagnostic("tag", "message", Span(source, 0, 1))
        raise SpecError([found._replace(**{k: v(source) if callable(v) else v for k, v in changes.items()})])

    return refuse


def _say_nothing(text: str) -> None:
    raise SpecError([])


@pytest.mark.parametrize(
    "analyse",
    [
        _crash,
        _say_nothing,
        _finding(code="no-such-code"),
        _finding(message=""),
        _finding(message="two\nlines"),
        _finding(help="see archspec.analysis"),
        _finding(span=lambda source: Span(source, 0, len(source.text) + 1)),
        _finding(span=lambda source: Span(source, 2, 1)),
        _finding(span=lambda source: Span(source, -1, 1)),
    ],
)
def test_what_must_not_happen_is_noticed(analyse: Callable[[str], None]) -> None:
    assert not assert_survives("text", _finding())
    with pytest.raises((KeyError, AssertionError)):
        assert_survives("text", analyse)
