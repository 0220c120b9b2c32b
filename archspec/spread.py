"""Independent pieces of work over this machine's cores, by forked processes that answer in JSON."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from typing import Any

FEWEST = 4  # pieces a process: for fewer it costs more than it saves
MOST = 4096  # pieces: their numbers must fit an empty pipe, which holds 16 KiB or more everywhere
TASK = 4  # bytes of a piece's number in the queue; a pipe gives so few to one reader whole


def spread(count: int, work: Callable[[int], Any]) -> list[Any]:
    """`work(i)` for each i under `count`, in order, or None where it raised or its process died; the rest is JSON.

    Processes take their pieces from one queue, so that a long one holds up nobody.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    queue, fill = os.pipe()
    os.write(fill, b"".join(i.to_bytes(TASK, "little") for i in range(count)))
    os.close(fill)
    children: list[tuple[int, int]] = []
    try:
        with _one_thread():
            for _ in range(min(cores, count // FEWEST) - 1):
                children.append(_fork(queue, work))
            done = _drain(queue, work)
        for _, answer in children:
            with open(answer, "rb") as stream, contextlib.suppress(ValueError):  # it died in the middle of a word
                done.update({int(i): value for i, value in json.loads(stream.read()).items()})
    finally:
        os.close(queue)
        for pid, _ in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)  # it has answered, or nobody waits for its answer any more
            os.waitpid(pid, 0)
    return [done.get(i) for i in range(count)]


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Let OpenCV end its threads, where it is loaded: a forked child has none of them, and would wait for them."""
    cv2 = sys.modules.get("cv2")
    if cv2 is None:
        yield
        return
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(threads)


def _fork(queue: int, work: Callable[[int], Any]) -> tuple[int, int]:
    """A child at work on the queue: its process id, and the pipe that it answers through."""
    read, write = os.pipe()
    pid = os.fork()
    if pid:
        os.close(write)
        return pid, read
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # an interrupt is the parent's to answer
    try:
        os.close(read)
        with os.fdopen(write, "wb") as stream:
            stream.write(json.dumps(_drain(queue, work)).encode())
    finally:
        os._exit(0)  # nothing of the parent's is ours to flush or close


def _drain(queue: int, work: Callable[[int], Any]) -> dict[int, Any]:
    done = {}
    while task := os.read(queue, TASK):
        i = int.from_bytes(task, "little")
        with contextlib.suppress(Exception):
            done[i] = work(i)
    return done
