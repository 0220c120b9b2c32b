"""A run as it goes, what it measures of its network, and what it keeps of it."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import keras
import numpy as np

from archspec.files import write_whole
from archspec.graph import Graph
from archspec.jobs import TrainJob
from archspec.recipe import Train
from archspec.tf import state
from archspec.tf.board import Board
from archspec.tf.step import Trained, make_measure
from archspec.train.curves import curves
from archspec.train.feed import IMAGE, Feed
from archspec.train.run import BEST, CURVES, LAST, PICTURES, STATE, Log, measures, steps
from archspec.train.schedule import steps_of
from archspec.train.tasks import Task

Tell = Callable[..., None]
SHOWN = 4  # examples in a picture


class EndedError(Exception):
    """Somebody has asked for the run's end."""


@dataclass
class Run:
    """A run as it goes. `step` counts the steps done, `result` is there once it is finished.

    `ended` says whether the run is to end after the step that it is at.
    """

    job: TrainJob
    graph: Graph
    train: Train
    task: Task
    feed: Feed
    measured: Feed
    tell: Tell
    ended: Callable[[], bool]
    trained: Trained
    step: int = 0
    best: float | None = None
    result: dict[str, float] | None = None
    board: Board | None = None

    @cached_property
    def answer(self) -> Any:
        """What the network says to images, compiled once."""
        return make_measure(self.trained.model)

    @property
    def folder(self) -> Path:
        return Path(self.job.folder)

    @property
    def chief(self) -> bool:
        """Whether this process writes the run's files."""
        return self.job.worker == 0

    @property
    def steps(self) -> int:
        return steps_of(self.train, len(self.feed.source))

    @property
    def groups(self) -> dict[str, Any]:
        """All variables of the run, by what they are."""
        made = {f"optimizer{i}": g.optimizer.variables for i, g in enumerate(self.trained.groups)}
        return {"model": self.trained.model.variables, "average": self.trained.averages, **made}


def evaluate(run: Run, log: Log, final: bool) -> dict[str, float]:
    """Measure the network, with its averaged weights where there are any; keep it where it is the best."""
    with _averaged(run.trained):
        meter, answer = run.task.meter(final), run.answer
        for _, fed in run.measured.each():
            if run.ended():
                raise EndedError  # who goes on from the state of this step measures it then
            outputs = {name: value[0].numpy() for name, value in answer(fed[IMAGE][None]).items()}
            meter.add(outputs, fed)
        result = meter.result()
        run.tell("measured", key="", step=run.step, result=result, final=final)
        log.measured(run.step, result)
        if not final and (run.best is None or next(iter(result.values())) > run.best):
            run.best = next(iter(result.values()))
            _save_weights(run.trained.model, run.folder / BEST)
    return result


@contextmanager
def _averaged(trained: Trained) -> Iterator[None]:
    """Meanwhile the model has its averaged weights."""
    before = [variable.numpy() for variable in trained.variables] if trained.averages else []
    for variable, average in zip(trained.variables, trained.averages, strict=False):
        variable.assign(average)
    try:
        yield
    finally:
        for variable, value in zip(trained.variables, before, strict=False):
            variable.assign(value)


def save(run: Run, log: Log | None) -> None:
    """The state to go on from, and the last weights. The log is written first, so that no step of it is missing."""
    if log is None:
        return
    log.flush()
    with _averaged(run.trained):
        _save_weights(run.trained.model, run.folder / LAST)
    state.save(run.folder / STATE, run.groups, {"step": run.step, "best": run.best, "result": run.result})
    write_whole(run.folder / CURVES, curves(run.graph.head.model, steps(run.folder), measures(run.folder)))
    if run.board:
        run.board.update()
    run.tell("saved", key="", step=run.step)


def _save_weights(model: keras.Model, path: Path) -> None:
    """Write weights whole or not at all."""
    part = path.with_name(f"part.{path.name}")
    model.save_weights(part)
    part.replace(path)


def picture(run: Run) -> None:
    """Write a picture of what the network answers to the first examples that it is measured on. Raises OSError."""
    from PIL import Image

    answer, panels = run.answer, []
    with _averaged(run.trained):
        for example, fed in islice(run.measured.each(), SHOWN):
            outputs = {name: value[0].numpy() for name, value in answer(fed[IMAGE][None]).items()}
            panels.append(run.task.picture(example.image, outputs, fed))
    (run.folder / PICTURES).mkdir(exist_ok=True)
    png = io.BytesIO()
    Image.fromarray(np.concatenate(panels)).save(png, "png")
    write_whole(run.folder / PICTURES / f"{run.step:07}.png", png.getvalue())
