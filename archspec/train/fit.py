"""An example as large as the network's input, cut from its picture as a photo is cut that is predicted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from archspec import photo
from archspec.photo import InputContract
from archspec.train.examples import Example


def fit(example: Example, contract: InputContract) -> Example:
    """The example with its picture, RGB, and its truth at the input's size.

    Labels of pixels are those of the nearest pixel. Edge maps come at that size from their source, as thin lines do
    not survive a resize.
    """
    from PIL import Image

    height, width = contract.size[:2]
    shape = example.image.shape[:2]
    image = photo.fit(Image.fromarray(example.image), replace(contract, size=(height, width, 3), color="rgb"))
    if shape == (height, width):
        return Example(np.asarray(image), example.truth)
    truth = dict(example.truth)
    part, filled = photo.windows((shape[1], shape[0]), (width, height), contract.resize)
    if "mask" in truth:
        truth["mask"] = _nearest(truth["mask"], part, filled, (height, width))
    if "boxes" in truth:
        truth["boxes"], kept = _moved(truth["boxes"], part, filled)
        truth["labels"] = truth["labels"][kept]
    return Example(np.asarray(image), truth)


def _nearest(mask: NDArray[np.uint8], part: photo.Box, filled: photo.Box, size: tuple[int, int]) -> NDArray[np.uint8]:
    """A map of labels cut as its picture is; outside of the picture it is 0."""
    from PIL import Image

    inside = (filled[2] - filled[0], filled[3] - filled[1])
    made = np.zeros(size, np.uint8)
    cut = Image.fromarray(mask).resize(inside, Image.Resampling.NEAREST, box=part)
    made[filled[1] : filled[3], filled[0] : filled[2]] = np.asarray(cut)
    return made


def _moved(
    boxes: NDArray[np.float32], part: photo.Box, filled: photo.Box
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Boxes (n, 4) as top, left, bottom, right in the input's pixels, cut at its borders; and which are left."""
    scale = ((filled[3] - filled[1]) / (part[3] - part[1]), (filled[2] - filled[0]) / (part[2] - part[0]))
    factor = np.array([*scale, *scale])
    start, before = np.array([part[1], part[0]] * 2), np.array([filled[1], filled[0]] * 2)
    low, high = before, np.array([filled[3], filled[2]] * 2)
    moved = np.clip((boxes - start) * factor + before, low, high)
    kept = (moved[:, 2] - moved[:, 0] >= 1) & (moved[:, 3] - moved[:, 1] >= 1)
    return moved[kept].astype(np.float32), np.asarray(kept)
