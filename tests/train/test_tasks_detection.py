"""The task of boxes: anchors, matching, what is fed, found and shown. Its loss is held to numpy in tests/tf."""

from typing import Any

import numpy as np
import pytest
from little import built, spec

from archspec.detection.anchors import AnchorError, decode, encode, grid, heads_of
from archspec.detection.boxes import match, overlaps, suppress
from archspec.detection.found import found
from archspec.graph import cut
from archspec.recipe import Train
from archspec.train.examples import Example
from archspec.train.tasks import TaskError, task_of
from archspec.train.tasks.detection import MOST, Detection

ANCHORS = "scale: 0.3, ratios: [1, 2], between: 0.4"
ROWS = (
    "Conv: {depth: 4, stride: 8, name: t1}",
    "Conv: {depth: 4, stride: 2, name: t2}",
    f"SSDHead: {{from: t1, values: 4, {ANCHORS}, name: b1}}",
    f"SSDHead: {{from: t2, values: 4, {ANCHORS}, name: b2}}",
    f"SSDHead: {{from: t1, values: 3, {ANCHORS}, name: s1}}",
    f"SSDHead: {{from: t2, values: 3, {ANCHORS}, name: s2}}",
)
OUTPUTS = "outputs: [b1, b2, s1, s2]\n"
LABELS = ("cat", "dog")


def boxes_of(head: str = OUTPUTS, labels: tuple[str, ...] = LABELS, rows: tuple[str, ...] = ROWS) -> Detection:
    task = task_of(Train("detection"), built(spec(*rows, head=head)).graph, labels)
    assert isinstance(task, Detection)
    return task


def some_boxes(random: np.random.Generator, count: int) -> np.ndarray:
    corners = np.sort(random.uniform(0, 1, (count, 2, 2)), 1).reshape(-1, 4)
    return corners.astype(np.float32)


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Brute force of two boxes."""
    height, width = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    both = max(height, 0) * max(width, 0)
    either = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both
    return float(both / either) if either > 0 else 0.0


@pytest.mark.parametrize("seed", range(3))
def test_overlaps_are_those_of_brute_force(seed: int) -> None:
    random = np.random.default_rng(seed)
    a, b = some_boxes(random, 7), some_boxes(random, 5)
    assert overlaps(a, b) == pytest.approx(np.array([[overlap(x, y) for y in b] for x in a]), abs=1e-6)
    assert overlaps(a[:, [0, 1, 0, 1]], b).max() == 0  # no area, no overlap


def test_anchors_lie_at_the_pixels_centres_in_the_order_of_the_maps() -> None:
    made = grid((2, 3), 0.4, (1.0, 4.0), 0.5)
    assert made.shape == (2 * 3 * 3, 4)
    at = made.reshape(2, 3, 3, 4)
    for y in range(2):
        for x in range(3):
            for k, (height, width) in enumerate([(0.4, 0.4), (0.2, 0.8), (0.5, 0.5)]):
                cy, cx = (y + 0.5) / 2, (x + 0.5) / 3
                wanted = [cy - height / 2, cx - width / 2, cy + height / 2, cx + width / 2]
                assert at[y, x, k] == pytest.approx(wanted, abs=1e-6)


def test_heads_are_paired_in_order() -> None:
    heads = boxes_of().heads
    assert (heads.boxes, heads.scores, heads.classes) == (("b1", "b2"), ("s1", "s2"), 3)
    assert len(heads.anchors) == 3 * (4 * 4 + 2 * 2)


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        (["t1", "b1"], "output `t1` is no `SSDHead` row"),
        (["b1", "b2", "s1"], "maps of boxes .* then as many maps of classes"),
        (["s1", "s2", "b1", "b2"], "maps of boxes"),
        (["b1", "b2", "s2", "s1"], "`b1` and `s2` are not of the same anchors"),
    ],
)
def test_outputs_that_are_no_heads_are_refused(outputs: list[str], message: str) -> None:
    with pytest.raises(AnchorError, match=message):
        heads_of(cut(built(spec(*ROWS, head=OUTPUTS)).graph, outputs))


def test_the_classes_are_the_sources_and_the_background() -> None:
    with pytest.raises(TaskError, match="the heads have 3 classes, and there are 1 and the background"):
        boxes_of(labels=("cat",))


@pytest.mark.parametrize("seed", range(5))
def test_decoding_is_the_reverse_of_encoding(seed: int) -> None:
    random = np.random.default_rng(seed)
    anchors, boxes = grid((4, 4), 0.3, (1.0, 2.0), None), some_boxes(random, 32)
    assert decode(encode(boxes, anchors), anchors) == pytest.approx(boxes, abs=1e-5)


def test_encoding_is_the_papers() -> None:
    """SSD, equation 2, with the variances of its released code."""
    anchor, box = np.array([[0.1, 0.2, 0.5, 0.8]], np.float32), np.array([[0.2, 0.1, 0.8, 0.5]], np.float32)
    wanted = [(0.5 - 0.3) / 0.4 / 0.1, (0.3 - 0.5) / 0.6 / 0.1, np.log(0.6 / 0.4) / 0.2, np.log(0.4 / 0.6) / 0.2]
    assert encode(box, anchor)[0] == pytest.approx(wanted, rel=1e-5)


def matched(anchors: np.ndarray, boxes: np.ndarray, threshold: float) -> list[int]:
    """Brute force of SSD's matching: the best pair again and again, then all anchors above the threshold."""
    shares = {(i, j): overlap(a, b) for i, a in enumerate(anchors) for j, b in enumerate(boxes)}
    made = [-1] * len(anchors)
    left, free = set(range(len(anchors))), set(range(len(boxes)))
    while free and left:
        i, j = max(((i, j) for i in sorted(left) for j in sorted(free)), key=lambda pair: shares[pair])
        made[i] = j
        left.discard(i)
        free.discard(j)
    for i in left:
        j = max(range(len(boxes)), key=lambda j: shares[i, j]) if len(boxes) else -1
        if j >= 0 and shares[i, j] > threshold:
            made[i] = j
    return made


@pytest.mark.parametrize("seed", range(8))
def test_matching_is_that_of_brute_force(seed: int) -> None:
    random = np.random.default_rng(seed)
    anchors, boxes = grid((3, 4), 0.4, (1.0, 2.0), 0.5), some_boxes(random, seed)
    assert match(anchors, boxes, 0.4).tolist() == matched(anchors, boxes, 0.4)
    assert match(anchors[:2], some_boxes(random, 5)).min() >= 0  # more boxes than anchors


@pytest.mark.parametrize("seed", range(6))
def test_suppression_is_that_of_brute_force(seed: int) -> None:
    random = np.random.default_rng(seed)
    boxes, scores = some_boxes(random, 40), random.uniform(0, 1, 40).round(1)
    kept: list[int] = []
    for i in sorted(range(40), key=lambda i: -scores[i]):
        if all(overlap(boxes[i], boxes[j]) <= 0.45 for j in kept):
            kept.append(i)
    assert suppress(boxes, scores, 0.45).tolist() == kept
    assert suppress(boxes, scores, 0.45, most=3).tolist() == kept[:3]
    assert suppress(boxes[:0], scores[:0]).tolist() == []


def example(boxes: list[list[float]], labels: list[int]) -> Example:
    truth: dict[str, Any] = {"boxes": np.array(boxes, np.float32).reshape(-1, 4), "labels": np.array(labels, np.int64)}
    return Example(np.zeros((32, 32, 3), np.uint8), truth)


def test_what_is_fed_says_the_boxes_at_their_anchors() -> None:
    task = boxes_of()
    fed = task.truth(example([[2, 2, 14, 12], [16, 8, 30, 28]], [1, 0]))
    at = np.flatnonzero(fed["classes"])
    assert {1, 2} == set(fed["classes"][at].tolist())
    back = decode(fed["offsets"][at], task.heads.anchors[at]) * 32
    for box, label in zip(back, fed["classes"][at], strict=True):
        assert box == pytest.approx([[16, 8, 30, 28], [2, 2, 14, 12]][label - 1], abs=1e-3)
    assert (fed["offsets"][fed["classes"] == 0] == 0).all()
    assert fed["objects"].shape == (MOST, 5)
    assert (fed["objects"][:, 4] >= 0).sum() == 2


def test_too_many_or_unknown_objects_are_refused() -> None:
    task = boxes_of()
    assert (task.truth(example([], []))["classes"] == 0).all()
    with pytest.raises(TaskError, match="class 2, and the classes are 0 to 1"):
        task.truth(example([[0, 0, 9, 9]], [2]))
    with pytest.raises(TaskError, match=f"a picture of {MOST + 1} objects: more than {MOST}"):
        task.truth(example([[0, 0, 9, 9]] * (MOST + 1), [0] * (MOST + 1)))


def said(task: Detection, fed: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The outputs of a network that says just what it should."""
    offsets, logits = fed["offsets"], 20 * np.eye(3, dtype=np.float32)[fed["classes"]]
    made, first = {}, 0
    for boxes, scores, size in zip(task.heads.boxes, task.heads.scores, (4, 2), strict=True):
        part = slice(first, first + 3 * size * size)
        made[boxes], made[scores] = offsets[part].reshape(size, size, 12), logits[part].reshape(size, size, 9)
        first = part.stop
    return made


def test_what_should_be_said_is_found_and_scores_one() -> None:
    task = boxes_of()
    fed = task.truth(example([[2, 2, 14, 12], [16, 8, 30, 28]], [1, 0]))
    boxes, scores, classes = found(task.heads, said(task, fed))
    assert sorted(classes.tolist()) == [0, 1]
    for box, label in zip(boxes * 32, classes, strict=True):
        assert box == pytest.approx([[16, 8, 30, 28], [2, 2, 14, 12]][label], abs=1e-3)
    assert (np.diff(scores) <= 0).all()
    meter, blind = task.meter(True), task.meter(True)
    meter.add(said(task, fed), fed)
    assert meter.result() == pytest.approx({"map50": 1, "map": 1})
    blind.add(said(task, task.truth(example([], []))), fed)
    assert blind.result() == {"map50": 0, "map": 0}


def test_the_picture_shows_true_boxes_and_those_that_are_found() -> None:
    task = boxes_of()
    fed, image = task.truth(example([[2, 2, 14, 12]], [1])), np.zeros((32, 32, 3), np.uint8)
    true = task.picture(image, said(task, task.truth(example([], []))), fed)
    both = task.picture(image, said(task, fed), fed)
    assert tuple(true[2, 6]) == (40, 180, 60)
    assert tuple(both[2, 6]) == (220, 40, 40)
    assert not true[:, 16:].any()
