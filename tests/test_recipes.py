"""What a spec says of its training, held against the network and against itself."""

import pytest
from little import assert_finds, built, spec

from archspec.recipe import SOURCES, SOURCES_OF, Augment, Data, Loss, Schedule, Train

ROWS = ("Conv: {depth: 4, name: a}", "Conv: {depth: 4, name: b}", "GlobalPool", "Dense: {units: 10, name: c}")
FEED = "data: {source: folders, path: p}"


def text(train: str, head: str = "") -> str:
    return spec(*ROWS, head=f"{head}train: {{{train}}}\n")


def test_all_that_a_recipe_can_say_is_read() -> None:
    said = (
        "task: classification, data: {source: folders, path: p, validation: v, broken: skip, zero_centre: true}, "
        "augment: {flip: true, crop: 4, colour: 0.1, rotate: 5, zoom: 0.2, mixup: 0.3}, "
        "loss: {sides: 0.3, label_smoothing: 0.1, activation: sigmoid}, optimizer: rmsprop, learning_rate: 0.1, "
        "schedule: {kind: exponential, factor: 0.5, every: 7, staircase: true, warmup: 3}, momentum: 0.8, decay: 0.7, "
        "epsilon: 0.01, batch: 8, steps: 100, seed: 5, l2: 0.2, ema: 0.9, clip_norm: 2, freeze: [a], fresh: [b], "
        "learning_rates: {b: 0.1}, quantize_after: 50, evaluate_every: 10, save_every: 20, picture_every: 30, "
        "precision: bfloat16, jit: true"
    )
    rows = (*ROWS[:2], "GlobalPool: {name: p}", ROWS[3], "Dense: {units: 10, name: d, from: p}")
    made = built(spec(*rows, head=f"outputs: [c, d]\ntrain: {{{said}}}\n"))
    assert made.graph.head.train == Train(
        "classification",
        Data("folders", "p", "v", broken="skip", zero_centre=True),
        Augment(True, 4, 0.1, 5, 0.2, 0.3),
        Loss(0.3, "weights", 0.1, "sigmoid"),
        "rmsprop", 0.1,
        Schedule("exponential", 0.5, 7, staircase=True, warmup=3),
        0.8, 0.7, 0.01, 0.0, 8, None, 100, 5, 0.2, 0.9, 2, ("a",), ("b",), (("b", 0.1),), 50, 10, 20, 30,
        "bfloat16", True,
    )  # fmt: skip


def test_a_run_may_be_long() -> None:
    said = (
        "task: edges, data: {count: 9000000}, schedule: {kind: exponential, every: 100000}, epochs: 100000, "
        "evaluate_every: 100000, save_every: 100000, picture_every: 100000"
    )
    train = built(spec(*ROWS[:2], "Logits: {depth: 1}", head=f"train: {{{said}}}\n")).graph.head.train
    assert train is not None
    assert (train.data.count, train.schedule.every, train.epochs) == (9_000_000, 100_000, 100_000)
    assert (train.evaluate_every, train.save_every, train.picture_every) == (100_000, 100_000, 100_000)


@pytest.mark.parametrize(
    ("train", "code", "place", "message"),
    [
        ("task: classification, momentum: 0.5", "conflicting-keys", "0.5", "under `optimizer: adam`"),
        ("task: classification, optimizer: sgd, decay: 0.5", "conflicting-keys", "0.5", "under `optimizer: sgd`"),
        ("task: classification, optimizer: momentum, epsilon: 0.5", "conflicting-keys", "0.5", "optimizer: momentum`"),
        ("task: classification, weight_decay: 0.5", "conflicting-keys", "0.5", "under `optimizer: adam`"),
        ("task: classification, schedule: {factor: 0.5}", "conflicting-keys", "0.5", "under `kind: constant`"),
        ("task: classification, schedule: {kind: cosine, factors: [1]}", "conflicting-keys", "[1]", "kind: cosine`"),
        ("task: classification, schedule: {floor: 0.5}", "conflicting-keys", "0.5", "under `kind: constant`"),
        ("task: classification, data: {count: 5}", "conflicting-keys", "5", "under `source: digits`"),
        ("task: classification, data: {path: p}", "conflicting-keys", "p", "under `source: digits`"),
        ("task: edges, data: {validation: v}", "conflicting-keys", "v", "under `source: documents`"),
        ("task: classification, data: {name: n}", "conflicting-keys", "n", "under `source: digits`"),
        ("task: edges, loss: {label_smoothing: 0.1}", "conflicting-keys", "0.1", "under `task: edges`"),
        ("task: edges, data: {count: 9000001}", "out-of-range", "9000001", "a whole number from 1 to 9000000"),
        ("task: edges, evaluate_every: 0", "out-of-range", "0", "a whole number from 1"),
        ("task: edges, loss: {ignore: 3}", "conflicting-keys", "3", "under `task: edges`"),
        ("task: classification, loss: {balance: logits}", "conflicting-keys", "logits", "under `task: classification`"),
        ("task: edges, loss: {balance: no}", "unknown-value", "no", "one of `weights`, `logits`"),
        ("task: edges, loss: {negatives: 3}", "conflicting-keys", "3", "under `task: edges`"),
        ("task: edges, augment: {mixup: 0.5}", "conflicting-keys", "0.5", "under `task: edges`"),
        ("task: edges, loss: {sides: 0.5}", "conflicting-keys", "0.5", "the network has one output"),
        ("task: classification, steps: 5, epochs: 6", "conflicting-keys", "5", "the same thing twice"),
        ("task: classification, steps: 5, quantize_after: 5", "out-of-range", "5", "training ends after 5 steps"),
        ("task: classification, schedule: {kind: exponential}", "missing-key", "{kind: exponential}", "either `every`"),
        (
            "task: classification, schedule: {kind: exponential, every: 2, every_epochs: 3}",
            "conflicting-keys", "{kind: exponential, every: 2, every_epochs: 3}", "either `every`",
        ),
        (
            "task: classification, schedule: {kind: piecewise, boundaries: [5], factors: [1]}",
            "wrong-length", "{kind: piecewise, boundaries: [5], factors: [1]}", "1 `boundaries` and 1 `factors`",
        ),
        (
            "task: classification, schedule: {kind: piecewise, boundaries: [5, 5], factors: [1, 2, 3]}",
            "out-of-range", "[5, 5]", "steps that grow",
        ),
        ("task: edges, data: {source: digits}", "conflicting-keys", "digits", "does not say what the task `edges`"),
        ("task: classification, data: {source: csv}", "missing-key", "csv", "source `csv` has no `path`"),
        ("task: classification, data: {source: tfds}", "missing-key", "tfds", "source `tfds` has no `name`"),
        (
            "task: edges, data: {source: pairs, path: p, validation: v, holdout: 0.5}",
            "conflicting-keys", "0.5", "no share of the examples is held out",
        ),
        ("task: classification, freeze: [a, a]", "duplicate-name", "a", "row `a` stands twice"),
        ("task: classification, freeze: [d]", "unknown-row", "d", "no row has the name `d`"),
        ("task: classification, learning_rates: {d: 2}", "unknown-row", "d", "no row has the name `d`"),
        ("task: classification, freeze: [a], learning_rates: {a: 2}", "duplicate-name", "a", "stands twice"),
        ("task: classification, fresh: [d]", "unknown-row", "d", "no row has the name `d`"),
        ("task: classification, fresh: [a, a]", "duplicate-name", "a", "row `a` stands twice"),
        ("task: classification, fresh: [global_pool_1]", "conflicting-keys", "global_pool_1", "has no weights"),
        (
            "task: classification, freeze: [b], fresh: [a, b]",
            "conflicting-keys", "b", "row `b` begins with random weights, and `freeze` keeps them",
        ),
        ("task: classification, freeze: [a, b, c]", "conflicting-keys", "[a, b, c]", "no row that could learn"),
        ("task: classification, augment: {crop: 17}", "out-of-range", "17", "a crop of 17 pixels"),
        ("", "missing-key", "{}", "`task`"),
        ("task: painting", "unknown-value", "painting", "painting"),
        ("task: edges, data: {source: floppy}", "unknown-value", "floppy", "floppy"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_at_its_place(train: str, code: str, place: str, message: str) -> None:
    (found,) = assert_finds(text(train), (code, place))
    assert message in found.message, found.message


def test_a_crop_of_half_a_side_and_a_recipe_in_order_are_fine() -> None:
    assert_finds(text("task: classification, augment: {crop: 16}, freeze: [a, b]"))
    assert_finds(text(f"task: classification, {FEED}, optimizer: momentum, momentum: 0.5"))


def test_every_source_belongs_to_a_task() -> None:
    assert {source for sources in SOURCES_OF.values() for source in sources} == set(SOURCES)
