"""The recipes in the specs run: a few steps of each on little data, and what a run leaves behind."""

import json
import struct
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import tensorflow as tf
from command import ROOT, call
from PIL import Image

from archspec.train.run import measures, steps
from archspec.train.sources.tfrecord import masked_crc

ANY = ("train.steps=2", "train.batch=2", "train.evaluate_every=9")


def folders(folder: Path) -> list[str]:
    for label in range(17):
        (folder / f"{label:02}").mkdir(parents=True)
        for i in range(2):
            Image.new("RGB", (40, 30), (label * 9, i * 90, 60)).save(folder / f"{label:02}" / f"{i}.jpg")
    return [f"train.data={{source: folders, path: {folder}}}"]


def records(folder: Path) -> list[str]:
    folder.mkdir()
    with tf.io.TFRecordWriter(str(folder / "train-0")) as writer:
        for i in range(4):
            made = tf.train.Example()
            picture = np.full((40, 50, 3), 60 * i, np.uint8)
            made.features.feature["image/encoded"].bytes_list.value.append(tf.io.encode_jpeg(picture).numpy())
            made.features.feature["image/class/label"].int64_list.value.append(i)
            writer.write(made.SerializeToString())
    (folder / "labels.txt").write_text("".join(f"{i}:class {i}\n" for i in range(4)))
    return [f"train.data={{source: tfrecord, path: {folder}/train-*}}", "let.classes=4"]


def cifar(folder: Path) -> list[str]:
    folder.mkdir()
    random = np.random.default_rng(0)
    for name in ("data_batch_1.bin", "test_batch.bin"):
        (folder / name).write_bytes(b"".join(bytes([i]) + random.bytes(3072) for i in range(8)))
    return [f"train.data={{source: cifar10, path: {folder}, validation: {folder}/test_batch.bin}}", "let.n=1"]


def documents(folder: Path) -> list[str]:
    return ["train.data={source: documents, count: 4}"]


CASES: dict[str, tuple[str, Any, tuple[str, ...]]] = {
    "Slim's MobileNet v1, quantized after its delay": (
        "mobilenet_v1_slim", records,
        ("input.size=64", "scale.width=0.25", "train.quantize_after=1", "train.precision=float32"),
    ),
    "tflearn's ResNet for CIFAR-10": ("resnet_cifar_v2", cifar, ()),
    "VGG for 17 flowers": (
        "vgg", folders, ("let.classes=17", "input.size=32", "let.early=1", "scale.width=0.05"),
    ),
    "the document network": ("vgg_hed", documents, ("input.size=64",)),
    "ours of the document network": ("mobilenet_v2_hed", documents, ("input.size=64", "train.picture_every=2")),
    "documents' borders": ("unet_edges", documents, ("input.size=64",)),
    "digits": ("digits", lambda folder: [], ("input.size=8",)),
    "documents' pixels": ("unet_documents", documents, ("input.size=64",)),
    "documents' boxes": ("ssd_documents", documents, ()),
}  # fmt: skip


def trained(case: str, folder: Path) -> Path:
    """The folder of a run of a case."""
    name, data, settings = CASES[case]
    sets = [word for text in (*ANY, *data(folder / "data"), *settings) for word in ("--set", text)]
    ran = call("train", ROOT / "specs" / f"{name}.yaml", "--runs", folder / "runs", "--json", *sets)
    assert ran.code == 0, ran.err
    made = Path(json.loads(ran.out)["folder"])
    assert made.parent == folder / "runs"
    return made


@pytest.mark.parametrize("case", CASES)
def test_a_recipe_runs(case: str, tmp_path: Path) -> None:
    folder = trained(case, tmp_path)
    rows = steps(folder)
    assert [row[0] for row in rows] == [1, 2]
    assert all(np.isfinite(row[1]) for row in rows)
    assert measures(folder)[-1][0] == 2
    ElementTree.parse(folder / "curves.svg")
    assert (folder / "last.weights.h5").stat().st_size > 1000
    (events,) = (folder / "tensorboard").glob("events.*")
    told = {(step, tag) for step, tag, _ in read_events(events)}
    assert {(1, "loss"), (2, "loss"), (1, "learning_rate")} <= told
    assert {(step, f"measure/{name}") for step, name, _ in measures(folder)} <= told
    if "ours" in case:
        assert (2, "picture") in told
        with Image.open(folder / "pictures" / "0000002.png") as picture:
            assert picture.width == 8 * 64  # image, truth, fuse, five sides


def read_events(path: Path) -> list[tuple[int, str, Any]]:
    """Step, tag and value of each event, with the framing checked."""
    data, at, found = path.read_bytes(), 0, []
    while at < len(data):
        head = data[at : at + 8]
        (size,), (crc,) = struct.unpack("<Q", head), struct.unpack("<I", data[at + 8 : at + 12])
        assert crc == masked_crc(head)
        event = tf.compat.v1.Event.FromString(data[at + 12 : at + 12 + size])
        found += [(event.step, value.tag, value.tensor) for value in event.summary.value]
        at += 12 + size + 4
    return found
