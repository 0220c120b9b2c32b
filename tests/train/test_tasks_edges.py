"""The task of edge maps: what it takes, measures and shows. Its loss is held to the paper in tests/tf."""

import numpy as np
import pytest
from little import built, spec
from scipy.ndimage import binary_dilation

from archspec.metrics.edges import TOLERANCE
from archspec.recipe import Loss, Train
from archspec.train.examples import Example
from archspec.train.tasks import Task, TaskError, task_of
from archspec.train.tasks.edges import THRESHOLDS, EdgeMeter, QuickMeter

TRUE = np.zeros((40, 48), bool)
TRUE[20, 6:42] = True


def edges_of(*rows: str, head: str = "", sides: float = 0.0) -> Task:
    return task_of(Train("edges", loss=Loss(sides)), built(spec(*rows, head=head)).graph, ("edge",))


def logits(probability: np.ndarray) -> np.ndarray:
    return np.asarray(np.log(probability / (1 - probability)), np.float32)[..., None]


def test_an_output_is_a_map_of_one_channel_of_logits() -> None:
    edges_of("Logits: {depth: 1}")
    for row, message in (
        ("Logits: {depth: 2}", "output `logits_1` is 32×32×2, and an edge map is 32×32×1"),
        ("Conv: {depth: 1, stride: 2, activation: none}", "is 16×16×1"),
        ("Conv: {depth: 1, activation: sigmoid, norm: false}", "ends in `sigmoid`, and its loss is of logits"),
    ):
        with pytest.raises(TaskError, match=message):
            edges_of(row)


def test_edges_are_fed_as_numbers_with_a_channel() -> None:
    fed = edges_of("Logits: {depth: 1}").truth(Example(np.zeros((40, 48, 3), np.uint8), {"edges": TRUE}))
    assert fed["edges"].dtype == np.float32
    assert np.array_equal(fed["edges"][..., 0], TRUE)


def quick(found: np.ndarray, wanted: np.ndarray) -> float:
    """Brute force: at each threshold the shares of pixels that have one of the others within the tolerance."""
    radius, best = TOLERANCE * np.hypot(*wanted.shape), 0.0
    for threshold in THRESHOLDS:
        sets = [np.argwhere(found >= threshold), np.argwhere(wanted)]
        if not all(map(len, sets)):
            continue
        apart = np.hypot(*(sets[0][:, None] - sets[1][None]).transpose(2, 0, 1))
        precision, recall = (apart.min(1) <= radius).mean(), (apart.min(0) <= radius).mean()
        if precision + recall:
            best = max(best, 2 * precision * recall / (precision + recall))
    return best


@pytest.mark.parametrize("seed", range(4))
def test_the_quick_measure_is_that_of_brute_force(seed: int) -> None:
    random = np.random.default_rng(seed)
    values = np.clip(random.uniform(0, 0.6, (40, 48)) ** 3 + 0.6 * np.roll(TRUE, seed - 1, 0), 0.001, 0.999)
    meter = QuickMeter("fuse")
    meter.add({"fuse": logits(values)}, {"edges": TRUE[..., None].astype(np.float32)})
    assert meter.result()["f"] == pytest.approx(quick(values, TRUE), abs=1e-6)


def test_perfect_edges_score_one_by_all_measures_and_none_score_nothing() -> None:
    task = edges_of("Logits: {depth: 1, name: fuse}")
    truth = {"edges": TRUE[..., None].astype(np.float32)}
    for final in (True, False):
        good, bad = task.meter(final), task.meter(final)
        # a crest: with no slope beside it a line has no direction to thin across
        soft = np.clip(0.05 + 0.9 * TRUE + 0.3 * (binary_dilation(TRUE) & ~TRUE), 0.001, 0.999)
        good.add({"fuse": logits(soft)}, truth)
        bad.add({"fuse": np.full((40, 48, 1), -20, np.float32)}, truth)
        assert next(iter(good.result().values())) > 0.99
        assert next(iter(bad.result().values())) < 0.2
    assert isinstance(task.meter(True), EdgeMeter)


def test_the_picture_shows_image_truth_and_every_output() -> None:
    rows = ("Logits: {depth: 1, name: a}", "Logits: {depth: 1, name: b, from: input}")
    task = edges_of(*rows, head="outputs: [a, b]\n", sides=1.0)
    image = np.full((40, 48, 3), 7, np.uint8)
    outputs = {"a": np.full((40, 48, 1), 30, np.float32), "b": np.full((40, 48, 1), -30, np.float32)}
    shown = task.picture(image, outputs, {"edges": TRUE[..., None].astype(np.float32)})
    assert shown.shape == (40, 4 * 48, 3)
    parts = np.split(shown, 4, 1)
    assert np.array_equal(parts[0], image)
    assert np.array_equal(parts[1][..., 0] > 0, TRUE)
    assert parts[2].min() == 255
    assert parts[3].max() == 0
