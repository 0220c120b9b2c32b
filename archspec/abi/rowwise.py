"""How a distance grows from row to row of a network whose kernels round elsewhere than this machine's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archspec.abi.batch import Work, run_each
from archspec.abi.opwise import Parts, tell
from archspec.abi.rows import NONE
from archspec.abi.run import Place, run
from archspec.artifact import inspect_tflite
from archspec.tflite.exposed import name_of
from archspec.tflite.slices import sections

MOST = 60  # tensors that are told in one run: the C programs take 64 outputs

Tensors = Mapping[int, NDArray[Any]]


@dataclass(frozen=True)
class Row:
    """A row of the spec, and distances to this machine's builtin kernels in LSB, means over integers, on one image.

    `entering` is that of what the row reads of others, `own` that of what it gives where it reads the same as here,
    `carried` how far what it gives moves by what enters, `leaving` both together, `leaving_max` their greatest. `gain`
    is `carried` by `entering`, None where nothing enters; `onward` the distance at the file's outputs by `leaving`.
    """

    row: str
    entering: float
    own: float
    carried: float
    leaving: float
    leaving_max: int
    gain: float | None
    onward: float | None


@dataclass(frozen=True)
class _Section:
    row: str
    places: tuple[int, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def by_row(place: Place, parts: Parts) -> tuple[Row, ...]:
    """The rows whose tensors are integers, in the order in which they run. Raises AbiError, OSError.

    A row that a runtime fails on is left out.
    """
    found = _sections(parts)
    there = _there(place, parts, found)
    outputs = _distance((there[i], parts.known[i]) for i in parts.leaving)
    ends = float(outputs.mean()) if len(outputs) else None
    files = sections(parts.data, ((one.places, one.inputs, one.outputs) for one in found))
    works = []
    for one, data in zip(found, files, strict=True):
        file = parts.folder / f"row{one.places[0]}.tflite"
        file.write_bytes(data)
        works.append(Work(file, tuple(parts.known[i] for i in one.inputs), inspect_tflite(data).outputs))
    rows = []
    for one, work, got in zip(found, works, run_each(place, works), strict=True):
        if not isinstance(got, str):
            alone = {i: got[info.name][0] for i, info in zip(one.outputs, work.outputs, strict=True)}
            rows.append(_row(one, parts.known, there, alone, ends))
    return tuple(row for row in rows if row)


def _sections(parts: Parts) -> list[_Section]:
    """The ops of each row, with what it reads of others and gives to them."""
    places: dict[str, list[int]] = {}
    for one, row in zip(parts.slices, parts.rows, strict=True):
        if row != NONE:
            places.setdefault(row, []).append(one.index)
    made = []
    for row, members in places.items():
        own = [one for one in parts.slices if one.index in members]
        others = {i for one in parts.slices if one.index not in members for i in one.inputs} | set(parts.leaving)
        gives = {i for one in own for i in one.outputs}
        reads = {i for one in own for i in one.inputs}
        made.append(_Section(row, tuple(members), tuple(sorted(reads - gives)), tuple(sorted(gives & others))))
    return [one for one in made if one.outputs]


def _there(place: Place, parts: Parts, wanted: Iterable[_Section]) -> dict[int, NDArray[Any]]:
    """What sections read and give, and the file's outputs, as they are at a place where the whole is run."""
    found = {i: parts.known[i] for i in parts.given}
    numbers = sorted({*parts.leaving, *(i for one in wanted for i in (*one.inputs, *one.outputs))} - set(found))
    for start in range(0, len(numbers), MOST):
        file = parts.folder / "told.tflite"
        infos = tell(parts.data, numbers[start : start + MOST], file)
        answers = run(place, file, parts.fed, tuple(infos.values()))
        found |= {i: answers[name_of(i)][0] for i in infos}
    return found


def _row(one: _Section, here: Tensors, there: Tensors, alone: Tensors, ends: float | None) -> Row | None:
    entering = _distance((there[i], here[i]) for i in one.inputs)
    leaving = _distance((there[i], here[i]) for i in one.outputs)
    if not len(leaving):
        return None
    own = _distance((alone[i], here[i]) for i in one.outputs).mean()
    carried = _distance((there[i], alone[i]) for i in one.outputs).mean()
    enters = float(entering.mean()) if len(entering) else 0.0
    leaves = float(leaving.mean())
    return Row(
        row=one.row,
        entering=enters,
        own=float(own),
        carried=float(carried),
        leaving=leaves,
        leaving_max=int(leaving.max()),
        gain=float(carried / enters) if enters else None,
        onward=ends / leaves if leaves and ends is not None else None,
    )


def _distance(pairs: Iterable[tuple[NDArray[Any], NDArray[Any]]]) -> NDArray[np.float64]:
    """Of every value, over those pairs of tensors that are integers."""
    far = [np.abs(a.astype(np.float64) - b.astype(np.float64)).ravel() for a, b in pairs if a.dtype.kind in "iu"]
    return np.concatenate(far) if far else np.zeros(0)


def words(rows: Sequence[Row]) -> list[str]:
    """What there is to say of rows, in sentences: where it begins to show, where it grows most, what is made of it."""
    first = next((row for row in rows if row.leaving_max > 1), None)
    if first is None:
        return ["no row leaves more than 1 LSB of distance"]
    said = [
        f"behind row `{first.row}` the distance first exceeds 1 LSB: {first.leaving_max} at most, "
        f"{first.leaving:.2g} on average"
    ]
    growing = [row for row in rows if row.gain]
    if growing:
        most = max(growing, key=lambda row: row.gain or 0)
        said.append(
            f"row `{most.row}` amplifies most, {most.gain:.2g} times: {most.entering:.2g} LSB enter it on average, "
            f"{most.leaving:.2g} leave it, {most.own:.2g} of its own rounding"
        )
    return said
