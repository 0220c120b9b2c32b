from collections.abc import Callable
from fractions import Fraction
from math import ceil, floor
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage

from archspec.metrics.thinning import thin
from archspec.pairs import Pair, PairError, read_pairs, truth_map
from archspec.photo import InputContract, prepare, read_photo

Bits = NDArray[np.bool_]

CORNERS = ((0.13, 0.11), (0.83, 0.21), (0.9, 0.87), (0.2, 0.93))


def annotation(path: Path, width: int, height: int, value: int = 255, mode: str = "L") -> Path:
    """A sheet's border, one pixel wide."""
    picture = Image.new("L", (width, height))
    corners = [(int(x * width), int(y * height)) for x, y in CORNERS]
    ImageDraw.Draw(picture).polygon(corners, outline=value)
    picture.convert(mode).save(path)
    return path


def is_one_loop(mask: Bits) -> bool:
    """Whether the lines are connected and shut one part of the background in."""
    return bool(ndimage.label(mask, np.ones((3, 3)))[1] == 1 and ndimage.label(~np.pad(mask, 1))[1] == 2)


def test_pairs_of_a_csv(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for name in ("a.jpg", "sub/b c.png", "d,e.png"):
        (tmp_path / name).touch()
    (tmp_path / "pairs.csv").write_bytes(b'\xef\xbb\xbfa.jpg,sub/b c.png\r\n\r\n"d,e.png", a.jpg\r\n')
    found = read_pairs(tmp_path / "pairs.csv")
    assert found == (
        Pair(tmp_path / "a.jpg", tmp_path / "sub" / "b c.png"),
        Pair(tmp_path / "d,e.png", tmp_path / "a.jpg"),
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"a.png,a.png\na.png,gone.png\n", r"pairs\.csv:2: no such file: .*gone\.png"),
        (b"\n\na.png\n", r"pairs\.csv:3: not image,annotation: a\.png"),
        (b"a.png,a.png,a.png\n", r"pairs\.csv:1: not image,annotation: a\.png,a\.png,a\.png"),
        (b"a.png,\n", r"pairs\.csv:1: no such file"),
        (b"", r"pairs\.csv: no pairs in it"),
        (b"\xff,a.png\n", r"pairs\.csv: .*utf-8"),
        (b"a.png,a.png\x00\n", r"pairs\.csv"),
    ],
)
def test_broken_csvs_are_named(tmp_path: Path, text: bytes, reason: str) -> None:
    (tmp_path / "a.png").touch()
    (tmp_path / "pairs.csv").write_bytes(text)
    with pytest.raises(PairError, match=reason):
        read_pairs(tmp_path / "pairs.csv")


def test_a_csv_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(PairError, match=r"gone\.csv: No such file"):
        read_pairs(tmp_path / "gone.csv")


@pytest.mark.parametrize("size", [(1024, 768), (257, 300), (2000, 2000), (64, 100), (256, 256)])
def test_lines_do_not_break(tmp_path: Path, size: tuple[int, int]) -> None:
    """At any ratio, down and up; those of the nearest pixels break wherever the map is the smaller."""
    path = annotation(tmp_path / "a.png", *size)
    found = truth_map(path, (256, 256))
    assert found.shape == (256, 256)
    assert is_one_loop(found)
    np.testing.assert_array_equal(found, thin(found))
    with Image.open(path) as picture:
        nearest = np.asarray(picture.resize((256, 256), Image.Resampling.NEAREST)) > 0
    assert is_one_loop(nearest) == (max(size) <= 256)


def test_lines_stay_where_they_were(tmp_path: Path) -> None:
    """Within a pixel: every pixel lies beside a corner-to-corner line, and every line has pixels all along it."""
    found = truth_map(annotation(tmp_path / "a.png", 1000, 700), (140, 200))
    points = np.argwhere(found)[:, ::-1] + 0.5
    corners = np.array(CORNERS) * (200, 140)
    away = []
    for start, end in zip(corners, np.roll(corners, -1, 0), strict=True):
        along = (end - start) / np.hypot(*(end - start))
        share = np.clip((points - start) @ along, 0, np.hypot(*(end - start)))
        distance = np.hypot(*(points - start - share[:, None] * along).T)
        away.append(distance)
        assert np.diff(np.sort(share[distance < 1.5])).max() < 2
    assert np.min(away, 0).max() < 1.5


@pytest.mark.parametrize(("length", "size"), [(10, 4), (7, 5), (4, 10), (5, 5), (9, 1), (1, 6)])
def test_a_pixel_is_an_edge_where_any_part_of_it_is(tmp_path: Path, length: int, size: int) -> None:
    """One column set at a time: the columns that overlap it, in exact fractions."""
    for column in range(length):
        pixels = np.zeros((8, length), np.uint8)
        pixels[:, column] = 1
        Image.fromarray(pixels).save(tmp_path / "a.png")
        low, high = Fraction(column * size, length), Fraction((column + 1) * size, length)
        covered = np.zeros((8, size), np.bool_)
        covered[:, floor(low) : ceil(high)] = True
        np.testing.assert_array_equal(truth_map(tmp_path / "a.png", (8, size)), thin(covered))


@pytest.mark.parametrize("resize", ["stretch", "crop", "pad"])
@pytest.mark.parametrize("size", [(90, 150), (60, 41)])
def test_the_annotation_is_cut_as_the_photo_is(tmp_path: Path, resize: str, size: tuple[int, int]) -> None:
    """The annotation taken for a photo: what the network would see of it."""
    path = annotation(tmp_path / "a.png", 300, 200)
    contract = InputContract((*size, 1), (0.0, 1.0), None, None, "gray", resize)
    seen = prepare(read_photo(path), contract)[:, :, 0] > 0.02
    found = truth_map(path, size, resize)
    assert found.any()
    assert (ndimage.binary_dilation(seen, np.ones((3, 3))) | ~found).all(), "nothing where nothing is seen"
    assert (ndimage.binary_dilation(found, np.ones((5, 5))) | ~seen).all(), "something where something is seen"


@pytest.mark.parametrize(("value", "mode"), [(255, "L"), (1, "L"), (255, "1"), (255, "RGB"), (200, "RGBA")])
def test_two_values_of_any_kind_are_an_annotation(tmp_path: Path, value: int, mode: str) -> None:
    assert is_one_loop(truth_map(annotation(tmp_path / "a.png", 80, 60, value, mode), (60, 80)))


def test_an_annotation_may_be_empty(tmp_path: Path) -> None:
    Image.new("L", (20, 10)).save(tmp_path / "a.png")
    assert not truth_map(tmp_path / "a.png", (5, 5)).any()


def test_what_is_no_annotation_is_named(tmp_path: Path) -> None:
    lines = annotation(tmp_path / "a.png", 80, 60)
    with Image.open(lines) as picture:
        picture.resize((70, 50), Image.Resampling.BILINEAR).save(tmp_path / "grey.png")
        Image.eval(picture, lambda v: v // 2 + 9).save(tmp_path / "no_zero.png")
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(PairError, match=r"grey\.png: not binary"):
        truth_map(tmp_path / "grey.png", (60, 80))
    with pytest.raises(PairError, match=r"no_zero\.png: not binary"):
        truth_map(tmp_path / "no_zero.png", (60, 80))
    with pytest.raises(PairError, match=r"text\.png: not a picture"):
        truth_map(tmp_path / "text.png", (60, 80))
    with pytest.raises(PairError, match=r"a\.png: 80×60 pixels, and its image has 60×80"):
        truth_map(lines, (60, 80), photo=(60, 80))
    assert truth_map(lines, (60, 80), photo=(80, 60)).any()


def test_the_authors_pairs(shared: Callable[[str], Path]) -> None:
    """Lines are doubled where they step: thinning takes a fifth of the pixels, and leaves each a loop."""
    pairs = read_pairs(shared("hed/pairs.csv"))
    assert len(pairs) == 11
    for pair in pairs:
        found = truth_map(pair.annotation, (256, 256), photo=read_photo(pair.image).size)
        with Image.open(pair.annotation) as picture:
            drawn = np.asarray(picture) > 0
        assert 0.75 < found.sum() / drawn.sum() < 0.85
        assert not (found & ~drawn).any()
        assert ndimage.label(found, np.ones((3, 3)))[1] == 1
        assert ndimage.label(~np.pad(found, 1))[1] == ndimage.label(~np.pad(drawn, 1))[1]
