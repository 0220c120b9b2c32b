import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy import ndimage

from archspec.metrics.thinning import BORDER, nms, thin

Bits = NDArray[np.bool_]
Floats = NDArray[np.float64]

MASKS = arrays(np.bool_, st.tuples(st.integers(1, 14), st.integers(1, 14)))


def bits(text: str) -> Bits:
    return np.array([[char == "#" for char in line] for line in text.split()])


def pieces(mask: Bits) -> tuple[int, int]:
    """Connected parts, across corners too, and parts of the background outside and within, across sides only."""
    return ndimage.label(mask, np.ones((3, 3)))[1], ndimage.label(~np.pad(mask, 1))[1]


def thinned_by_hand(mask: Bits) -> Bits:
    """The two subiterations, pixel by pixel, in the words of Guo and Hall."""
    grid = [[bool(v) for v in row] for row in np.pad(mask, 1)]
    while True:
        gone = 0
        for first in (True, False):
            doomed = [
                (y, x) for y in range(1, len(grid) - 1) for x in range(1, len(grid[0]) - 1) if dies(grid, y, x, first)
            ]
            for y, x in doomed:
                grid[y][x] = False
            gone += len(doomed)
        if not gone:
            return np.array(grid)[1:-1, 1:-1]


def dies(grid: list[list[bool]], y: int, x: int, first: bool) -> bool:
    if not grid[y][x]:
        return False
    east, north_east, north, north_west = grid[y][x + 1], grid[y - 1][x + 1], grid[y - 1][x], grid[y - 1][x - 1]
    west, south_west, south, south_east = grid[y][x - 1], grid[y + 1][x - 1], grid[y + 1][x], grid[y + 1][x + 1]
    ring = [east, north_east, north, north_west, west, south_west, south, south_east, east]
    runs = sum(not ring[i] and (ring[i + 1] or ring[i + 2]) for i in range(0, 8, 2))
    odd = sum(ring[i] or ring[i + 1] for i in range(0, 8, 2))
    even = sum(ring[i] or ring[i + 1] for i in range(1, 8, 2))
    side = (
        (north_east or north or not south_east) and east if first else (south_west or south or not north_west) and west
    )
    return runs == 1 and 2 <= min(odd, even) <= 3 and not side


@given(MASKS)
def test_thin_is_what_the_paper_says(mask: Bits) -> None:
    np.testing.assert_array_equal(thin(mask), thinned_by_hand(mask))


def test_thin_is_what_scikit_image_gives() -> None:
    """Its own test of `skimage.morphology.thin`, the same algorithm: skimage/morphology/tests/test_skeletonize.py."""
    block = bits("....... .#####. .#.###. .#####. .#####. .#####. .......")
    kept = bits("....... ..#.... .#.#... ..#.... ....... ....... .......")
    np.testing.assert_array_equal(thin(block), kept)


@given(MASKS)
def test_thin_takes_away_only_what_is_not_needed(mask: Bits) -> None:
    lines = thin(mask)
    assert not (lines & ~mask).any()
    assert pieces(lines) == pieces(mask)
    np.testing.assert_array_equal(thin(lines), lines)


def test_a_bar_becomes_a_line() -> None:
    bar = np.zeros((20, 60), np.bool_)
    bar[7:14, 5:55] = True
    lines = thin(bar)
    assert lines.sum(0).max() == 1
    assert lines.sum() >= 40, "it is shortened by half its width at either end, and no more"


def suppressed_by_hand(edges: Floats) -> Floats:
    """`edgesNmsMex.cpp` and the orientation of `edgesDetect.m` by their formulas, pixel by pixel."""
    height, width = edges.shape
    padded = np.pad(edges, 4, "symmetric")
    weights = [5 - abs(d) for d in range(-4, 5)]
    smooth = np.zeros_like(edges)
    for y in range(height):
        for x in range(width):
            for v, down in enumerate(weights):
                smooth[y, x] += sum(down * across * padded[y + v, x + u] for u, across in enumerate(weights)) / 625
    oy, ox = slopes(smooth)
    _, oxx = slopes(ox)
    oyy, oxy = slopes(oy)
    kept = edges.copy()
    for y in range(height):
        for x in range(width):
            angle = math.atan(oyy[y, x] * np.sign(-oxy[y, x]) / (oxx[y, x] + 1e-5)) % math.pi
            for d in (-1, 1):
                if edges[y, x] * 1.01 < between(edges, y + d * math.sin(angle), x + d * math.cos(angle)):
                    kept[y, x] = 0
            kept[y, x] *= min(1, y / 5, (height - 1 - y) / 5) * min(1, x / 5, (width - 1 - x) / 5)
    return kept


def slopes(values: Floats) -> tuple[Floats, Floats]:
    """Central differences down and across, one-sided at the ends."""
    found = []
    for axis in (0, 1):
        rows = np.moveaxis(values, axis, 0)
        inner = (rows[2:] - rows[:-2]) / 2
        found.append(np.moveaxis(np.concatenate([[rows[1] - rows[0]], inner, [rows[-1] - rows[-2]]]), 0, axis))
    return found[0], found[1]


def between(values: Floats, y: float, x: float) -> float:
    y = min(max(y, 0), values.shape[0] - 1.001)
    x = min(max(x, 0), values.shape[1] - 1.001)
    (top, lower), (left, right) = divmod(y, 1), divmod(x, 1)
    corners = values[int(top) : int(top) + 2, int(left) : int(left) + 2]
    return float(np.array([1 - lower, lower]) @ corners @ np.array([1 - right, right]))


@pytest.mark.parametrize("seed", range(3))
def test_nms_is_what_the_toolbox_does(seed: int) -> None:
    random = np.random.default_rng(seed)
    edges = ndimage.gaussian_filter(random.random((24, 31)), 1.5)
    edges = (edges - edges.min()) / np.ptp(edges)
    expected = suppressed_by_hand(edges)
    np.testing.assert_allclose(nms(edges), expected, atol=1e-12)
    assert 0.05 < (expected > 0).mean() < 0.95, "a map of which all or nothing is left proves little"


@pytest.mark.parametrize("degrees", [20, 45, 70, 110, 135, 160])
def test_of_a_blurred_line_the_crest_is_left(degrees: int) -> None:
    y, x = np.indices((64, 64)) - 31.5
    angle = math.radians(degrees)
    away = x * math.sin(angle) - y * math.cos(angle)
    kept = nms(np.exp(-((away / 3) ** 2)))
    assert np.abs(away[kept > 0.05]).max() < 1.1
    line = np.hypot(x, y) < 20
    crest = ndimage.binary_dilation(kept > 0.9, np.ones((3, 3)))
    assert crest[line & (np.abs(away) < 0.5)].all()


def test_nms_fades_out_at_the_border() -> None:
    kept = nms(np.full((30, 30), 0.5))
    np.testing.assert_allclose(kept[15, : BORDER + 2], 0.5 * np.array([0, 0.2, 0.4, 0.6, 0.8, 1, 1]))
    np.testing.assert_allclose(kept, kept[::-1, ::-1])
    np.testing.assert_allclose(kept, kept.T)


@pytest.mark.parametrize("shape", [(2, 2), (2, 9), (3, 3), (11, 4)])
def test_nms_of_tiny_maps(shape: tuple[int, int]) -> None:
    kept = nms(np.random.default_rng(0).random(shape).astype(np.float32))
    assert kept.shape == shape
    assert np.isfinite(kept).all()


@pytest.mark.parametrize("shape", [(1, 9), (9, 1), (9,), (3, 3, 1)])
def test_nms_refuses_what_is_no_map(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="2×2 pixels or more"):
        nms(np.zeros(shape))
