"""Runs a .tflite file somewhere: on this machine or on an emulated CPU, by one protocol.

A program gets a model, a file of raw input tensors and a file for raw outputs as its last arguments, and prints a line
`output BYTES NAME` for each output, in the order in which it writes them for each image. The C programs take any number
of such threes, and print a line `model MODEL` before they open one.
"""

from __future__ import annotations

import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archspec.abi import AbiError
from archspec.abi.cpus import Cpu
from archspec.abi.pins import RUNTIMES
from archspec.abi.setup import LIBRARIES
from archspec.artifact import TensorInfo
from archspec.failures import last_words
from archspec.process import in_words

TIME = 3600  # seconds that a run may take; emulation is a hundred times slower than the machine
HOST = {"XNNPACK": "AUTO", "builtin": "BUILTIN_WITHOUT_DEFAULT_DELEGATES", "reference": "BUILTIN_REF"}
"""This machine's kernels, and what ai-edge-litert calls them."""

Answers = dict[str, NDArray[Any]]


Go = Callable[[Sequence[str], Path], tuple[str, str | None]]


def execute(command: Sequence[str], folder: Path) -> tuple[str, str | None]:
    """Run a program in `folder` to its end: what it printed, and why it failed. Raises AbiError, OSError."""
    try:
        ran = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", cwd=folder,
            env=_environment(), timeout=TIME,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise AbiError(f"no answer in {TIME} seconds") from error
    how, words = in_words(ran.returncode), last_words(ran.stderr)
    return ran.stdout, f"{how}: {words}" if how and words else how


def _environment() -> Mapping[str, str]:
    """This process's, with the folders it imports from, for the host's program."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))}


@dataclass(frozen=True)
class Place:
    """Where files are run: on a CPU, or on this machine (`cpu` is x86_64), with what kernels, by which command.

    `named`: whether the command tells outputs by their signature's names; else they come in the file's order. `go` runs
    the command with its files, as `execute` does here.
    """

    cpu: str
    kernels: str
    command: tuple[str, ...]
    named: bool = True
    go: Go = execute


def host(kernels: str) -> Place:
    """This machine, with one of the sets of kernels in `HOST`."""
    return Place("x86_64", kernels, (sys.executable, "-P", "-m", "archspec.abi.host", HOST[kernels]))


def emulated(cpu: Cpu, cache: Path, *options: str) -> Place:
    """An emulated CPU, by what is in the cache; `options` are more of the emulator's."""
    runtime, debian = RUNTIMES[cpu.abi], cache / "debian"
    # by its own loader and C library, so that this machine's may be of any age
    libraries = ":".join(str(debian / path) for path in LIBRARIES)
    loader = (str(debian / "lib64" / "ld-linux-x86-64.so.2"), "--library-path", libraries)
    # -U: a library path of this machine must not lead the guest astray
    settings = ("-U", "LD_LIBRARY_PATH", "-U", "LD_PRELOAD", "-cpu", cpu.name, "-L", str(cache / "roots" / cpu.name))
    guest = (str(cache / "runners" / cpu.abi), str(cache / "runtimes" / f"{cpu.abi}.so"))
    emulator = str(debian / "usr" / "bin" / runtime.emulator)
    return Place(cpu.name, runtime.kernels, (*loader, emulator, *settings, *options, *guest), runtime.named)


def run(place: Place, model: Path, fed: NDArray[Any], outputs: Sequence[TensorInfo]) -> Answers:
    """What a file answers at a place to images as fed, (n, 1, ...): by output, (n, *shape). Raises AbiError, OSError.

    Values that are not finite are an error too: nothing can be said of their distance.
    """
    with tempfile.TemporaryDirectory(prefix="archspec-") as folder:
        given, got = Path(folder) / "in", Path(folder) / "out"
        given.write_bytes(fed.tobytes())
        said, how = place.go((*place.command, str(model.absolute()), str(given), str(got)), Path(folder))
        if how:
            raise AbiError(how)
        answers = taken_apart(place, said, got.read_bytes() if got.exists() else b"", len(fed), outputs)
    for name, answer in answers.items():
        if not np.isfinite(answer).all():
            raise AbiError(f"output {name} holds values that are not finite")
    return answers


def taken_apart(place: Place, said: str, raw: bytes, images: int, outputs: Sequence[TensorInfo]) -> Answers:
    """Take a program's output apart. Raises AbiError where it is not what the protocol and the file say."""
    lines = [line.split(" ", 2) for line in said.splitlines() if line.startswith("output ")]
    if len(lines) != len(outputs):
        raise AbiError(f"{len(lines)} outputs were told, the file has {len(outputs)}")
    infos = {info.name: info for info in outputs}
    told = [name for _, _, name in lines] if place.named else list(infos)
    if sorted(told) != sorted(infos):
        raise AbiError(f"outputs {', '.join(told)} were told, the file has {', '.join(infos)}")
    sizes = [math.prod(infos[name].shape) * np.dtype(infos[name].dtype).itemsize for name in told]
    if [int(size) for _, size, _ in lines] != sizes or len(raw) != images * sum(sizes):
        raise AbiError(f"{len(raw)} bytes of answers do not make {images} images of {sum(sizes)}")
    rows = np.frombuffer(raw, np.uint8).reshape(images, sum(sizes))
    ends = np.cumsum(sizes)
    return {
        name: np.ascontiguousarray(rows[:, end - size : end])
        .view(infos[name].dtype)
        .reshape(images, *infos[name].shape)
        for name, size, end in zip(told, sizes, ends, strict=True)
    }
