import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from archspec.metrics.edges import THRESHOLDS, TOLERANCE, Counts, measure, score
from archspec.metrics.matching import match
from archspec.metrics.thinning import nms, thin

Bits = NDArray[np.bool_]

EPS = 2.0**-52


def frame(size: int = 256, inset: int = 40) -> Bits:
    """The border of a square, one pixel wide; its corners, which are no part of a thin line, are cut."""
    mask = np.zeros((size, size), np.bool_)
    mask[inset:-inset, inset:-inset] = True
    return thin(mask & ~ndimage.binary_erosion(mask))


def counts(matched: list[int], predicted: list[int], truth: int) -> Counts:
    return Counts(tuple(matched), tuple(predicted), truth)


def benchmark(images: list[Counts]) -> tuple[float, float, float]:
    """ODS, OIS and AP by the loops of edgesEvalDir.m."""

    def rates(matched: float, truth: float, predicted: float) -> tuple[float, float, float]:
        r, p = matched / max(EPS, truth), matched / max(EPS, predicted)
        return r, p, 2 * p * r / max(EPS, p + r)

    total = [[0, 0, 0] for _ in THRESHOLDS]
    own = [0, 0, 0]
    for one in images:
        each = [(m, one.truth, p) for m, p in zip(one.matched, one.predicted, strict=True)]
        scored = [Fraction(2 * m, max(t + p, 1)) for m, t, p in each]  # exact, so that ties are ties
        own = [a + b for a, b in zip(own, each[scored.index(max(scored))], strict=True)]
        total = [[a + b for a, b in zip(t, values, strict=True)] for t, values in zip(total, each, strict=True)]
    curve = [rates(*values) for values in total]
    best = 0.0
    for j in range(1, len(curve)):
        for a in (k / 99 for k in range(100)):
            r, p = (v * a + w * (1 - a) for v, w in zip(curve[j][:2], curve[j - 1][:2], strict=True))
            best = max(best, 2 * p * r / max(EPS, p + r))
    points = sorted({r: p for r, p, _ in reversed(curve)}.items())
    area = 0.0
    for k in range(101):
        for (r0, p0), (r1, p1) in itertools.pairwise(points):
            if r0 <= k / 100 <= r1:
                area += p0 + (p1 - p0) * (k / 100 - r0) / (r1 - r0)
                break
    return best, rates(*own)[2], area / 100


@st.composite
def sets(draw: st.DrawFn) -> list[Counts]:
    """Images whose predictions dwindle as the threshold grows."""
    images = []
    for seed in draw(st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=4)):
        random = np.random.default_rng(seed)
        truth = int(random.integers(1, 300))  # the benchmark has no image without edges
        predicted = np.sort(random.integers(0, 400, THRESHOLDS.size))[::-1]
        matched = np.minimum(np.minimum(predicted, truth), np.sort(random.integers(0, 300, THRESHOLDS.size))[::-1])
        images.append(Counts(tuple(matched.tolist()), tuple(predicted.tolist()), truth))
    return images


@settings(max_examples=12, deadline=None)
@given(sets())
def test_scores_are_the_benchmarks(images: list[Counts]) -> None:
    ods, ois, ap = benchmark(images)
    found = score(iter(images))
    assert (found.ods, found.ois, found.ap) == pytest.approx((ods, ois, ap), abs=1e-9)
    p, r = (np.interp(found.ods_threshold, THRESHOLDS, values) for values in (found.precision, found.recall))
    assert 2 * p * r / max(EPS, p + r) == pytest.approx(ods, abs=1e-9), "several thresholds may be the best"
    assert found.images == len(images)
    again = score(reversed(images))
    assert again == found


def test_scores_by_hand() -> None:
    """Up to 0.5 all 8 true pixels among 16, then 4 of them alone: halfway precision and recall are 3/4 each."""
    found = score([counts([8] * 50 + [4] * 49, [16] * 50 + [4] * 49, 8)])
    assert found.ods == pytest.approx(0.75, abs=1e-4)
    assert found.ods_threshold == pytest.approx(0.505, abs=1e-3)
    assert found.ois == pytest.approx(2 / 3)
    assert found.ap == pytest.approx(51 * 0.75 / 100), "51 recalls from 0.5 to 1, of precisions 1 down to 0.5"
    assert (found.precision[0], found.recall[0]) == (0.5, 1)
    assert (found.precision[-1], found.recall[-1]) == (1, 0.5)


def test_each_image_has_a_threshold_of_its_own() -> None:
    low = counts([10] * 30 + [0] * 69, [10] * 30 + [0] * 69, 10)
    high = counts([10] * 99, [90] * 60 + [10] * 39, 10)
    found = score([low, high])
    assert found.ois == 1
    assert found.ods < 0.7


def test_an_image_without_edges_takes_the_threshold_with_the_fewest_mistakes() -> None:
    right = counts([10] * 99, [10] * 99, 10)
    empty = counts([0] * 99, [40] * 60 + [0] * 39, 0)
    assert score([right, empty]).ois == 1


def test_a_perfect_map_scores_1() -> None:
    truth = frame()
    found = score([measure(truth.astype(np.float64), truth)])
    assert (found.ods, found.ois) == (1, 1)
    assert found.precision == found.recall == (1.0,) * 99
    assert found.ap == 0, "one recall is no curve, as in the benchmark"


def test_a_perfect_map_whose_parts_are_found_one_by_one() -> None:
    """100 rows of certainty 0.005, 0.015 ... 0.995: at each threshold a hundredth less is left."""
    truth = np.zeros((200, 100), np.bool_)
    truth[::2] = True
    found = score([measure(truth * ((np.arange(200) // 2 + 0.5) / 100)[:, None], truth)])
    assert found.precision == (1.0,) * 99
    assert found.recall == pytest.approx(1 - THRESHOLDS)
    assert found.ap == pytest.approx(0.99), "recalls 0.01 to 0.99; no threshold has 0 or 1"


@pytest.mark.parametrize(("shift", "score_is"), [(0, 1), (2, 1), (3, 0)])
def test_tolerance_is_a_share_of_the_diagonal(shift: int, score_is: float) -> None:
    """2.7 pixels of 256×256, and with four times the pixels twice that."""
    line = np.zeros((256, 256), np.bool_)
    line[:, 100] = True
    assert score([measure(np.roll(line, shift, 1).astype(float), line)]).ods == score_is
    line = np.zeros((512, 512), np.bool_)
    line[:, 100] = True
    assert score([measure(np.roll(line, 2 * shift - (shift > 2), 1).astype(float), line)]).ods == 1


def test_a_map_that_says_nothing() -> None:
    truth = frame(64, 10)
    for edges in (np.zeros((64, 64)), np.full((64, 64), 0.005)):
        found = score([measure(edges, truth)])
        assert (found.ods, found.ois, found.ap) == (0, 0, 0)
    assert score([measure(np.zeros((9, 9)), np.zeros((9, 9), np.bool_))]).ods == 0


@pytest.mark.parametrize("levels", [4, 12, 1000])
def test_counts_are_those_of_every_threshold(levels: int) -> None:
    """Also where several thresholds leave the same mask."""
    random = np.random.default_rng(1)
    truth = frame(64, 12)
    blurred = ndimage.gaussian_filter(truth + 0.3 * random.random(truth.shape), 1.2)
    edges = np.round(blurred / blurred.max() * levels) / levels
    found = measure(edges, truth)
    lines = [thin(edges >= k / 100) for k in range(1, 100)]
    assert found.predicted == tuple(int(mask.sum()) for mask in lines)
    assert found.matched == tuple(match(mask, truth, TOLERANCE * 64 * 2**0.5) for mask in lines)
    assert found.truth == truth.sum()
    assert len(set(found.predicted)) > 2


def test_a_blurred_map_is_found_again() -> None:
    truth = frame()
    blurred = ndimage.gaussian_filter(truth.astype(float), 2)
    assert score([measure(nms(blurred / blurred.max()), truth)]).ods > 0.97
    noise = np.random.default_rng(0).random((256, 256))
    assert score([measure(nms(noise), truth)]).ods < 0.4


def test_what_cannot_be_scored() -> None:
    with pytest.raises(ValueError, match="no image"):
        score([])
    with pytest.raises(ValueError, match="cannot be matched"):
        measure(np.ones((8, 9)), np.ones((9, 8), np.bool_))
