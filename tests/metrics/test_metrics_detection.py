"""Average precision against COCO's own code, and against sums done by hand."""

import contextlib
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from archspec.metrics.detection import Found, average_precision


def picture(random: np.random.Generator, classes: int, true: int, found: int) -> Found:
    """True boxes, and found ones near some of them or anywhere, with scores of which some are equal."""
    lows = random.uniform(0, 80, (true, 2))
    boxes = np.concatenate([lows, lows + random.uniform(4, 40, (true, 2))], 1)
    labels = random.integers(0, classes, true)
    near = random.integers(0, max(true, 1), found)
    guesses = boxes[near] if true else np.tile([[0.0, 0.0, 9.0, 9.0]], (found, 1))
    guesses = guesses + random.normal(0, random.choice([0.3, 2.0, 8.0], (found, 1)), (found, 4))
    guesses[:, 2:] = np.maximum(guesses[:, 2:], guesses[:, :2] + 1)
    hit = labels[near] if true else np.zeros(found, int)
    guessed = np.where(random.uniform(size=found) < 0.8, hit, random.integers(0, classes, found))
    return Found(guesses, random.uniform(0, 1, found).round(1), guessed, boxes, labels)


def cocos(pictures: Sequence[Found], classes: int) -> tuple[float, float]:
    """mAP and that at 0.50 by pycocotools."""

    def boxes(array: np.ndarray) -> list[list[float]]:
        return [[x, y, right - x, bottom - y] for y, x, bottom, right in array.astype(float).tolist()]

    annotations: list[dict[str, Any]] = []
    answers: list[dict[str, Any]] = []
    for i, p in enumerate(pictures):
        for box, label in zip(boxes(p.true_boxes), p.true_classes.tolist(), strict=True):
            annotations.append({"id": len(annotations) + 1, "image_id": i, "category_id": label, "bbox": box,
                                "area": box[2] * box[3], "iscrowd": 0})  # fmt: skip
        for box, score, label in zip(boxes(p.boxes), p.scores.tolist(), p.classes.tolist(), strict=True):
            answers.append({"image_id": i, "category_id": label, "bbox": box, "score": score})
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = {
            "images": [{"id": i} for i in range(len(pictures))],
            "categories": [{"id": k} for k in range(classes)],
            "annotations": annotations,
        }
        truth.createIndex()
        run = COCOeval(truth, truth.loadRes(answers), "bbox")
        run.evaluate()
        run.accumulate()
        run.summarize()
    return float(run.stats[0]), float(run.stats[1])


@pytest.mark.parametrize("seed", range(12))
def test_it_is_cocos(seed: int) -> None:
    random = np.random.default_rng(seed)
    classes = int(random.integers(1, 4))
    pictures = [picture(random, classes, *random.integers(0, 9, 2)) for _ in range(15)]
    got = average_precision(pictures)
    assert got == pytest.approx(cocos(pictures, classes), abs=1e-9)
    assert 0 < got[0] < got[1] < 1


def test_it_is_cocos_where_a_picture_has_more_boxes_than_count() -> None:
    random = np.random.default_rng(5)
    pictures = [picture(random, 1, 40, 250), picture(random, 1, 3, 10)]
    assert average_precision(pictures) == pytest.approx(cocos(pictures, 1), abs=1e-9)


def alone(*scores_and_hits: tuple[float, bool], true: int) -> list[Found]:
    """One picture: unit squares far apart, the found ones on a true one or on nothing."""
    squares = np.array([[10.0 * i, 0, 10.0 * i + 1, 1] for i in range(true)])
    missed = np.array([[0.0, 500, 1, 501]])
    boxes, taken = [], 0
    for _, hit in scores_and_hits:
        boxes.append(squares[taken] if hit else missed[0])
        taken += hit
    scores = np.array([score for score, _ in scores_and_hits])
    return [Found(np.array(boxes), scores, np.zeros(len(boxes), int), squares, np.zeros(true, int))]


def test_by_hand() -> None:
    """Two of four found with one mistake between: precision 1 up to recall 0.25, 2/3 up to 0.5, none above."""
    wanted = (26 * 1 + 25 * 2 / 3) / 101
    assert average_precision(alone((0.9, True), (0.8, False), (0.7, True), true=4)) == pytest.approx((wanted, wanted))
    assert average_precision(alone((0.9, True), true=1)) == (1.0, 1.0)


def test_nothing_true_or_nothing_found_is_zero() -> None:
    nothing = np.zeros((0, 4)), np.zeros(0), np.zeros(0, int)
    assert average_precision([]) == (0.0, 0.0)
    assert average_precision([Found(*nothing, np.zeros((0, 4)), np.zeros(0, int))]) == (0.0, 0.0)
    assert average_precision([Found(*nothing, np.ones((1, 4)), np.zeros(1, int))]) == (0.0, 0.0)
