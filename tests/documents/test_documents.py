"""Generated photos and what is said to be true of them."""

import io
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from archspec.documents import PLAIN, Pictures, Sample, Settings, jpeg, read_pictures, sample
from archspec.documents.blank import Page
from archspec.documents.pose import Pose, placed
from archspec.documents.rim import WIDEST, rimmed
from archspec.documents.sample import passed
from archspec.documents.things import clutter
from archspec.photo import PhotoError
from archspec.scan.plane import UNIT, area

Floats = NDArray[np.float64]
SIZE = (192, 256)
ALL = Settings(negatives=0)
FLAT = replace(ALL, curled=0, occluded=0)


def border_contrast(photo: NDArray[np.uint8], corners: Floats) -> float:
    """How much more the photo changes across the sides of a quadrilateral than across lines beside them."""
    grey = photo.astype(float).mean(axis=2)
    centre = corners.mean(axis=0)
    steps = []
    for scale in (0.85, 0.92, 1.0, 1.08):
        quad = centre + scale * (corners - centre)
        change = []
        for a, b in zip(quad, np.roll(quad, -1, axis=0), strict=True):
            along = (b - a) / np.linalg.norm(b - a)
            across = np.array([-along[1], along[0]]) * 2
            points = a + np.linspace(0.1, 0.9, 60)[:, None] * (b - a)
            inside = ((points > 3) & (points < np.array(grey.shape[::-1]) - 4)).all(axis=1)
            one, other = ((points[inside] + sign * across).astype(int) for sign in (1, -1))
            if inside.any():
                change.append(abs(np.mean(grey[one[:, 1], one[:, 0]] - grey[other[:, 1], other[:, 0]])))
        steps.append(np.mean(change))
    return float(steps[2] - max(steps[0], steps[3]))


def same(one: Sample, other: Sample) -> bool:
    pairs = [(getattr(one, key), getattr(other, key)) for key in ("image", "edges", "mask", "corners")]
    return one.box == other.box and all(np.array_equal(a, b) for a, b in pairs)


def test_seed_names_the_photo() -> None:
    assert same(sample(3, SIZE, ALL), sample(3, SIZE, ALL))
    assert not same(sample(3, SIZE, ALL), sample(4, SIZE, ALL))
    assert not same(sample(3, SIZE, ALL), replace(sample(3, SIZE, ALL), box=None))


@pytest.mark.parametrize("size", [(32, 32), (64, 300), (480, 360)])
def test_form(size: tuple[int, int]) -> None:
    for seed in range(6):
        made = sample(seed, size)
        assert (made.image.shape, str(made.image.dtype)) == ((*size, 3), "uint8")
        for truth in (made.edges, made.mask):
            assert (truth.shape, str(truth.dtype)) == (size, "bool")
        assert (made.corners is None) == (made.box is None) == (not made.mask.any())
        assert made.corners is None or made.corners.shape == (4, 2)


def test_too_small_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 32×32 pixels, not 40×31"):
        sample(0, (31, 40))


@pytest.mark.parametrize(
    "wrong", [{"negatives": 1.5}, {"own": -0.1}, {"aspects": (9.0,)}, {"rimmed": 2.0}, {"thick": 2.0}]
)
def test_settings_out_of_bounds_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong)).rstrip("s")):
        Settings(**wrong)  # type: ignore[arg-type]


def test_share_of_negatives() -> None:
    assert all(sample(seed, (32, 32), Settings(negatives=1)).corners is None for seed in range(8))
    kinds = [sample(seed, (32, 32), Settings(negatives=0.5)).corners is None for seed in range(60)]
    assert 18 <= sum(kinds) <= 42  # four deviations of a fair coin


def test_corners_are_where_the_picture_changes() -> None:
    """Over many photos: at one alone a fold or a shadow may be stronger."""
    made = [sample(seed, SIZE, replace(FLAT, low_contrast=0, partial=0, cluttered=0)) for seed in range(16)]
    sharper = [border_contrast(one.image, one.corners) for one in made if one.corners is not None]
    assert len(sharper) == 16
    assert np.mean(np.array(sharper) > 0) > 0.7
    wrong = [border_contrast(one.image, one.corners * 0.9 + 9) for one in made if one.corners is not None]
    assert np.mean(np.array(wrong) > 0) < 0.4, "corners beside the document must not pass"


def test_a_rim_changes_the_document_and_not_where_it_is() -> None:
    plain, some, every = ([sample(s, SIZE, replace(FLAT, rimmed=share)) for s in range(16)] for share in (0, 0.5, 1))
    for one, maybe, other in zip(plain, some, every, strict=True):
        assert not same(one, other)
        assert same(maybe, one) or same(maybe, other)
        assert one.corners is not None
        assert other.corners is not None
        assert np.array_equal(one.corners, other.corners)
    assert 3 <= sum(same(one, maybe) for one, maybe in zip(plain, some, strict=True)) <= 13


def test_pages_show_below_a_thick_document_and_its_border_stays() -> None:
    bare = replace(FLAT, low_contrast=0, cluttered=0, shadowed=0, blurred=0)
    changed = []
    for seed in range(24):
        plain, thick = (sample(seed, SIZE, replace(bare, thick=share)) for share in (0, 1))
        assert plain.corners is not None
        assert thick.corners is not None
        assert np.array_equal(plain.corners, thick.corners)
        assert np.array_equal(plain.mask, thick.mask)
        changed.append(not same(plain, thick))
    assert np.mean(changed) > 0.7, "pasted ones have no thickness"
    for seed in range(4):
        rimmed_one, both = (sample(seed, SIZE, replace(bare, rimmed=1, thick=share)) for share in (0, 1))
        assert same(rimmed_one, both), "what has a rim lies flat"


def test_rims_lie_along_the_sides_of_a_page() -> None:
    green, black = Page(np.full((300, 200, 3), (0, 255, 0), np.uint8), radius=0.1), np.zeros((90, 90, 3), np.uint8)
    widest, sides = int(WIDEST * 300) + 1, []
    for seed in range(40):
        made = rimmed(np.random.default_rng(seed), green, Pictures(backgrounds=(black,)), 1.0)
        assert (made.face.shape, made.radius) == (green.face.shape, 0)
        rim = made.face[..., 1] < 128
        assert not rim[widest:-widest, widest:-widest].any()
        sides.append([part.any() for part in (rim[0, 20:-20], rim[-1, 20:-20], rim[20:-20, 0], rim[20:-20, -1])])
    assert (np.mean(sides, axis=0) > 0.3).all()
    assert (np.mean(sides, axis=0) < 0.8).all(), "some sides have none"


@pytest.mark.parametrize("seed", range(10))
def test_corners_are_clockwise_and_in_the_frame_unless_partial(seed: int) -> None:
    whole = sample(seed, SIZE, replace(ALL, partial=0)).corners
    assert whole is not None
    assert area(whole) > 0.02 * SIZE[0] * SIZE[1]
    assert ((whole >= -1e-6) & (whole <= np.array(SIZE[::-1]) + 1e-6)).all()
    assert np.argmin(whole.sum(axis=1)) == 0


def test_partial_pages_have_a_corner_outside() -> None:
    outside = []
    for seed in range(20):
        corners = sample(seed, SIZE, replace(FLAT, partial=1)).corners
        assert corners is not None
        outside.append(int(np.sum(~((corners >= 0) & (corners <= SIZE[::-1])).all(axis=1))))
    assert set(outside) <= {0, 1}
    assert np.mean(outside) > 0.8


def inside(corners: Floats, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Brute force: which pixels' middles lie on the inner side of all four sides."""
    x, y = np.meshgrid(np.arange(size[1]) + 0.5, np.arange(size[0]) + 0.5)
    within = np.ones(size, bool)
    for (ax, ay), (bx, by) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        within &= (bx - ax) * (y - ay) - (by - ay) * (x - ax) >= 0
    return within


def on_sides(corners: Floats, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Brute force: which pixels, as squares, a side passes through, by clipping it to every one of them."""
    x, y = (side.ravel() for side in np.meshgrid(np.arange(size[1]), np.arange(size[0])))
    hit = np.zeros(size[0] * size[1], bool)
    for a, b in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        enter, leave = np.zeros(hit.size), np.ones(hit.size)
        for start, step, low in ((a[0], b[0] - a[0], x), (a[1], b[1] - a[1], y)):
            one, other = (low - start) / step, (low + 1 - start) / step
            enter, leave = np.maximum(enter, np.minimum(one, other)), np.minimum(leave, np.maximum(one, other))
        hit |= enter < leave
    return hit.reshape(size)


@pytest.mark.parametrize("seed", range(12))
def test_mask_and_edges_are_those_of_the_corners(seed: int) -> None:
    """Of a flat sheet with sharp corners; cards, which are round, are looked at below."""
    made = sample(seed, SIZE, FLAT)
    assert made.corners is not None
    assert made.box is not None
    wanted, lines = inside(made.corners, SIZE), on_sides(made.corners, SIZE)
    assert (made.mask & wanted).sum() / (made.mask | wanted).sum() > 0.98
    assert (made.edges & ~lines).sum() <= 0.12 * made.edges.sum(), "round corners leave the sides"
    assert (lines & ~made.edges).sum() <= 0.16 * lines.sum(), "a line is marked every quarter of a pixel"
    down, across = np.nonzero(made.mask)
    assert made.box == (across.min(), down.min(), across.max() + 1, down.max() + 1)


def test_passed_marks_what_clipping_finds() -> None:
    corners = np.array([[10.3, 7.9], [50.2, -4.5], [55.1, 30.2], [12.7, 44.8]])
    marked, lines = passed(np.concatenate([corners, corners[:1]]), (40, 60)), on_sides(corners, (40, 60))
    assert not (marked & ~lines).any()
    assert (lines & ~marked).sum() <= 0.05 * lines.sum(), "but where it cuts a pixel's corner"
    assert (passed(corners + 0.6, (40, 60)) & ~lines).any(), "another line is noticed"


def test_hidden_border_is_no_edge() -> None:
    """What lies over the document takes edges away, and never adds one, or mask."""
    fewer = []
    for seed in range(20):
        free, covered = (sample(seed, SIZE, replace(FLAT, occluded=share)) for share in (0.0, 1.0))
        assert not (covered.edges & ~free.edges).any()
        assert np.array_equal(covered.mask, free.mask)
        fewer.append(covered.edges.sum() < free.edges.sum())
    assert np.mean(fewer) > 0.9


def test_half_of_each_side_is_in_sight() -> None:
    """Whatever lies over the document: where a side would be cannot be told otherwise."""
    hidden = []
    for seed in range(40):
        free, covered = (
            sample(seed, SIZE, replace(FLAT, occluded=share, partial=0, negatives=0)) for share in (0.0, 1.0)
        )
        assert free.corners is not None
        for start, end in pairwise([*free.corners, free.corners[0]]):
            along = (end - start) / np.linalg.norm(end - start)
            y, x = np.nonzero(free.edges)
            from_start = np.stack([x + 0.5, y + 0.5], axis=1) - start
            here = np.abs(from_start @ [-along[1], along[0]]) < 1.5
            hidden.append(1 - covered.edges[y[here], x[here]].mean())
    assert max(hidden) < 0.55, "a half, and what pixels cut off"
    assert max(hidden) > 0.2, "and something lies there"


def sheet(curl: float, radius: float = 0.0) -> Pose:
    corners = np.array([[60.0, 30], [200, 50], [190, 150], [40, 170]])
    return placed(np.random.default_rng(1), corners, np.array([1.0, 0.7]), radius, curl, SIZE)


@pytest.mark.parametrize(("curl", "radius"), [(0.0, 0.0), (0.0, 0.05), (0.05, 0.0)])
def test_a_pose_sees_each_place_where_it_is(curl: float, radius: float) -> None:
    """`places` is the inverse of `seen`, and coverage is a half on the border."""
    pose = sheet(curl, radius)
    window = (0, 0, SIZE[1], SIZE[0])
    across, down = pose.places(window)
    x, y = np.meshgrid(np.arange(SIZE[1]) + 0.5, np.arange(SIZE[0]) + 0.5)
    within = (across > 0) & (across < 1) & (down > 0) & (down < 1)
    seen = pose.seen(np.stack([across[within], down[within]], axis=-1).astype(float))
    assert within.sum() > 5000
    assert np.abs(seen - np.stack([x[within], y[within]], axis=-1)).max() < 0.05
    cover = pose.coverage(across, down)
    edge = pose.border()
    near = edge.astype(int)
    assert abs(float(cover[near[:, 1], near[:, 0]].mean()) - 0.5) < 0.1
    assert np.linalg.norm(edge[0] - edge[-1]) < 1e-9, "closed"
    if not radius:
        gaps = [np.linalg.norm(edge - corner, axis=1).min() for corner in pose.corners()]
        assert max(gaps) < 1e-6


def test_curl_moves_the_border_off_its_sides() -> None:
    flat, bent = sheet(0.0), sheet(0.08)
    assert bent.bend is not None
    assert flat.corners() == pytest.approx(flat.seen(UNIT))
    assert np.linalg.norm(bent.border() - flat.border(), axis=1).max() > 2


def test_given_pictures_are_used() -> None:
    """A red floor and a green page show their colours, on average."""
    red, green = (np.full((40, 60, 3), tone, np.uint8) for tone in ((200, 30, 30), (30, 200, 30)))
    settings = Settings(negatives=0, own=1, cluttered=0, shadowed=0, occluded=0, low_contrast=0)
    for seed in range(6):
        made = sample(seed, (96, 96), settings, Pictures((red,), (green,)))
        inner, outer = made.image[made.mask].mean(axis=0), made.image[~made.mask].mean(axis=0)
        assert inner[1] > inner[0]
        assert outer[0] > outer[1]


def test_folders_are_read(tmp_path: Path) -> None:
    for name, size in (("b.png", (1500, 600)), ("a.jpg", (30, 40))):
        Image.new("RGB", size, "red").save(tmp_path / name)
    made = read_pictures(tmp_path, None)
    assert [picture.shape for picture in made.backgrounds] == [(40, 30, 3), (410, 1024, 3)]
    assert (made.documents, read_pictures(None, None).backgrounds) == ((), ())
    sample(0, (32, 32), Settings(own=1), made)
    (tmp_path / "c.png").write_bytes(b"no picture")
    with pytest.raises(PhotoError, match=r"c\.png: not a picture"):
        read_pictures(None, tmp_path)
    with pytest.raises(PhotoError, match="absent"):
        read_pictures(tmp_path / "absent", None)


def test_clutter_draws_something() -> None:
    for papers in (True, False):
        scene = np.full((96, 128, 3), 120, np.float32)
        clutter(np.random.default_rng(0), scene, papers)
        assert (scene != 120).any()
        assert np.isfinite(scene).all()


def test_jpeg_holds_the_picture() -> None:
    picture = sample(5, (90, 120), PLAIN).image
    with Image.open(io.BytesIO(jpeg(picture, 95))) as photo:
        assert (photo.format, photo.size) == ("JPEG", (120, 90))
        assert np.abs(np.asarray(photo, float) - picture).mean() < 6
