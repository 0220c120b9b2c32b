"""Runs the command line for tests: in this process, which takes milliseconds, and as a process of its own."""

import contextlib
import io
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from unittest import mock

from archspec.cli import main

ROOT = Path(__file__).resolve().parent.parent
HEAD = "archspec: 1\nmodel: test\ninput: {size: [16, 16, 3], range: [0, 1]}\nlayers:\n"
GOOD = HEAD + "- Conv: {depth: 4, name: c1}\n"
BAD = HEAD + "- Conv: {depht: 4, depth: 4}\n"  # line 5, columns 10 to 15


class Ran(NamedTuple):
    """How a command ended: its exit code and what it wrote to its two streams."""

    code: int
    out: str
    err: str

    def clean(self) -> "Ran":
        """Itself, if it shows no traceback and its errors are on the right stream."""
        assert "Traceback" not in self.out + self.err, self.err
        assert self.code in (0, 1, 2), self
        assert self.code != 0 or not self.err.startswith("error"), self
        return self


def call(*arguments: str | Path, folder: Path = ROOT) -> Ran:
    """`archspec ARGUMENTS` in this process, with `folder` as the working directory."""
    out, err = io.StringIO(), io.StringIO()
    handler = signal.getsignal(signal.SIGINT)
    code: object = 0
    with (
        mock.patch.object(sys, "argv", ["archspec", *map(str, arguments)]),
        contextlib.chdir(folder),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as end:
            code = end.code or 0
        finally:
            signal.signal(signal.SIGINT, handler)
    assert isinstance(code, int), code
    return Ran(code, out.getvalue(), err.getvalue())


def command(*arguments: str | Path) -> list[str]:
    """The command line of `archspec ARGUMENTS` as a process."""
    return [sys.executable, "-m", "archspec", *map(str, arguments)]


def environment(*paths: Path) -> dict[str, str]:
    """This process's, with folders to import from before all others."""
    inherited = filter(None, [os.environ.get("PYTHONPATH")])
    return {**os.environ, "PYTHONPATH": os.pathsep.join([*map(str, paths), str(ROOT), *inherited]), "PYTHONUTF8": "1"}


def start(*arguments: str | Path, folder: Path = ROOT, paths: Sequence[Path] = ()) -> Ran:
    """`archspec ARGUMENTS` as a process, run to its end."""
    run = subprocess.run(
        command(*arguments), cwd=folder, env=environment(*paths), capture_output=True, text=True, timeout=120
    )
    return Ran(run.returncode, run.stdout, run.stderr)


def write(folder: Path, text: str, name: str = "test.yaml") -> Path:
    """Write a spec into a folder and give its path."""
    path = folder / name
    path.write_text(text)
    return path
