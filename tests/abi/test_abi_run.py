"""Running a file at a place: the emulator's command line, and the protocol of the programs, by a made-up one."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from archspec.abi import AbiError
from archspec.abi.cpus import CPUS
from archspec.abi.run import Answers, Place, emulated, host, run
from archspec.artifact import TensorInfo

FED = np.arange(12, dtype=np.int8).reshape(3, 1, 4)
OUTPUTS = (TensorInfo("edges", (1, 4), "int8", 0.5, 0), TensorInfo("mean", (1, 1), "float32", None, None))

# Answers with each image plus one, and its mean, the latter first.
GOOD = """
import sys
import numpy as np
model, given, out = sys.argv[1:]
images = np.fromfile(given, np.int8).reshape(-1, 4)
print("output 4 mean")
print("a line of a library")
print("output 4 edges")
with open(out, "wb") as file:
    for image in images:
        file.write(np.float32(image.mean()).tobytes() + (image + 1).tobytes())
"""


def answers(program: str, outputs: Sequence[TensorInfo] = OUTPUTS, named: bool = True) -> Answers:
    """What a made-up program answers to FED."""
    return run(Place("cpu", "kernels", (sys.executable, "-c", program), named), Path("model"), FED, outputs)


def swapped(program: str) -> NDArray[Any]:
    """Answers of a program that does not know the names, held to be in the file's order."""
    return answers(program, named=False)["edges"]


def test_answers_by_name() -> None:
    got = answers(GOOD)
    assert got["edges"].dtype == np.int8
    assert got["edges"].tolist() == (FED + 1).tolist()
    assert got["mean"].dtype == np.float32
    assert got["mean"].tolist() == [[[1.5]], [[5.5]], [[9.5]]]


def test_answers_by_order() -> None:
    unnamed = GOOD.replace("output 4 mean", "output 4 t:0").replace("output 4 edges", "output 4 t:1")
    got = answers(unnamed, OUTPUTS[::-1], named=False)
    assert got["edges"].tolist() == (FED + 1).tolist()
    assert swapped(unnamed).tolist() != (FED + 1).tolist()
    with pytest.raises(AbiError, match="outputs t:0, t:1 were told, the file has edges, mean"):
        answers(unnamed)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('print("output 4 mean")', "", "1 outputs were told, the file has 2"),
        ("output 4 mean", "output 8 mean", "24 bytes of answers do not make 3 images of 8"),
        ("(image + 1).tobytes()", "b''", "12 bytes of answers do not make 3 images of 8"),
        ("image.mean()", "np.nan", "output mean holds values that are not finite"),
        (
            "with open",
            "sys.exit('libX.so: error: no such file')\nwith open",
            "ended with code 1: no such file",
        ),
        ("with open", "import os; os.abort()\nwith open", r"the process aborted \(SIGABRT\)"),
    ],
)
def test_broken_answers(old: str, new: str, said: str) -> None:
    assert GOOD.count(old) == 1
    with pytest.raises(AbiError, match=said):
        answers(GOOD.replace(old, new))


def test_command_line_of_an_emulated_cpu() -> None:
    cache = Path("/c")
    place = emulated(CPUS["cortex-a7"], cache)
    assert place.command == (
        "/c/debian/lib64/ld-linux-x86-64.so.2",
        "--library-path",
        "/c/debian/lib/x86_64-linux-gnu:/c/debian/usr/lib/x86_64-linux-gnu",
        "/c/debian/usr/bin/qemu-arm",
        *("-U", "LD_LIBRARY_PATH", "-U", "LD_PRELOAD", "-cpu", "cortex-a7", "-L", "/c/roots/cortex-a7"),
        *("/c/runners/armeabi-v7a", "/c/runtimes/armeabi-v7a.so"),
    )
    assert (place.cpu, place.kernels, place.named) == ("cortex-a7", "builtin", False)
    place = emulated(CPUS["cortex-a76"], cache)
    assert "/c/debian/usr/bin/qemu-aarch64" in place.command
    assert (place.cpu, place.kernels, place.named) == ("cortex-a76", "XNNPACK", True)


def test_this_machine(tflite: Path) -> None:
    """edges: fuse = 8r - 4g + 2b - 1 and side = -fuse, as make_tflite.py has it."""
    from archspec.artifact import inspect_tflite

    model = tflite / "edges_float.tflite"
    taken = inspect_tflite(model.read_bytes())
    images = np.random.default_rng(0).random((2, 1, 32, 48, 3), np.float32)
    for kernels in ("XNNPACK", "builtin", "reference"):
        got = run(host(kernels), model, images, taken.outputs)
        fuse = images @ np.array([8, -4, 2], np.float32) - 1
        np.testing.assert_allclose(got["fuse"][..., 0], fuse, atol=1e-5)
        np.testing.assert_allclose(got["side"][..., 0], -fuse, atol=1e-5)
