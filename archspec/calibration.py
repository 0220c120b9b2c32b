"""Images that show a converter the range of every activation, as the network is fed them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from archspec.photo import InputContract, PhotoError, prepare, read_photo

PICTURES = frozenset((".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"))
MOST = 100  # images of a folder that are used, in the order of their names
NOISE = 20  # images of noise, or generated photos


class CalibrationError(Exception):
    """A folder of images that cannot be used; names it or the image."""


@dataclass(frozen=True)
class Calibration:
    """Images (n, height, width, channels) in model units, and in words where they come from."""

    images: NDArray[np.float32]
    source: str


def from_folder(folder: Path, contract: InputContract) -> Calibration:
    """The pictures of a folder, at most `MOST`. Raises CalibrationError for a broken one, or where there is none."""
    try:
        files = sorted(f for f in folder.iterdir() if f.suffix.lower() in PICTURES and f.is_file())[:MOST]
    except OSError as error:
        raise CalibrationError(f"{folder}: {error.strerror}") from error
    if not files:
        raise CalibrationError(f"{folder}: no pictures in it ({', '.join(sorted(PICTURES))})")
    try:
        images = np.stack([prepare(read_photo(file), contract) for file in files])
    except PhotoError as error:
        raise CalibrationError(str(error)) from error
    return Calibration(images, f"{len(files)} pictures of a folder")


def noise(shape: tuple[int, ...], interval: tuple[float, float]) -> Calibration:
    """Uniform noise over the declared range of the input: what an untrained network needs, and no more."""
    low, high = interval
    random = np.random.default_rng(0)
    images = low + (high - low) * random.random((NOISE, *shape), np.float32)
    return Calibration(images.astype(np.float32), f"{NOISE} images of noise")


def generated(contract: InputContract) -> Calibration:
    """Generated photos of documents: better than noise for trained weights, and no substitute for real photos."""
    from PIL import Image

    from archspec.sample import document_photo

    photos = [Image.fromarray(document_photo(seed, (480, 360))[0]) for seed in range(NOISE)]
    return Calibration(np.stack([prepare(photo, contract) for photo in photos]), f"{NOISE} generated photos")
