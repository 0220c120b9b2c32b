"""Objects in a photo: what an artifact with suppression in it says, in the photo's pixels, and a picture of it."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from archspec.nms.proof import objects_of
from archspec.photo import InputContract, windows

if TYPE_CHECKING:
    from PIL import Image

LIKELY = 0.5  # the score of an object that is drawn and told
COLOUR = (255, 64, 32)


@dataclass(frozen=True, slots=True)
class SeenObject:
    """A class, counted from 0 without the background, `label` None without a list of labels; a score, 0 to 1.

    `box` is left, top, right, bottom in pixels of the photo, cut off at its sides.
    """

    index: int
    label: str | None
    score: float
    box: tuple[float, float, float, float]


def seen(
    answers: Mapping[str, NDArray[np.float32]], photo: tuple[int, int], contract: InputContract,
    labels: Sequence[str] | None,
) -> tuple[SeenObject, ...]:  # fmt: skip
    """The objects in a photo of (width, height), best first, of the answers to it alone.

    Raises IndexError where a class has no label.
    """
    height, width, _ = contract.size
    part, filled = (np.array(box, float) for box in windows(photo, (width, height), contract.resize))
    scale = (part[2:] - part[:2]) / (filled[2:] - filled[:2])
    made = []
    for box, score, index in zip(*objects_of(answers), strict=True):
        places = np.array([[box[1], box[0]], [box[3], box[2]]]) * (width, height)
        inside = np.clip(part[:2] + (places - filled[:2]) * scale, 0, photo)
        (left, top), (right, bottom) = inside.tolist()
        label = labels[index] if labels is not None else None
        made.append(SeenObject(int(index), label, float(score), (left, top, right, bottom)))
    return tuple(made)


def picture(photo: Image.Image, objects: Sequence[SeenObject]) -> bytes:
    """A PNG: the photo with the boxes of the likely ones, each with its class and score."""
    from PIL import ImageDraw, ImageFont

    sheet = photo.convert("RGB")
    draw, unit = ImageDraw.Draw(sheet), max(photo.size)
    width = max(1, unit // 300)
    font = ImageFont.load_default(max(10, unit // 50))
    for one in reversed([one for one in objects if one.score >= LIKELY]):  # the best on top
        draw.rectangle(one.box, outline=COLOUR, width=width)
        text = f"{one.label or one.index} {one.score:.2f}"
        left, top, right, bottom = draw.textbbox((one.box[0] + 2 * width, one.box[1] + 2 * width), text, font)
        draw.rectangle((left - width, top - width, right + width, bottom + width), fill=COLOUR)
        draw.text((one.box[0] + 2 * width, one.box[1] + 2 * width), text, "white", font)
    file = io.BytesIO()
    sheet.save(file, "PNG")
    return file.getvalue()
