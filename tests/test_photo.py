from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from archspec.photo import InputContract, PhotoError, prepare, read_photo, windows

RED, BLUE = (255, 0, 0), (0, 0, 255)


def entry(**changes: Any) -> dict[str, Any]:
    """The manifest's `input`, with what a test changes."""
    plain = {
        "size": [4, 8, 3],
        "range": [0, 1],
        "mean": None,
        "std": None,
        "color": "rgb",
        "resize": "stretch",
    }
    return plain | changes


def one_pixel(colour: tuple[int, int, int], **changes: Any) -> list[float]:
    photo = Image.new("RGB", (5, 5), colour)
    prepared = prepare(photo, InputContract.from_manifest(entry(**changes)))
    assert prepared.dtype == np.float32
    assert np.ptp(prepared, axis=(0, 1)).max() == 0, "a photo of one colour stays one"
    return [float(value) for value in prepared[0, 0]]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, [1, 0.2, 0]),
        ({"range": [-1, 1]}, [1, -0.6, -1]),
        ({"range": [0, 255]}, [255, 51, 0]),
        ({"range": None}, [255, 51, 0]),
        ({"range": None, "mean": [5, 1, 2], "std": [10, 5, 4]}, [25, 10, -0.5]),
        ({"range": None, "mean": [5, 1, 2]}, [250, 50, -2]),
        ({"range": None, "std": [5, 3, 4]}, [51, 17, 0]),
        ({"color": "bgr", "range": None, "mean": [2, 1, 5]}, [-2, 50, 250]),
        # ITU-R 601: 0.299 * 255 + 0.587 * 51 = 106.2
        ({"color": "gray", "size": [4, 8, 1], "range": None}, [106]),
    ],
)
def test_pixels_become_model_units(changes: dict[str, Any], expected: list[float]) -> None:
    assert one_pixel((255, 51, 0), **changes) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("resize", "columns"),
    [
        ("stretch", "rrrrbbbb"),  # 16×16, left half red, squeezed to 8×4
        ("pad", "..rrbb.."),
        ("crop", "rrrrbbbb"),
    ],
)
def test_resizing_of_a_square_photo(resize: str, columns: str) -> None:
    photo = Image.new("RGB", (16, 16), RED)
    photo.paste(BLUE, (8, 0, 16, 16))
    prepared = prepare(photo, InputContract.from_manifest(entry(resize=resize)))
    assert prepared.shape == (4, 8, 3)
    names = {(1, 0, 0): "r", (0, 0, 1): "b", (0, 0, 0): "."}
    for row in np.rint(prepared).astype(int).tolist():
        assert "".join(names[tuple(pixel)] for pixel in row) == columns


@pytest.mark.parametrize(
    ("photo", "size", "resize", "used", "filled"),
    [
        ((100, 50), (20, 20), "stretch", (0, 0, 100, 50), (0, 0, 20, 20)),
        ((100, 50), (20, 20), "crop", (25, 0, 75, 50), (0, 0, 20, 20)),
        ((50, 100), (20, 20), "crop", (0, 25, 50, 75), (0, 0, 20, 20)),
        ((100, 50), (20, 20), "pad", (0, 0, 100, 50), (0, 5, 20, 15)),
        ((50, 100), (20, 20), "pad", (0, 0, 50, 100), (5, 0, 15, 20)),
        ((1000, 1), (20, 20), "pad", (0, 0, 1000, 1), (0, 9, 20, 10)),  # never thinner than a pixel
    ],
)
def test_windows(photo: Any, size: Any, resize: str, used: Any, filled: Any) -> None:
    assert windows(photo, size, resize) == (used, filled)


def test_exif_orientation_is_honoured(tmp_path: Path) -> None:
    upright = Image.new("RGB", (60, 40), RED)
    upright.paste(BLUE, (0, 0, 60, 20))
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: the stored picture must be rotated by 90° clockwise to be seen
    upright.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.jpg", exif=exif, quality=95)
    photo = read_photo(tmp_path / "turned.jpg")
    assert photo.size == (60, 40)
    assert np.abs(np.asarray(photo, float) - np.asarray(upright, float)).mean() < 5


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "1"])
def test_modes_become_rgb(tmp_path: Path, mode: str) -> None:
    path = tmp_path / ("photo.jpg" if mode == "CMYK" else "photo.png")
    Image.new("RGB", (4, 4), "white").convert(mode).save(path)
    photo = read_photo(path)
    assert photo.mode == "RGB"
    assert photo.getpixel((1, 1)) == (255, 255, 255)


def test_unreadable_photos_are_named(tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("not a picture")
    Image.effect_noise((64, 64), 50).save(tmp_path / "whole.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "whole.png").read_bytes()[:1000])
    Image.new("I;16", (4, 4), 40000).save(tmp_path / "deep.png")
    for name, reason in {
        "text.jpg": "not a picture in a known format",
        "cut.png": "cannot read the picture",
        "deep.png": "more than 8 bits a channel",
        "absent.png": "No such file or directory",
        ".": "Is a directory",
    }.items():
        with pytest.raises(PhotoError) as caught:
            read_photo(tmp_path / name)
        assert str(caught.value).startswith(f"{tmp_path / name}: ")
        assert reason in str(caught.value)
        assert str(caught.value).count(str(tmp_path)) == 1


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("form", ["PNG", "JPEG", "TIFF", "WEBP"])
def test_mutants_never_escape_as_another_error(tmp_path: Path, form: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "photo"
    Image.effect_noise((40, 30), 50).convert("RGB").save(path, form, exif=exif)
    data, random, refused = path.read_bytes(), np.random.default_rng(0), 0
    for _ in range(200):
        mutant = bytearray(data[: random.integers(1, len(data))] if random.random() < 0.3 else data)
        for place in random.integers(0, min(len(mutant), 200), random.integers(1, 9)):
            mutant[place] = random.integers(256)
        path.write_bytes(mutant)
        try:
            read_photo(path)
        except PhotoError:
            refused += 1
    assert refused > 20


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"size": [4, 8]}, "not enough values"),
        ({"size": [0, 8, 3]}, "size"),
        ({"size": [4, 8, 3], "color": "gray"}, "with color 'gray'"),
        ({"size": [4, 8, 4]}, "with color 'rgb'"),
        ({"color": "hsv"}, "hsv"),
        ({"resize": "squash"}, "resize 'squash' is none of stretch, crop, pad"),
        ({"range": [0, 1, 2]}, "range takes two numbers"),
        ({"range": [0, 1], "mean": [1, 2, 3]}, "excludes mean and std"),
        ({"range": None, "mean": [1]}, "take 3 numbers each"),
        ({"range": None, "std": [1, 1, 0]}, "must be above 0"),
    ],
)
def test_broken_contracts_are_refused(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        InputContract.from_manifest(entry(**changes))
