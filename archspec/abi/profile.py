"""What the ops of a .tflite file cost: instructions on emulated CPUs, milliseconds on this machine."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archspec.abi import AbiError, golden, parts
from archspec.abi.count import RUNS, Instructions, Work, count, each
from archspec.abi.cpus import Cpu
from archspec.abi.pins import RUNTIMES
from archspec.abi.rows import entry_of, layer_of, row_of, rows_of
from archspec.abi.run import execute
from archspec.abi.setup import require
from archspec.artifact import Artifact, TensorInfo, inspect_tflite
from archspec.photo import CHANNELS
from archspec.tflite.slices import Slice, cut

HOST = "x86_64"  # stands for this machine
REPS = 20  # inferences that are timed
Say = Callable[[str], None]


@dataclass(frozen=True)
class Times:
    """An inference in milliseconds: the median of its repetitions, and those of LiteRT's nodes, by type in order.

    A type names an inner operator of XNNPACK's behind `Delegate/`. Times to a thousandth, and as noisy as the machine.
    """

    ms: float
    nodes: tuple[tuple[str, float], ...]


Cost = Instructions | Times | str
"""Of an inference; a text says why there is none."""


@dataclass(frozen=True)
class Op:
    """An op of the file at its place; `row` is the spec's or `rows.NONE`, without a manifest the layer's name."""

    index: int
    op: str
    row: str


@dataclass(frozen=True)
class Column:
    """The costs at one place: of the whole file, and of every op by itself, in the profile's order.

    The sum of the ops is not quite the whole: each of them has the cost of being called, and none what is made faster
    across ops.
    """

    abi: str
    cpu: str
    kernels: str
    whole: Cost
    ops: tuple[Cost, ...]

    @property
    def total(self) -> float:
        """The sum of the ops, as `amount` has them; those that failed count nothing."""
        return sum(amount(cost) or 0 for cost in self.ops)


@dataclass(frozen=True)
class Profile:
    """A file's ops and what they cost. `rows` are the spec's in the order of the table, none without a manifest."""

    file: str
    sha256: str
    rows: tuple[str, ...]
    ops: tuple[Op, ...]
    columns: tuple[Column, ...]


def abi_of(file: Path) -> str:
    """The ABI a file is for: its manifest's, else its folder's name, else `HOST`."""
    entry = entry_of(file)
    name = entry.get("abi") if entry else file.absolute().parent.name
    return name if name in RUNTIMES else HOST


def amount(cost: Cost) -> float | None:
    """Millions of instructions, or milliseconds."""
    if isinstance(cost, str):
        return None
    return cost.total / 1e6 if isinstance(cost, Instructions) else cost.ms


def profile(file: Path, places: Sequence[Cpu | None], cache: Path, reps: int = REPS, say: Say = print) -> Profile:
    """Run a file and its ops at places; None is this machine. Raises AbiError, ArtifactError, OSError.

    The input is a generated photo of a document where the file takes one, else noise.
    """
    data = file.read_bytes()
    facts, entry = inspect_tflite(data), entry_of(file)
    slices, rows = cut(data), rows_of(entry)
    if any(places):
        require(cache)
    with tempfile.TemporaryDirectory(prefix="archspec-") as scratch:
        folder = Path(scratch)
        whole = _given(file, facts, entry, folder)
        _cut(whole, folder)
        works = [Work(*parts.part(folder, one)) for one in slices]
        columns = []
        for cpu in places:
            say(f"{len(slices)} ops and the whole on {cpu.name if cpu else HOST}")
            columns.append(_counted(cpu, cache, whole, works) if cpu else _timed(whole, works, reps, folder))
    return Profile(str(file), facts.sha256, rows, tuple(_op(one, rows) for one in slices), tuple(columns))


def minstructions(file: Path, cpu: Cpu, cache: Path, contract: Mapping[str, Any] | None = None) -> float:
    """Millions of instructions of one inference of the whole file. Raises AbiError, ArtifactError, OSError.

    `contract` is the manifest's `input`; without it the manifest beside the file is asked.
    """
    require(cache)
    entry = {"input": contract} if contract else entry_of(file)
    with tempfile.TemporaryDirectory(prefix="archspec-") as scratch:
        (cost,) = count(cpu, cache, [_given(file, inspect_tflite(file.read_bytes()), entry, Path(scratch))])
    if isinstance(cost, str):
        raise AbiError(f"{cpu.name}: {cost}")
    return cost.total / 1e6


def _op(one: Slice, rows: Sequence[str]) -> Op:
    return Op(one.index, one.op, row_of(one.names, one.constants, rows) if rows else layer_of(one.names))


# --- inputs


def _given(file: Path, facts: Artifact, entry: Mapping[str, Any] | None, folder: Path) -> Work:
    contract = entry.get("input") if entry else None
    fed = b"".join(image(info, contract, i).tobytes() for i, info in enumerate(facts.inputs))
    (folder / "given").write_bytes(fed * RUNS)
    return Work(file.absolute(), folder / "given")


def image(info: TensorInfo, contract: Mapping[str, Any] | None, seed: int) -> NDArray[Any]:
    """What an input is fed, (1, ...): a photo where it can be one, else noise.

    `contract` is the manifest's `input`. Without it quantized values span all their type holds, floats 0 to 1.
    """
    try:
        if contract:
            return np.asarray(golden.as_fed(golden.make_images(contract), info)[-1])
        low, high = _span(info)
        if len(info.shape) == 4 and info.shape[0] == 1:
            color = next((name for name, n in CHANNELS.items() if n == info.shape[3]), "none")
            made = {"size": info.shape[1:], "range": [low, high], "mean": None, "std": None, "color": color}
            return np.asarray(golden.as_fed(golden.make_images({**made, "resize": "stretch"}), info)[-1])
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise AbiError(f"the manifest's input is none of this file's: {error}") from error
    noise = low + (high - low) * np.random.default_rng(seed).random(info.shape)
    return np.asarray(golden.as_fed(noise[None].astype(np.float32), info)[0, 0])


def _span(info: TensorInfo) -> tuple[float, float]:
    """The least and the greatest value that an input's type holds, in model units."""
    if "float" in info.dtype:
        return 0.0, 1.0
    limits, zero = np.iinfo(info.dtype), info.zero_point or 0
    return (limits.min - zero) * (info.scale or 1), (limits.max - zero) * (info.scale or 1)


def _cut(whole: Work, folder: Path) -> None:
    command = (sys.executable, "-P", "-m", "archspec.abi.parts", str(whole.model), str(whole.given), str(folder))
    _, how = execute(command, folder)
    if how:
        raise AbiError(f"the file cannot be run on this machine, op by op: {how}")


# --- places


def _counted(cpu: Cpu, cache: Path, whole: Work, works: Sequence[Work]) -> Column:
    with ThreadPoolExecutor(2) as pool:  # the one takes as long as the other; each is a process
        both = [pool.submit(count, cpu, cache, some) for some in ([whole], works)]
        (one,), ops = (future.result() for future in both)
    return Column(cpu.abi, cpu.name, RUNTIMES[cpu.abi].kernels, one, tuple(ops))


def _timed(whole: Work, works: Sequence[Work], reps: int, folder: Path) -> Column:
    def attempt(left: Sequence[Work]) -> tuple[list[Times], str | None]:
        files = [str(word) for work in left for word in work]
        said, how = execute((sys.executable, "-P", "-m", "archspec.abi.timing", str(reps), *files), folder)
        return [_times(json.loads(line)) for line in said.splitlines() if line.startswith("[[")], how

    one, *ops = each(attempt, [whole, *works])
    return Column(HOST, HOST, "XNNPACK", one, tuple(ops))


def _times(nodes: Sequence[tuple[str, Sequence[float]]]) -> Times:
    sums = [sum(one) for one in zip(*(ms for _, ms in nodes), strict=True)]
    return Times(median(sums), tuple((kind, median(ms)) for kind, ms in nodes))
