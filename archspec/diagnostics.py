"""What can be wrong with a spec, as data: a source, a span in it, a diagnostic. `render` makes text of it."""

from __future__ import annotations

import difflib
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

Code = Literal[
    "anchor", "block-failed", "conflicting-keys", "dead-row", "duplicate-key", "duplicate-name", "empty-spec",
    "file-too-large", "forward-reference", "idle-multiplier", "invalid-key", "invalid-name", "invalid-yaml",
    "malformed-override", "malformed-row", "merge-key", "missing-key", "missing-option", "nesting-too-deep", "not-utf8",
    "out-of-range", "output-stride", "several-documents", "shape-mismatch", "tag", "too-large", "unknown-block",
    "unknown-key", "unknown-name", "unknown-option", "unknown-row", "unknown-value", "unknown-variant",
    "unmet-expectation", "unreadable-file", "unused-default", "unused-name", "wrong-inputs", "wrong-length",
    "wrong-type",
]  # fmt: skip
"""What a finding is known by: stable, each explained on a page of tests/diagnostics."""


@dataclass(frozen=True, eq=False)
class Source:
    """A text with a name: a file, or an argument of the command line."""

    name: str
    text: str

    @cached_property
    def _starts(self) -> list[int]:
        starts = [0]
        while (newline := self.text.find("\n", starts[-1])) >= 0:
            starts.append(newline + 1)
        return starts

    def position(self, offset: int) -> tuple[int, int]:
        """Line and column of a character offset, both from 1."""
        line = bisect_right(self._starts, offset)
        return line, offset - self._starts[line - 1] + 1

    def line(self, number: int) -> str:
        """The text of line `number` (from 1), without its line break."""
        start = self._starts[number - 1]
        end = self._starts[number] if number < len(self._starts) else len(self.text)
        return self.text[start:end].rstrip("\r\n")


class Span(NamedTuple):
    """Characters `start` to `end` (exclusive) of a source."""

    source: Source
    start: int
    end: int


class Label(NamedTuple):
    """A place that explains a diagnostic: a span and what is to be seen there."""

    span: Span
    text: str


class Diagnostic(NamedTuple):
    """One finding. `message` stands alone; `label`, `others` and `help` add to it and never repeat it."""

    code: Code
    message: str
    span: Span
    label: str = ""
    others: tuple[Label, ...] = ()
    help: str = ""


class SpecError(Exception):
    """All that is wrong with one spec, in file order. Never empty."""

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        unique = dict.fromkeys(diagnostics)
        self.diagnostics = tuple(sorted(unique, key=lambda d: (d.span.source.name, d.span.start)))
        super().__init__("; ".join(d.message for d in self.diagnostics))


def near(name: str, known: Iterable[str]) -> str | None:
    """The known name that `name` is probably a misspelling or a longer or shorter form of, or None."""
    folded = {k.lower(): k for k in known}
    word = name.lower()
    matches = difflib.get_close_matches(word, folded, n=1, cutoff=0.6)
    matches = matches or [
        k for k in folded if min(len(k), len(word)) > 2 and (k.startswith(word) or word.startswith(k))
    ]
    return folded[matches[0]] if matches else None


def suggestion(name: str, known: Sequence[str]) -> str:
    """Help for an unknown name: the near one, else the list of those there are."""
    if match := near(name, known):
        return f"did you mean `{match}`?"
    return f"known: {listing(known)}" if known else ""


def listing(names: Sequence[str], most: int = 40) -> str:
    """Names as people read them: in back quotes, with commas, cut after `most`."""
    shown = ", ".join(f"`{n}`" for n in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
