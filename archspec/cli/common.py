"""What the commands share: options, opening specs, printing findings, exit codes."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import sys
from collections.abc import Iterable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from archspec import blocks
from archspec.analysis import Document, Override, document, network
from archspec.cli import INTERRUPTED
from archspec.diagnostics import Diagnostic, SpecError
from archspec.overlay import assignment
from archspec.source import read_source

if TYPE_CHECKING:
    from archspec.jobs import Network

FINDINGS, USAGE = 1, 2  # exit codes

Specs = Annotated[list[Path], typer.Argument(metavar="SPEC...", help="YAML layer tables.", show_default=False)]
Spec = Annotated[Path, typer.Argument(metavar="SPEC", help="A YAML layer table.", show_default=False)]
BlocksOption = Annotated[
    list[str] | None, typer.Option("--blocks", metavar="MODULE", help="Load blocks of your own from a Python module.")
]
VariantOption = Annotated[str | None, typer.Option("--variant", metavar="NAME", help="This variant only.")]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override a value of the head: input.size=128.")
]
OutputsOption = Annotated[
    str | None,
    typer.Option("--outputs", metavar="ROW,...", help="The rows that are outputs; what none of them needs is cut."),
]
FoldedOption = Annotated[
    bool, typer.Option("--folded", help="Fold batch norms into the layers before them, as .tflite files have it.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON instead of a table.")]
TtaOption = Annotated[
    bool, typer.Option("--tta", help="Edges averaged over the photo's quarter turns: better, four times the work.")
]


def load_blocks(modules: Sequence[str] | None) -> None:
    """Load the blocks of `--blocks`; a module in the working directory is found too."""
    if modules:
        sys.path.append(os.getcwd())  # last, so that a `json.py` there stands for nothing else
    for module in modules or ():
        if module.endswith(".py") or os.sep in module:
            fail(f"--blocks {module}: name the module, as in `--blocks {Path(module).stem}`", USAGE)
        with _loading(f"`{module}`"):
            blocks.load(module)


def load_installed_blocks() -> None:
    """Load the blocks of installed packages. `document` does so by itself where a spec names an unknown block."""
    with _loading("an installed package"):
        blocks.load_entry_points()


@contextlib.contextmanager
def _loading(what: str) -> Iterator[None]:
    """Ends the program where a user's module cannot be loaded, and keeps what it prints out of our output."""
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    except blocks.BlockError as error:
        fail(str(error), USAGE)
    except SystemExit as error:
        if error.code == INTERRUPTED:
            raise
        fail(f"cannot load blocks from {what}: it ends the program", USAGE)


def open_document(path: Path, overrides: Sequence[Override] = (), outputs: str | None = None) -> Document:
    """Read and check one spec. Raises SpecError."""
    source = read_source(path)
    with _loading("an installed package"):
        return document(source, overrides, outputs_of(outputs))


def outputs_of(outputs: str | None) -> tuple[str, ...]:
    """The names of `--outputs`; ends the program where one is empty."""
    names = () if outputs is None else tuple(name.strip() for name in outputs.split(","))
    if not all(names):
        fail(f"--outputs {outputs}: not ROW,...", USAGE)
    return names


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
        axes.append([pair for value in _values(values) for pair in overrides_of([f"{key}={value}"], "--sweep")])
    return [list(combination) for combination in itertools.product(*axes)]


def _values(text: str) -> list[str]:
    """The parts between commas; a comma inside brackets is part of a value, as in [192, 256, 3]."""
    parts, depth = [""], 0
    for char in text:
        depth += (char in "[{") - (char in "]}")
        if char == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += char
    return parts


def asked(
    doc: Document, variant: str | None, blocks: list[str] | None, settings: list[str] | None, folded: bool
) -> Network:
    """The network of a command's options, for another process to make."""
    from archspec import jobs

    outputs = tuple(str(scalar.value) for scalar in doc.outputs)
    lists = tuple(blocks or ()), outputs, tuple(settings or ())
    return jobs.Network(doc.source.name, doc.source.text, variant, *lists, folded)


def report(diagnostics: Iterable[Diagnostic], style: str = "text") -> None:
    """Print findings to the standard error stream."""
    from archspec import render  # only where there is something to print

    print(render.FORMATS[style](list(diagnostics)), end="", file=sys.stderr)


def need(*modules: str) -> None:
    """End the program where a package that the command takes is not installed."""
    for module in modules:
        if find_spec(module) is None:
            fail(f"this command needs {module}: pip install 'archspec-compiler[cpu]'", USAGE)


def fail(message: str, code: int = FINDINGS) -> NoReturn:
    """End the program with one line."""
    print(f"error: {message}", file=sys.stderr)
    raise typer.Exit(code)


def checked(path: Path, variant: str | None, settings: list[str] | None, outputs: str | None = None) -> Document:
    """Read a spec and check the network that is asked for; ends the program where something is wrong with it."""
    try:
        doc = open_document(path, overrides_of(settings), outputs)
        network(doc, variant)
        return doc
    except SpecError as error:
        report(error.diagnostics)
        raise typer.Exit(FINDINGS) from None


@contextlib.contextmanager
def ended_by_signals() -> Iterator[None]:
    """Meanwhile a plain kill and a closed terminal end the program as Ctrl-C does: worker and temporary files go."""

    def end(number: int, frame: FrameType | None) -> NoReturn:
        sys.exit(128 + number)

    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    before = {number: handler for number, handler in before.items() if handler == signal.SIG_DFL}  # nohup ignores one
    for number in before:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def os_error(error: OSError, path: Path | None) -> str:
    """The file that an error is about, by itself `path`, and what is wrong with it."""
    return f"{error.filename or path}: {(error.strerror or str(error)).lower()}"


def say(line: str) -> None:
    """Tell people something that is no data."""
    print(line, file=sys.stderr)
