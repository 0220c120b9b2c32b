"""The document's four corners in an edge map, or that there is none."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from archspec.scan.follow import follow
from archspec.scan.lines import lines
from archspec.scan.maps import Map
from archspec.scan.plane import clockwise
from archspec.scan.quads import candidates, likeliest, plausible, scores
from archspec.scan.refine import refine

Floats = NDArray[np.float64]

MOST = 100  # quadrilaterals that are looked at closely
BEST = 8  # of them that are refined
SHARPER = 2  # power of probabilities: a class-balanced loss lets networks say 1/2 where an edge is 50 times unlikelier
FAINT, STRONG = 0.5, 99.8  # the probability from which the strongest pixels are edges; the percentile that has them
THRESHOLD = 0.2  # of the score: 1 of 679 right quadrilaterals has less, and the best of 94 % of photos without any
LEAST = 16  # pixels of a map's side
REACH = 3.0  # pixels from a side that refinement looks at, at a diagonal of 362 (256×256)


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """The corners, (4, 2) as x, y in pixels of the edge map, with 0, 0 the outer corner of its first pixel, clockwise
    as seen from the one nearest the top left; and how well the map bears them out, 0 to 1. They may lie outside."""

    corners: Floats
    score: float


@dataclass(frozen=True, slots=True)
class NotFound:
    """No document, and why; `score` is that of the best quadrilateral, 0 where there was none."""

    reason: str
    score: float = 0.0


def find_quad(edges: NDArray[np.floating]) -> Found | NotFound:
    """The document in a map of edge probabilities, (height, width) of 0..1.

    Raises ValueError for another shape or other numbers.
    """
    if edges.ndim != 2:
        raise ValueError(f"an edge map is (height, width), not {edges.shape}")
    known = np.ascontiguousarray(edges, np.float32)
    if known.size and not (known.min() >= 0 and known.max() <= 1):
        raise ValueError("an edge map holds probabilities of 0 to 1")
    if min(known.shape) < LEAST:
        return NotFound(f"the edge map has {known.shape[1]}×{known.shape[0]} pixels, and takes {LEAST}×{LEAST}")
    known = sharpened(known)
    found = lines(known)
    if len(found) < 4:
        return NotFound(f"{len(found)} straight edges, and a document has four sides")
    size = (known.shape[0], known.shape[1])
    corners = candidates(found, size)
    if not len(corners):
        return NotFound("no four edges enclose what could be a sheet of paper")
    refined = contenders(corners, known, BEST)
    marks = scores(refined, known)
    top = int(np.argmax(marks))
    if marks[top] < THRESHOLD:
        return NotFound(f"the best quadrilateral scores {marks[top]:.2f}, below {THRESHOLD}", float(marks[top]))
    return Found(clockwise(follow(refined[top], known)), float(marks[top]))


def sharpened(edges: Map) -> Map:
    """An edge map, (height, width) of 0..1, in which the strongest pixels are 1 and faint ones fainter."""
    return np.asarray(np.minimum(edges / max(FAINT, float(np.percentile(edges, STRONG))), 1) ** SHARPER, np.float32)


def contenders(corners: Floats, known: Map, most: int) -> Floats:
    """The `most` quadrilaterals, of (n, 4, 2), that a sharpened map bears out best, refined."""
    corners = likeliest(corners, known, MOST)
    best = corners[np.argsort(-scores(corners, known), kind="stable")[:most]]
    reach = max(1.5, REACH * float(np.hypot(*known.shape)) / 362)
    refined = np.array([refine(quad, known, reach) for quad in best])
    return np.where(plausible(refined, (known.shape[0], known.shape[1]))[:, None, None], refined, best)
