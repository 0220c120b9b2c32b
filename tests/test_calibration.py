"""Images that show a converter its ranges."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from archspec import calibration
from archspec.calibration import MOST, NOISE, PHOTOS, CalibrationError, choose, input_entry
from archspec.photo import InputContract
from archspec.spec import Input

UNIT = Input((4, 6, 3), range=(0, 1))


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Three pictures of one colour each, red in three modes, and what is no picture."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    Image.new("RGB", (8, 8), (255, 0, 0)).save(folder / "b.PNG")
    Image.new("L", (8, 8), 51).save(folder / "a.png")
    Image.new("RGBA", (8, 8), (0, 0, 255, 255)).save(folder / "c.webp", lossless=True)
    (folder / "notes.txt").write_text("no picture")
    (folder / "d.png").mkdir()
    return folder


def test_pictures_come_by_name_and_as_the_contract_says(pictures: Path) -> None:
    made = choose(UNIT, pictures, True, print)
    assert made.source == "3 pictures of a folder"
    assert made.images.shape == (3, 4, 6, 3)
    assert made.images.dtype == np.float32
    wanted = np.array([[0.2, 0.2, 0.2], [1, 0, 0], [0, 0, 1]])
    np.testing.assert_allclose(made.images[:, 0, 0], wanted, rtol=1e-6)


def test_gray_with_mean_and_std(pictures: Path) -> None:
    made = choose(Input((4, 6, 1), mean=127.5, std=127.5), pictures, False, print)
    assert made.images.shape == (3, 4, 6, 1)
    # ITU-R 601 luma of red and blue is 76 and 29
    np.testing.assert_allclose(made.images[:, 0, 0, 0], (np.array([51, 76, 29]) - 127.5) / 127.5, rtol=1e-6)


def test_a_folder_is_not_used_up(pictures: Path) -> None:
    for number in range(MOST + 5):
        Image.new("RGB", (2, 2)).save(pictures / f"x{number:03}.png")
    assert len(choose(UNIT, pictures, True, print).images) == MOST


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("absent", "absent: No such file or directory"),
        ("empty", r"empty: no pictures in it \(.*\.jpg"),
        ("file", "file: Not a directory"),
        ("broken", r"broken.x\.jpg: not a picture in a known format"),
        ("cut", r"cut.x\.png: cannot read the picture: "),
    ],
)
def test_folders_that_cannot_be_used_are_named(pictures: Path, tmp_path: Path, name: str, message: str) -> None:
    for folder in ("empty", "broken", "cut"):
        (tmp_path / folder).mkdir()
    (tmp_path / "file").write_text("")
    (tmp_path / "broken" / "x.jpg").write_text("no picture")
    Image.effect_noise((64, 64), 50).save(tmp_path / "whole.png")
    whole = (tmp_path / "whole.png").read_bytes()
    (tmp_path / "cut" / "x.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CalibrationError, match=message):
        choose(UNIT, tmp_path / name, True, print)


@pytest.mark.parametrize(
    ("contract", "low", "high"),
    [
        (Input((32, 32, 3), range=(-1, 1)), -1, 1),
        (Input((32, 32, 3), range=(0, 255)), 0, 255),
        (Input((32, 32, 1), mean=128.0, std=64.0), -2, 127 / 64),
        (Input((32, 32, 5), range=(0, 1)), 0, 1),
    ],
)
def test_noise_fills_the_declared_range(contract: Input, low: float, high: float) -> None:
    warned: list[str] = []
    made = choose(contract, None, False, warned.append)
    assert made.source == f"{NOISE} images of noise"
    assert made.images.shape == (NOISE, *contract.shape)
    assert low <= made.images.min() < low + 0.01 * (high - low)
    assert high - 0.01 * (high - low) < made.images.max() <= high
    assert made.images.mean() == pytest.approx((low + high) / 2, abs=0.01 * (high - low))
    assert warned == [], "weights that were never trained want no better"
    np.testing.assert_array_equal(made.images, choose(contract, None, False, print).images)


def test_ranges_of_trained_weights_come_from_generated_photos_with_a_warning() -> None:
    warned: list[str] = []
    made = choose(UNIT, None, True, warned.append)
    assert made.images.shape == (PHOTOS, 4, 6, 3)
    assert 0 <= made.images.min() < made.images.max() <= 1
    assert len({image.tobytes() for image in made.images}) == PHOTOS
    assert warned == [f"warning: int8 ranges come from {PHOTOS} generated photos; give real photos by --calibrate DIR"]


def test_an_input_that_is_no_photo(pictures: Path) -> None:
    depths = Input((4, 6, 5), range=(0, 1))
    warned: list[str] = []
    assert choose(depths, None, True, warned.append).source == f"{NOISE} images of noise"
    assert warned == [f"warning: int8 ranges come from {NOISE} images of noise; give real photos by --calibrate DIR"]
    with pytest.raises(CalibrationError, match="pictures do not fit this network's input: size"):
        choose(depths, pictures, True, print)


@pytest.mark.parametrize(
    ("contract", "entry"),
    [
        (
            Input(32, range=(0, 1)),
            {"size": [32, 32, 3], "range": [0, 1], "mean": None, "std": None, "color": "rgb", "resize": "stretch"},
        ),
        (
            Input((8, 9, 1), mean=3.0, std=2.0, resize="pad"),
            {"size": [8, 9, 1], "range": None, "mean": [3.0], "std": [2.0], "color": "gray", "resize": "pad"},
        ),
        (
            Input((8, 9, 3), mean=(1.0, 2.0, 3.0), std=4.0, color="bgr"),
            {
                "size": [8, 9, 3],
                "range": None,
                "mean": [1.0, 2.0, 3.0],
                "std": [4.0, 4.0, 4.0],
                "color": "bgr",
                "resize": "stretch",
            },
        ),
    ],
)
def test_the_contract_as_the_manifest_has_it(contract: Input, entry: dict[str, object]) -> None:
    assert input_entry(contract) == entry
    assert InputContract.from_manifest(entry).size == contract.shape


def test_noise_alone_differs_from_image_to_image() -> None:
    images = calibration.noise((2, 2, 3), (0, 1)).images
    assert len({image.tobytes() for image in images}) == NOISE
