"""Holds answers against others, and says whether the difference is in bounds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from archspec.artifact import TensorInfo

FLOAT = 1e-4
"""A float output may be off by this share of the greatest magnitude wanted: sums in another order. Measured: 3e-6."""

LEAST = 2
"""LSB that a whole net of integers may be off where equal bits cannot be had."""

INEXACT = frozenset(("RESIZE_BILINEAR",))
"""Ops whose int8 XNNPACK kernels do not agree to the bit on arm64 and x86-64: by itself, 129×129 to 513×513 is 1 LSB
off in 0.01 % of the values. Of the other ops that were tried by themselves, all values are the same."""

FLOATS = frozenset(("none", "float16"))
"""Schemes whose kernels compute in floats throughout."""

Answers = Mapping[str, NDArray[Any]]
Number = TypeVar("Number", int, float)


@dataclass(frozen=True)
class Difference:
    """How far answers are from those wanted, over all outputs; `identical` and `relative` are shares, 0 to 1.

    `max_lsb` and `mean_lsb` are those of integer outputs, None without any; `max_difference` that of float ones, in
    their unit, and `relative` its share of the greatest magnitude wanted of the output.
    """

    identical: float
    max_lsb: int | None
    mean_lsb: float | None
    max_difference: float | None
    relative: float | None


@dataclass(frozen=True)
class FloatDifference:
    """How far answers are from the float model's: of the output that is farthest, in its unit and in its LSB.

    The LSB are None where no output is quantized.
    """

    max: float
    mean: float
    max_lsb: float | None
    mean_lsb: float | None


@dataclass(frozen=True)
class Bound:
    """How far off integers may be, and floats as a share of the greatest magnitude wanted."""

    lsb: int
    relative: float

    def holds(self, found: Difference) -> bool:
        close = found.max_lsb is None or found.max_lsb <= self.lsb
        return close and (found.relative is None or found.relative <= self.relative)


OP = Bound(1, FLOAT)
"""For an op by itself, on its real inputs, by builtin kernels there and here. Measured: 1 LSB, and 1e-7 of floats."""

ANY = Bound(2**31, inf)
"""For an op by XNNPACK, which is not held against builtin kernels: int8 RESIZE_BILINEAR, 129×129 to 513×513, differs by
26 LSB between the two on one machine."""


def difference(answers: Answers, wanted: Answers) -> Difference:
    """Of finite answers with the same outputs and shapes."""
    same = total = 0
    steps: list[NDArray[np.float64]] = []
    absolute: list[float] = []
    relative: list[float] = []
    for name, right in wanted.items():
        got = answers[name]
        assert (got.shape, got.dtype) == (right.shape, right.dtype), name
        same, total = same + int((got == right).sum()), total + right.size
        far = np.abs(got.astype(np.float64) - right.astype(np.float64))
        if not np.issubdtype(right.dtype, np.floating):
            steps.append(far.ravel())
            continue
        worst = float(far.max(initial=0))
        absolute.append(worst)
        relative.append(worst / float(np.abs(right).max(initial=0) or 1))
    lsb = np.concatenate(steps) if steps else None
    largest = None if lsb is None else int(lsb.max(initial=0))
    mean = None if lsb is None else float(lsb.mean())
    return Difference(same / total, largest, mean, max(absolute, default=None), max(relative, default=None))


def widest(found: Iterable[Difference]) -> Difference:
    """The greatest of each amount; the least share that is identical."""
    each = list(found)

    def most(values: Iterable[Number | None]) -> Number | None:
        return max((value for value in values if value is not None), default=None)

    return Difference(
        min(one.identical for one in each),
        most(one.max_lsb for one in each),
        most(one.mean_lsb for one in each),
        most(one.max_difference for one in each),
        most(one.relative for one in each),
    )


def from_float(answers: Answers, outputs: Sequence[TensorInfo], floats: Answers) -> FloatDifference:
    """How far answers (n, 1, ...) are from the float model's by output, (n, ...)."""
    far: list[tuple[float, float]] = []
    steps: list[tuple[float, float]] = []
    for info in outputs:
        values = answers[info.name].astype(np.float64).reshape(floats[info.name].shape)
        if info.scale is not None:
            values = (values - (info.zero_point or 0)) * info.scale
        apart = np.abs(values - floats[info.name])
        far.append((float(apart.max()), float(apart.mean())))
        if info.scale is not None:
            steps.append((far[-1][0] / info.scale, far[-1][1] / info.scale))
    (largest, mean), (largest_lsb, mean_lsb) = (
        tuple(max(column) for column in zip(*pairs, strict=True)) if pairs else (None, None) for pairs in (far, steps)
    )
    assert largest is not None
    assert mean is not None
    return FloatDifference(largest, mean, largest_lsb, mean_lsb)


def exact(kernels: str, scheme: str, ops: Iterable[str]) -> bool:
    """Whether answers are those of this machine's XNNPACK to the bit. `ops` are those of the file.

    `scheme` is `int8` for files that are int8 throughout only.
    """
    return kernels == "XNNPACK" and scheme == "int8" and not INEXACT & set(ops)


def bound(
    own: bool, kernels: str, scheme: str, ops: Iterable[str], spread: Difference, max_lsb: int | None
) -> Bound | None:  # fmt: skip
    """How far a whole file may be off at a place; None where that is only measured, on this machine (`own`).

    `spread` is how far this machine's own kernels differ from each other, `max_lsb` what the user allows where equal
    bits cannot be had.
    """
    if scheme in FLOATS or exact(kernels, scheme, ops) or (own and kernels == "XNNPACK"):
        return Bound(0, FLOAT)
    if own:
        return None
    usual = LEAST if kernels == "XNNPACK" and scheme == "int8" else max(LEAST, 2 * (spread.max_lsb or 0))
    return Bound(usual if max_lsb is None else max_lsb, max(FLOAT, 2 * (spread.relative or 0)))


def constant(answers: Answers) -> list[str]:
    """The outputs that answer every image with one and the same value: they can hardly be wrong."""
    return [name for name, answer in answers.items() if answer.size > 1 and answer.min() == answer.max()]
