"""Counts the instructions of an inference on an emulated CPU, by the plugin icount.c. The same file, the same count."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar

from archspec.abi import AbiError
from archspec.abi.cpus import Cpu
from archspec.abi.run import emulated, execute
from archspec.abi.setup import PLUGIN

RUNS = 2  # inferences of each file: the first one packs weights, the last one counts

T = TypeVar("T")
W = TypeVar("W")
Attempt = Callable[[Sequence[W]], tuple[list[T], str | None]]


@dataclass(frozen=True)
class Instructions:
    """Executed instructions by class. The classes share nothing: what each of them is stands in icount.c."""

    simd: int
    memory: int
    branch: int
    other: int

    @property
    def total(self) -> int:
        return self.simd + self.memory + self.branch + self.other

    def __add__(self, more: Instructions) -> Instructions:
        each = zip(astuple(self), astuple(more), strict=True)
        return Instructions(*(one + other for one, other in each))


class Work(NamedTuple):
    """A .tflite file, and a file with its inputs as it takes them, `RUNS` times one after the other."""

    model: Path
    given: Path


def count(cpu: Cpu, cache: Path, works: Sequence[Work]) -> list[Instructions | str]:
    """What one inference of each file executes, or why it failed. Raises AbiError, OSError.

    All of them run in one process as long as none fails. Files may be counted a little differently behind others:
    the addresses of their buffers are others, and copying goes by alignment. The same list gives the same counts.
    """

    def attempt(left: Sequence[Work]) -> tuple[list[Instructions], str | None]:
        with tempfile.TemporaryDirectory(prefix="archspec-") as folder:
            out = Path(folder) / "counts"
            plugin = ("-plugin", ",".join(_escaped(word) for word in (str(cache / PLUGIN), f"out={out}")))
            files = [str(word) for model, given in left for word in (model, given, "/dev/null")]
            said, how = execute((*emulated(cpu, cache, *plugin).command, *files), Path(folder))
            begun = sum(line.startswith("model ") for line in said.splitlines())
            if how and not begun:
                raise AbiError(f"{cpu.name}: {how}")
            lines = out.read_text().splitlines()
        counts = [Instructions(*map(int, line.split())) for line in lines]
        ended = begun - 1 if how else begun
        return counts[RUNS - 1 : RUNS * ended : RUNS], how

    return each(attempt, works)


def each(attempt: Attempt[W, T], works: Sequence[W]) -> list[T | str]:
    """What comes of every file. `attempt` tells of those before the first that fails, and why that one does."""
    found: list[T | str] = []
    while len(found) < len(works):
        made, how = attempt(works[len(found) :])
        found += made
        if how:
            found.append(how)
        elif len(found) < len(works):
            raise AbiError(f"{len(found)} of {len(works)} files were told of")
    return found


def _escaped(word: str) -> str:
    """A word between the commas of an option of qemu's."""
    return word.replace(",", ",,")
