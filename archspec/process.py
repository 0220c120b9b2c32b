"""Runs jobs in a worker process, which holds TensorFlow, and survives its abort."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass

from archspec.jobs import BuildJob, Event, ImportJob, encode

LOG_TAIL = 20_000  # characters of a dead worker's log that are looked through


@dataclass(frozen=True)
class Ended:
    """How a worker ended: None for well, else in words; and the end of its log."""

    how: str | None
    log: str


@contextlib.contextmanager
def worker(job: BuildJob | ImportJob) -> Iterator[tuple[Iterator[Event], list[Ended]]]:
    """Start a worker on a job: its events as they come, and, once they have ended, how it did.

    The worker is killed when the block is left early, by an interrupt for one.
    """
    ended: list[Ended] = []
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "archspec.tf.worker"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, env=_environment(),
        )  # fmt: skip
        assert process.stdin is not None and process.stdout is not None
        lines = process.stdout
        try:
            with contextlib.suppress(BrokenPipeError):  # it died at once; its log says why
                process.stdin.write(encode(job))
                process.stdin.close()

            def events() -> Iterator[Event]:
                for line in lines:
                    yield json.loads(line)
                code = process.wait()
                log.seek(0, os.SEEK_END)
                log.seek(max(0, log.tell() - LOG_TAIL))
                ended.append(Ended(_words(code), log.read().decode(errors="replace")))

            yield events(), ended
        finally:
            process.kill()
            process.wait()
            lines.close()


def _environment() -> dict[str, str]:
    """This process's, with the folders that it imports from, and TensorFlow told to be quiet."""
    path = os.pathsep.join(filter(None, (os.path.dirname(os.path.dirname(__file__)), os.environ.get("PYTHONPATH"))))
    return {**os.environ, "PYTHONPATH": path, "TF_CPP_MIN_LOG_LEVEL": "3"}


def _words(code: int) -> str | None:
    if code == 0:
        return None
    if code < 0:
        return f"the process aborted ({signal.Signals(-code).name})"
    return f"the process ended with code {code}"


def last_line(log: str) -> str:
    """The last line of a log that says something."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    return lines[-1] if lines else ""
