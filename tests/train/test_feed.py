"""From the positions of a run to what a step takes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from little import built, spec

from archspec.photo import InputContract
from archspec.recipe import Augment, Data, Train
from archspec.train import feed as module
from archspec.train.examples import Example, ExampleError
from archspec.train.feed import IMAGE, Fed, Feed, mean_of, readable
from archspec.train.order import example_at
from archspec.train.tasks import task_of

CONTRACT = InputContract((32, 32, 3), (0.0, 1.0), None, None, "rgb", "stretch")


@dataclass
class Painted:
    """Pictures of one colour, 10 times their number; those in `broken` cannot be read. Counts what is read."""

    count: int
    broken: Sequence[int] = ()
    reads: int = 0
    labels: tuple[str, ...] = tuple("abcdefghij")

    def __len__(self) -> int:
        return self.count

    def name(self, index: int) -> str:
        return f"picture {index}"

    def read(self, index: int) -> Example:
        self.reads += 1
        if index in self.broken:
            raise ExampleError(f"{self.name(index)}: torn")
        return Example(np.full((48, 40, 3), 10 * index, np.uint8), {"label": np.array(index)})


def fed_by(source: Painted, contract: InputContract = CONTRACT, **said: Any) -> tuple[Feed, list[str]]:
    """A feed of a source under a recipe, and what it reports."""
    train = Train("classification", **said)
    graph = built(spec("GlobalPool", "Dense: {units: 10}")).graph
    told: list[str] = []
    return Feed(source, contract, task_of(train, graph, source.labels), train, told.append), told


def label(fed: Fed) -> int:
    return int(fed["classes"].argmax())


def test_an_example_is_fitted_brought_to_units_and_has_its_truth() -> None:
    feed, _ = fed_by(Painted(10))
    for position in range(20):
        fed = feed.at(position)
        assert fed[IMAGE].shape == (32, 32, 3)
        assert fed[IMAGE].dtype == np.float32
        assert label(fed) == example_at(position, 10, 0)
        assert np.allclose(fed[IMAGE], 10 * label(fed) / 255)


def test_positions_give_the_same_whenever_they_are_asked_for() -> None:
    how: dict[str, Any] = {"augment": Augment(True, 4, 0.2, 10, 0.1, 0.4), "seed": 3}
    forward, backward = fed_by(Painted(10), **how)[0], fed_by(Painted(10), **how)[0]
    first = [forward.at(p) for p in range(15)]
    for position in reversed(range(15)):
        again = backward.at(position)
        assert all(np.array_equal(again[name], first[position][name]) for name in again)
    assert not np.array_equal(first[0][IMAGE], fed_by(Painted(10), **{**how, "seed": 4})[0].at(0)[IMAGE])


def test_mixed_examples_are_mixed_with_their_labels() -> None:
    feed, _ = fed_by(Painted(10), augment=Augment(mixup=1.0))
    shares = []
    for position in range(200):
        fed = feed.at(position)
        own = fed["classes"][example_at(position, 10, 0)]
        shares.append(float(own))
        assert fed["classes"].sum() == pytest.approx(1)
        assert np.allclose(fed[IMAGE] * 255, 10 * (fed["classes"] * np.arange(10)).sum(), atol=1e-3)
    # Beta(1, 1) is uniform; a tenth of the partners is the example itself
    assert 0.45 < np.mean(shares) < 0.65
    assert min(shares) < 0.1


def test_what_was_read_once_is_kept_up_to_a_size(monkeypatch: pytest.MonkeyPatch) -> None:
    feed, _ = fed_by(source := Painted(10))
    for position in range(30):
        feed.at(position)
    assert source.reads == 10
    monkeypatch.setattr(module, "KEPT", 4 * (32 * 32 * 3 + 8))
    feed, _ = fed_by(source := Painted(10))
    for position in range(30):
        feed.at(position)
    assert source.reads == 4 + 3 * 6
    assert len(feed.kept) == 4


def test_a_broken_example_ends_the_run_unless_it_is_to_be_skipped() -> None:
    feed, told = fed_by(Painted(10, broken=[4]))
    with pytest.raises(ExampleError, match="picture 4: torn"):
        [feed.at(position) for position in range(10)]
    assert told == []


def test_a_skipped_example_is_told_of_once_and_the_next_one_comes_in_its_place() -> None:
    feed, told = fed_by(Painted(10, broken=[4, 5]), data=Data(broken="skip"))
    for epoch in range(2):
        found = sorted(label(feed.at(10 * epoch + i)) for i in range(10))
        assert found == [0, 1, 2, 3, 6, 6, 6, 7, 8, 9]
    assert sorted(told) == ["picture 4: torn", "picture 5: torn"]
    assert [label(fed) for _, fed in feed.each()] == [0, 1, 2, 3, 6, 7, 8, 9]
    assert len(told) == 2


def test_nothing_to_read_is_no_endless_search() -> None:
    feed, told = fed_by(Painted(3, broken=range(3)), data=Data(broken="skip"))
    with pytest.raises(ExampleError, match="no example can be read"):
        feed.at(0)
    with pytest.raises(ExampleError, match="no example can be read"):
        list(feed.each())
    assert len(told) == 3


def test_files_of_positions_are_named() -> None:
    feed, _ = fed_by(Painted(10))
    assert feed.files(range(3)) == [f"picture {example_at(p, 10, 0)}" for p in range(3)]


@pytest.mark.parametrize(("colour", "channels"), [("rgb", 3), ("gray", 1)])
def test_the_mean_is_that_of_all_pixels_that_can_be_read(colour: str, channels: int) -> None:
    source = Painted(4, broken=[3])
    contract = InputContract((32, 32, channels), (0.0, 1.0), None, None, colour, "stretch")
    errors: list[ExampleError] = []
    mean = mean_of(readable(source.read, 4, "skip", errors.append), contract)
    assert mean == pytest.approx([10.0] * channels)
    assert len(errors) == 1
