"""Small specs for tests, and what archspec says of them."""

from collections.abc import Sequence

from diagnostic_pages import all_findings

from archspec.analysis import Network, document, network
from archspec.diagnostics import Diagnostic, Source, SpecError
from archspec.overlay import assignment

HEAD = "archspec: 1\nmodel: m\ninput: {size: [32, 32, 3], range: [0, 1]}\n"


def spec(*rows: str, head: str = "") -> str:
    """A spec of some rows, each without its dash, with more lines of a head."""
    return HEAD + head + "layers:\n" + "".join(f"- {row}\n" for row in rows)


def built(text: str, variant: str | None = None, sets: Sequence[str] = ()) -> Network:
    """The network of a text that must be in order. Raises SpecError."""
    doc = document(Source("spec.yaml", text), [assignment("--set", s) for s in sets])
    return network(doc, variant)


def findings(text: str, sets: Sequence[str] = ()) -> tuple[Diagnostic, ...]:
    """What archspec finds in a text with all its variants; nothing where it is in order."""
    try:
        return all_findings(document(Source("spec.yaml", text), [assignment("--set", s) for s in sets]))
    except SpecError as error:
        return error.diagnostics


def pointed_at(found: Diagnostic) -> str:
    """The text that a finding underlines."""
    return found.span.source.text[found.span.start : found.span.end]


def assert_finds(text: str, *expected: tuple[str, str], sets: Sequence[str] = ()) -> tuple[Diagnostic, ...]:
    """Archspec finds exactly these, each a code and the text that it underlines, in file order."""
    found = findings(text, sets)
    got = [(d.code, pointed_at(d)) for d in found]
    assert got == list(expected), got
    return found
