"""Golden inputs and answers of a build: golden.npz beside its manifest.

`images.CONTRACT` are images (n, height, width, channels) in model units, CONTRACT the digest of the input contract.
`answers.FILE.OUTPUT` are the answers (n, *shape) that ai-edge-litert gave by XNNPACK on x86-64 when they were stored,
FILE the digest of the .tflite file.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archspec.abi import AbiError
from archspec.artifact import TensorInfo
from archspec.photo import InputContract, prepare

NAME = "golden.npz"
NOISE = 2  # images of noise; a photo of a document stands behind them
DIGITS = 16  # of a digest

Arrays = dict[str, NDArray[Any]]


def read(file: Path) -> Arrays:
    """What is stored, nothing where there is no file. Raises AbiError, OSError."""
    if not file.exists():
        return {}
    try:
        with np.load(io.BytesIO(file.read_bytes()), allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except (ValueError, zipfile.BadZipFile, zlib.error, EOFError, KeyError, AttributeError) as error:
        raise AbiError(f"{file} is broken; without it the next run stores another one") from error


def packed(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """The file's bytes; the same arrays give the same."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in sorted(arrays.items()):
            entry = io.BytesIO()
            np.save(entry, array, allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), entry.getvalue(), zipfile.ZIP_DEFLATED)
    return file.getvalue()


def images_key(contract: Mapping[str, Any]) -> str:
    return "images." + hashlib.sha256(json.dumps(contract, sort_keys=True).encode()).hexdigest()[:DIGITS]


def answer_key(sha256: str, output: str) -> str:
    return f"answers.{sha256[:DIGITS]}.{output}"


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

    from archspec.sample import document_photo

    picture = Image.fromarray(document_photo(0, (400, 300))[0])
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
