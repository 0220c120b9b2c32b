"""The mean over a photo's quarter turns, against maps made by hand."""

import numpy as np
import pytest
from numpy.typing import NDArray

from archspec.turns import averaged, turned

Floats = NDArray[np.float32]


def downhill(images: Floats) -> Floats:
    """Each pixel's first channel times its row, counted from 1: a network that minds where up is."""
    rows = np.arange(1, images.shape[1] + 1, dtype=np.float32)[:, None, None]
    return images[..., :1] * rows


def seen(images: Floats) -> Floats:
    return averaged(downhill(turned(images)))


def test_square_images_are_seen_four_ways() -> None:
    """The weight of row y and column x is the mean of y, x and both counted from the other end: n + 1 over 2."""
    images = np.random.default_rng(0).random((2, 5, 5, 3)).astype(np.float32)
    assert turned(images).shape == (8, 5, 5, 3)
    np.testing.assert_allclose(seen(images), images[..., :1] * 3, rtol=1e-6)
    assert not np.allclose(downhill(images), images[..., :1] * 3), "one way alone says something else"


def test_other_images_are_seen_two_ways() -> None:
    images = np.random.default_rng(0).random((1, 3, 8, 1)).astype(np.float32)
    assert turned(images).shape == (2, 3, 8, 1)
    np.testing.assert_allclose(seen(images), images * 2, rtol=1e-6)


def test_what_turns_with_the_photo_stays() -> None:
    images = np.random.default_rng(1).random((3, 6, 6, 2)).astype(np.float32)
    np.testing.assert_array_equal(averaged(turned(images)), images)


@pytest.mark.parametrize("quarter", [1, 2, 3])
def test_the_answer_turns_with_a_square_photo(quarter: int) -> None:
    """To the photo itself a network may answer otherwise."""
    images = np.random.default_rng(2).random((1, 7, 7, 1)).astype(np.float32)
    other = np.rot90(images, quarter, (1, 2))
    np.testing.assert_allclose(seen(other), np.rot90(seen(images), quarter, (1, 2)), 1e-6)
    assert not np.allclose(downhill(other), np.rot90(downhill(images), quarter, (1, 2)))
