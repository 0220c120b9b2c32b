"""A photo as a network's input: reading it, and the contract that a manifest keeps."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from archspec.files import reason

if TYPE_CHECKING:
    from PIL import Image

Box = tuple[int, int, int, int]  # left, top, right, bottom
CHANNELS = {"rgb": 3, "bgr": 3, "gray": 1}
RESIZES = ("stretch", "crop", "pad")


class PhotoError(Exception):
    """A picture that cannot be read; names the file."""


@dataclass(frozen=True, slots=True)
class InputContract:
    """How a picture becomes the network's input: `input` of the manifest.

    `size` is height, width, channels. A pixel p of 0..255 becomes lo + p / 255 * (hi - lo) by `range`, or
    (p - mean) / std, one number a channel in the order of `color`; p itself where all are None.
    `resize`: `stretch` ignores the aspect, `crop` keeps the middle, `pad` adds black borders.
    """

    size: tuple[int, int, int]
    range: tuple[float, float] | None
    mean: tuple[float, ...] | None
    std: tuple[float, ...] | None
    color: str
    resize: str

    @classmethod
    def from_manifest(cls, entry: dict[str, Any]) -> InputContract:
        """Reads the manifest's `input`. Raises KeyError, TypeError or ValueError if it is none."""
        height, width, channels = (int(n) for n in entry["size"])
        span, mean, std = (_numbers(entry[key]) for key in ("range", "mean", "std"))
        color, resize = entry["color"], entry["resize"]
        if min(height, width) < 1 or CHANNELS.get(color) != channels:
            raise ValueError(f"size {entry['size']} with color {color!r}")
        if resize not in RESIZES:
            raise ValueError(f"resize {resize!r} is none of {', '.join(RESIZES)}")
        if span is not None and (len(span) != 2 or mean is not None or std is not None):
            raise ValueError("range takes two numbers and excludes mean and std")
        if any(numbers is not None and len(numbers) != channels for numbers in (mean, std)):
            raise ValueError(f"mean and std take {channels} numbers each")
        if std is not None and min(std) <= 0:
            raise ValueError(f"std {list(std)} must be above 0")
        pair = None if span is None else (span[0], span[1])
        return cls((height, width, channels), pair, mean, std, color, resize)


def _numbers(value: list[float] | None) -> tuple[float, ...] | None:
    return None if value is None else tuple(float(number) for number in value)


def read_photo(path: Path | str, stream: BinaryIO | None = None) -> Image.Image:
    """The photo as it is meant to be seen: EXIF orientation applied, RGB. Raises PhotoError.

    It comes from `stream` where that is given; `path` then only says in messages what it is.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            # Pillow warns of odd metadata, and of half the number of pixels that is an error to it
            warnings.simplefilter("ignore")
            with Image.open(stream or path) as photo:
                if photo.mode.startswith(("I", "F")):
                    raise PhotoError(f"{path}: more than 8 bits a channel, which is not supported")
                return ImageOps.exif_transpose(photo).convert("RGB")
    except UnidentifiedImageError as error:
        raise PhotoError(f"{path}: not a picture in a known format") from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise PhotoError(f"{path}: cannot read the picture: {reason(error)}") from error


def windows(photo: tuple[int, int], size: tuple[int, int], resize: str) -> tuple[Box, Box]:
    """The part of a photo that is used, and the part of the input that it fills; sizes are width, height."""
    whole_photo, whole_input = (0, 0, *photo), (0, 0, *size)
    if resize == "crop":
        return _middle(size, photo), whole_input
    if resize == "pad":
        return whole_photo, _middle(photo, size)
    return whole_photo, whole_input


def _middle(aspect: tuple[int, int], frame: tuple[int, int]) -> Box:
    """The largest box of the given aspect in the middle of `frame`, both as width, height."""
    scale = min(frame[0] / aspect[0], frame[1] / aspect[1])
    width, height = (max(1, round(n * scale)) for n in aspect)
    left, top = (frame[0] - width) // 2, (frame[1] - height) // 2
    return left, top, left + width, top + height


def prepare(photo: Image.Image, contract: InputContract) -> NDArray[np.float32]:
    """An RGB photo as the network's input, (height, width, channels) in model units."""
    return in_units(fit(photo, contract), contract)


def fit(photo: Image.Image, contract: InputContract) -> NDArray[np.uint8]:
    """An RGB photo brought to the input's size and colours, (height, width, channels), 0 to 255."""
    from PIL import Image

    height, width, _ = contract.size
    part, filled = windows(photo.size, (width, height), contract.resize)
    canvas = Image.new("RGB", (width, height))
    columns, rows = filled[2] - filled[0], filled[3] - filled[1]
    # along rows first, which Pillow before 13 always did: from 13 on it chooses an order, and the rounding differs
    narrowed = photo.resize((columns, photo.height), Image.Resampling.BILINEAR, (part[0], 0, part[2], photo.height))
    resized = narrowed.resize((columns, rows), Image.Resampling.BILINEAR, (0, part[1], columns, part[3]))
    canvas.paste(resized, filled[:2])
    return coloured(np.asarray(canvas), contract)


def coloured(pixels: NDArray[np.uint8], contract: InputContract) -> NDArray[np.uint8]:
    """RGB pixels (height, width, 3) in the contract's colours, (height, width, channels)."""
    from PIL import Image

    if contract.color == "gray":
        return np.asarray(Image.fromarray(pixels).convert("L"))[..., None]
    return pixels[..., ::-1] if contract.color == "bgr" else pixels


def in_units(pixels: NDArray[Any], contract: InputContract) -> NDArray[np.float32]:
    """Pixels of 0 to 255, (..., channels) in the order of the contract's colours, in model units."""
    values = pixels.astype(np.float32)
    if contract.range is not None:
        low, high = contract.range
        values /= 255  # in place, and no more than it takes: a training run does this for every picture of every step
        if high - low != 1:
            values *= high - low
        if low:
            values += low
        return values
    values -= np.asarray(contract.mean or 0, np.float32)
    values /= np.asarray(contract.std or 1, np.float32)
    return values
