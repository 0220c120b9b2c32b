"""Random changes of an example that leave it true: one geometric move of picture and truth, one of colours."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from archspec.recipe import Augment
from archspec.train.examples import Example

Random = np.random.Generator
GREY = (0.299, 0.587, 0.114)  # of red, green and blue (ITU-R BT.601)


def augment(example: Example, how: Augment, random: Random) -> Example:
    """A random variation of an example of the network's input size."""
    move = _move(how, example.image.shape[1], example.image.shape[0], random)
    if move is not None:
        example = _moved(example, move, how.crop > 0)
    return Example(_recoloured(example.image, how.colour, random), example.truth) if how.colour else example


def _move(how: Augment, width: int, height: int, random: Random) -> NDArray[np.float64] | None:
    """The affine map (2, 3) of pixel indices, from the picture to its variation; None where nothing moves."""
    flip = how.flip and random.random() < 0.5
    angle = np.deg2rad(random.uniform(-how.rotate, how.rotate)) if how.rotate else 0.0
    zoom = float(np.exp(random.uniform(-1, 1) * np.log1p(how.zoom))) if how.zoom else 1.0
    shift = random.integers(-how.crop, how.crop, 2, endpoint=True) if how.crop else np.zeros(2)
    if not flip and not angle and zoom == 1 and not shift.any():
        return None
    cos, sin = zoom * np.cos(angle), zoom * np.sin(angle)
    turn = np.array([[cos, -sin], [sin, cos]]) @ np.diag([-1.0 if flip else 1.0, 1.0])
    centre = np.array([(width - 1) / 2, (height - 1) / 2])
    return np.column_stack([turn, centre - turn @ centre + shift])


def _moved(example: Example, move: NDArray[np.float64], zeros: bool) -> Example:
    """Picture and truth under an affine map. What comes in from outside is black where `zeros`, else mirrored."""
    import cv2

    height, width = example.image.shape[:2]
    border = cv2.BORDER_CONSTANT if zeros else cv2.BORDER_REFLECT_101
    image = cv2.warpAffine(example.image, move, (width, height), flags=cv2.INTER_LINEAR, borderMode=border)
    truth: dict[str, Any] = dict(example.truth)
    if "mask" in truth:
        truth["mask"] = cv2.warpAffine(truth["mask"], move, (width, height), flags=cv2.INTER_NEAREST, borderMode=border)
    if "edges" in truth:
        truth["edges"] = _moved_lines(truth["edges"], move, border)
    if "boxes" in truth:
        truth["boxes"], truth["labels"] = _moved_boxes(truth["boxes"], truth["labels"], move, width, height)
    return Example(np.asarray(image), truth)


def _moved_lines(edges: NDArray[np.bool_], move: NDArray[np.float64], border: int) -> NDArray[np.bool_]:
    """Thin lines under an affine map: interpolated, then thinned, so that they do not break."""
    import cv2

    from archspec.metrics.thinning import thin

    height, width = edges.shape
    soft = cv2.warpAffine(edges.astype(np.float32), move, (width, height), flags=cv2.INTER_LINEAR, borderMode=border)
    if np.array_equal(np.abs(move[:, :2]), np.eye(2)):
        return np.asarray(soft > 0.5)  # whole pixels: nothing was interpolated
    return thin(np.asarray(soft > 0.25))


def _moved_boxes(
    boxes: NDArray[np.float32], labels: NDArray[Any], move: NDArray[np.float64], width: int, height: int
) -> tuple[NDArray[np.float32], NDArray[Any]]:
    """The boxes around the moved corners of boxes, cut at the frame; those of which less than a pixel is left go."""
    top, left, bottom, right = (boxes[:, i].astype(np.float64) for i in range(4))
    # pixel edges: half a pixel before the index of the pixel's centre
    corners = np.stack([(left, top), (right, top), (right, bottom), (left, bottom)]).transpose(2, 0, 1) - 0.5
    x, y = np.moveaxis(corners @ move[:, :2].T + move[:, 2] + 0.5, -1, 0)
    x, y = np.clip(x, 0, width), np.clip(y, 0, height)
    made = np.stack([y.min(1), x.min(1), y.max(1), x.max(1)], 1).astype(np.float32)
    kept = (made[:, 2] - made[:, 0] >= 1) & (made[:, 3] - made[:, 1] >= 1)
    return made[kept], labels[kept]


def _recoloured(image: NDArray[np.uint8], most: float, random: Random) -> NDArray[np.uint8]:
    """Brightness, contrast and saturation each changed by a factor of 1 - `most` to 1 + `most`."""
    brightness, contrast, saturation = random.uniform(1 - most, 1 + most, 3)
    values = image.astype(np.float32) * np.float32(brightness)
    values = (values - values.mean()) * np.float32(contrast) + values.mean()
    grey = values @ np.array(GREY, np.float32)
    values = grey[..., None] + (values - grey[..., None]) * np.float32(saturation)
    return np.asarray(np.clip(np.rint(values), 0, 255), np.uint8)
