"""Golden images, how they are fed, and the file they are stored in; and how far answers are from golden ones."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archspec import artifact
from archspec.abi import AbiError, compare, golden
from archspec.abi.compare import Difference, difference, in_bounds
from archspec.artifact import TensorInfo

RGB = {"size": [8, 12, 3], "range": [-1, 1], "mean": None, "std": None, "color": "rgb", "resize": "stretch"}


def contract(**changes: Any) -> dict[str, Any]:
    return {**RGB, **changes}


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


def test_stored_and_read(tmp_path: Path) -> None:
    file = tmp_path / golden.NAME
    assert golden.read(file) == {}
    arrays: golden.Arrays = {"images.0a": np.ones((2, 3), np.float32), "answers.1b.side/2": np.arange(4, dtype=np.int8)}
    file.write_bytes(golden.packed(arrays))
    back = golden.read(file)
    assert set(back) == set(arrays)
    assert all(np.array_equal(back[name], array) and back[name].dtype == array.dtype for name, array in arrays.items())
    assert golden.packed(dict(reversed(list(arrays.items())))) == file.read_bytes()


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04 cut short"])
def test_broken_file(tmp_path: Path, content: bytes) -> None:
    (tmp_path / golden.NAME).write_bytes(content)
    with pytest.raises(AbiError, match=r"golden\.npz is broken"):
        golden.read(tmp_path / golden.NAME)


def test_any_damaged_byte_is_noticed(tmp_path: Path) -> None:
    file = tmp_path / golden.NAME
    data = golden.packed({"images.0a": np.random.default_rng(0).integers(0, 9, 600, np.int8)})
    for i in range(60, 360, 7):  # inside the compressed array
        file.write_bytes(data[:i] + bytes([data[i] ^ 0xFF]) + data[i + 1 :])
        with pytest.raises(AbiError, match="broken"):
            golden.read(file)


def test_keys_tell_contracts_and_files_apart() -> None:
    keys = {golden.images_key(c) for c in (RGB, contract(range=[0, 1]), contract(size=[8, 12, 1]))}
    assert len(keys) == 3
    assert golden.images_key(dict(reversed(RGB.items()))) == golden.images_key(RGB)
    assert golden.answer_key("a" * 64, "out") != golden.answer_key("b" * 64, "out")


# --- differences


def test_difference_of_integers() -> None:
    wanted = {"a": np.array([-128, 0, 127, 5], np.int8), "b": np.array([[1, 2]], np.int8)}
    got = {"a": np.array([127, 0, 127, 4], np.int8), "b": np.array([[1, 2]], np.int8)}
    found = difference(got, wanted)
    assert found == Difference(4 / 6, 255, None, None)  # as int8 the 255 would wrap round to -1
    assert in_bounds(found, 255)
    assert not in_bounds(found, 254)
    assert in_bounds(found, None)


def test_difference_of_floats() -> None:
    wanted: compare.Answers = {"a": np.array([0, -4], np.float32), "b": np.array([1000], np.float32)}
    found = difference({"a": np.array([0.5, -4], np.float32), "b": np.array([1001], np.float32)}, wanted)
    assert found == Difference(1 / 3, None, 1, 0.125)  # the greatest difference and the greatest share
    assert not in_bounds(found, None)
    assert in_bounds(difference({"a": wanted["a"] * np.float32(1 + 1e-5), "b": wanted["b"]}, wanted), 0)


def test_same_answers() -> None:
    wanted: compare.Answers = {"a": np.arange(4, dtype=np.int8), "z": np.zeros(3, np.float32)}
    assert difference(wanted, wanted) == Difference(1, 0, 0, 0)
    assert in_bounds(difference(wanted, wanted), 0)


@pytest.mark.parametrize(
    ("cpu", "kernels", "ops", "spread", "max_lsb", "allowed"),
    [
        ("x86_64", "XNNPACK", ["CONV_2D", "RESIZE_BILINEAR"], 5, 9, 0),
        ("x86_64", "builtin", ["CONV_2D"], 5, 9, None),
        ("cortex-a53", "XNNPACK", ["CONV_2D"], 5, 9, 0),
        ("cortex-a53", "XNNPACK", ["CONV_2D", "RESIZE_BILINEAR"], 5, None, 2),
        ("cortex-a53", "XNNPACK", ["CONV_2D", "RESIZE_BILINEAR"], 5, 9, 9),
        ("cortex-a7", "builtin", ["CONV_2D"], 5, None, 10),
        ("cortex-a7", "builtin", ["CONV_2D"], 0, None, 2),
        ("cortex-a7", "builtin", ["CONV_2D"], 5, 0, 0),
    ],
)
def test_bound(cpu: str, kernels: str, ops: list[str], spread: int, max_lsb: int | None, allowed: int | None) -> None:
    assert compare.bound(cpu, kernels, ops, spread, max_lsb) == allowed


def test_constant_outputs_are_named() -> None:
    flat, alive, one = np.full(4, 7, np.int8), np.arange(4, dtype=np.int8), np.array([3], np.int8)
    assert compare.constant({"flat": flat, "alive": alive, "one": one}) == ["flat"]
