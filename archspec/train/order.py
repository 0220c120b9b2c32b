"""Which example stands where in a run: a function of seed and position, so that a run can begin anywhere."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray


def example_at(position: int, count: int, seed: int) -> int:
    """The example at a position of a run through `count` of them, shuffled anew in every epoch."""
    epoch, within = divmod(position, count)
    return int(_shuffled(count, seed, epoch)[within])


@lru_cache(maxsize=4)
def _shuffled(count: int, seed: int, epoch: int) -> NDArray[np.int64]:
    return np.random.default_rng([seed, epoch]).permutation(count)


def dice(seed: int, position: int) -> np.random.Generator:
    """The random numbers of the example at a position of a run."""
    return np.random.default_rng([seed, position, 1])


def positions(step: int, batch: int, worker: int, workers: int) -> range:
    """The positions of a worker's part of the batch of a step (from 0). `workers` divides `batch`."""
    part = batch // workers
    start = step * batch + worker * part
    return range(start, start + part)


def held_out(count: int, share: float, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The examples to train on and those to measure on, in their order; at least one of each.

    Raises ValueError where there are fewer than two.
    """
    if count < 2:
        raise ValueError("two examples or more are needed, to train on some and to measure on others")
    kept = min(max(round(count * share), 1), count - 1)
    mixed = np.random.default_rng([seed, 2]).permutation(count)
    return np.sort(mixed[kept:]), np.sort(mixed[:kept])
