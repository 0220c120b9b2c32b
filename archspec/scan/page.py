"""A document laid flat: its page cut out of the photo, in the proportions that it has."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from archspec.scan.plane import UNIT, homography

Floats = NDArray[np.float64]
Pixels = NDArray[np.uint8]

FOCAL = 0.6  # of the photo's diagonal: 26 mm on 35 mm film, as phones' main cameras have
FOCALS = (0.4, 3.0)  # what an estimate is bounded to, from a wide to a long lens
FLAT = 1e-3  # a side's change of depth, times the diagonal, below which nothing is learnt of the focal length


def rectify(photo: Pixels, corners: Floats) -> Pixels:
    """The page, uint8 RGB, whose `corners` (4, 2) lie clockwise from its top left in a photo, (height, width, 3).

    Its longer measure is kept, up to the photo's diagonal; what lies outside the photo is white.
    Raises numpy.linalg.LinAlgError if three corners lie on a line.
    """
    import cv2

    size = photo.shape[1], photo.shape[0]
    width, height = page_size(corners, (size[0], size[1]))
    matrix = homography(corners, UNIT * [width, height])
    shift = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])  # OpenCV's 0, 0 is the middle of the first pixel
    centred = np.linalg.inv(shift) @ matrix @ shift
    white = (255, 255, 255)
    return np.asarray(
        cv2.warpPerspective(photo, centred, (width, height), flags=cv2.INTER_CUBIC, borderValue=white), np.uint8
    )


def page_size(corners: Floats, photo: tuple[int, int]) -> tuple[int, int]:
    """Width and height in pixels of the page with these corners in a photo of (width, height)."""
    sides = np.linalg.norm(np.roll(corners, -1, axis=0) - corners, axis=1)
    width, height = max(sides[0], sides[2]), max(sides[1], sides[3])
    ratio = aspect(corners, photo)
    width, height = (height * ratio, height) if width < height * ratio else (width, width / ratio)
    shrink = min(1.0, float(np.hypot(*photo)) / max(width, height))
    return max(1, round(width * shrink)), max(1, round(height * shrink))


def aspect(corners: Floats, photo: tuple[int, int]) -> float:
    """Width / height of the rectangle that is seen as a quadrilateral, (4, 2), in a photo of (width, height).

    Zhang and He 2007, "Whiteboard scanning and image enhancement", section 3.3, with square pixels and the optical
    axis in the middle of the photo. Where both pairs of sides run together the focal length follows from the corners;
    else it is taken to be `FOCAL`.
    """
    diagonal = float(np.hypot(*photo))
    points = (corners - np.array(photo) / 2) / diagonal
    m1, m2, m4, m3 = np.column_stack([points, np.ones(4)])  # top left, top right, bottom right, bottom left
    across = float(np.cross(m1, m4) @ m3 / (np.cross(m2, m4) @ m3)) * m2 - m1
    down = float(np.cross(m1, m4) @ m2 / (np.cross(m3, m4) @ m2)) * m3 - m1
    focal = FOCAL
    if min(abs(across[2]), abs(down[2])) > FLAT:
        square = -float(across[:2] @ down[:2]) / float(across[2] * down[2])
        focal = float(np.clip(np.sqrt(square), *FOCALS)) if square > 0 else FOCAL
    lengths = [float(np.hypot(np.hypot(*side[:2]) / focal, side[2])) for side in (across, down)]
    return lengths[0] / lengths[1]
