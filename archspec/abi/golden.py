"""Golden images of a build, and what its float model answers to them: golden.npz beside its manifest.

`images:VARIANT` are the first images of a variant's calibration (n, height, width, channels): uint8 pixels in the order
of the contract's colours, where that is what they were made of, else float32 in model units. `answers:VARIANT:ROW` is
what the network, as it was before any pass, answers to them at a row that some target serves, (n, ...) float32. VARIANT
is empty for the network without one.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archspec.abi import AbiError
from archspec.artifact import TensorInfo
from archspec.photo import InputContract, in_units, prepare

NAME = "golden.npz"
IMAGES = 4  # at most, of a variant
ROOM = 4_000_000  # bytes that a variant's images and answers may take, uncompressed; one image is stored in any case
LEVEL = 1  # of deflate: 6 takes twice as long for 0.4 % less, measured on six edge maps of two photos

NOISE = 2  # made images of noise; a photo of a document stands behind them

Arrays = dict[str, NDArray[Any]]


def read(file: Path, sha256: str) -> Arrays:
    """What a build has stored. Raises AbiError where there is nothing, or not what has this digest, and OSError."""
    try:
        data = file.read_bytes()
    except FileNotFoundError:
        raise AbiError(f"{file} is missing, the images that are to be replayed; build again") from None
    if hashlib.sha256(data).hexdigest() != sha256:
        raise AbiError(f"{file} is not of this build: its digest is another; build again")
    return unpacked(data)


def unpacked(data: bytes) -> Arrays:
    """What `packed` took. Raises AbiError where it did not make this."""
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except (ValueError, zipfile.BadZipFile, zlib.error, EOFError, KeyError, AttributeError) as error:
        raise AbiError(f"{NAME} is broken; build again") from error


def packed(arrays: Mapping[str, NDArray[Any]], level: int = LEVEL) -> bytes:
    """An .npz file's bytes, 0 is the level without compression; the same arrays give the same."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in sorted(arrays.items()):
            entry = io.BytesIO()
            np.save(entry, array, allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), entry.getvalue(), zipfile.ZIP_DEFLATED, level)
    return file.getvalue()


def images_key(variant: str | None) -> str:
    return f"images:{variant or ''}"


def answer_key(variant: str | None, row: str) -> str:
    return f"answers:{variant or ''}:{row}"


def stored(
    variant: str | None, contract: Mapping[str, Any], images: NDArray[np.float32], answers: Mapping[str, NDArray[Any]]
) -> Arrays:
    """What of a variant is to be stored: as many images as fit `ROOM`, at most `IMAGES`, with the answers to them.

    `contract` is the manifest's `input`. `images` (n, height, width, channels) are in model units, `answers` those of
    the float model by row, to the first of them.
    """
    count = min(len(images), IMAGES, *map(len, answers.values()))
    kept = as_pixels(images[:count], contract)
    each = sum(array[0].nbytes for array in (kept, *answers.values()))
    count = max(1, min(count, ROOM // each))
    return {images_key(variant): kept[:count]} | {answer_key(variant, row): a[:count] for row, a in answers.items()}


def as_pixels(images: NDArray[np.float32], contract: Mapping[str, Any]) -> NDArray[Any]:
    """The pixels that images in model units were made of, uint8; the images themselves where they were not."""
    try:
        photo = InputContract.from_manifest(dict(contract))
    except ValueError:
        return images
    low, high = interval(contract)
    pixels = np.rint((images - low) * (255 / np.subtract(high, low))).clip(0, 255).astype(np.uint8)
    return pixels if np.array_equal(in_units(pixels, photo), images) else images


def in_model_units(images: NDArray[Any], contract: Mapping[str, Any]) -> NDArray[np.float32]:
    """Stored images as the network is fed them, float32. Raises KeyError, TypeError, ValueError for no contract."""
    if images.dtype != np.uint8:
        return images.astype(np.float32)
    return in_units(images, InputContract.from_manifest(dict(contract)))


def make_images(contract: Mapping[str, Any]) -> NDArray[np.float32]:
    """Noise over the input's interval, and a generated photo of a document where the input can be a photo.

    `contract` is an artifact's `input` in the manifest. Raises KeyError, TypeError, ValueError where it is none.
    """
    shape = tuple(int(n) for n in contract["size"])
    low, high = interval(contract)
    noise = np.random.default_rng(0).random((NOISE, *shape))
    images = (low + noise * (np.subtract(high, low))).astype(np.float32)
    try:
        photo = InputContract.from_manifest(dict(contract))
    except ValueError:
        return images
    from PIL import Image

    from archspec.documents import PLAIN, sample

    picture = Image.fromarray(sample(0, (300, 400), PLAIN).image)
    return np.concatenate([images, prepare(picture, photo)[None]])


def interval(contract: Mapping[str, Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The least and the greatest value of every channel, in model units."""
    channels = int(contract["size"][2])
    if contract["range"] is not None:
        low, high = contract["range"]
        return np.full(channels, low, float), np.full(channels, high, float)
    mean = np.zeros(channels) if contract["mean"] is None else np.array(contract["mean"], float)
    std = np.ones(channels) if contract["std"] is None else np.array(contract["std"], float)
    return (0 - mean) / std, (255 - mean) / std


def as_fed(images: NDArray[np.float32], taken: TensorInfo) -> NDArray[Any]:
    """Images as the file takes them, (n, 1, ...): quantized by its own scale, rounded half to even."""
    if "float" in taken.dtype:
        return images[:, None].astype(taken.dtype)
    limits = np.iinfo(taken.dtype)
    steps = np.rint(images / np.float64(taken.scale or 1)) + (taken.zero_point or 0)
    return np.asarray(np.clip(steps, limits.min, limits.max), taken.dtype)[:, None]
