"""Holds answers against golden ones, and says whether the difference is in bounds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

FLOAT = 1e-4
"""A float output may be off by this share of the greatest golden magnitude: sums in another order. Measured: 3e-6."""

LEAST = 2
"""LSB that a whole int8 net may be off where equal bits cannot be had."""

INEXACT = frozenset(("RESIZE_BILINEAR",))
"""Ops whose int8 XNNPACK kernels do not agree to the bit on arm64 and x86-64: by itself, 129×129 to 513×513 is 1 LSB
off in 0.01 % of the values. Of the other ops that were tried by themselves, all values are the same."""

Answers = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Difference:
    """How far answers are from golden ones, over all outputs; `identical` and `reference` are shares, 0 to 1.

    `max_lsb` is that of integer outputs, None without any; `max_difference` that of float ones, in their unit, and
    `relative` its share of the greatest golden magnitude of the output.
    """

    identical: float
    max_lsb: int | None
    max_difference: float | None
    relative: float | None


def difference(answers: Answers, golden: Answers) -> Difference:
    """Of finite answers with the same outputs and shapes."""
    same = total = 0
    lsb: list[int] = []
    absolute: list[float] = []
    relative: list[float] = []
    for name, wanted in golden.items():
        got = answers[name]
        assert (got.shape, got.dtype) == (wanted.shape, wanted.dtype), name
        same, total = same + int((got == wanted).sum()), total + wanted.size
        far = np.abs(got.astype(np.float64) - wanted.astype(np.float64))
        if np.issubdtype(wanted.dtype, np.integer):
            lsb.append(int(far.max()))
            continue
        worst = float(far.max())
        absolute.append(worst)
        relative.append(worst / float(np.abs(wanted).max() or 1))
    largest = max(absolute, default=None)
    return Difference(same / total, max(lsb, default=None), largest, max(relative, default=None))


def in_bounds(found: Difference, lsb: int | None) -> bool:
    """Whether integers are at most `lsb` off (None: any distance), and floats within `FLOAT`."""
    close = found.max_lsb is None or lsb is None or found.max_lsb <= lsb
    return close and (found.relative is None or found.relative <= FLOAT)


def bound(cpu: str, kernels: str, ops: Iterable[str], spread: int, max_lsb: int | None) -> int | None:
    """How far integers may be off at a place; None where they are only measured, on this machine (`cpu` is x86_64).

    `ops` are those of the file, `spread` the LSB by which this machine's own kernels differ, `max_lsb` what the user
    allows where equal bits cannot be had.
    """
    exact = kernels == "XNNPACK"
    if cpu == "x86_64":
        return 0 if exact else None
    if exact and not INEXACT & set(ops):
        return 0
    if max_lsb is not None:
        return max_lsb
    return LEAST if exact else max(LEAST, 2 * spread)


def constant(golden: Answers) -> list[str]:
    """The outputs that answer every image with one and the same value: they can hardly be wrong."""
    return [name for name, answer in golden.items() if answer.size > 1 and answer.min() == answer.max()]
