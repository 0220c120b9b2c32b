"""Learning rates, held against the formulas of their sources."""

import math

import pytest

from archspec.recipe import Schedule, Train
from archspec.train.schedule import rate_at, steps_of


def rates(schedule: Schedule, steps: int = 10, examples: int = 40) -> list[float]:
    train = Train("edges", learning_rate=0.5, batch=4, schedule=schedule)
    return [rate_at(train, step, steps, examples) for step in range(steps)]


def test_constant_by_itself() -> None:
    assert rates(Schedule()) == [0.5] * 10


def test_exponential_as_tf_train_exponential_decay() -> None:
    assert rates(Schedule("exponential", 0.94, every=3)) == pytest.approx([0.5 * 0.94 ** (s / 3) for s in range(10)])
    stairs = rates(Schedule("exponential", 0.1, every=4, staircase=True))
    assert stairs == pytest.approx([0.5] * 4 + [0.05] * 4 + [0.005] * 2)


def test_epochs_are_counted_in_examples() -> None:
    """Slim's MobileNet: 2.5 epochs of 40 examples in batches of 4 are 25 steps."""
    schedule = Schedule("exponential", 0.94, every_epochs=2.5, staircase=True)
    train = Train("edges", learning_rate=1.0, batch=4, schedule=schedule)
    assert [rate_at(train, s, 60, 40) for s in (24, 25, 49, 50)] == pytest.approx([1, 0.94, 0.94, 0.94**2])


def test_piecewise_changes_at_its_boundaries() -> None:
    schedule = Schedule("piecewise", boundaries=(2, 5), factors=(1, 0.1, 0.01))
    assert rates(schedule, 7) == pytest.approx([0.5, 0.5, 0.05, 0.05, 0.05, 0.005, 0.005])


def test_cosine_goes_from_one_to_its_floor() -> None:
    made = rates(Schedule("cosine", floor=0.2), 5)
    assert made == pytest.approx([0.5 * (0.2 + 0.8 * (1 + math.cos(math.pi * s / 4)) / 2) for s in range(5)])
    assert made[-1] == pytest.approx(0.1)


def test_warm_up_is_linear_and_multiplies_the_schedule() -> None:
    assert rates(Schedule(warmup=3), 5) == pytest.approx([0.125, 0.25, 0.375, 0.5, 0.5])


def test_length() -> None:
    assert steps_of(Train("edges", batch=4, steps=7), 40) == 7
    assert steps_of(Train("edges", batch=4, epochs=3), 40) == 30
    assert steps_of(Train("edges", batch=4), 40) == 10
    assert steps_of(Train("edges", batch=3, epochs=1), 10) == 4
