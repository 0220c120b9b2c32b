"""The losses of all tasks against the formulas of their papers in numpy, and their decoding against TensorFlow's."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from little import built, spec

from archspec.detection.boxes import suppress
from archspec.recipe import Loss, Train
from archspec.train.sources.protobuf import features
from archspec.train.sources.tfrecord import masked_crc
from archspec.train.tasks import Task, task_of

TWO = "outputs: [a, b]\n"


def task(kind: str, *rows: str, labels: int = 0, head: str = "", **loss: Any) -> Task:
    graph = built(spec(*rows, head=head)).graph
    return task_of(Train(kind, loss=Loss(**loss)), graph, tuple(f"c{i}" for i in range(labels)))


def losses(of: Task, outputs: dict[str, np.ndarray], truth: dict[str, np.ndarray]) -> np.ndarray:
    """The loss of each example, and that its gradients are finite."""
    given = {name: tf.Variable(value.astype(np.float32)) for name, value in outputs.items()}
    with tf.GradientTape() as tape:
        found = of.loss(tf, given, {name: tf.constant(value) for name, value in truth.items()})
    for gradient in tape.gradient(found, list(given.values())):
        assert gradient is None or np.isfinite(gradient).all()
    assert found.shape == (len(next(iter(outputs.values()))),)
    return np.asarray(found, np.float64)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x.astype(np.float64)))


def softmax(x: np.ndarray) -> np.ndarray:
    powers = np.exp(x.astype(np.float64) - x.max(-1, keepdims=True))
    return np.asarray(powers / powers.sum(-1, keepdims=True))


# edges


def hed(logits: np.ndarray, edges: np.ndarray) -> float:
    """HED, equation 2, for one map, over its pixels: beta is the share of pixels that are no edge."""
    p, y = sigmoid(logits).ravel(), edges.ravel()
    beta = 1 - y.mean()
    return float((-beta * np.log(p[y == 1]).sum() - (1 - beta) * np.log(1 - p[y == 0]).sum()) / y.size)


def test_edges_balanced_by_logits_learn_the_ratio_of_likelihoods() -> None:
    """A pixel says nothing, or is twice as often among edges; of a tenth edges, the least loss is at log 1, log 2."""
    edges = np.zeros((1, 32, 32, 1), np.float32)
    edges[:, :4] = edges[:, 8, :] = 1
    signal = np.zeros_like(edges, bool)
    signal[:, :2] = True  # 64 of 160 edges
    signal[:, 9:14, 8] = signal[:, 20:26, 3:31] = True  # 173 of 864 others
    of = task("edges", "Logits: {depth: 1, name: a}", balance="logits")
    ratio = np.log(64 / 160 / (173 / 864)), np.log(96 / 160 / (691 / 864))

    def loss(shift: tuple[float, float]) -> float:
        maps = np.where(signal, ratio[0] + shift[0], ratio[1] + shift[1])
        return float(losses(of, {"a": maps}, {"edges": edges})[0])

    least = loss((0, 0))
    for shift in ((0.3, 0), (-0.3, 0), (0, 0.3), (0, -0.3)):
        assert loss(shift) > least + 1e-4
    p = sigmoid(np.where(signal, *ratio) + np.log(160 / 864))
    np.testing.assert_allclose(least, -np.log(np.where(edges == 1, p, 1 - p)).mean(), rtol=1e-5)


@pytest.mark.parametrize("sides", [0.0, 0.4])
def test_edges_weigh_as_in_heds_equation_2(sides: float) -> None:
    random = np.random.default_rng(0)
    of = task("edges", "Logits: {depth: 1, name: a}", "Logits: {depth: 1, from: input, name: b}", head=TWO, sides=sides)
    maps = {name: random.normal(size=(3, 32, 32, 1)) for name in "ab"}
    edges = (random.uniform(size=(3, 32, 32, 1)) < [[[[0.05]]], [[[0.2]]], [[[0.6]]]]).astype(np.float32)
    wanted = [hed(maps["a"][i], edges[i]) + sides * hed(maps["b"][i], edges[i]) for i in range(3)]
    assert losses(of, maps, {"edges": edges}) == pytest.approx(wanted, rel=1e-5)


def test_a_map_without_edges_still_has_a_loss() -> None:
    of, none = task("edges", "Logits: {depth: 1, name: a}"), np.zeros((1, 32, 32, 1), np.float32)
    wrong, right = (losses(of, {"a": np.full(none.shape, v)}, {"edges": none})[0] for v in (3, -3))
    assert wrong > 10 * right > 0


# classes


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
@pytest.mark.parametrize("ends", [True, False])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_classes_are_cross_entropy_of_smoothed_labels(activation: str, ends: bool, smoothing: float) -> None:
    random = np.random.default_rng(1)
    dense = f"Dense: {{units: 5, name: a{f', activation: {activation}' if ends else ''}}}"
    side = dense.replace("name: a", "name: b, from: pool")
    of = task("classification", "GlobalPool: {name: pool}", dense, side, labels=5, head=TWO,
              activation=activation, label_smoothing=smoothing, sides=0.3)  # fmt: skip
    labels = np.eye(5, dtype=np.float32)[[0, 3, 2, 2]]
    smoothed = labels * (1 - smoothing) + smoothing / 5
    given, wanted = {}, 0.0
    for name, weight in (("a", 1.0), ("b", 0.3)):
        logits = random.normal(size=(4, 5)) * 2
        p = softmax(logits) if activation == "softmax" else sigmoid(logits)
        if activation == "softmax":
            wanted = wanted - weight * (smoothed * np.log(p)).sum(-1)
        else:
            wanted = wanted - weight * (smoothed * np.log(p) + (1 - smoothed) * np.log(1 - p)).mean(-1)
        given[name] = p if ends else logits
    assert losses(of, given, {"classes": labels}) == pytest.approx(wanted, rel=1e-4)


# pixels


@pytest.mark.parametrize("ends", [True, False])
def test_pixels_of_the_ignored_label_do_not_count(ends: bool) -> None:
    random = np.random.default_rng(2)
    row = "Conv: {depth: 3, norm: false, activation: " + ("softmax" if ends else "none") + ", name: "
    of = task("segmentation", f"{row}a}}", f"{row}b, from: input}}", head=TWO, ignore=7, sides=0.5)
    labels = random.choice([0, 1, 2, 7], (3, 32, 32)).astype(np.int32)
    labels[2] = 7
    given, wanted = {}, np.zeros(3)
    for name, weight in (("a", 1.0), ("b", 0.5)):
        logits = random.normal(size=(3, 32, 32, 3))
        p = softmax(logits)
        for i in range(2):
            counted = [(y, x) for y, x in np.argwhere(labels[i] != 7)]
            wanted[i] += weight * -np.mean([np.log(p[i, y, x, labels[i, y, x]]) for y, x in counted])
        given[name] = p if ends else logits
    assert losses(of, given, {"labels": labels}) == pytest.approx(wanted, rel=1e-4)


# boxes

HEADS = ("Conv: {depth: 4, stride: 8, name: t}", "SSDHead: {from: t, values: 4, scale: 0.3, ratios: [1, 2], name: a}",
         "SSDHead: {from: t, values: 3, scale: 0.3, ratios: [1, 2], name: b}")  # fmt: skip
ANCHORS = 4 * 4 * 2


def ssd(offsets: np.ndarray, logits: np.ndarray, truth: dict[str, np.ndarray], negatives: float) -> float:
    """SSD's equations 1 to 3 for one picture, with the hardest negatives sought by sorting."""
    classes, positive = truth["classes"], np.flatnonzero(truth["classes"])
    p = softmax(logits)
    smooth = 0.0
    for i in positive:
        for apart in np.abs(offsets[i] - truth["offsets"][i]):
            smooth += 0.5 * apart**2 if apart < 1 else apart - 0.5
    background = sorted((-np.log(p[i, 0]) for i in range(len(classes)) if classes[i] == 0), reverse=True)
    mined = background[: max(int(negatives * max(len(positive), 1)), 1)]
    right = sum(-np.log(p[i, classes[i]]) for i in positive)
    return float((smooth + right + sum(mined)) / max(len(positive), 1))


@pytest.mark.parametrize("negatives", [3.0, 0.5, 100.0])
def test_boxes_are_ssds_loss_with_the_hardest_negatives(negatives: float) -> None:
    random = np.random.default_rng(3)
    of = task("detection", *HEADS, labels=2, head=TWO, negatives=negatives)
    counts = [0, 1, 5, ANCHORS]
    truth: dict[str, np.ndarray] = {
        "classes": np.stack([random.permutation([1 + k % 2 if k < n else 0 for k in range(ANCHORS)]) for n in counts]),
        "offsets": random.normal(size=(4, ANCHORS, 4)).astype(np.float32),
    }
    truth["classes"] = truth["classes"].astype(np.int32)
    offsets, logits = random.normal(size=(4, ANCHORS, 4)), random.normal(size=(4, ANCHORS, 3)) * 2
    found = losses(of, {"a": offsets.reshape(4, 4, 4, 8), "b": logits.reshape(4, 4, 4, 6)}, truth)
    wanted = [ssd(offsets[i], logits[i], {k: v[i] for k, v in truth.items()}, negatives) for i in range(4)]
    assert found == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("seed", range(4))
def test_suppression_is_tensorflows(seed: int) -> None:
    random = np.random.default_rng(seed)
    boxes = np.sort(random.uniform(0, 1, (60, 2, 2)), 1).reshape(-1, 4).astype(np.float32)
    scores = random.permutation(60).astype(np.float32)
    theirs = tf.image.non_max_suppression(boxes, scores, 20, 0.4).numpy()
    assert suppress(boxes, scores, 0.4, most=20).tolist() == theirs.tolist()


# records


def test_records_are_tensorflows(tmp_path: Path) -> None:
    from archspec.photo import InputContract
    from archspec.recipe import Data
    from archspec.train.sources import Asked, open_sources

    random = np.random.default_rng(4)
    pictures = [random.integers(0, 256, (5, 6, 3), np.uint8) for _ in range(3)]
    with tf.io.TFRecordWriter(str(tmp_path / "train-0")) as writer:
        for i, picture in enumerate(pictures):
            made = tf.train.Example()
            made.features.feature["image/encoded"].bytes_list.value.append(tf.io.encode_png(picture).numpy())
            made.features.feature["image/class/label"].int64_list.value.append(2 - i)
            made.features.feature["weights"].float_list.value.extend([0.5, -2.0])
            made.features.feature["numbers"].int64_list.value.extend([-(2**63), 2**63 - 1, 300])
            data = made.SerializeToString()
            writer.write(data)
            assert features(data)["weights"] == [0.5, -2.0]
            assert features(data)["numbers"] == [-(2**63), 2**63 - 1, 300]
    (tmp_path / "labels.txt").write_text("a\nb\nc\n")
    asked = Asked(Train("classification", Data("tfrecord", "train-*")),
                  InputContract((5, 6, 3), (0.0, 1.0), None, None, "rgb", "stretch"), tmp_path)  # fmt: skip
    found = {part.name(i): part.read(i) for part in open_sources(asked) for i in range(len(part))}
    ordered = [found[name] for name in sorted(found, key=lambda name: int(name.split()[-1]))]
    assert [int(e.truth["label"]) for e in ordered] == [2, 1, 0]
    assert all(np.array_equal(e.image, p) for e, p in zip(ordered, pictures, strict=True))
    assert masked_crc(b"") == 0xA282EAD8


def test_helpers_notice_a_wrong_loss() -> None:
    of, edges = task("edges", "Logits: {depth: 1, name: a}"), np.zeros((1, 32, 32, 1), np.float32)
    edges[0, 3] = 1
    maps = np.random.default_rng(5).normal(size=edges.shape)
    assert losses(of, {"a": maps}, {"edges": edges})[0] == pytest.approx(hed(maps[0], edges[0]), rel=1e-5)
    assert losses(of, {"a": maps + 0.1}, {"edges": edges})[0] != pytest.approx(hed(maps[0], edges[0]), rel=1e-5)
