"""Variations of an example: picture and truth go together."""

from collections.abc import Sequence

import numpy as np
import pytest

from archspec.photo import InputContract
from archspec.recipe import Augment
from archspec.train.augment import augment
from archspec.train.examples import Example
from archspec.train.fit import fit


def picture(height: int = 24, width: int = 32, box: Sequence[int] = (4, 6, 14, 20)) -> Example:
    """A white rectangle on black: its mask, its border, its box."""
    top, left, bottom, right = box
    mask = np.zeros((height, width), np.uint8)
    mask[top:bottom, left:right] = 1
    edges = mask.astype(bool)
    edges[top + 1 : bottom - 1, left + 1 : right - 1] = False
    boxes, labels = np.array([box], np.float32), np.zeros(1, np.int64)
    truth = {"mask": mask, "edges": edges, "boxes": boxes, "labels": labels}
    return Example(np.repeat(mask[..., None] * np.uint8(255), 3, -1), truth)


def box_of(mask: np.ndarray) -> list[int]:
    """Brute force: the rows and columns where something is."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return [rows[0], columns[0], rows[-1] + 1, columns[-1] + 1]


def assert_together(example: Example, tolerance: float) -> None:
    """Picture, mask, edges and box of `picture` still say the same."""
    lit = example.image[..., 0] > 127
    assert (lit != example.truth["mask"].astype(bool)).mean() <= tolerance / 100
    if lit.any():
        assert np.abs(example.truth["boxes"][0] - box_of(lit)).max() <= tolerance
        assert np.abs(np.array(box_of(example.truth["edges"])) - box_of(lit)).max() <= tolerance


def test_the_helper_notices_a_truth_that_stays_behind() -> None:
    made = augment(picture(), Augment(crop=4), np.random.default_rng(7))
    assert_together(made, 1)
    for key in ("mask", "edges", "boxes"):
        with pytest.raises(AssertionError):
            assert_together(Example(made.image, {**made.truth, key: picture().truth[key]}), 1)


def test_nothing_changes_unless_it_is_asked_for() -> None:
    made = augment(picture(), Augment(), np.random.default_rng(0))
    assert np.array_equal(made.image, picture().image)
    assert made.truth.keys() == picture().truth.keys()


def test_a_flip_is_exact_and_happens_half_of_the_time() -> None:
    flips = 0
    for seed in range(200):
        made = augment(picture(), Augment(flip=True), np.random.default_rng(seed))
        assert_together(made, 0)
        flipped = np.array_equal(made.image, picture().image[:, ::-1])
        assert flipped or np.array_equal(made.image, picture().image)
        flips += flipped
    assert 75 <= flips <= 125


def test_a_padded_crop_moves_by_whole_pixels_and_brings_in_black() -> None:
    seen = set()
    for seed in range(60):
        made = augment(picture(), Augment(crop=3), np.random.default_rng(seed))
        assert_together(made, 0)
        seen.add(tuple(np.subtract(box_of(made.truth["mask"])[:2], (4, 6))))
    assert max(abs(v) for shift in seen for v in shift) == 3
    assert len(seen) > 20


@pytest.mark.parametrize("how", [Augment(rotate=20), Augment(zoom=0.3), Augment(flip=True, rotate=10, zoom=0.2)])
def test_picture_and_truth_turn_together(how: Augment) -> None:
    for seed in range(20):
        assert_together(augment(picture(64, 64, (20, 20, 44, 44)), how, np.random.default_rng(seed)), 2.5)


def test_a_box_outside_of_the_frame_goes_with_its_label() -> None:
    example = picture(24, 32, (0, 0, 2, 2))
    gone = [augment(example, Augment(crop=8), np.random.default_rng(seed)) for seed in range(40)]
    assert {len(e.truth["boxes"]) for e in gone} == {0, 1}
    assert all(len(e.truth["boxes"]) == len(e.truth["labels"]) for e in gone)


def test_colours_change_within_their_bounds() -> None:
    grey = Example(np.full((4, 4, 3), 100, np.uint8), {})
    made = [augment(grey, Augment(colour=0.2), np.random.default_rng(s)).image for s in range(200)]
    values = np.array([m[0, 0] for m in made])
    assert all((m == m[0, 0]).all() for m in made)  # one colour has no contrast, grey no saturation
    assert 80 <= values.min() < 90
    assert 110 < values.max() <= 120


# an example brought to the input's size


@pytest.mark.parametrize("resize", ["stretch", "crop", "pad"])
def test_truth_is_cut_as_its_picture(resize: str) -> None:
    example = picture(48, 64, (10, 16, 30, 40))
    without = Example(example.image, {k: v for k, v in example.truth.items() if k != "edges"})
    made = fit(without, InputContract((24, 24, 3), (0.0, 1.0), None, None, "rgb", resize))
    lit = made.image[..., 0] > 127
    assert made.image.shape == (24, 24, 3)
    assert (lit != made.truth["mask"].astype(bool)).mean() < 0.02
    assert np.abs(made.truth["boxes"][0] - box_of(lit)).max() <= 1
