"""Corner scores by hand."""

import numpy as np
import pytest

from archspec.metrics.corners import WITHIN, Claim, CornerScore, claim, score

QUAD = np.array([[10.0, 10], [70, 12], [72, 60], [8, 58]])
SIZE = (80, 60)  # whose diagonal is 100


def test_a_claim_has_the_largest_distance_over_the_diagonal() -> None:
    moved = QUAD.copy()
    moved[2] += (3, 4)
    assert claim(moved, QUAD, SIZE).error == pytest.approx(0.05)
    assert claim(np.roll(QUAD, 1, axis=0), QUAD, SIZE) == Claim(True, True, 0)
    assert claim(None, QUAD, SIZE) == Claim(True, False, None)
    assert claim(QUAD, None, SIZE) == Claim(False, True, None)
    assert claim(None, None, SIZE) == Claim(False, False, None)


def test_shares_are_of_photos_with_and_without_a_document() -> None:
    claims = [Claim(True, True, error) for error in (0.001, WITHIN, 0.021, 0.3)]
    claims += [Claim(True, False, None), Claim(False, True, None), Claim(False, False, None), Claim(False, False, None)]
    assert score(claims) == CornerScore(5, 2 / 5, 2 / 5, 0.021, 3, 1 / 3)


def test_a_document_that_is_not_found_is_farther_off_than_any() -> None:
    near, missed = Claim(True, True, 0.01), Claim(True, False, None)
    assert score([near, near, missed]).error == 0.01
    assert score([near, missed, missed]).error is None
    assert score([near, missed]).error is None, "the middle of a number and infinity"


def test_without_such_photos_there_is_no_share() -> None:
    assert score([]) == CornerScore(0, None, None, None, 0, None)
    assert score([Claim(False, True, None)]) == CornerScore(0, None, None, None, 1, 1)
    assert score([Claim(True, True, 0.5)]) == CornerScore(1, 0, 1, 0.5, 0, None)
