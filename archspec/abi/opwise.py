"""Runs every op of a file by itself at a place, on the inputs it has in the whole here, and holds it against this
machine's builtin kernels: what is off there is the op's own doing, and not carried on from others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from archspec.abi import AbiError
from archspec.abi.batch import Work, run_each
from archspec.abi.compare import Bound, Difference, difference
from archspec.abi.rows import NONE, row_of
from archspec.abi.run import Answers, Place, host, run
from archspec.artifact import ArtifactError, TensorInfo, inspect_tflite
from archspec.tflite.exposed import exposed, name_of
from archspec.tflite.model import one_graph
from archspec.tflite.slices import Slice, cut


@dataclass(frozen=True, eq=False)
class Parts:
    """A file in its ops, and what this machine's builtin kernels make of one image.

    `rows` has the row of every op, `works` its file and inputs. `known` and `infos` are the tensors that the ops give,
    by number, (1, ...); `given` are the numbers of the file's own inputs.
    """

    data: bytes
    folder: Path
    fed: NDArray[Any]
    slices: tuple[Slice, ...]
    rows: tuple[str, ...]
    works: tuple[Work, ...]
    known: Mapping[int, NDArray[Any]]
    infos: Mapping[int, TensorInfo]
    given: tuple[int, ...]
    leaving: tuple[int, ...]


@dataclass(frozen=True)
class Ops:
    """How far the ops of a file are off by themselves, on the first golden image.

    `max_lsb` and `relative` are those of the ops that are farthest, see `Difference`; `farthest` names one of these, as
    `OP of row ROW`. `failed` says of every op that has no answer why, `beyond` names those out of bounds.
    """

    ops: int
    max_lsb: int | None
    relative: float | None
    farthest: str | None
    beyond: tuple[str, ...]
    failed: tuple[str, ...]

    @property
    def good(self) -> bool:
        return not self.beyond and not self.failed


def take_apart(data: bytes, fed: NDArray[Any], rows: Sequence[str], folder: Path) -> Parts:
    """A file with one input in its ops. `fed` is an image as it takes it, (1, 1, ...); `rows` are the spec's, in order.

    `folder` gets the files of the ops. Raises AbiError where it cannot be taken apart, or fails here; OSError.
    """
    try:
        slices, graph = cut(data), one_graph(data)
        infos = tell(data, (i for one in slices for i in one.outputs), folder / "whole.tflite")
        known = _told(host("builtin"), folder / "whole.tflite", fed, infos)
    except (ArtifactError, AbiError) as error:
        raise AbiError(f"cannot be run op by op here: {error}") from error
    known |= {graph.inputs[0]: fed[0]}
    works = []
    for one in slices:
        (folder / f"{one.index}.tflite").write_bytes(one.data)
        inputs = tuple(known[i] for i in one.inputs)
        works.append(Work(folder / f"{one.index}.tflite", inputs, inspect_tflite(one.data).outputs))
    named = _rows(slices, rows)
    return Parts(data, folder, fed, slices, named, tuple(works), known, infos, graph.inputs, graph.outputs)


def tell(data: bytes, wanted: Any, file: Path) -> dict[int, TensorInfo]:
    """Write a file that tells inner tensors, by number; what they are, in its order. Raises ArtifactError, OSError."""
    numbers = sorted(set(wanted))
    told = exposed(data, numbers)
    file.write_bytes(told)
    return dict(zip(numbers, inspect_tflite(told).outputs, strict=True))


def _told(place: Place, file: Path, fed: NDArray[Any], infos: Mapping[int, TensorInfo]) -> dict[int, NDArray[Any]]:
    answers = run(place, file, fed, tuple(infos.values()))
    return {i: answers[name_of(i)][0] for i in infos}


def _rows(slices: Sequence[Slice], rows: Sequence[str]) -> tuple[str, ...]:
    """The row of every op; one that no name tells goes with the op whose tensor it reads."""
    found: dict[int, str] = {}
    named = []
    for one in slices:
        row = row_of(one.names, one.constants, rows) if rows else NONE
        if row == NONE:
            row = next((found[i] for i in one.inputs if i in found), NONE)
        found |= dict.fromkeys(one.outputs, row)
        named.append(row)
    return tuple(named)


def by_itself(place: Place, parts: Parts) -> list[Difference | str]:
    """How far every op is off, or why it has no answer. Raises AbiError, OSError."""
    made: list[Difference | str] = []
    for one, work, got in zip(parts.slices, parts.works, run_each(place, parts.works), strict=True):
        if isinstance(got, str):
            made.append(got)
            continue
        wanted: Answers = {info.name: parts.known[i][None] for info, i in zip(work.outputs, one.outputs, strict=True)}
        made.append(difference(got, wanted))
    return made


def judged(parts: Parts, found: Sequence[Difference | str], bound: Bound) -> Ops:
    """What to say of ops by themselves, each of which may be `bound` off."""
    names = [f"{one.op} of row {row}" for one, row in zip(parts.slices, parts.rows, strict=True)]
    measured = [(one, name) for one, name in zip(found, names, strict=True) if not isinstance(one, str)]
    farthest, name = max(measured, key=lambda pair: (pair[0].max_lsb or 0, pair[0].relative or 0), default=(None, None))
    return Ops(
        ops=len(found),
        max_lsb=max((one.max_lsb for one, _ in measured if one.max_lsb is not None), default=None),
        relative=max((one.relative for one, _ in measured if one.relative is not None), default=None),
        farthest=name if farthest and farthest.identical < 1 else None,
        beyond=tuple(f"{name}: {_amount(one)}" for one, name in measured if not bound.holds(one)),
        failed=tuple(f"{name}: {one}" for one, name in zip(found, names, strict=True) if isinstance(one, str)),
    )


def _amount(one: Difference) -> str:
    return f"{one.max_lsb} LSB" if one.max_lsb else f"{100 * (one.relative or 0):.3g} %"
