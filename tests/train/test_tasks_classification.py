"""The task of classes: what it takes, measures and shows. Its loss is held to numpy in tests/tf."""

import numpy as np
import pytest
from little import built, spec

from archspec.recipe import Loss, Train
from archspec.train.examples import Example
from archspec.train.tasks import Task, TaskError, task_of

LABELS = tuple("abcdefgh")


def classes_of(row: str = "Dense: {units: 8, name: answer}", activation: str = "softmax") -> Task:
    train = Train("classification", loss=Loss(activation=activation))
    return task_of(train, built(spec("GlobalPool", row)).graph, LABELS)


@pytest.mark.parametrize(
    ("row", "activation", "message"),
    [
        ("Dense: {units: 7, name: answer}", "softmax", "output `answer` is 7, and there are 8 classes"),
        ("Dense: {units: 8, activation: relu}", "softmax", "ends in `relu`, and its loss is of logits or `softmax`"),
        ("Dense: {units: 8, activation: softmax}", "sigmoid", "ends in `softmax`, and its loss is of logits or `sigm"),
    ],
)
def test_a_network_of_other_answers_is_refused(row: str, activation: str, message: str) -> None:
    with pytest.raises(TaskError, match=message):
        classes_of(row, activation)


def test_a_map_is_no_answer() -> None:
    with pytest.raises(TaskError, match="is 32×32×8, and there are 8 classes"):
        task_of(Train("classification"), built(spec("Conv: {depth: 8}")).graph, LABELS)


def test_the_class_is_fed_as_a_vector() -> None:
    task = classes_of()
    blank = np.zeros((4, 4, 3), np.uint8)
    assert task.truth(Example(blank, {"label": np.array(2)}))["classes"].tolist() == [0, 0, 1, 0, 0, 0, 0, 0]
    for label in (-1, 8):
        with pytest.raises(TaskError, match=f"label {label}, and the classes are 0 to 7"):
            task.truth(Example(blank, {"label": np.array(label)}))


def test_top1_and_top5_are_those_of_sorting() -> None:
    random = np.random.default_rng(0)
    given, true = random.normal(size=(300, 8)).round(1), random.integers(0, 8, 300)
    meter = classes_of().meter(True)
    for values, label in zip(given, true, strict=True):
        meter.add({"answer": values}, {"classes": np.eye(8)[label]})
    order = np.argsort(-given, axis=1, kind="stable")
    right = order == true[:, None]
    assert meter.result() == pytest.approx({"top1": right[:, 0].mean(), "top5": right[:, :5].any(1).mean()})


def test_the_picture_has_a_frame_that_says_whether_it_is_right() -> None:
    task, image = classes_of(), np.full((24, 24, 3), 9, np.uint8)
    truth = {"classes": np.eye(8)[3]}
    right, wrong = (task.picture(image, {"answer": np.eye(8)[i]}, truth) for i in (3, 4))
    for shown in (right, wrong):
        assert np.array_equal(shown[2:-2, 2:-2], image)
    assert right[0, 0].argmax() == 1  # green
    assert wrong[0, 0].argmax() == 0  # red
