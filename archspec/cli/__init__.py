"""The command line: parse arguments, call one library function, print."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
from types import FrameType
from typing import NoReturn

INTERRUPTED = 130  # 128 and the number of SIGINT, as shells have it


def main() -> None:
    """The `archspec` command. Exit codes: 0 fine, 1 findings, 2 usage, 130 interrupted.

    What commands print comes out at their end, so that a reader that leaves early (`head`) changes no exit code.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupted)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a file's name may be no text, a terminal's encoding ASCII
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            # here, so that an interrupt while all this loads ends quietly too
            from archspec.cli.app import app, load

            load(*sys.argv[1:2])
            app(prog_name="archspec")
    finally:
        _put(printed.getvalue())


def _put(text: str) -> None:
    """Write to the standard output stream, if anybody is there to read it."""
    if not text or sys.stdout is None:
        return
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as error:
        # what is left in the stream's buffer must not fail once more while Python exits
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            print(f"error: cannot write the output: {error.strerror}", file=sys.stderr)
            sys.exit(1)


def _interrupted(number: int, frame: FrameType | None) -> NoReturn:
    os.write(2, b"interrupted\n")  # no print: the stream may be in the middle of one
    sys.exit(INTERRUPTED)
