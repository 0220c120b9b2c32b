"""Images that show a converter the range of every activation, as the network is fed them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archspec.photo import InputContract, PhotoError, prepare, read_photo
from archspec.spec import Input

PICTURES = frozenset((".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"))
MOST = 100  # images of a folder that are used, in the order of their names
NOISE = 20  # images of noise
PHOTOS = 8  # generated, at a twentieth of a second each
PHOTO = (300, 400)  # their height and width


class CalibrationError(Exception):
    """A folder of images that cannot be used; names it or the image."""


@dataclass(frozen=True)
class Calibration:
    """Images (n, height, width, channels) in model units, and in words where they come from."""

    images: NDArray[np.float32]
    source: str


def choose(contract: Input, folder: Path | None, photos: bool, say: Callable[[str], None]) -> Calibration:
    """The pictures of a folder. Without one noise, or generated photos where `photos` matter: for ranges of trained
    weights; `say` is told so.

    Raises CalibrationError.
    """
    if folder is None and not photos:
        return noise(contract.shape, contract.interval)
    try:
        photo = InputContract.from_manifest(input_entry(contract))
    except ValueError as error:
        if folder is not None:
            raise CalibrationError(f"pictures do not fit this network's input: {error}") from error
        made = noise(contract.shape, contract.interval)
    else:
        if folder is not None:
            return from_folder(folder, photo)
        made = generated(photo)
    say(f"warning: int8 ranges come from {made.source}; give real photos by --calibrate DIR")
    return made


def from_folder(folder: Path, contract: InputContract) -> Calibration:
    """The pictures of a folder, at most `MOST`. Raises CalibrationError for a broken one, or where there is none."""
    files = pictures(folder)[:MOST]
    try:
        images = np.stack([prepare(read_photo(file), contract) for file in files])
    except PhotoError as error:
        raise CalibrationError(str(error)) from error
    return Calibration(images, f"{len(files)} pictures of a folder")


def pictures(folder: Path) -> list[Path]:
    """The files of a folder that are pictures by their names, sorted. Raises CalibrationError where there is none."""
    try:
        files = sorted(f for f in folder.iterdir() if f.suffix.lower() in PICTURES and f.is_file())
    except OSError as error:
        raise CalibrationError(f"{folder}: {error.strerror}") from error
    if not files:
        raise CalibrationError(f"{folder}: no pictures in it ({', '.join(sorted(PICTURES))})")
    return files


def noise(shape: tuple[int, ...], interval: tuple[float, float]) -> Calibration:
    """Uniform noise over the declared range of the input: what an untrained network needs, and no more."""
    low, high = interval
    random = np.random.default_rng(0)
    images = low + (high - low) * random.random((NOISE, *shape), np.float32)
    return Calibration(images.astype(np.float32), f"{NOISE} images of noise")


def generated(contract: InputContract) -> Calibration:
    """Generated photos of documents: better than noise for trained weights, and no substitute for real photos."""
    from PIL import Image

    from archspec.documents import PLAIN, sample

    photos = [Image.fromarray(sample(seed, PHOTO, PLAIN).image) for seed in range(PHOTOS)]
    return Calibration(np.stack([prepare(photo, contract) for photo in photos]), f"{PHOTOS} generated photos")


def input_entry(contract: Input) -> dict[str, Any]:
    """The spec's input contract as the manifest has it: every number written out for every channel."""
    channels = contract.shape[2]

    def each(value: float | tuple[float, ...] | None) -> list[float] | None:
        if value is None:
            return None
        return list(value) if isinstance(value, tuple) else [value] * channels

    color = contract.color or {1: "gray", 3: "rgb"}.get(channels)
    return {
        "size": list(contract.shape),
        "range": list(contract.range) if contract.range else None,
        "mean": each(contract.mean),
        "std": each(contract.std),
        "color": color,
        "resize": contract.resize,
    }
