"""Golden images: what a build stores of them, how they are fed; and how far answers are from others."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archspec import artifact
from archspec.abi import AbiError, compare, golden
from archspec.abi.compare import FLOAT, Bound, Difference, FloatDifference, difference
from archspec.artifact import TensorInfo
from archspec.photo import InputContract, in_units

RGB = {"size": [8, 12, 3], "range": [-1, 1], "mean": None, "std": None, "color": "rgb", "resize": "stretch"}
PIXELS = np.arange(8 * 12 * 3 * 6, dtype=np.uint32).astype(np.uint8).reshape(6, 8, 12, 3)  # all 256 values


def contract(**changes: Any) -> dict[str, Any]:
    return {**RGB, **changes}


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


# --- made images


def test_images() -> None:
    images = golden.make_images(RGB)
    assert images.shape == (golden.NOISE + 1, 8, 12, 3)
    assert images.dtype == np.float32
    assert np.array_equal(images, golden.make_images(RGB))
    noise, photo = images[:-1], images[-1]
    assert -1 <= images.min() < -0.9 < 0.9 < noise.max() <= 1
    # neighbours in a photo are alike, those in noise are not
    assert np.abs(np.diff(photo, axis=1)).mean() < 0.5 * np.abs(np.diff(noise, axis=2)).mean()


def test_input_that_is_no_photo() -> None:
    images = golden.make_images(contract(size=[4, 4, 5], color=None))
    assert images.shape == (golden.NOISE, 4, 4, 5)


def test_interval() -> None:
    low, high = golden.interval(contract(range=None, mean=[0, 127.5, 255], std=[255, 127.5, 1]))
    assert low.tolist() == [0, -1, -255]
    assert high.tolist() == [1, 1, 0]
    low, high = golden.interval(contract(range=None))
    assert (low.tolist(), high.tolist()) == ([0, 0, 0], [255, 255, 255])


@pytest.mark.parametrize("taken", [TensorInfo("x", (1, 8, 12, 3), "int8", 1 / 127.5, -1),
                                   TensorInfo("x", (1, 8, 12, 3), "float32", None, None)])  # fmt: skip
def test_fed_as_predict_feeds(taken: TensorInfo) -> None:
    images = golden.make_images(RGB)
    fed = golden.as_fed(images, taken)
    assert fed.shape == (3, 1, 8, 12, 3)
    assert fed.dtype == taken.dtype
    assert np.array_equal(fed[:, 0], artifact._quantize(images, taken))


def test_fed_by_hand() -> None:
    taken = TensorInfo("x", (1, 5), "int8", 0.5, 10)
    fed = golden.as_fed(np.array([[0, 0.25, 0.75, -1000, 1000]], np.float32), taken)
    assert fed.tolist() == [[[10, 10, 12, -128, 127]]]


# --- what is stored


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"range": [0, 1]},
        {"range": [0, 255]},
        {"range": None},
        {"range": None, "mean": [123.68, 116.78, 103.94], "std": [58.4, 57.12, 57.38], "color": "bgr"},
    ],
)
def test_photos_are_stored_as_pixels(changes: dict[str, Any]) -> None:
    entry = contract(**changes)
    images = in_units(PIXELS, InputContract.from_manifest(entry))
    pixels = golden.as_pixels(images, entry)
    assert pixels.dtype == np.uint8
    assert np.array_equal(pixels, PIXELS)
    assert np.array_equal(golden.in_model_units(pixels, entry), images)


@pytest.mark.parametrize("entry", [RGB, contract(size=[8, 12, 5], color=None)])
def test_noise_is_stored_as_it_is(entry: dict[str, Any]) -> None:
    images = np.random.default_rng(0).random((2, *entry["size"])).astype(np.float32)
    kept = golden.as_pixels(images, entry)
    assert kept.dtype == np.float32
    assert np.array_equal(golden.in_model_units(kept, entry), images)


@pytest.mark.parametrize(
    ("side", "images", "wanted"),
    [
        (10, 9, 4),  # IMAGES
        (10, 3, 3),
        (500, 9, 3),  # 1 MB of answers and 288 bytes of pixels each: three in ROOM
        (2000, 9, 1),
    ],
)
def test_size(side: int, images: int, wanted: int) -> None:
    pixels = PIXELS[np.arange(images) % 6]
    answers = {"lines": np.zeros((golden.IMAGES, side, side, 1), np.float32)}
    kept = golden.stored("w0.5", RGB, in_units(pixels, InputContract.from_manifest(RGB)), answers)
    assert {name: len(array) for name, array in kept.items()} == {"images:w0.5": wanted, "answers:w0.5:lines": wanted}
    assert np.array_equal(kept["images:w0.5"], pixels[:wanted])
    assert wanted == 1 or sum(array.nbytes for array in kept.values()) <= golden.ROOM


def test_stored_and_read(tmp_path: Path) -> None:
    file = tmp_path / golden.NAME
    arrays: golden.Arrays = {"images:": np.ones((2, 3), np.float32), "answers::side/2": np.arange(4, dtype=np.int8)}
    data = golden.packed(arrays)
    file.write_bytes(data)
    back = golden.read(file, digest(data))
    assert set(back) == set(arrays)
    assert all(np.array_equal(back[name], array) and back[name].dtype == array.dtype for name, array in arrays.items())
    assert golden.packed(dict(reversed(list(arrays.items())))) == data


def test_no_file_or_another(tmp_path: Path) -> None:
    file = tmp_path / golden.NAME
    with pytest.raises(AbiError, match=r"golden\.npz is missing, .*; build again"):
        golden.read(file, "")
    file.write_bytes(golden.packed({}))
    with pytest.raises(AbiError, match=r"golden\.npz is not of this build.*; build again"):
        golden.read(file, digest(b"another"))


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04 cut short"])
def test_broken_file(content: bytes) -> None:
    with pytest.raises(AbiError, match=r"golden\.npz is broken"):
        golden.unpacked(content)


def test_keys_tell_variants_and_rows_apart() -> None:
    keys = {golden.answer_key(variant, row) for variant in (None, "small") for row in ("lines", "side")}
    assert len(keys | {golden.images_key(None), golden.images_key("small")}) == 6


# --- differences


def test_difference_of_integers() -> None:
    wanted = {"a": np.array([-128, 0, 127, 5], np.int8), "b": np.array([[1, 2]], np.int8)}
    got = {"a": np.array([127, 0, 127, 4], np.int8), "b": np.array([[1, 2]], np.int8)}
    found = difference(got, wanted)
    assert found == Difference(4 / 6, 255, 256 / 6, None, None)  # as int8 the 255 would wrap round to -1
    assert Bound(255, 0).holds(found)
    assert not Bound(254, 0).holds(found)


def test_difference_of_floats() -> None:
    wanted: compare.Answers = {"a": np.array([0, -4], np.float32), "b": np.array([1000], np.float32)}
    found = difference({"a": np.array([0.5, -4], np.float32), "b": np.array([1001], np.float32)}, wanted)
    assert found == Difference(1 / 3, None, None, 1, 0.125)  # the greatest difference and the greatest share
    assert Bound(0, 0.125).holds(found)
    assert not Bound(9, 0.1).holds(found)


def test_same_answers() -> None:
    wanted: compare.Answers = {"a": np.arange(4, dtype=np.int8), "z": np.zeros(3, np.float32)}
    assert difference(wanted, wanted) == Difference(1, 0, 0, 0, 0)
    assert Bound(0, 0).holds(difference(wanted, wanted))


def test_widest() -> None:
    found = [Difference(1, 3, 0.5, None, None), Difference(0.5, 1, 0.75, 2.0, 0.1)]
    assert compare.widest(found) == Difference(0.5, 3, 0.75, 2.0, 0.1)


def test_difference_from_the_float_model() -> None:
    """By hand: (14 - 4) / 2 is 5, (0 - 4) / 2 is -2; the float output is 0.25 off."""
    outputs = [TensorInfo("a", (1, 2), "int8", 0.5, 4), TensorInfo("b", (1, 1), "float32", None, None)]
    got: compare.Answers = {"a": np.array([[[14, 0]]], np.int8), "b": np.array([[[1.25]]], np.float32)}
    floats: compare.Answers = {"a": np.array([[4, -2]], np.float32), "b": np.array([[1]], np.float32)}
    assert compare.from_float(got, outputs, floats) == FloatDifference(1, 0.5, 2, 1)
    assert compare.from_float(got, outputs[1:], floats) == FloatDifference(0.25, 0.25, None, None)


SPREAD = Difference(0.5, 5, 1.0, 1.0, 0.01)
CONV, RESIZE = ["CONV_2D"], ["CONV_2D", "RESIZE_BILINEAR"]


@pytest.mark.parametrize(
    ("own", "kernels", "scheme", "ops", "max_lsb", "allowed"),
    [
        (True, "XNNPACK", "int8", RESIZE, 9, Bound(0, FLOAT)),
        (True, "builtin", "int8", CONV, 9, None),
        (True, "builtin", "none", CONV, 9, Bound(0, FLOAT)),
        (True, "builtin", "dynamic", CONV, 9, None),
        (False, "XNNPACK", "int8", CONV, 9, Bound(0, FLOAT)),
        (False, "XNNPACK", "int8", RESIZE, None, Bound(2, 0.02)),
        (False, "XNNPACK", "int8", RESIZE, 9, Bound(9, 0.02)),
        (False, "XNNPACK", "mixed", CONV, None, Bound(10, 0.02)),
        (False, "XNNPACK", "float16", CONV, None, Bound(0, FLOAT)),
        (False, "XNNPACK", "dynamic", CONV, None, Bound(10, 0.02)),
        (False, "builtin", "int8", CONV, None, Bound(10, 0.02)),
        (False, "builtin", "int8", CONV, 0, Bound(0, 0.02)),
        (False, "builtin", "none", CONV, None, Bound(0, FLOAT)),
    ],
)
def test_bound(
    own: bool, kernels: str, scheme: str, ops: list[str], max_lsb: int | None, allowed: Bound | None
) -> None:  # fmt: skip
    assert compare.bound(own, kernels, scheme, ops, SPREAD, max_lsb) == allowed


def test_least_bound() -> None:
    none = Difference(1, 0, 0, None, None)
    assert compare.bound(False, "builtin", "int8", CONV, none, None) == Bound(compare.LEAST, FLOAT)


def test_constant_outputs_are_named() -> None:
    flat, alive, one = np.full(4, 7, np.int8), np.arange(4, dtype=np.int8), np.array([3], np.int8)
    assert compare.constant({"flat": flat, "alive": alive, "one": one}) == ["flat"]
