"""Compiles the sources that apps get, with stubs of what they run on, and runs them on cases of this process."""

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from archspec.deliver.snippets import class_name, cpp, java
from archspec.photo import InputContract

STUBS = Path(__file__).with_name("stubs")
GXX = ("g++", "clang++", "c++")
STRICT = ("-std=c++17", "-O2", "-Wall", "-Wextra", "-Werror", "-ffp-contract=off")


@dataclass(frozen=True)
class Case:
    network: str
    photo: Image.Image


def run(command: Sequence[str | Path], timeout: int = 120) -> str:
    """What a program prints; the test fails where it does."""
    ran = subprocess.run(command, capture_output=True, text=True, timeout=timeout)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def tool(*names: str) -> str:
    """The first of some programs that there is; without one the test is skipped."""
    found = next(filter(None, map(shutil.which, names)), None)
    return found or pytest.skip(f"none of {', '.join(names)} is installed")


def write(folder: Path, texts: dict[str, str]) -> None:
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


def compiled_cpp(folder: Path, networks: dict[str, InputContract]) -> list[str]:
    """The command that runs the headers' pre-processing."""
    compiler = tool(*GXX)
    for name, contract in networks.items():
        write(folder, cpp(name, contract))
    main = Template((STUBS / "cpp/main.cpp").read_text(encoding="utf-8")).substitute(
        includes="\n".join(f'#include "{name}_input.hpp"' for name in networks),
        networks=",\n".join(f'{{"{name}", {class_name(name)}::prepare}}' for name in networks),
        any=class_name(next(iter(networks))),
    )
    write(folder, {"main.cpp": main})
    run([compiler, *STRICT, f"-I{folder}", folder / "main.cpp", "-o", folder / "main"])
    return [str(folder / "main")]


def compiled_java(folder: Path, networks: dict[str, InputContract]) -> list[str]:
    """The command that runs the Input classes."""
    compiler, machine = tool("javac"), tool("java")
    for name, contract in networks.items():
        write(folder, java(name, contract, {}))
    main = Template((STUBS / "java/Main.java").read_text(encoding="utf-8")).substitute(
        networks=",\n".join(f'      Map.entry("{name}", {class_name(name)}Input::prepare)' for name in networks),
        any=f"{class_name(next(iter(networks)))}Input",
    )
    write(folder, {"Main.java": main})
    run([compiler, "-Xlint:all", "-Werror", "-d", folder / "made", *folder.glob("*Input.java"), folder / "Main.java"])
    return [machine, "-cp", str(folder / "made"), "Main"]


def answers(command: list[str], folder: Path, cases: Sequence[Case]) -> list[NDArray[np.float32]]:
    """What a compiled program makes of each case's photo, flat."""
    lines = []
    for number, case in enumerate(cases):
        (folder / f"{number}.rgb").write_bytes(case.photo.tobytes())
        size = f"{case.photo.width} {case.photo.height}"
        lines.append(f"{case.network} {size} {folder / str(number)}.rgb {folder / str(number)}.out\n")
    write(folder, {"cases": "".join(lines), "quantized": ""})
    run([*command, folder])
    return [np.fromfile(folder / f"{number}.out", np.float32) for number in range(len(cases))]


def quantized(command: list[str], folder: Path, lines: Sequence[str]) -> list[int]:
    """What a compiled program rounds each line of value, scale, zero point, low and high to."""
    write(folder, {"cases": "", "quantized": "".join(f"{line}\n" for line in lines)})
    return [int(line) for line in run([*command, folder]).split()]
