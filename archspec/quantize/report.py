"""Which rows quantization harms: their ranking by error, and the rows to be kept in float for a bound on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Error = Callable[[frozenset[str]], float]
"""The error of a file in which a set of rows is kept in float."""


class FallbackError(Exception):
    """No set of float rows meets the bound; says how close one comes."""


@dataclass(frozen=True)
class Rank:
    """A row with the error of the file where it alone is quantized, and where it alone is not."""

    row: str
    alone: float
    left: float


def relative_error(got: Mapping[str, Floats], wanted: Mapping[str, Floats]) -> float:
    """The root mean square of the difference over that of the float answer, of the output where it is the greatest.

    0.01 is a signal-to-noise ratio of 40 dB. Infinite where a float answer is zero throughout and the other is not.
    """
    errors = []
    for name, answer in wanted.items():
        off, size = (_rms(values) for values in (got[name].astype(np.float64) - answer, answer))
        errors.append(off / size if size else np.inf if off else 0.0)
    return float(max(errors))


def _rms(values: NDArray[np.floating]) -> float:
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))


def ranking(rows: Sequence[str], error: Error) -> list[Rank]:
    """The rows, the one whose quantization adds the greatest error first."""
    every = frozenset(rows)
    ranks = [Rank(row, error(every - {row}), error(frozenset((row,)))) for row in rows]
    return sorted(ranks, key=lambda rank: (-rank.alone, rank.left))


def fallback(rows: Sequence[str], error: Error, most: float) -> tuple[str, ...]:
    """Rows to be kept in float for an error of at most `most`: by the ranking until it is met, then none too many.

    Greedy: without any one of them the bound is not met, but another set may be smaller. Raises FallbackError where
    all rows together do not meet it.
    """
    kept: list[str] = []
    best = error(frozenset())
    for row in rows:
        if error(frozenset(kept)) <= most:
            break
        kept.append(row)
        best = min(best, error(frozenset(kept)))
    if error(frozenset(kept)) > most:
        raise FallbackError(f"no float rows bring the error down to {most:g}: the least is {best:.3g}")
    for row in reversed(list(kept)):
        if error(frozenset(kept) - {row}) <= most:
            kept.remove(row)
    return tuple(kept)
