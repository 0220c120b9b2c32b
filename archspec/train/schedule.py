"""The learning rate of every step."""

from __future__ import annotations

import math
from bisect import bisect_right

from archspec.recipe import Schedule, Train


def steps_of(train: Train, examples: int) -> int:
    """How many steps a run takes: as said, or enough for the epochs. One epoch where neither is said."""
    if train.steps is not None:
        return train.steps
    return math.ceil((train.epochs or 1) * examples / train.batch)


def rate_at(train: Train, step: int, steps: int, examples: int) -> float:
    """The learning rate of a step (from 0) of a run of `steps` over `examples`."""
    schedule = train.schedule
    warm = min((step + 1) / (schedule.warmup + 1), 1.0) if schedule.warmup else 1.0
    return train.learning_rate * warm * _factor(schedule, step, steps, examples / train.batch)


def _factor(schedule: Schedule, step: int, steps: int, epoch: float) -> float:
    """What a schedule makes of the rate; `epoch` is how many steps an epoch has."""
    if schedule.kind == "exponential":
        power = step / (schedule.every or (schedule.every_epochs or 1) * epoch)
        return float(schedule.factor ** (math.floor(power) if schedule.staircase else power))
    if schedule.kind == "piecewise":
        return schedule.factors[bisect_right(schedule.boundaries, step)]
    if schedule.kind == "cosine":
        done = min(step / max(steps - 1, 1), 1.0)
        return schedule.floor + (1 - schedule.floor) * (1 + math.cos(math.pi * done)) / 2
    return 1.0
