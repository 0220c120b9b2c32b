"""Edge maps one pixel wide: non-maximum suppression of probabilities, and thinning of binary maps."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bits = NDArray[np.bool_]

SMOOTHING = 4  # pixels, radius of the triangle filter before orientations are estimated
MARGIN = 1.01  # a neighbour must be this much stronger to suppress a pixel
BORDER = 5  # pixels at the image's border where edges fade out: no detector is sure of them


def nms(probability: NDArray[np.floating[Any]]) -> Floats:
    """An edge map (height, width) in which only the crests are left: what is weaker than a neighbour across is 0.

    Source: Dollar and Zitnick 2015 (arXiv 1406.5549), `edgesDetect.m` and `edgesNmsMex.cpp` of their toolbox, version
    3.01, with the parameters 1, 5, 1.01 that it and HED's evaluation use. Neighbours lie one pixel along the normal,
    between pixels by linear interpolation; the normal comes from the second derivatives of the smoothed map.
    Raises ValueError for a map under 2×2 pixels.
    """
    if probability.ndim != 2 or min(probability.shape) < 2:
        raise ValueError(f"an edge map is 2×2 pixels or more, not {'×'.join(map(str, probability.shape))}")
    edges = probability.astype(np.float64)
    normal = _normal(edges)
    across, down = np.cos(normal), np.sin(normal)
    y, x = np.indices(edges.shape)
    weaker = np.zeros(edges.shape, np.bool_)
    for side in (-1, 1):
        weaker |= edges * MARGIN < _between(edges, y + side * down, x + side * across)
    return np.where(weaker, 0, edges) * _fade(edges.shape[0])[:, None] * _fade(edges.shape[1])


def thin(mask: Bits) -> Bits:
    """A binary map (height, width) with every line one pixel wide; what is connected, and its holes, stay.

    MATLAB's `bwmorph(mask, 'thin', inf)`. Source: Guo and Hall 1989, the parallel algorithm with two subiterations, as
    Lam, Lee and Suen 1992 (Thinning Methodologies, page 879) give it.
    """
    height, width = mask.shape[0] + 2, mask.shape[1] + 2
    padded = np.pad(mask, 1).astype(np.uint8)
    pixels = padded.reshape(-1)
    steps = (1, 1 - width, -width, -width - 1, -1, width - 1, width, width + 1)  # E NE N NW W SW S SE
    left = np.flatnonzero(pixels)
    before = -1
    while left.size != before:
        before = left.size
        for deletes in DELETES:
            code = np.zeros(left.size, np.uint8)
            for bit, step in enumerate(steps):
                code |= pixels[left + step] << bit
            gone = deletes[code]
            pixels[left[gone]] = 0
            left = left[~gone]
    return padded.reshape(height, width)[1:-1, 1:-1].astype(np.bool_)


def _normal(edges: Floats) -> Floats:
    """Radians, 0 to pi, of the direction across an edge."""
    from scipy import ndimage

    ramp = np.arange(1.0, SMOOTHING + 2)
    triangle = np.concatenate([ramp, ramp[-2::-1]]) / (SMOOTHING + 1) ** 2
    smooth = ndimage.correlate1d(ndimage.correlate1d(edges, triangle, 0), triangle, 1)
    down, across = np.gradient(smooth)
    across_twice = np.gradient(across, axis=1)
    down_twice, mixed = np.gradient(down)
    angle = np.arctan(down_twice * np.sign(-mixed) / (across_twice + 1e-5))
    return np.asarray(np.mod(angle, np.pi), np.float64)


def _between(edges: Floats, y: Floats, x: Floats) -> Floats:
    """The map at places between pixels, by linear interpolation; a place outside is moved just inside."""
    y, x = (np.clip(at, 0, size - 1.001) for at, size in zip((y, x), edges.shape, strict=True))
    top, left = y.astype(np.intp), x.astype(np.intp)
    lower, right = y - top, x - left
    above = edges[top, left] * (1 - right) + edges[top, left + 1] * right
    below = edges[top + 1, left] * (1 - right) + edges[top + 1, left + 1] * right
    return np.asarray(above * (1 - lower) + below * lower)


def _fade(size: int) -> Floats:
    """Factors 0, 1/5, 2/5 ... 1 from either end of an axis."""
    border = min(BORDER, size // 2)
    return np.minimum(1, np.minimum(np.arange(size), np.arange(size)[::-1]) / border)


def _deletes() -> tuple[Bits, Bits]:
    """Whether each subiteration deletes a pixel, by its neighbours: bit i - 1 of the index is x_i of the paper.

    x_1 is the neighbour to the east, and on counter-clockwise. G1 keeps what connects, G2 the ends of lines, G3 takes
    from the south-east side first, then from the north-west.
    """
    x = {i: (np.arange(256) >> (i - 1) % 8 & 1).astype(np.bool_) for i in range(1, 10)}
    crossings = np.sum([~x[i] & (x[i + 1] | x[i + 2]) for i in (1, 3, 5, 7)], 0)
    odd, even = (np.sum([x[i] | x[i + 1] for i in range(first, first + 7, 2)], 0) for first in (1, 2))
    fewest = np.minimum(odd, even)
    both = (crossings == 1) & (fewest >= 2) & (fewest <= 3)
    return both & ~((x[2] | x[3] | ~x[8]) & x[1]), both & ~((x[6] | x[7] | ~x[4]) & x[5])


DELETES = _deletes()
