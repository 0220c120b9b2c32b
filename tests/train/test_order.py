"""Where examples stand in a run."""

import numpy as np
import pytest

from archspec.train.order import dice, example_at, held_out, positions


def test_an_epoch_has_every_example_once_and_the_next_one_another_order() -> None:
    epochs = [[example_at(e * 7 + i, 7, 3) for i in range(7)] for e in range(3)]
    assert all(sorted(epoch) == list(range(7)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 3
    assert [example_at(i, 7, 4) for i in range(7)] != epochs[0]


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_the_workers_parts_are_the_batch(workers: int) -> None:
    parts = [p for worker in range(workers) for p in positions(5, 8, worker, workers)]
    assert parts == list(range(40, 48))


def test_dice_fall_alike_at_one_position_only() -> None:
    assert dice(1, 2).random() == dice(1, 2).random()
    assert len({dice(s, p).random() for s in range(3) for p in range(3)}) == 9


@pytest.mark.parametrize(("count", "share", "measured"), [(10, 0.2, 2), (10, 0.0, 1), (3, 0.9, 2), (2, 0.1, 1)])
def test_held_out_examples_are_not_trained_on(count: int, share: float, measured: int) -> None:
    trained, kept = held_out(count, share, 0)
    assert len(kept) == measured
    assert sorted([*trained, *kept]) == list(range(count))
    assert np.array_equal(kept, held_out(count, share, 0)[1])


def test_one_example_cannot_be_held_out() -> None:
    with pytest.raises(ValueError, match="two examples or more"):
        held_out(1, 0.5, 0)
