"""Holds answers against golden ones, and says whether the difference is in bounds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

FLOAT = 1e-4
"""A float output may be off by this share of the greatest golden magnitude: sums in another order. Measured: 3e-6."""

LEAST = 2
"""LSB that a whole int8 net may be off on armeabi-v7a even if this machine's kernels agree better among themselves."""

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


def constant(golden: Answers) -> list[str]:
    """The outputs that answer every image with one and the same value: they can hardly be wrong."""
    return [name for name, answer in golden.items() if answer.size > 1 and answer.min() == answer.max()]
