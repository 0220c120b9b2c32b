"""Corners from edge maps, held against the homographies that drew them and against brute force."""

from itertools import combinations, permutations, product

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from archspec.documents import Settings, sample
from archspec.photo import windows
from archspec.scan import Found, NotFound, find_quad, locate, overlay, rectify
from archspec.scan.find import THRESHOLD
from archspec.scan.follow import STRAIGHT, TURN, follow, ridge
from archspec.scan.lines import Line, lines, thin
from archspec.scan.maps import STEP
from archspec.scan.page import aspect, page_size
from archspec.scan.plane import UNIT, apply, area, clockwise, corner_error, homography
from archspec.scan.quads import candidates, plausible, scores
from archspec.scan.refine import refine

Floats = NDArray[np.float64]
Map = NDArray[np.float32]
SIZE = (256, 256)
LIMIT = 0.02 * np.hypot(*SIZE)  # pixels: 2 % of the diagonal
QUAD = np.array([[60.3, 40.2], [200.7, 55.1], [190.4, 210.6], [45.9, 180.8]])


def drawn(corners: Floats, size: tuple[int, int] = SIZE, blur: float = 0.8) -> Map:
    """A quadrilateral's sides as a network would answer: drawn finer, then averaged down."""
    fine = 8
    canvas = np.zeros((size[0] * fine, size[1] * fine), np.uint8)
    points = np.rint((corners * fine - 0.5) * 16).astype(np.int32)
    cv2.polylines(canvas, [points], True, 255, fine * 2, cv2.LINE_AA, 4)
    small = cv2.resize(canvas, size[::-1], interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    return np.asarray(np.clip(cv2.GaussianBlur(small, (0, 0), blur), 0, 1), np.float32)


def degraded(edges: NDArray[np.bool_], seed: int) -> Map:
    """A true map with gaps, strays, a double line, blur and noise, as networks give."""
    random = np.random.default_rng(seed)
    made = edges.astype(np.float32)
    rows, columns = np.nonzero(edges)
    for _ in range(int(random.integers(0, 5)) if rows.size else 0):
        k = int(random.integers(rows.size))
        cv2.circle(made, (int(columns[k]), int(rows[k])), int(random.uniform(4, 18)), 0, -1)
    for _ in range(int(random.integers(0, 6))):
        start, turn = random.uniform(0, 1, 2) * made.shape[::-1], random.uniform(0, 6.28)
        end = start + random.uniform(8, 80) * np.array([np.cos(turn), np.sin(turn)])
        ends = [(int(x), int(y)) for x, y in (start, end)]
        cv2.line(made, ends[0], ends[1], float(random.uniform(0.3, 1)))
    if random.random() < 0.3:
        made = np.maximum(made, np.roll(made, random.integers(-6, 7, 2), (0, 1)) * np.float32(random.uniform(0.2, 0.6)))
    made = np.asarray(cv2.GaussianBlur(made, (0, 0), random.uniform(0.6, 1.8)), np.float32)
    made *= np.float32(random.uniform(0.5, 1) / max(1e-3, float(made[edges].mean()) if rows.size else 1))
    noise = random.standard_normal(made.shape).astype(np.float32)
    return np.asarray(np.clip(made + 0.24 * cv2.GaussianBlur(noise, (0, 0), 2), 0, 1), np.float32)


def test_corners_below_the_pixel() -> None:
    found = find_quad(drawn(QUAD))
    assert isinstance(found, Found)
    assert np.abs(found.corners - QUAD).max() < 0.15
    assert found.score > 0.9


@given(st.lists(st.floats(-0.2, 0.2), min_size=8, max_size=8), st.floats(0, 6.28), st.floats(0.45, 0.8))
@settings(max_examples=25, deadline=None)
def test_any_sheet_is_found(moves: list[float], turn: float, size: float) -> None:
    spin = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    corners = ((UNIT - 0.5 + np.reshape(moves, (4, 2)) * 0.6) @ spin * size + 0.5) * np.array(SIZE[::-1])
    found = find_quad(drawn(corners))
    assert isinstance(found, Found)
    assert corner_error(found.corners, corners) < 1


def test_share_found_of_generated_photos() -> None:
    """Tens, seeded; with the threshold of the score applied."""
    found, wrong = 0, 0
    photos = [sample(seed, SIZE, Settings(negatives=0)) for seed in range(25)]
    for seed, one in enumerate(photos):
        answer = find_quad(degraded(one.edges, seed))
        assert one.corners is not None
        if isinstance(answer, Found):
            close = corner_error(answer.corners, one.corners) < LIMIT
            found, wrong = found + close, wrong + (not close)
    assert found >= 22
    assert wrong <= 1


def test_nothing_is_found_where_nothing_is() -> None:
    for seed in range(12):
        answer = find_quad(degraded(np.zeros(SIZE, bool), seed))
        assert isinstance(answer, NotFound)
        assert answer.score < THRESHOLD


@pytest.mark.parametrize("value", [0.0, 0.4, 1.0])
def test_even_maps_hold_nothing(value: float) -> None:
    assert isinstance(find_quad(np.full((64, 80), value, np.float32)), NotFound)


def test_three_sides_are_not_a_document() -> None:
    edges = drawn(QUAD)
    edges[:, :90] = 0
    answer = find_quad(edges)
    assert isinstance(answer, NotFound)
    assert answer.reason


def test_a_corner_outside_the_map() -> None:
    outside = QUAD + np.array([60, 10])
    assert outside[1, 0] > SIZE[1]
    found = find_quad(drawn(outside))
    assert isinstance(found, Found)
    assert corner_error(found.corners, outside) < 1.5


def test_a_half_is_not_taken_for_the_sheet() -> None:
    """A fold as clear as the border makes two more sheets; the neighbours of its line run on past it."""
    middles = (QUAD + np.roll(QUAD, -1, axis=0)) / 2
    edges = np.maximum(drawn(QUAD), drawn(np.array([middles[1], middles[3]])))
    cv2.circle(edges, (120, 44), 14, 0, -1)  # and the sheet's own border is covered in part
    found = find_quad(edges)
    assert isinstance(found, Found)
    assert corner_error(found.corners, QUAD) < 1


def test_fingers_over_a_side_do_not_bend_it() -> None:
    """Three tips within reach of a side, none of it below them: a fit that believes them moves by pixels."""
    edges = drawn(QUAD)
    along = (QUAD[2] - QUAD[1]) / np.linalg.norm(QUAD[2] - QUAD[1])
    inwards = np.array([-along[1], along[0]])
    for at in (30.0, 44.0, 58.0):
        tip = QUAD[1] + along * at + inwards * 4
        hole = [int(n) for n in QUAD[1] + along * at]
        cv2.circle(edges, (hole[0], hole[1]), 8, 0, -1)
        cv2.ellipse(edges, (int(tip[0] + 3), int(tip[1])), (8, 6), 0, 90, 270, 1.0, 2)
    found = find_quad(edges)
    assert isinstance(found, Found)
    assert corner_error(found.corners, QUAD) < 0.5


def bowed(corners: Floats, by: float, sides: tuple[int, ...]) -> Map:
    """Some sides curl inwards by as many pixels in their middle, as parabolas."""
    share = np.linspace(0, 1, 60)[:, None]
    parts = []
    for k, (a, b) in enumerate(zip(corners, np.roll(corners, -1, axis=0), strict=True)):
        across = np.array([-(b - a)[1], (b - a)[0]]) / np.linalg.norm(b - a)
        parts.append(a + share * (b - a) + across * by * 4 * share * (1 - share) * (k in sides))
    return drawn(np.concatenate(parts))


@pytest.mark.parametrize("by", [-4.0, -2.0, 2.0, 4.0])
def test_sides_that_curl_end_nearer_the_corners_than_straight_ones(by: float) -> None:
    edges = bowed(QUAD, by, (1, 3))
    straight = refine(QUAD, edges, 3.0)
    followed = follow(straight, edges)
    assert corner_error(followed, QUAD) < 0.85 * corner_error(straight, QUAD)
    found = find_quad(edges)
    assert isinstance(found, Found)
    assert corner_error(found.corners, QUAD) < abs(by)


def test_curved_sides_end_at_the_corners() -> None:
    found = find_quad(bowed(QUAD, -1.5, (0, 1, 2, 3)))
    assert isinstance(found, Found)
    assert corner_error(found.corners, QUAD) < 2.5


def test_straight_sides_are_followed_straight() -> None:
    assert corner_error(follow(QUAD, drawn(QUAD)), QUAD) < 0.1


def test_an_empty_map_moves_nothing() -> None:
    assert np.array_equal(follow(QUAD, np.zeros(SIZE, np.float32)), QUAD)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_a_ridge_is_that_of_brute_force(seed: int) -> None:
    values = np.random.default_rng(seed).uniform(0, 1, (5, 5))
    away = np.arange(-2, 3) / STEP

    def worth(path: tuple[int, ...]) -> float:
        turns = np.diff(away[list(path)])
        if np.abs(turns).max() > 1:
            return -np.inf
        seen = values[range(5), path] - STRAIGHT * away[list(path)] ** 2
        return float(seen.sum() - TURN / STEP**2 * (turns**2).sum())

    best = max(worth(path) for path in product(range(5), repeat=5))
    assert worth(tuple(int(k) for k in ridge(values, away))) == pytest.approx(best)


def test_logits_are_refused() -> None:
    for wrong in (np.full((64, 64), -3.0), np.full((64, 64), 1.5), np.full((64, 64), np.nan)):
        with pytest.raises(ValueError, match="probabilities of 0 to 1"):
            find_quad(wrong)
    with pytest.raises(ValueError, match=r"is \(height, width\), not"):
        find_quad(np.zeros((4, 64, 64)))
    assert isinstance(find_quad(np.zeros((8, 64))), NotFound)


def test_thin_is_thin_and_on_the_ridge() -> None:
    ridges = thin(drawn(QUAD, blur=1.5)) > 0
    truth = drawn(QUAD, blur=0.3) > 0.3
    grown = cv2.dilate(truth.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    assert (ridges & grown).sum() / ridges.sum() > 0.95
    length = float(np.linalg.norm(QUAD - np.roll(QUAD, 1, axis=0), axis=1).sum())
    assert 0.7 * length < ridges.sum() < 2.5 * length


def test_lines_are_the_sides() -> None:
    found = lines(drawn(QUAD))[:4]
    for a, b in zip(QUAD, np.roll(QUAD, -1, axis=0), strict=True):
        away = [max(abs(p @ [np.cos(one.angle), np.sin(one.angle)] - one.offset) for p in (a, b)) for one in found]
        assert min(away) < 1.5


def rays(count: int, seed: int) -> list[Line]:
    random = np.random.default_rng(seed)
    angles, offsets = random.uniform(0, np.pi, count), random.uniform(20, 200, count)
    return [Line(float(a), float(p), 1.0) for a, p in zip(angles, offsets, strict=True)]


@pytest.mark.parametrize("seed", range(6))
def test_candidates_are_those_of_brute_force(seed: int) -> None:
    """All orders of all fours of lines, each corner solved for, and the plausible kept."""
    found = rays(6, seed)
    wanted = set()
    for four in combinations(found, 4):
        for order in permutations(four):
            normals = np.array([[np.cos(line.angle), np.sin(line.angle)] for line in order])
            pairs = [[k - 1, k] for k in range(4)]
            if min(abs(np.linalg.det(normals[pair])) for pair in pairs) < 0.01:
                continue
            offsets = np.array([line.offset for line in order])
            corners = np.array([np.linalg.solve(normals[pair], offsets[pair]) for pair in pairs])
            corners = corners if area(corners) > 0 else corners[::-1]
            if plausible(corners[None], SIZE)[0]:
                wanted.add(tuple(np.round(clockwise(corners), 3).ravel()))
    made = {tuple(np.round(clockwise(corners), 3).ravel()) for corners in candidates(found, SIZE)}
    assert made == wanted


def test_some_lines_have_candidates() -> None:
    assert any(len(candidates(rays(6, seed), SIZE)) for seed in range(6))


@pytest.mark.parametrize(
    ("corners", "fine"),
    [
        (QUAD, True),
        (QUAD[[0, 2, 1, 3]], False),  # crossed
        (QUAD + 400, False),  # far outside
        (QUAD * 0.05 + 100, False),  # tiny
        (np.array([[10, 10], [200, 10], [60, 60], [10, 200]]), False),  # not convex
        (np.array([[10.0, 100], [120, 92], [240, 100], [120, 108]]), False),  # sharp
    ],
)
def test_what_is_plausible(corners: Floats, fine: bool) -> None:
    assert bool(plausible(corners[None], SIZE)[0]) == fine


def test_scores_rank_the_true_quadrilateral_first() -> None:
    edges = drawn(QUAD)
    random = np.random.default_rng(0)
    others = [QUAD + random.uniform(-30, 30, (4, 2)) for _ in range(50)]
    others += [QUAD * 0.8 + 25, clockwise(QUAD[[0, 1, 2, 3]] + [[0, 0], [0, 0], [0, -60], [0, -60]])]
    marks = scores(np.array([QUAD, *others]), edges)
    assert marks[0] == marks.max() > 0.95
    assert (marks[1:] < 0.9).all()


# --- the page


def checkers(width: int, height: int, side: int) -> NDArray[np.uint8]:
    x, y = np.meshgrid(np.arange(width) // side, np.arange(height) // side)
    return np.repeat((np.where((x + y) % 2, 230, 30).astype(np.uint8))[..., None], 3, axis=2)


def view(sides: Floats, focal: float, turn: tuple[float, float, float], photo: tuple[int, int]) -> Floats:
    """The corners of a sheet of `sides`, four units away and turned about three axes, by a pinhole camera."""
    matrix, _ = cv2.Rodrigues(np.array(turn))
    points = np.column_stack([(UNIT - 0.5) * sides, np.zeros(4)]) @ np.asarray(matrix).T + [0, 0, 4]
    return np.asarray(points[:, :2] / points[:, 2:] * focal * np.hypot(*photo) + np.array(photo) / 2)


@pytest.mark.parametrize("ratio", [0.3, 0.707, 1.0, 1.586, 3.0])
@pytest.mark.parametrize("turn", [(0.5, 0.3, 0.1), (-0.4, 0.5, 1.0), (0.6, -0.2, -0.4)])
@pytest.mark.parametrize("focal", [0.6, 1.0])
def test_aspect_of_a_known_camera(ratio: float, turn: tuple[float, float, float], focal: float) -> None:
    photo = (1200, 900)
    corners = view(np.array([ratio, 1.0]) / max(1, ratio) * 2, focal, turn, photo)
    assert aspect(corners, photo) == pytest.approx(ratio, rel=1e-6)


@pytest.mark.parametrize("ratio", [0.5, 1.4])
def test_aspect_where_the_focal_length_cannot_be_known(ratio: float) -> None:
    """Seen from straight above, and tilted about one axis only, by the camera that is taken for granted."""
    photo = (1200, 900)
    for turn in ((0.0, 0.0, 0.3), (0.5, 0.0, 0.0), (0.0, 0.4, 0.0)):
        corners = view(np.array([ratio, 1.0]), 0.6, turn, photo)
        assert aspect(corners, photo) == pytest.approx(ratio, rel=1e-3)


def test_a_board_is_restored() -> None:
    board = checkers(300, 210, 30)
    corners = view(np.array([300, 210]) / 150, 0.6, (0.5, 0.35, 0.2), (900, 700))
    shift = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
    matrix = np.linalg.inv(shift) @ homography(UNIT * [300, 210], corners) @ shift
    photo = np.asarray(cv2.warpPerspective(board, matrix, (900, 700), flags=cv2.INTER_AREA), np.uint8)
    page = rectify(photo, corners)
    assert page.shape[1] / page.shape[0] == pytest.approx(300 / 210, rel=0.01)
    back = cv2.resize(page, (300, 210), interpolation=cv2.INTER_AREA).astype(int)
    assert np.mean(np.abs(back - board) < 60) > 0.9
    turned = rectify(photo, np.roll(corners, 1, axis=0))
    assert turned.shape[0] > turned.shape[1], "corners from another one give the page on its side"
    wrong = cv2.resize(rectify(photo, corners + 12), (300, 210)).astype(int)
    assert np.mean(np.abs(wrong - board) < 60) < 0.9, "wrong corners are noticed"


def test_page_size_is_bounded() -> None:
    assert max(page_size(np.array([[-900.0, -800], [1100, -700], [1200, 900], [-800, 1000]]), (300, 200))) <= 361


# --- geometry


def test_homography_takes_corners_to_corners() -> None:
    matrix = homography(UNIT, QUAD)
    assert apply(matrix, UNIT) == pytest.approx(QUAD)
    wanted = cv2.getPerspectiveTransform(UNIT.astype(np.float32), QUAD.astype(np.float32))
    assert matrix == pytest.approx(wanted, rel=1e-4, abs=1e-4)


def test_clockwise_and_area() -> None:
    for turn in range(4):
        assert clockwise(np.roll(QUAD, turn, axis=0)) == pytest.approx(QUAD)
        assert clockwise(np.roll(QUAD[::-1], turn, axis=0)) == pytest.approx(QUAD)
    assert area(UNIT * 3) == 9
    assert area(UNIT[::-1]) == -1
    assert corner_error(np.roll(QUAD, 1, axis=0) + np.array([3, 4]), QUAD) == pytest.approx(5)


# --- photos


@pytest.mark.parametrize("resize", ["stretch", "crop", "pad"])
@pytest.mark.parametrize("photo", [(640, 480), (480, 640)])
def test_corners_in_the_photo(resize: str, photo: tuple[int, int]) -> None:
    """A map of a document known in the map, brought to the photo by its own windows."""
    part, filled = windows(photo, (256, 256), resize)
    inner = np.array([filled[2] - filled[0], filled[3] - filled[1]])
    corners = np.array(filled[:2]) + inner * (0.15 + 0.7 * QUAD / 256)
    wanted = np.array(part[:2]) + (corners - filled[:2]) / inner * [part[2] - part[0], part[3] - part[1]]
    picture = np.full((photo[1], photo[0], 3), 90, np.uint8)  # nothing to refine by
    found = locate(picture, drawn(corners), resize)
    assert isinstance(found, Found)
    assert corner_error(found.corners, wanted) < 1.5
    laid = overlay(picture, found.corners, drawn(corners), resize)
    assert laid.shape == picture.shape
    changed = np.argwhere((np.abs(laid.astype(int) - 90) > 60).any(axis=2))[:, ::-1]
    low, high = changed.min(axis=0), changed.max(axis=0)
    assert low == pytest.approx(wanted.min(axis=0), abs=12)
    assert high == pytest.approx(wanted.max(axis=0), abs=12)
    assert (overlay(picture, None, np.zeros((256, 256)), resize) == 90).all()


def in_map_and_photo(picture: NDArray[np.uint8], edges: Map) -> tuple[Floats, Floats]:
    """The corners by a map alone, in its pixels, and as the photo refines them."""
    rough, found = find_quad(edges), locate(picture, edges, "stretch")
    assert isinstance(rough, Found)
    assert isinstance(found, Found)
    return rough.corners, found.corners


def test_the_photo_refines_what_the_map_blurs() -> None:
    """A white sheet on grey, four times as fine as its map, which is a pixel off."""
    wanted = QUAD * 4
    picture = np.full((1024, 1024, 3), 80, np.uint8)
    cv2.fillPoly(picture, [np.rint((wanted - 0.5) * 16).astype(np.int32)], (230, 230, 230), cv2.LINE_AA, 4)
    rough, found = in_map_and_photo(picture, drawn(QUAD + np.array([0.9, -0.6]), blur=1.5))
    assert corner_error(rough * 4, wanted) > 3
    assert corner_error(found, wanted) < 1.5


def test_the_photo_refines_by_less_than_half_a_pixel() -> None:
    """A map as fine as its photo, beside whose edges it lies by less than the photo's own blur."""
    fine = np.full((2048, 2048, 3), 80, np.uint8)
    cv2.fillPoly(fine, [np.rint(QUAD * 8 - 0.5).astype(np.int32)], (230, 230, 230))
    picture = np.asarray(cv2.resize(fine, (256, 256), interpolation=cv2.INTER_AREA), np.uint8)
    rough, found = in_map_and_photo(picture, drawn(QUAD + np.array([0.35, -0.35]), blur=1.5))
    assert corner_error(found, QUAD) < 0.5 * corner_error(rough, QUAD)
