"""Where examples come from: small files made here, whole and broken."""

import gzip
import importlib.util
import json
import struct
import sys
import zlib
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from archspec.documents import Settings
from archspec.photo import InputContract
from archspec.recipe import SOURCES_OF, Data, Shares, Train
from archspec.train.examples import Example, ExampleError, Source
from archspec.train.sources import Asked, open_sources
from archspec.train.sources.protobuf import FeatureError, features
from archspec.train.sources.tfrecord import masked_crc

CONTRACT = InputContract((32, 32, 3), (0.0, 1.0), None, None, "rgb", "stretch")
RED, BLUE = (250, 10, 20), (10, 20, 250)


def opened(folder: Path, **data: Any) -> tuple[Source, Source]:
    """The examples of a source to train on, and to measure on."""
    task = next((t for t, sources in SOURCES_OF.items() if data["source"] in sources), "")
    return open_sources(Asked(Train(task, Data(**data)), CONTRACT, folder))


def every(folder: Path, **data: Any) -> dict[str, Example]:
    """All examples of a source, by name, those that are held out too."""
    parts = opened(folder, **data)
    return {part.name(i): part.read(i) for part in parts for i in range(len(part))}


def paint(path: Path, colour: tuple[int, int, int] = RED, size: tuple[int, int] = (6, 4)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)


def refused(folder: Path, **data: Any) -> str:
    """Why a source cannot be opened, or all of its examples be read."""
    with pytest.raises(ExampleError) as caught:
        every(folder, **data)
    return str(caught.value)


def test_every_source_has_a_test() -> None:
    tested = Path(__file__).read_text()
    assert [s for sources in SOURCES_OF.values() for s in sources if f'source="{s}"' not in tested] == []


# held out, or a validation set


def test_a_share_is_held_out_and_a_validation_set_is_taken_as_it_is(tmp_path: Path) -> None:
    for split, count in (("a", 10), ("b", 3)):
        for label in ("x", "y"):
            for i in range(count):
                paint(tmp_path / split / label / f"{i}.png")
    trained, measured = opened(tmp_path, source="folders", path="a", holdout=0.25)
    assert (len(trained), len(measured)) == (15, 5)
    names = {part.name(i) for part in (trained, measured) for i in range(len(part))}
    assert len(names) == 20
    trained, measured = opened(tmp_path, source="folders", path="a", validation="b")
    assert (len(trained), len(measured)) == (20, 6)
    paint(tmp_path / "b" / "z" / "0.png")
    assert "the classes of a are not those of b" in refused(tmp_path, source="folders", path="a", validation="b")


def test_one_example_is_not_enough(tmp_path: Path) -> None:
    paint(tmp_path / "a" / "x" / "0.png")
    assert "a: two examples or more are needed" in refused(tmp_path, source="folders", path="a")


# classes


def test_folders_are_classes_in_the_order_of_their_names(tmp_path: Path) -> None:
    for label, colour in (("red", RED), ("blue", BLUE)):
        for i in range(2):
            paint(tmp_path / label / f"{i}.png", colour)
    (tmp_path / "red" / "notes.txt").write_text("no picture")
    paint(tmp_path / ".hidden" / "0.png")
    found = every(tmp_path, source="folders", path=".")
    assert opened(tmp_path, source="folders", path=".")[0].labels == ("blue", "red")
    assert len(found) == 4
    for name, example in found.items():
        assert tuple(example.image[0, 0]) == (RED if "red" in name else BLUE)
        assert int(example.truth["label"]) == int("red" in name)


@pytest.mark.parametrize("made", ["nothing", "file", "empty"])
def test_a_folder_without_classes_is_refused(tmp_path: Path, made: str) -> None:
    if made == "empty":
        (tmp_path / "a" / "x").mkdir(parents=True)
    elif made == "file":
        (tmp_path / "a").write_text("")
    message = refused(tmp_path, source="folders", path="a")
    assert f"{tmp_path / 'a'}: no " in message


def test_a_csv_names_pictures_and_classes(tmp_path: Path) -> None:
    paint(tmp_path / "p" / "1.png", RED)
    paint(tmp_path / "p" / "2.png", BLUE)
    (tmp_path / "list.csv").write_text("p/1.png,rose\n\np/2.png, aster\n")
    found = every(tmp_path, source="csv", path="list.csv")
    assert opened(tmp_path, source="csv", path="list.csv")[0].labels == ("aster", "rose")
    assert {Path(name).name: int(e.truth["label"]) for name, e in found.items()} == {"1.png": 1, "2.png": 0}


def test_numbers_in_a_csv_are_classes_as_they_stand(tmp_path: Path) -> None:
    paint(tmp_path / "1.png")
    (tmp_path / "list.csv").write_text("1.png,10\n1.png,2\n")
    trained, measured = opened(tmp_path, source="csv", path="list.csv")
    assert trained.labels == tuple(map(str, range(11)))
    assert {int(part.read(0).truth["label"]) for part in (trained, measured)} == {10, 2}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"1.png\n", "list.csv:1: not path,label: 1.png"),
        (b"1.png,a\nnone.png,b\n", "list.csv:2: no such file: "),
        (b"", "list.csv: no pictures in it"),
        (b"\xff\xfe,a\n", "list.csv: "),
    ],
)
def test_a_broken_csv_is_refused(tmp_path: Path, text: bytes, message: str) -> None:
    paint(tmp_path / "1.png")
    (tmp_path / "list.csv").write_bytes(text)
    assert message in refused(tmp_path, source="csv", path="list.csv")


def test_a_broken_picture_is_named(tmp_path: Path) -> None:
    for i in range(3):
        paint(tmp_path / "x" / f"{i}.png")
    (tmp_path / "x" / "1.png").write_bytes(b"no picture")
    assert f"{tmp_path / 'x' / '1.png'}: not a picture" in refused(tmp_path, source="folders", path=".")


def cifar(records: list[tuple[list[int], np.ndarray]]) -> bytes:
    return b"".join(bytes(labels) + image.transpose(2, 0, 1).tobytes() for labels, image in records)


def images(count: int, size: int = 32) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 256, (count, size, size, 3), np.uint8)


def test_cifar_10_is_read_from_its_binaries(tmp_path: Path) -> None:
    pictures = images(5)
    (tmp_path / "data_batch_1.bin").write_bytes(cifar([([i], pictures[i]) for i in range(3)]))
    (tmp_path / "data_batch_2.bin").write_bytes(cifar([([9], pictures[3])]))
    (tmp_path / "test_batch.bin").write_bytes(cifar([([4], pictures[4])]))
    trained, measured = opened(tmp_path, source="cifar10", path=".", validation="test_batch.bin")
    assert trained.labels == tuple(map(str, range(10)))
    assert [int(trained.read(i).truth["label"]) for i in range(4)] == [0, 1, 2, 9]
    assert all(np.array_equal(trained.read(i).image, pictures[i]) for i in range(4))
    assert np.array_equal(measured.read(0).image, pictures[4])
    (tmp_path / "batches.meta.txt").write_text("\n".join("abcdefghij") + "\n\n")
    assert opened(tmp_path, source="cifar10", path=".")[0].labels == tuple("abcdefghij")
    (tmp_path / "batches.meta.txt").write_bytes(b"\xff")
    assert "batches.meta.txt: " in refused(tmp_path, source="cifar10", path=".")


def test_cifar_100_counts_the_fine_label(tmp_path: Path) -> None:
    pictures = images(2)
    (tmp_path / "train.bin").write_bytes(cifar([([1, 99], pictures[0]), ([2, 7], pictures[1])]))
    found = every(tmp_path, source="cifar100", path=".")
    assert sorted(int(e.truth["label"]) for e in found.values()) == [7, 99]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (None, "no data_batch_*.bin in it"),
        (b"\0" * 100, "100 bytes are not records of 3073"),
        (b"", "0 bytes are not records"),
        (b"\x0a" + b"\0" * 3072, "label 10, and there are 10 classes"),
    ],
)
def test_a_broken_binary_is_refused(tmp_path: Path, data: bytes | None, message: str) -> None:
    if data is not None:
        (tmp_path / "data_batch_1.bin").write_bytes(data)
    assert message in refused(tmp_path, source="cifar10", path=".")


def test_digits_are_scikit_learns(tmp_path: Path) -> None:
    from sklearn.datasets import load_digits

    found, bunch = every(tmp_path, source="digits"), load_digits()
    assert len(found) == 1797
    for i in (0, 7, 1796):
        example = found[f"digit {i}"]
        assert int(example.truth["label"]) == bunch.target[i]
        assert np.array_equal(example.image[..., 1], np.rint(bunch.images[i] * 255 / 16))


def test_digits_are_read_where_scikit_learn_cannot_be_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    assert len(every(tmp_path, source="digits")) == 1797
    monkeypatch.setattr(sys, "path", [])
    assert "pip install 'archspec-compiler[digits]'" in refused(tmp_path, source="digits")


def test_a_damaged_file_of_digits_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "sklearn" / "datasets" / "data" / "digits.csv.gz"
    file.parent.mkdir(parents=True)
    (tmp_path / "sklearn" / "__init__.py").write_text("")
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    assert f"{file}: " in refused(tmp_path, source="digits")
    file.write_bytes(gzip.compress(b"no,numbers\n"))
    assert f"{file}: " in refused(tmp_path, source="digits")


# TFRecord: the framing and the messages written out by hand; TensorFlow's own are compared in tests/tf


def varint(number: int) -> bytes:
    number &= 2**64 - 1
    made = b""
    while number > 0x7F:
        made, number = made + bytes([number & 0x7F | 0x80]), number >> 7
    return made + bytes([number])


def message(field: int, data: bytes) -> bytes:
    return varint(field << 3 | 2) + varint(len(data)) + data


def entry(key: str, kind: int, data: bytes) -> bytes:
    return message(1, message(1, key.encode()) + message(2, message(kind, data)))


def record(data: bytes) -> bytes:
    head = struct.pack("<Q", len(data))
    return head + struct.pack("<I", masked_crc(head)) + data + b"\0\0\0\0"


def png(tmp_path: Path, colour: tuple[int, int, int]) -> bytes:
    paint(tmp_path / "made.png", colour)
    return (tmp_path / "made.png").read_bytes()


def slim(picture: bytes, label: int) -> bytes:
    classes = message(1, varint(label))
    return message(1, entry("image/encoded", 1, message(1, picture)) + entry("image/class/label", 3, classes))


def test_crc_32c_is_that_of_its_standard() -> None:
    """RFC 3720, B.4: 32 bytes of zeros, of ones, and 0 to 31; stored rotated by 15 bits, plus a constant."""
    for data, crc in ((b"\0" * 32, 0x8A9136AA), (b"\xff" * 32, 0x62A8AB43), (bytes(range(32)), 0x46DD794E)):
        assert masked_crc(data) == (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF
    assert masked_crc(b"1") != zlib.crc32(b"1")


def test_features_of_all_types_are_read() -> None:
    lists = {
        "b": (1, message(1, b"x") + message(1, b"")),
        "f": (2, message(1, struct.pack("<2f", 0.5, -1))),
        "g": (2, varint(1 << 3 | 5) + struct.pack("<f", 2.5)),
        "i": (3, message(1, varint(300) + varint(-1))),
        "j": (3, varint(1 << 3) + varint(7)),
    }
    data = message(1, b"".join(entry(key, kind, inner) for key, (kind, inner) in lists.items()))
    assert features(data) == {"b": [b"x", b""], "f": [0.5, -1], "g": [2.5], "i": [300, -1], "j": [7]}
    assert features(b"") == {}


@pytest.mark.parametrize(
    "data", [b"\x0a", b"\x0a\xff\x01", b"\xff" * 11, b"\x0b", b"\x08\x01", message(1, b"\x0a\x05ab")]
)
def test_what_is_no_example_is_refused(data: bytes) -> None:
    with pytest.raises(FeatureError):
        features(data)


def test_bytes_cut_off_anywhere_are_refused_or_hold_less() -> None:
    whole = slim(b"abcdefgh", 3)
    for end in range(len(whole)):
        try:
            assert features(whole[:end]) != features(whole)
        except FeatureError:
            continue


def test_records_are_read_by_slims_names_and_those_of_tensorflow_datasets(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("0:aster\n1:rose\n")
    other = entry("image", 1, message(1, png(tmp_path, BLUE))) + entry("label", 3, message(1, varint(0)))
    (tmp_path / "train-00000-of-00002").write_bytes(record(slim(png(tmp_path, RED), 1)))
    (tmp_path / "train-00001-of-00002").write_bytes(record(message(1, other)) + record(slim(png(tmp_path, BLUE), 0)))
    found = every(tmp_path, source="tfrecord", path="train-*")
    assert opened(tmp_path, source="tfrecord", path="train-*")[0].labels == ("aster", "rose")
    assert len(found) == 3
    for example in found.values():
        assert tuple(example.image[0, 0]) == (BLUE, RED)[int(example.truth["label"])]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "no such file"),
        ({"train-0": b""}, "no records in it"),
        ({"train-0": b"\0" * 30}, "train-0: not a TFRecord file: no record at byte 0"),
        ({"train-0": record(b"abc")[:-1]}, "no record at byte 0"),
        ({"train-0": record(b"abc") + b"\0"}, "no record at byte 19"),
        ({"train-0": record(b"\x0a")}, "no labels.txt or label.labels.txt in it"),
        ({"train-0": record(b"\x0a") * 2, "labels.txt": b"a\nb\n"}, ": not a tf.train.Example: "),
        ({"train-0": record(b"") * 2, "labels.txt": b"a\nb\n"}, "no `image/encoded` and `image/class/label`"),
        ({"train-0": record(slim(b"x", 0)) * 2, "labels.txt": b"a\nb\n"}, ": not a picture"),
        ({"train-0": record(b"\x0a"), "labels.txt": b"\xff"}, "labels.txt: "),
    ],
)
def test_broken_records_are_refused(tmp_path: Path, files: dict[str, bytes], message: str) -> None:
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    assert message in refused(tmp_path, source="tfrecord", path="train-*")


# TensorFlow Datasets: a stand-in with its interface; the real one is not among the test's packages


def stand_in(records: list[dict[str, Any]], keys: tuple[str, str] | None = ("image", "label")) -> SimpleNamespace:
    names = SimpleNamespace(num_classes=2, names=["aster", "rose"])
    info = SimpleNamespace(supervised_keys=keys, features={"image": SimpleNamespace(), "label": names})
    calls: list[str] = []

    def source(split: str) -> list[dict[str, Any]]:
        calls.append(split)
        if split not in ("train", "test"):
            raise ValueError(f"unknown split {split}")
        return records if split == "train" else records[:2]

    def builder(name: str, file_format: str) -> SimpleNamespace:
        calls.extend((name, file_format))
        return SimpleNamespace(download_and_prepare=lambda: calls.append("fetch"), info=info, as_data_source=source)

    return SimpleNamespace(builder=builder, calls=calls)


def grey(value: int, label: int) -> dict[str, Any]:
    return {"image": np.full((4, 5, 1), value, np.uint8), "label": np.int64(label)}


def test_a_data_set_is_read_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = stand_in([grey(10 * i, i % 2) for i in range(4)])
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", module)
    trained, measured = opened(tmp_path, source="tfds", name="flowers", validation="test")
    fetched = ["flowers", "array_record", "fetch"]
    assert module.calls == [*fetched, "train", *fetched, "test"]
    assert (len(trained), len(measured), trained.labels) == (4, 2, ("aster", "rose"))
    assert [int(trained.read(i).truth["label"]) for i in range(4)] == [0, 1, 0, 1]
    assert trained.read(3).image.shape == (4, 5, 3)
    assert trained.read(3).image.max() == 30
    assert trained.name(3) == "flowers train record 3"


@pytest.mark.parametrize(
    ("module", "data", "message"),
    [
        (None, {}, "pip install 'archspec-compiler[tfds]'"),
        (stand_in([]), {"validation": "exam"}, "flowers: ValueError: unknown split exam"),
        (stand_in([grey(1, 0)], None), {}, "flowers: a data set without pictures and their classes"),
        (stand_in([grey(1, 0)], ("image", "image")), {}, "flowers: a data set without pictures and their classes"),
        (stand_in([{"image": np.zeros((4, 5)), "label": 0}] * 2), {}, "no picture in colour or grey: 4×5"),
    ],
)
def test_a_data_set_that_will_not_do_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: Any, data: dict[str, str], message: str
) -> None:
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", module)
    assert message in refused(tmp_path, source="tfds", name="flowers", **data)


# masks


def voc(folder: Path, name: str, labels: np.ndarray, mode: str = "P") -> None:
    """A picture and its mask in VOC's layout: labels are indices of a palette."""
    paint(folder / "JPEGImages" / f"{name}.jpg", size=(labels.shape[1], labels.shape[0]))
    (folder / "SegmentationClass").mkdir(exist_ok=True)
    mask = Image.fromarray(labels)
    if mode == "P":
        mask.putpalette([value for i in range(256) for value in (i * 7 % 256, i * 3 % 256, i)])
    (mask if mode == "P" else mask.convert(mode)).save(folder / "SegmentationClass" / f"{name}.png")


def test_voc_masks_are_the_numbers_of_their_palette(tmp_path: Path) -> None:
    labels = np.array([[0, 1, 2], [20, 255, 0]], np.uint8)
    for i, name in enumerate("abc"):
        voc(tmp_path, name, np.roll(labels, i, 1))
    paint(tmp_path / "JPEGImages" / "unlabelled.jpg")
    found = {Path(n).stem: e for n, e in every(tmp_path, source="masks", path=".").items()}
    assert sorted(found) == ["a", "b", "c"]
    assert all(np.array_equal(found[n].truth["mask"], np.roll(labels, i, 1)) for i, n in enumerate("abc"))
    lists = tmp_path / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("c\na\n")
    (lists / "val.txt").write_text("b\n")
    paths = {"path": "ImageSets/Segmentation/train.txt", "validation": "ImageSets/Segmentation/val.txt"}
    trained, measured = opened(tmp_path, source="masks", **paths)
    assert [Path(p.name(i)).stem for p in (trained, measured) for i in range(len(p))] == ["c", "a", "b"]
    (lists / "train.txt").write_text("d\n")
    assert "no picture or no mask of d" in refused(tmp_path, source="masks", **paths)


def no_folder(folder: Path) -> None:
    (folder / "SegmentationClass").rmdir()


def nothing(folder: Path) -> None:
    """Leave the two folders empty."""


def coloured(folder: Path) -> None:
    voc(folder, "a", np.zeros((4, 6), np.uint8), "RGB")


def other_size(folder: Path) -> None:
    voc(folder, "a", np.zeros((4, 6), np.uint8))
    paint(folder / "JPEGImages" / "a.jpg", size=(5, 4))


def torn(folder: Path) -> None:
    voc(folder, "a", np.zeros((4, 6), np.uint8))
    (folder / "SegmentationClass" / "a.png").write_bytes(b"x")


def doubled(folder: Path) -> None:
    voc(folder, "a", np.zeros((4, 6), np.uint8))
    paint(folder / "JPEGImages" / "a.png")


def lossy(folder: Path) -> None:
    paint(folder / "JPEGImages" / "a.jpg")
    paint(folder / "SegmentationClass" / "a.jpg")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (no_folder, "neither JPEGImages/ and SegmentationClass/"),
        (nothing, "no masks"),
        (coloured, "a.png: not a mask of labels, but of colours (RGB)"),
        (other_size, "a.png: 6×4 pixels, and its picture has 5×4"),
        (torn, "a.png: cannot read the mask"),
        (doubled, "a.jpg has the same name"),
        (lossy, "a.jpg: its format changes labels"),
    ],
)
def test_masks_that_will_not_do_are_refused(tmp_path: Path, spoil: Callable[[Path], None], message: str) -> None:
    folders = [tmp_path / name for name in ("JPEGImages", "SegmentationClass")]
    for folder in folders:
        folder.mkdir()
    spoil(tmp_path)
    for folder in folders:
        if folder.is_dir() and any(folder.iterdir()):
            Image.new("L", (6, 4)).save(folder / "b.png")
    assert message in refused(tmp_path, source="masks", path=".")


# boxes


def coco(folder: Path, change: Callable[[dict[str, Any]], Any] = lambda data: None) -> None:
    """Three pictures as COCO has them; category numbers have holes."""
    for name in ("1.jpg", "2.jpg", "3.jpg"):
        paint(folder / "val2017" / name, size=(40, 20))
    data = {
        "images": [{"id": 7 + i, "file_name": f"{i}.jpg", "width": 40, "height": 20} for i in (1, 2, 3)],
        "categories": [{"id": 90, "name": "toothbrush"}, {"id": 18, "name": "dog"}],
        "annotations": [
            {"image_id": 8, "category_id": 90, "bbox": [1, 2, 10, 5], "iscrowd": 0},
            {"image_id": 8, "category_id": 18, "bbox": [30, 10, 20.5, 20], "iscrowd": 0},
            {"image_id": 8, "category_id": 18, "bbox": [0, 0, 9, 9], "iscrowd": 1},
            {"image_id": 9, "category_id": 18, "bbox": [3, 3, 0, 4], "iscrowd": 0},
        ],
    }
    change(data)
    (folder / "annotations").mkdir(exist_ok=True)
    (folder / "annotations" / "instances_val2017.json").write_text(json.dumps(data))


def test_coco_boxes_are_read_and_cut_without_crowds(tmp_path: Path) -> None:
    coco(tmp_path)
    found = {
        Path(n).name: e for n, e in every(tmp_path, source="coco", path="annotations/instances_val2017.json").items()
    }
    assert opened(tmp_path, source="coco", path="annotations/instances_val2017.json")[0].labels == ("dog", "toothbrush")
    assert found["1.jpg"].truth["boxes"].tolist() == [[2, 1, 7, 11], [10, 30, 20, 40]]
    assert found["1.jpg"].truth["labels"].tolist() == [1, 0]
    assert found["2.jpg"].truth["boxes"].shape == (0, 4)
    assert len(found) == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.pop("categories"), "not COCO's JSON of boxes (KeyError: 'categories')"),
        (lambda d: d["annotations"][0].update(bbox=[1, 2, 3]), "not COCO's JSON of boxes (ValueError"),
        (lambda d: d["annotations"][0].update(category_id=5), "not COCO's JSON of boxes (KeyError: 5)"),
        (lambda d: d["images"][0].update(file_name="none.jpg"), "its picture none.jpg is in none of "),
        (lambda d: d["images"][1].update(width=41), "2.jpg: the picture and what the JSON says of it differ in size"),
        (lambda d: d.update(images=[], annotations=[]), "no pictures in it"),
        (lambda d: d["images"][2].update(file_name="none.jpg"), "none.jpg: cannot read the picture"),
    ],
)
def test_broken_coco_files_are_refused(tmp_path: Path, change: Callable[[Any], Any], message: str) -> None:
    coco(tmp_path, change)
    assert message in refused(tmp_path, source="coco", path="annotations/instances_val2017.json")


def test_what_is_no_json_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("[1, 2")
    assert "a.json: not COCO's JSON" in refused(tmp_path, source="coco", path="a.json")
    (tmp_path / "a.json").write_text("[1, 2]")
    assert "a.json: not COCO's JSON" in refused(tmp_path, source="coco", path="a.json")
    assert "b.json: " in refused(tmp_path, source="coco", path="b.json")


# edges


def test_pairs_give_thin_edges_at_the_inputs_size(tmp_path: Path) -> None:
    for name in "ab":
        paint(tmp_path / f"{name}.jpg", size=(64, 64))
        lines = np.zeros((64, 64), np.uint8)
        lines[30:34] = 255
        Image.fromarray(lines).save(tmp_path / f"{name}.png")
    (tmp_path / "pairs.csv").write_text("a.jpg,a.png\nb.jpg,b.png\n")
    example = opened(tmp_path, source="pairs", path="pairs.csv")[0].read(0)
    assert example.image.shape == (64, 64, 3)
    assert example.truth["edges"].shape == (32, 32)
    assert 30 <= example.truth["edges"].sum() <= 34
    (tmp_path / "pairs.csv").write_text("a.jpg\n")
    assert "pairs.csv:1: not image,annotation" in refused(tmp_path, source="pairs", path="pairs.csv")
    Image.fromarray(images(1, 64)[0]).save(tmp_path / "b.png")
    (tmp_path / "pairs.csv").write_text("a.jpg,a.png\nb.jpg,b.png\n")
    assert "b.png: not binary" in refused(tmp_path, source="pairs", path="pairs.csv")


# documents


def test_documents_are_generated_alike_for_a_seed_and_all_their_truths_agree(tmp_path: Path) -> None:
    first, again = (every(tmp_path, source="documents", count=6) for _ in range(2))
    assert len(first) == 6
    for name, example in first.items():
        assert np.array_equal(example.image, again[name].image)
        assert example.image.shape == (32, 32, 3)
        mask, boxes = example.truth["mask"], example.truth["boxes"]
        assert len(boxes) == int(mask.any())
        for top, left, bottom, right in boxes.astype(int):
            assert mask[top:bottom, left:right].sum() == mask.sum() > 0
            assert mask[top].any()
            assert mask[bottom - 1].any()
    assert opened(tmp_path, source="documents", count=6)[0].labels == ("document",)


def test_documents_lie_on_the_users_pictures(tmp_path: Path) -> None:
    paint(tmp_path / "b" / "1.png", (0, 250, 0), (1500, 90))
    own = every(tmp_path, source="documents", count=12, backgrounds="b")
    other = every(tmp_path, source="documents", count=12)
    assert any(not np.array_equal(own[name].image, other[name].image) for name in own)
    (tmp_path / "c").mkdir()
    assert f"{tmp_path / 'c'}: no pictures in it" in refused(tmp_path, source="documents", papers="c")
    assert f"{tmp_path / 'd'}: no such folder" in refused(tmp_path, source="documents", papers="d")


def test_documents_are_as_difficult_as_the_recipe_says(tmp_path: Path) -> None:
    usual = every(tmp_path, source="documents", count=8)
    none = every(tmp_path, source="documents", count=8, shares=Shares(negatives=0.999))
    assert not any(example.truth["mask"].any() for example in none.values())
    assert any(example.truth["mask"].any() for example in usual.values())
    same = every(tmp_path, source="documents", count=8, shares=Shares(occluded=Settings().occluded))
    assert all(np.array_equal(same[name].image, usual[name].image) for name in usual)


def test_every_share_of_the_generator_can_be_said() -> None:
    assert [f.name for f in fields(Shares)] == [f.name for f in fields(Settings) if f.name != "aspects"]


def test_amodal_edges_run_on_under_what_covers_them(tmp_path: Path) -> None:
    shares = Shares(occluded=0.999, negatives=0, partial=0)
    seen, whole = (every(tmp_path, source="documents", count=8, shares=shares, amodal=a) for a in (False, True))
    more = 0
    for name, example in whole.items():
        assert np.array_equal(example.image, seen[name].image)
        near = cv2.dilate(example.truth["edges"].astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
        assert near[seen[name].truth["edges"]].all(), "what is seen is part of the whole"
        more += int(example.truth["edges"].sum()) - int(seen[name].truth["edges"].sum())
    assert more > 0


def test_scikit_learn_is_there() -> None:
    assert importlib.util.find_spec("sklearn"), "the lock names it for the digits"
