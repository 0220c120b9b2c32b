import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from archspec.documents.sample import passed
from archspec.metrics.matching import match
from archspec.metrics.thinning import thin

Bits = NDArray[np.bool_]

FIELD = (9, 11)
MAPS = arrays(np.bool_, FIELD, elements=st.booleans())
RADII = st.sampled_from([0, 0.5, 1, 1.5, 2, 2.7153, 3.2])
ALONE = 100  # times the radius: what correspondPixels charges for a pixel without a partner


def assigned(predicted: Bits, truth: Bits, radius: float) -> int:
    """The pairs of the cheapest assignment, as correspondPixels poses it, by another solver on the dense matrix.

    Each pixel may be alone too: n + m nodes on either side, and whatever has no partner goes to an outlier.
    """
    ours, theirs = np.argwhere(predicted), np.argwhere(truth)
    far = np.sqrt(((ours[:, None] - theirs[None]) ** 2).sum(2))
    n, m = len(ours), len(theirs)
    cost = np.full((n + m, n + m), ALONE * max(radius, 1e-3))
    cost[:n, :m] = np.where(far <= radius, far, 1e9)
    rows, columns = linear_sum_assignment(cost)
    return int(((rows < n) & (columns < m)).sum())


@given(MAPS, MAPS, RADII)
def test_pairs_are_those_of_the_cheapest_assignment(predicted: Bits, truth: Bits, radius: float) -> None:
    assert match(predicted, truth, radius) == assigned(predicted, truth, radius)


@given(MAPS, MAPS, RADII)
def test_pairs_do_not_depend_on_the_side(predicted: Bits, truth: Bits, radius: float) -> None:
    found = match(predicted, truth, radius)
    assert found == match(truth, predicted, radius) == match(predicted[::-1, ::-1], truth[::-1, ::-1], radius)
    assert found <= min(predicted.sum(), truth.sum())
    assert found <= match(predicted, truth, radius + 1)


@given(MAPS, st.integers(0, 3))
def test_radius_0_is_what_both_hold(mask: Bits, rows: int) -> None:
    other = np.roll(mask, rows, 0)
    assert match(mask, other, 0) == (mask & other).sum()
    assert match(mask, mask, 0) == mask.sum()


def row(text: str) -> Bits:
    return np.array([[char == "#" for char in text]])


@pytest.mark.parametrize(
    ("predicted", "truth", "radius", "pairs"),
    [
        ("##....", "#.....", 2, 1),  # one true pixel serves one predicted pixel
        (".##...", "#.#...", 1, 2),  # the nearest for the second would leave nothing for the first
        ("#....#", ".#..#.", 1, 2),
        ("#....#", "..##..", 1, 0),
        ("#....#", "..##..", 2, 2),
        ("......", "######", 2, 0),
        ("######", "......", 2, 0),
    ],
)
def test_by_hand(predicted: str, truth: str, radius: float, pairs: int) -> None:
    assert match(row(predicted), row(truth), radius) == pairs


@pytest.mark.parametrize(
    ("far", "pairs"), [((2, 1), 1), ((0, 2), 1), ((2, 2), 0), ((3, 0), 0), ((0, -3), 0), ((-2, -1), 1)]
)
def test_distance_is_euclidean(far: tuple[int, int], pairs: int) -> None:
    """At 256×256 pixels 0.0075 of the diagonal is 2.715: 2 and 1 aside are within, 2 and 2 are not."""
    predicted, truth = np.zeros((2, 7, 7), np.bool_)
    predicted[3, 3] = truth[3 + far[0], 3 + far[1]] = True
    assert match(predicted, truth, 0.0075 * np.hypot(256, 256)) == pairs


def test_where_the_cheapest_assignment_has_fewer_pairs() -> None:
    """A line shifted by one along itself: the last pair is worth 100 moves of one pixel to correspondPixels."""
    for length, given_up in ((90, 0), (120, 1)):
        line = np.arange(length + 1)[None]
        predicted, truth = line < length, line > 0
        assert match(predicted, truth, 1) == length
        assert assigned(predicted, truth, 1) == length - given_up


def test_maps_of_two_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="cannot be matched"):
        match(np.zeros((3, 4), np.bool_), np.zeros((4, 3), np.bool_), 1)


def test_two_outlines_are_matched_at_once() -> None:
    """On these two, 1 pixel apart, `maximum_bipartite_matching` of SciPy 1.17 does not end within 4 s."""
    truth, predicted = (
        thin(passed(np.array([*corners, corners[0]]), (256, 256)))
        for corners in (
            [(69.44, 52.54), (193.71, 15.55), (228.83, 136.73), (109.55, 206.29)],
            [(69.02, 52.48), (194.69, 16.86), (229.52, 135.20), (109.99, 206.55)],
        )
    )
    assert match(predicted, truth, 2.7153) == assigned(predicted, truth, 2.7153)
