"""The command line: parse arguments, call one library function, print."""

from __future__ import annotations

import os
import sys

import typer

app = typer.Typer(
    name="archspec",
    help="A compiler for convolutional networks written as YAML layer tables.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

from archspec.cli import inspect as _inspect  # noqa: E402, F401  commands register themselves on `app`
from archspec.cli import make as _make  # noqa: E402, F401


def main() -> None:
    """The `archspec` command. Exit codes: 0 fine, 1 findings, 2 usage, 130 interrupted."""
    try:
        app()
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        # the reader of our output (`head`) has gone: not an error, and Python must not complain while it exits
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
