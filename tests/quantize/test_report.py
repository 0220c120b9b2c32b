"""Ranking of rows and rows kept in float, on errors known by a formula; a search of all sets is the oracle."""

from itertools import combinations

import numpy as np
import pytest

from archspec.quantize.report import FallbackError, fallback, ranking, relative_error

ADDED = {"a": 0.5, "b": 0.1, "c": 0.3, "d": 0.02, "e": 0.2}


def error(floats: frozenset[str]) -> float:
    """Rows add to the square of the error, and `a` and `c` some more where both are quantized."""
    left = set(ADDED) - floats
    both = 0.2 if {"a", "c"} <= left else 0.0
    return float(np.sqrt(sum(ADDED[row] ** 2 for row in left) + both))


def smallest(most: float) -> int:
    """How few rows meet the bound, by trying all sets."""
    sets = (frozenset(rows) for n in range(len(ADDED) + 1) for rows in combinations(ADDED, n))
    return next(len(rows) for rows in sets if error(rows) <= most)


def test_ranking_by_what_each_row_adds() -> None:
    ranks = ranking(list(ADDED), error)
    assert [rank.row for rank in ranks] == ["a", "c", "e", "b", "d"]
    assert [rank.alone for rank in ranks] == pytest.approx([0.5, 0.3, 0.2, 0.1, 0.02])
    assert ranks[0].left == pytest.approx(error(frozenset("a")))
    assert ranks[0].left < ranks[1].left < ranks[-1].left


@pytest.mark.parametrize("most", [0.0, 0.01, 0.02, 0.1, 0.15, 0.23, 0.3, 0.35, 0.4, 0.5, 0.6, 0.8, 2.0])
def test_fallback_meets_the_bound_with_the_fewest_rows(most: float) -> None:
    order = [rank.row for rank in ranking(list(ADDED), error)]
    kept = fallback(order, error, most)
    assert error(frozenset(kept)) <= most
    assert len(kept) == smallest(most)
    for row in kept:
        assert error(frozenset(kept) - {row}) > most, "a row too many"


def test_fallback_drops_a_row_that_another_made_needless() -> None:
    def odd(floats: frozenset[str]) -> float:
        return 0.0 if "b" in floats else 1.0

    assert fallback(["a", "b", "c"], odd, 0.5) == ("b",)


def test_a_bound_that_cannot_be_met_is_told_with_the_best() -> None:
    with pytest.raises(FallbackError, match=r"^no float rows bring the error down to 0.01: the least is 0.2$"):
        fallback(["a", "b"], lambda floats: 0.5 - 0.15 * len(floats), 0.01)


def test_relative_error_by_hand() -> None:
    wanted = {"x": np.array([3, 4], np.float32), "y": np.array([1, -1], np.float32)}
    got = {"x": np.array([3, 4], np.float32), "y": np.array([1.1, -1.1], np.float32)}
    assert relative_error(got, wanted) == pytest.approx(0.1)
    assert relative_error(wanted, wanted) == 0
    zero = {"x": np.zeros(2, np.float32)}
    assert relative_error(zero, zero) == 0
    assert relative_error({"x": np.ones(2, np.float32)}, zero) == np.inf
