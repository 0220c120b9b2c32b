"""Runs jobs in a worker process, which holds TensorFlow, and survives its abort."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from archspec.failures import essence, last_words
from archspec.jobs import Event, ImportJob, Job, RankJob, TrainJob, encode

LOG_TAIL = 20_000  # bytes at the end of a worker's log that are looked through

TUNABLES, HUGE_PAGES = "GLIBC_TUNABLES", "glibc.malloc.hugetlb=1"  # a user's own tunables stand

# The worker imports from the folders that this process does, in their order, and not from the current one besides.
START = "import sys; sys.path[:] = sys.argv[1:]; from archspec.tf.worker import main; main()"


class JobError(Exception):
    """A job that came to nothing; says why."""


@dataclass(frozen=True)
class Ended:
    """How a worker ended: None for well, else in words; and the end of its log."""

    how: str | None
    log: str


@dataclass(frozen=True, eq=False)
class Worker:
    """A worker's process. Iterating gives its events as they come, then how it ended."""

    process: subprocess.Popen[bytes]
    lines: IO[bytes]
    log: IO[bytes]

    def __iter__(self) -> Iterator[Event | Ended]:
        for line in self.lines:
            try:
                event = json.loads(line)
            except ValueError:
                continue  # not ours: something wrote to the stream before the worker took it for itself
            if isinstance(event, dict) and "event" in event:
                yield event
        yield Ended(in_words(self.process.wait()), tail(self.log.fileno(), 0))


@contextlib.contextmanager
def worker(job: Job, settings: Mapping[str, str] | None = None) -> Iterator[Worker]:
    """Start a worker on a job. `settings` are added to its environment.

    The worker is killed when the block is left early, by an interrupt for one. Raises OSError where it cannot be
    started.
    """
    with tempfile.TemporaryDirectory(prefix="archspec-") as folder:
        given = Path(folder) / "job.json"
        given.write_text(encode(job))
        # the job comes from a file: a pipe would break, or fill up, under a worker that dies before it reads
        with given.open("rb") as stdin, (Path(folder) / "log").open("w+b") as log:
            process = subprocess.Popen(
                [sys.executable, "-c", START, *map(os.path.abspath, sys.path)],
                stdin=stdin, stdout=subprocess.PIPE, stderr=log,
                env=environment(folder, isinstance(job, TrainJob)) | dict(settings or {}),
            )  # fmt: skip
            assert process.stdout is not None
            try:
                yield Worker(process, process.stdout, log)
            finally:
                process.kill()
                process.wait()
                process.stdout.close()


def answer(job: ImportJob | RankJob) -> Event:
    """What a job of one step made. Raises JobError, OSError."""
    with worker(job) as told:
        for event in told:
            if isinstance(event, Ended):
                raise JobError(because(event))
            if event["event"] == "made":
                return event
            if event["event"] in ("refused", "failed"):
                raise JobError(complaint(event))
    raise AssertionError("a worker's events end with how it ended")


def complaint(event: Event) -> str:
    """What a refusal or a failure says: the one is ours and stands as it is, the other may be pages long."""
    return str(event["reason"]) if event["event"] == "refused" else essence(str(event["reason"]))


def because(ended: Ended) -> str:
    """How a worker ended and what it said last."""
    how, why = ended.how or "the process ended without an answer", last_words(ended.log)
    return f"{how}: {why}" if why else how


def tail(log: int, start: int) -> str:
    """The end of a log, a file's descriptor, as far as it lies behind byte `start`."""
    size = os.fstat(log).st_size
    start = max(start, size - LOG_TAIL)
    return os.pread(log, size - start, start).decode(errors="replace")


def environment(folder: str, training: bool) -> dict[str, str]:
    """This process's; TensorFlow and Keras as they come, and quiet; temporary files in `folder`.

    But for `training` on the CPU, where answers repeat. Training goes through large maps again and again: in large
    pages of memory, which have to be asked for, the processor finds them sooner (glibc's malloc; others ignore it).
    """
    settings = {
        "KERAS_BACKEND": "tensorflow",
        "KERAS_HOME": folder,  # else Keras obeys the user's keras.json, or writes one
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "TMPDIR": folder,  # what a killed process leaves behind goes with it
    }
    if training:
        settings[TUNABLES] = os.environ.get(TUNABLES, HUGE_PAGES)
    else:
        settings["CUDA_VISIBLE_DEVICES"] = "-1"
    return {key: value for key, value in os.environ.items() if key != "TF_USE_LEGACY_KERAS"} | settings


def in_words(code: int) -> str | None:
    """How a process with this exit code ended; None for well."""
    if code == 0:
        return None
    if code > 0:
        return f"the process ended with code {code}"
    name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
    if -code == signal.SIGKILL:
        return f"the process was killed ({name}), perhaps for want of memory"
    return f"the process aborted ({name})"
