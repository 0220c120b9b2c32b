"""What the commands share: options, opening specs, printing findings, exit codes."""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from archspec import blocks
from archspec.analysis import Document, Override, document
from archspec.diagnostics import Diagnostic, SpecError
from archspec.overlay import assignment
from archspec.source import read_source

FINDINGS, USAGE, INTERRUPTED = 1, 2, 130

Specs = Annotated[list[Path], typer.Argument(metavar="SPEC...", help="YAML layer tables.", show_default=False)]
Spec = Annotated[Path, typer.Argument(metavar="SPEC", help="A YAML layer table.", show_default=False)]
BlocksOption = Annotated[
    list[str] | None, typer.Option("--blocks", metavar="MODULE", help="Load blocks of your own from a Python module.")
]
VariantOption = Annotated[str | None, typer.Option("--variant", metavar="NAME", help="This variant only.")]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override a value of the head: input.size=128.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON instead of a table.")]


def load_blocks(modules: Sequence[str] | None) -> None:
    """Load the blocks of `--blocks`; a module in the working directory is found too."""
    try:
        if modules:
            sys.path.insert(0, os.getcwd())
        for module in modules or ():
            blocks.load(module)
    except blocks.BlockError as error:
        fail(str(error), USAGE)


def open_document(path: Path, overrides: Sequence[Override] = ()) -> Document:
    """Read and check one spec. Raises SpecError."""
    return document(read_source(path), overrides)


def overrides_of(settings: Sequence[str] | None, option: str = "--set") -> list[Override]:
    """The overrides of repeated KEY=VALUE options; ends the program where one is malformed."""
    try:
        return [assignment(option, text) for text in settings or ()]
    except SpecError as error:
        report(error.diagnostics)
        raise typer.Exit(USAGE) from None


def sweeps_of(settings: Sequence[str] | None) -> list[list[Override]]:
    """Every combination of the values of repeated KEY=V1,V2 options."""
    axes = []
    for text in settings or ():
        key, equals, values = text.partition("=")
        if not equals or not values.strip():
            fail(f"--sweep {text}: not KEY=V1,V2", USAGE)
        axes.append([pair for value in values.split(",") for pair in overrides_of([f"{key}={value}"], "--sweep")])
    return [list(combination) for combination in itertools.product(*axes)]


def report(diagnostics: Iterable[Diagnostic], style: str = "text") -> None:
    """Print findings to the standard error stream."""
    from archspec import render  # only where there is something to print

    print(render.FORMATS[style](list(diagnostics)), end="", file=sys.stderr)


def fail(message: str, code: int = FINDINGS) -> NoReturn:
    """End the program with one line."""
    print(f"error: {message}", file=sys.stderr)
    raise typer.Exit(code)
