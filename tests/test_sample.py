import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from archspec.sample import document_photo, jpeg

SMALL = (320, 240)


def border_contrast(picture: NDArray[np.uint8], corners: NDArray[np.float64]) -> NDArray[np.float64]:
    """How much lighter it is just inside each side of the quadrilateral than just outside, (4,) of 0..255."""
    grey = picture.mean(axis=2)
    centre = corners.mean(axis=0)
    contrast = []
    for a, b in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        points = a + np.linspace(0.15, 0.85, 30)[:, None] * (b - a)
        inward = (centre - points) / np.linalg.norm(centre - points, axis=1, keepdims=True) * 4
        light, dark = ((points + step).astype(int) for step in (inward, -inward))
        contrast.append(float(np.median(grey[light[:, 1], light[:, 0]] - grey[dark[:, 1], dark[:, 0]])))
    return np.array(contrast)


def test_seed_names_the_photo() -> None:
    first, corners = document_photo(3, SMALL)
    again, same = document_photo(3, SMALL)
    other, different = document_photo(4, SMALL)
    assert np.array_equal(first, again)
    assert np.array_equal(corners, same)
    assert not np.array_equal(first, other)
    assert not np.array_equal(corners, different)


@pytest.mark.parametrize("size", [(960, 720), (240, 320), (32, 32)])
def test_form(size: tuple[int, int]) -> None:
    picture, corners = document_photo(0, size)
    assert picture.shape == (size[1], size[0], 3)
    assert picture.dtype == np.uint8
    assert corners.shape == (4, 2)


def test_too_small_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 32×32 pixels, not 31×40"):
        document_photo(0, (31, 40))


@pytest.mark.parametrize("seed", range(12))
def test_corners_are_those_of_the_sheet(seed: int) -> None:
    picture, corners = document_photo(seed, SMALL)
    assert (corners > 0).all()
    assert (corners < SMALL).all()
    x, y = corners.T
    area = np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y) / 2  # positive: clockwise with y down
    assert area > 0.15 * SMALL[0] * SMALL[1]
    assert (border_contrast(picture, corners) > 15).all()


def test_border_contrast_notices_wrong_corners() -> None:
    picture, corners = document_photo(0, SMALL)
    centre = corners.mean(axis=0)
    for wrong in (corners + np.array([12, 0]), centre + 0.8 * (corners - centre)):
        assert not (border_contrast(picture, wrong) > 15).all()


def test_heading_is_at_the_first_two_corners() -> None:
    """Blank at both ends and the rule below the heading where a sheet the right way up has it."""
    picture, corners = document_photo(1)
    grey = picture.mean(axis=2)
    top, bottom = corners[:2].mean(axis=0), corners[2:].mean(axis=0)
    # shares of the way down the sheet; the rule is drawn at 182 of 1188, seen a little off in perspective
    for share, printed in ((0.03, False), (0.158, True), (0.97, False)):
        x, y = (top + share * (bottom - top)).astype(int)
        window = grey[y - 14 : y + 14, x - 40 : x + 40]
        assert (np.ptp(window) > 80) == printed, share


def test_jpeg_holds_the_picture() -> None:
    picture, _ = document_photo(5, SMALL)
    with Image.open(io.BytesIO(jpeg(picture))) as photo:
        assert (photo.format, photo.size) == ("JPEG", SMALL)
        assert np.abs(np.asarray(photo, float) - picture).mean() < 4
