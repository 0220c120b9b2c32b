"""The pages of tests/diagnostics: a page a code, with prose and pairs of a spec and what archspec says of it.

A pair is a block of ```yaml and the block of ```text behind it. Words behind `yaml` say what a text alone cannot:

- `set=KEY=VALUE` and `variant=NAME`: the options of the command line;
- `blocks=MODULE`: blocks of a user's own;
- `bytes`: `\\xNN` in the text is a byte;
- `times=N`: the text stands in the file N times;
- `missing`: there is no file.
"""

import codecs
import importlib
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from archspec import analysis, render
from archspec.blocks import BLOCKS
from archspec.diagnostics import Diagnostic, SpecError
from archspec.overlay import assignment
from archspec.source import read_source

PAGES = Path(__file__).with_name("diagnostics")
_PAIR = re.compile(r"```yaml *([^\n]*)\n(.*?)```\n\n```text\n(.*?)```\n", re.S)


class Example(NamedTuple):
    """A pair of a page."""

    code: str
    number: int
    info: str
    spec: str
    output: str


def examples() -> list[Example]:
    """Every pair of every page."""
    return [
        Example(page.stem, number, *pair.groups())
        for page in sorted(PAGES.glob("*.md"))
        for number, pair in enumerate(_PAIR.finditer(page.read_text(encoding="utf-8")), 1)
    ]


def output_of(example: Example) -> str:
    """What archspec says of the example, as text. Writes `spec.yaml` into the working folder."""
    return render.text(findings(example))


def findings(example: Example) -> tuple[Diagnostic, ...]:
    """What archspec finds in the example: in all of its networks, or in the one that it asks for."""
    words = {word: value for word, _, value in (w.partition("=") for w in example.info.split())}
    path = Path("spec.yaml")
    path.unlink(missing_ok=True)
    if "missing" not in words:
        text = example.spec.encode()
        text = codecs.escape_decode(text)[0] if "bytes" in words else text
        path.write_bytes(text * int(words.get("times", "1")))
    with blocks_of(words.get("blocks")):
        try:
            overrides = [assignment("--set", words["set"])] if "set" in words else []
            doc = analysis.document(read_source(path), overrides)
            if "variant" in words:
                analysis.network(doc, words["variant"])
            return all_findings(doc)
        except SpecError as error:
            return error.diagnostics


def all_findings(doc: analysis.Document) -> tuple[Diagnostic, ...]:
    """What is wrong with any network of a spec, each finding once, in file order."""
    results = analysis.networks(doc)
    return SpecError(d for r in results if isinstance(r, SpecError) for d in r.diagnostics).diagnostics


@contextmanager
def blocks_of(module: str | None) -> Iterator[None]:
    """A user's module of blocks is loaded inside, and forgotten afterwards."""
    before = dict(BLOCKS)
    if module:
        importlib.import_module(module)
    try:
        yield
    finally:
        BLOCKS.clear()
        BLOCKS.update(before)
        sys.modules.pop(module or "", None)
