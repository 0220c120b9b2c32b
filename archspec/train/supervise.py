"""Runs the processes of a training job: starts all of them again where one is lost, ends them where it is asked to.

A process of its own has to do it. Workers that have lost one of them cannot take it back, and a worker that waits for
others holds Python's lock and takes no notice of SIGTERM.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from queue import Empty, SimpleQueue
from threading import Thread
from time import monotonic
from typing import TextIO

from archspec.jobs import Event, TrainJob
from archspec.process import Ended, JobError, Worker, because, complaint, worker
from archspec.train.cluster import VARIABLE, config, local_addresses
from archspec.train.watch import Progress

JOIN = 120.0  # seconds from the first worker that is ready until all of them are, on one machine
JOIN_CLUSTER = 900.0  # the same where a scheduler starts them
GRACE = 60.0  # seconds that the state may take to be saved when the run is ended
RESTARTS = 3  # in a row, without a state saved in between


@dataclass(frozen=True)
class Lost:
    """Why the workers of a job cannot go on, and the step they last saved."""

    why: str
    saved: int | None


def supervise(job: TrainJob, workers: int, out: TextIO) -> dict[str, float]:
    """Run a job in processes of this machine to its end, its progress on `out`; the last measures by name.

    A job with a place in a cluster (`job.workers` > 1) is run once: there the scheduler starts processes again. An
    interrupt lets the step that runs come to its end and saves the state. Raises JobError, OSError.
    """
    progress, vain, step = Progress(out), 0, None
    while True:
        with _started(job, workers) as crew:
            try:
                ended = crew.follow(progress)
            except (KeyboardInterrupt, SystemExit):
                crew.save(progress)
                raise
            finally:
                progress.clear()
        if not isinstance(ended, Lost):
            return ended
        vain, step = (vain + 1, step) if ended.saved is None else (0, ended.saved)
        if job.workers > 1 or vain > RESTARTS:
            raise JobError(ended.why)
        progress.say(f"{ended.why}; going on from {'the last state' if step is None else f'step {step}'}")
        job = replace(job, resume=True)


@dataclass(eq=False)
class _Crew:
    """The processes of a job, and what they tell, each event with its worker's number."""

    job: TrainJob
    workers: list[Worker]
    told: SimpleQueue[tuple[int, Event | Ended]] = field(default_factory=SimpleQueue)

    def follow(self, progress: Progress) -> dict[str, float] | Lost:
        """The result that the chief told, or why there is none. Raises JobError where it is no use to try again."""
        joined: set[int] = set()
        done: set[int] = set()
        saved = deadline = None
        while True:
            try:
                number, event = self.told.get(timeout=None if deadline is None else max(deadline - monotonic(), 0))
            except Empty:
                return Lost("the workers have not found each other in time", saved)
            if isinstance(event, Ended):
                if number in done:
                    continue
                who = f"worker {number}: " if len(self.workers) > 1 else ""
                return Lost(who + because(event), saved)
            kind = event["event"]
            if kind in ("refused", "failed"):
                raise JobError(complaint(event))
            if kind == "joining" and deadline is None:
                deadline = monotonic() + (JOIN_CLUSTER if self.job.workers > 1 else JOIN)
            elif kind == "joined":
                joined.add(number)
                deadline = deadline if len(joined) < len(self.workers) else None
            elif kind == "made":
                done.add(number)
                if number == 0:
                    return dict(event["result"])
            elif kind == "saved" and number == 0:
                saved = int(event["step"])
            if number == 0 or kind == "skipped":
                progress.show(event)

    def save(self, progress: Progress) -> None:
        """Let the chief save its state after the step that it is at, if it has begun and does not take too long."""
        progress.say("ending after this step; once more ends at once")
        self.workers[0].process.send_signal(signal.SIGUSR1)
        deadline = monotonic() + GRACE
        while (left := deadline - monotonic()) > 0:
            try:
                number, event = self.told.get(timeout=left)
            except Empty:
                return
            if number == 0 and (isinstance(event, Ended) or event["event"] in ("made", "refused", "failed")):
                return


@contextmanager
def _started(job: TrainJob, workers: int) -> Iterator[_Crew]:
    """The processes of a job, killed when the block is left."""
    addresses, cores = local_addresses(workers), _shares(workers)
    with ExitStack() as stack:
        crew, threads = _Crew(job, []), list[Thread]()
        try:
            for number in range(workers):
                # several workers would each take all GPUs
                several = {VARIABLE: config(addresses, number), "CUDA_VISIBLE_DEVICES": "-1"} if workers > 1 else {}
                own = replace(job, worker=number, workers=workers) if workers > 1 else job
                made = stack.enter_context(worker(own, several))
                if cores:
                    os.sched_setaffinity(made.process.pid, cores[number])
                crew.workers.append(made)
                threads.append(Thread(target=_listen, args=(crew, number), daemon=True))
                threads[-1].start()
            yield crew
        finally:
            for made in crew.workers:
                made.process.kill()
            for thread in threads:
                thread.join()


def _listen(crew: _Crew, number: int) -> None:
    for event in crew.workers[number]:
        crew.told.put((number, event))


def _shares(workers: int) -> list[set[int]]:
    """The processors of each worker, so that none waits for one that another one has; none where there are too few."""
    if workers == 1 or not hasattr(os, "sched_getaffinity"):
        return []
    own = sorted(os.sched_getaffinity(0))
    size = len(own) // workers
    return [set(own[i * size : (i + 1) * size]) for i in range(workers)] if size else []
