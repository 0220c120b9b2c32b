"""How many documents are found, and how far their corners lie from the true ones."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from archspec.scan.plane import corner_error

Floats = NDArray[np.float64]

WITHIN = 0.02  # of the photo's diagonal: how far a corner may lie from the true one


@dataclass(frozen=True, slots=True)
class Claim:
    """What was said of a photo: whether a document is there and whether one was claimed.

    `error` is the corner error over the photo's diagonal, None unless both are true.
    """

    there: bool
    claimed: bool
    error: float | None


@dataclass(frozen=True, slots=True)
class CornerScore:
    """How good the corners of a set of photos are.

    Of `documents` photos with one: the shares `found`, every corner within `WITHIN`, and `wrong`, one claimed that lies
    elsewhere; the median corner `error` as a share of the diagonal, a document that was not claimed farther off than
    any other; None where that is the median. Of `negatives`, photos without one: the share on which one was `claimed`.
    Shares are None where there is no such photo.
    """

    documents: int
    found: float | None
    wrong: float | None
    error: float | None
    negatives: int
    claimed: float | None


def claim(found: Floats | None, true: Floats | None, size: tuple[int, int]) -> Claim:
    """Corners (4, 2) that were found in a photo, and the true ones, both in pixels of its `size`, width and height."""
    error = None if found is None or true is None else corner_error(found, true) / float(np.hypot(*size))
    return Claim(true is not None, found is not None, error)


def score(claims: Iterable[Claim]) -> CornerScore:
    """The score of a set of photos."""
    told = list(claims)
    errors = [np.inf if one.error is None else one.error for one in told if one.there]
    negatives = [one.claimed for one in told if not one.there]
    found, wrong = ([e <= WITHIN for e in errors], [WITHIN < e < np.inf for e in errors])
    middle = float(np.median(errors)) if errors else np.inf
    return CornerScore(
        len(errors), _share(found), _share(wrong), middle if np.isfinite(middle) else None,
        len(negatives), _share(negatives),
    )  # fmt: skip


def _share(said: list[bool]) -> float | None:
    return sum(said) / len(said) if said else None
