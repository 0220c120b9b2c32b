"""The task of classes of pixels: what it takes, measures and shows. Its loss is held to numpy in tests/tf."""

import numpy as np
import pytest
from little import built, spec
from PIL import Image

from archspec.recipe import Loss, Train
from archspec.train.examples import Example
from archspec.train.tasks import Task, TaskError, task_of
from archspec.train.tasks.segmentation import TOLERANCE, boundary_scores, palette


def pixels_of(*rows: str, head: str = "", ignore: int = 255) -> Task:
    train = Train("segmentation", loss=Loss(ignore=ignore))
    return task_of(train, built(spec(*(rows or ("Logits: {depth: 3, name: map}",)), head=head)).graph, ())


def test_an_output_is_a_map_of_classes() -> None:
    for row, message in (
        ("Logits: {depth: 1}", "is 32×32×1, and a map of classes is 32×32×"),
        ("Conv: {depth: 3, stride: 2, activation: none}", "is 16×16×3"),
        ("Conv: {depth: 3, activation: sigmoid, norm: false}", "ends in `sigmoid`, and its loss is of logits or `soft"),
    ):
        with pytest.raises(TaskError, match=message):
            pixels_of(row)
    with pytest.raises(TaskError, match="the outputs differ in their classes: 3, 4"):
        pixels_of("Logits: {depth: 3, name: a}", "Logits: {depth: 4, name: b}", head="outputs: [a, b]\n")


def test_a_label_that_is_no_class_is_refused() -> None:
    blank, mask = np.zeros((2, 2, 3), np.uint8), np.array([[0, 2], [255, 1]], np.uint8)
    assert pixels_of().truth(Example(blank, {"mask": mask}))["labels"].tolist() == mask.tolist()
    with pytest.raises(TaskError, match="a pixel of class 255, and the classes are 0 to 2"):
        pixels_of(ignore=254).truth(Example(blank, {"mask": mask}))


@pytest.mark.parametrize("seed", range(5))
def test_mean_iou_is_that_of_brute_force(seed: int) -> None:
    random = np.random.default_rng(seed)
    meter, pairs = pixels_of().meter(False), []
    for _ in range(3):
        labels = random.choice([0, 1, 255] if seed else [0, 1, 2, 255], (9, 7))
        answers = random.normal(size=(9, 7, 3)).astype(np.float32)
        if seed:
            answers[..., 2] = -9  # a class that neither is nor is found does not count
        meter.add({"map": answers}, {"labels": labels})
        pairs += [(t, f) for t, f in zip(labels.ravel(), answers.argmax(-1).ravel(), strict=True) if t != 255]
    shares = []
    for label in range(3):
        both = sum(t == label and f == label for t, f in pairs)
        either = sum(t == label or f == label for t, f in pairs)
        shares += [both / either] if either else []
    assert len(shares) == (2 if seed else 3)
    assert meter.result() == {"miou": pytest.approx(np.mean(shares))}


def square(left: int) -> np.ndarray:
    mask = np.zeros((60, 80), int)
    mask[20:40, left : left + 30] = 1
    return mask


def by_hand(found: np.ndarray, labels: np.ndarray) -> list[float]:
    """Brute force: the F of each true class over lists of boundary pixels."""
    radius, scores = TOLERANCE * np.hypot(*labels.shape), []
    for label in np.unique(labels):
        lists = []
        for a in (found, labels):
            inside = a == label
            rim = [
                (y, x)
                for y, x in np.argwhere(inside)
                if any(
                    0 <= y + dy < a.shape[0] and 0 <= x + dx < a.shape[1] and not inside[y + dy, x + dx]
                    for dy, dx in ((0, 1), (1, 0), (0, -1), (-1, 0))
                )
            ]
            lists.append(np.array(rim).reshape(-1, 2))
        if not len(lists[1]):
            continue
        if not len(lists[0]):
            scores.append(0.0)
            continue
        apart = np.hypot(*(lists[0][:, None] - lists[1][None]).transpose(2, 0, 1))
        precision, recall = (apart.min(1) <= radius).mean(), (apart.min(0) <= radius).mean()
        scores.append(2 * precision * recall / max(precision + recall, 1e-12))
    return scores


@pytest.mark.parametrize("moved", [0, 1, 2, 15])
def test_boundary_f_is_that_of_brute_force(moved: int) -> None:
    scores = boundary_scores(square(20 + moved), square(20), 255)
    assert scores == pytest.approx(by_hand(square(20 + moved), square(20)))
    assert (min(scores) == 1) == (moved == 0)


def test_boundary_f_of_what_is_not_found_and_of_what_fills_the_picture() -> None:
    nothing = np.zeros((60, 80), int)
    assert boundary_scores(nothing, square(20), 255) == [0.0, 0.0]
    assert boundary_scores(square(20), nothing, 255) == []
    meter = pixels_of().meter(True)
    meter.add({"map": np.eye(3)[square(20)]}, {"labels": square(20)})
    assert meter.result() == {"miou": 1.0, "boundary_f": 1.0}


def test_colours_are_vocs() -> None:
    """The first colours of VOC's label map: aeroplane, bicycle, ... tvmonitor, and the border at 255."""
    expected = {0: (0, 0, 0), 1: (128, 0, 0), 2: (0, 128, 0), 8: (64, 0, 0), 20: (0, 64, 128), 255: (224, 224, 192)}
    assert {label: tuple(palette()[label].tolist()) for label in expected} == expected
    assert len({tuple(c) for c in palette().tolist()}) == 256


def test_the_picture_shows_image_truth_and_answer() -> None:
    image = np.asarray(Image.new("RGB", (80, 60), (1, 2, 3)))
    shown = pixels_of().picture(image, {"map": np.eye(3)[square(30)]}, {"labels": square(20)})
    parts = np.split(shown, 3, 1)
    assert np.array_equal(parts[0], image)
    assert np.array_equal(parts[1][..., 0] == 128, square(20) == 1)
    assert np.array_equal(parts[2][..., 0] == 128, square(30) == 1)
