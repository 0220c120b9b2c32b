"""The sources that apps get, compiled and run: to the bit what `prepare` makes of a photo."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from deliver import compiled
from deliver.compiled import Case
from PIL import Image

from archspec.deliver.snippets import class_name, cpp, java
from archspec.photo import InputContract, prepare

IMAGENET = {"range": None, "mean": (123.675, 116.28, 103.53), "std": (58.395, 57.12, 57.375)}


def contract(height: int, width: int, color: str = "rgb", resize: str = "stretch", **changes: Any) -> InputContract:
    plain = {"range": (0.0, 1.0), "mean": None, "std": None}
    return InputContract((height, width, 1 if color == "gray" else 3), color=color, resize=resize, **(plain | changes))


NETWORKS = {
    "unit": contract(48, 64),
    "signed-bgr.crop": contract(33, 17, "bgr", "crop", range=(-1.0, 1.0)),
    "caffe": contract(29, 50, "bgr", "crop", range=None, mean=(103.939, 116.779, 123.68)),
    "torch_pad": contract(20, 31, "rgb", "pad", **IMAGENET),
    "gray_pad": contract(40, 40, "gray", "pad", range=(0.1, 0.7)),
    "raw_gray": contract(7, 9, "gray", "crop", range=None),
    "gray_std": contract(90, 45, "gray", "stretch", range=None, mean=(33.3,), std=(0.7,)),
    "falling": contract(224, 224, "rgb", "pad", range=(1.0, -3.0)),
}
SIZES = [(64, 48), (200, 133), (133, 401), (13, 7), (1, 1), (500, 20), (31, 97), (255, 256)]


def noise(width: int, height: int) -> Image.Image:
    """Values of 0..255 with many black and white ones."""
    random = np.random.default_rng(width * 1000 + height)
    wild = random.integers(-64, 320, (height, width, 3))
    return Image.fromarray(np.clip(wild, 0, 255).astype(np.uint8))


CASES = [Case(name, noise(*size)) for name in NETWORKS for size in SIZES]
COMPILERS = [pytest.param(compiled.compiled_cpp, id="cpp"), pytest.param(compiled.compiled_java, id="java")]
Compile = Callable[[Path, dict[str, InputContract]], list[str]]


def assert_equal_to_the_bit(got: np.ndarray, wanted: np.ndarray, what: object) -> None:
    assert got.shape == wanted.shape, what
    apart = np.flatnonzero(got.view(np.int32) != wanted.view(np.int32))
    assert apart.size == 0, f"{what}: {got[apart[:3]]} instead of {wanted[apart[:3]]} and {apart.size} in all"


@pytest.fixture(scope="module", params=COMPILERS)
def program(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    compile_: Compile = request.param
    return compile_(tmp_path_factory.mktemp("program"), NETWORKS)


def test_photos_are_prepared_as_here(program: list[str], tmp_path: Path) -> None:
    for case, got in zip(CASES, compiled.answers(program, tmp_path, CASES), strict=True):
        wanted = prepare(case.photo, NETWORKS[case.network]).ravel()
        assert_equal_to_the_bit(got, wanted, (case.network, case.photo.size))


def test_values_are_rounded_half_to_even_and_clamped(program: list[str], tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    lines = [(half / 2, 1.0, 0, -128, 127) for half in range(-300, 300)]
    lines += [(float(p), 2.0, -128, -128, 127) for p in range(256)]
    lines += [
        (float(np.float32(random.normal())), float(np.float32(random.random() + 1e-3) / 50), zero, low, high)
        for zero, low, high in [(-5, -128, 127), (131, 0, 255), (0, -32768, 32767)]
        for _ in range(300)
    ]
    got = compiled.quantized(program, tmp_path, [" ".join(map(repr, line)) for line in lines])
    wanted = []
    for value, scale, zero, low, high in lines:
        steps = Fraction(float(np.float32(value)) / float(np.float32(scale)))
        wanted.append(min(high, max(low, round(steps) + zero)))  # Python rounds fractions half to even
    assert got == wanted
    assert {-128, 127, 0, 255} <= set(got)


def test_a_bit_of_difference_is_noticed() -> None:
    one = np.ones(3, np.float32)
    assert_equal_to_the_bit(one, one.copy(), "the same")
    with pytest.raises(AssertionError, match="1 in all"):
        assert_equal_to_the_bit(one, np.array([1, 1, np.nextafter(np.float32(1), np.float32(2))], np.float32), "ulp")
    with pytest.raises(AssertionError):
        assert_equal_to_the_bit(one, np.ones(4, np.float32), "size")


def test_a_program_that_fails_is_noticed() -> None:
    with pytest.raises(AssertionError, match="No such file"):
        compiled.run(["ls", "/no such folder"])


@pytest.mark.parametrize(
    ("model", "name"),
    [("mobilenet_v2_hed", "MobilenetV2Hed"), ("signed-bgr.crop", "SignedBgrCrop"), ("VGG16", "VGG16"), ("a_", "A")],
)
def test_classes_are_named_after_the_model(model: str, name: str) -> None:
    assert class_name(model) == name


def test_sources_are_the_same_each_time_and_hold_no_placeholder() -> None:
    for name, taken in NETWORKS.items():
        texts = java(name, taken, {"arm64-v8a": "a.tflite"}) | cpp(name, taken)
        assert texts == java(name, taken, {"arm64-v8a": "a.tflite"}) | cpp(name, taken)
        assert not [file for file, text in texts.items() if "$" in text]
