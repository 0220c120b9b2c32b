"""The classes that run a file, against stubs of Android and of the runtime that answer with what they are fed."""

import subprocess
from pathlib import Path
from string import Template

import numpy as np
import pytest
from deliver.compiled import GXX, STRICT, STUBS, run, tool, write
from numpy.typing import NDArray
from PIL import Image

from archspec.deliver.snippets import class_name, cpp, java
from archspec.photo import InputContract, prepare

MODEL = "edge-net"
TAKEN = InputContract((12, 16, 3), (-1.0, 1.0), None, None, "bgr", "pad")
ELEMENTS = 12 * 16 * 3
TYPES = {  # number in TensorFlow Lite's C API, scale, zero point
    "FLOAT32": (1, 0.0, 0),
    "UINT8": (3, 2 / 255, 128),
    "INT16": (7, 1 / 32767, 0),
    "INT8": (9, 1 / 100, -1),  # too fine for -1..1: it must clamp
}
ASSETS = {"arm64-v8a": f"{MODEL}/arm64-v8a.tflite", "armeabi-v7a": f"{MODEL}/armeabi-v7a.tflite"}


def fed(photo: Image.Image, dtype: str) -> NDArray[np.float32]:
    """The network's input as it comes back from a tensor of a type."""
    values = prepare(photo, TAKEN).ravel()
    if dtype == "FLOAT32":
        return values
    _, scale, zero = TYPES[dtype]
    step, held = float(np.float32(scale)), np.iinfo(dtype.lower())
    stored = np.clip(np.rint(values.astype(np.float64) / step) + zero, held.min, held.max)
    return np.asarray((stored - zero) * step, np.float32)


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Image.Image, Path]:
    """A picture, and the file of its pixels."""
    pixels = np.random.default_rng(0).integers(0, 256, (31, 23, 3), np.uint8)
    path = tmp_path_factory.mktemp("photo") / "photo.rgb"
    path.write_bytes(pixels.tobytes())
    return Image.fromarray(pixels), path


def model_text(dtype: str, first: object) -> str:
    """A file as the stubs' runtimes read it."""
    _, scale, zero = TYPES[dtype]
    return f"{first} {ELEMENTS} {scale!r} {zero}\n"


@pytest.fixture(scope="module")
def java_program(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("java")
    compiler, machine = tool("javac"), tool("java")
    write(folder, java(MODEL, TAKEN, ASSETS))
    main = (STUBS / "java/RunNetwork.java").read_text(encoding="utf-8")
    write(folder, {"RunNetwork.java": Template(main).substitute(Class=class_name(MODEL))})
    stubs = [*(STUBS / "java/android").rglob("*.java"), *(STUBS / "java/org").rglob("*.java")]
    run([compiler, "-Xlint:all", "-Werror", "-d", folder / "made", *folder.glob("*.java"), *stubs])
    return [machine, "-cp", str(folder / "made"), "RunNetwork"]


@pytest.fixture(scope="module")
def cpp_program(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("cpp")
    compiler = tool(*GXX)
    write(folder, cpp(MODEL, TAKEN))
    main = Template((STUBS / "cpp/run_network.cpp").read_text(encoding="utf-8"))
    write(folder, {"main.cpp": main.substitute(model=MODEL, Class=class_name(MODEL), output="echo")})
    run([compiler, *STRICT, f"-I{folder}", f"-I{STUBS / 'cpp'}", folder / "main.cpp", "-o", folder / "main"])
    return [str(folder / "main")]


@pytest.mark.parametrize("dtype", TYPES)
def test_java_feeds_and_reads_every_type(
    java_program: list[str], photo: tuple[Image.Image, Path], dtype: str, tmp_path: Path
) -> None:
    write(tmp_path, {ASSETS["arm64-v8a"]: model_text(dtype, dtype)})
    run([*java_program, tmp_path, "64", photo[1], str(photo[0].width), tmp_path / "out"])
    assert np.array_equal(np.fromfile(tmp_path / "out", np.float32), fed(photo[0], dtype))


@pytest.mark.parametrize("dtype", TYPES)
def test_cpp_feeds_and_reads_every_type(
    cpp_program: list[str], photo: tuple[Image.Image, Path], dtype: str, tmp_path: Path
) -> None:
    write(tmp_path, {"model": model_text(dtype, TYPES[dtype][0])})
    run([*cpp_program, tmp_path / "model", photo[1], str(photo[0].width), tmp_path / "out"])
    assert np.array_equal(np.fromfile(tmp_path / "out", np.float32), fed(photo[0], dtype))


def test_java_loads_the_file_of_the_process(
    java_program: list[str], photo: tuple[Image.Image, Path], tmp_path: Path
) -> None:
    files = {ASSETS["arm64-v8a"]: model_text("INT8", "INT8"), ASSETS["armeabi-v7a"]: model_text("UINT8", "UINT8")}
    write(tmp_path, files)
    for bits, dtype in (("64", "INT8"), ("32", "UINT8")):
        run([*java_program, tmp_path, bits, photo[1], str(photo[0].width), tmp_path / "out"])
        assert np.array_equal(np.fromfile(tmp_path / "out", np.float32), fed(photo[0], dtype))
    assert not np.array_equal(fed(photo[0], "INT8"), fed(photo[0], "UINT8"))


def test_cpp_says_what_it_cannot_read(cpp_program: list[str], photo: tuple[Image.Image, Path]) -> None:
    ran = subprocess.run([*cpp_program, "/no such file", photo[1], "23", "out"], capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (1, "cannot read /no such file\n")
