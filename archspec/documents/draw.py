"""Drawing on float pictures: smooth noise, colours, shapes with soft borders. Sizes are (height, width)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Random = np.random.Generator
Picture = NDArray[np.float32]  # (height, width, 3), 0..255
Field = NDArray[np.float32]  # (height, width)
Points = NDArray[np.float64]  # (n, 2) as x, y
Size = tuple[int, int]

SUBPIXEL = 4  # bits of a coordinate that OpenCV draws below the pixel


def smooth(random: Random, cells: Size, size: Size) -> Field:
    """Smooth noise of `cells` (down, across) bumps over `size`, about -1 to 1."""
    import cv2

    grid = random.uniform(-1, 1, (min(cells[0], size[0]) + 1, min(cells[1], size[1]) + 1)).astype(np.float32)
    return np.asarray(cv2.resize(grid, size[::-1], interpolation=cv2.INTER_CUBIC), np.float32)


def colour(random: Random, saturation: tuple[float, float], value: tuple[float, float]) -> Field:
    """An RGB colour, (3,) of 0..255, of any hue; `saturation` and `value` (of HSV) lie within 0..1."""
    hue, s, v = random.uniform(0, 6), random.uniform(*saturation), random.uniform(*value)
    wave = np.clip(np.abs((hue + np.array([0.0, 4.0, 2.0])) % 6 - 3) - 1, 0, 1)
    return np.asarray(255 * v * (1 - s + s * wave), np.float32)


def polygon(points: Points, size: Size) -> Field:
    """How much of each pixel a polygon covers, 0..1."""
    import cv2

    canvas = np.zeros(size, np.uint8)
    cv2.fillPoly(canvas, [fixed(points)], 255, cv2.LINE_AA, SUBPIXEL)
    return np.asarray(canvas, np.float32) / np.float32(255)


def stroke(points: Points, width: float, size: Size) -> Field:
    """How much of each pixel a line through points covers, 0..1; `width` in pixels, at least 1."""
    import cv2

    canvas = np.zeros(size, np.uint8)
    cv2.polylines(canvas, [fixed(points)], False, 255, max(1, round(width)), cv2.LINE_AA, SUBPIXEL)
    return np.asarray(canvas, np.float32) / np.float32(255)


def fixed(points: Points) -> NDArray[np.int32]:
    """Points as OpenCV draws them: fixed-point, 0, 0 the middle of the first pixel."""
    return np.asarray(np.rint((np.clip(points, -9999, 9999) - 0.5) * 2**SUBPIXEL), np.int32)


def rectangle(centre: Points, sides: tuple[float, float], turn: float, radius: float = 0) -> Points:
    """A rectangle of `sides` (across, down) turned by `turn` radians, its corners rounded by `radius`."""
    half = np.array(sides) / 2
    arc = np.linspace(0, np.pi / 2, 6 if radius > 0 else 1)
    round_ = np.stack([np.cos(arc), np.sin(arc)], axis=1) * radius
    parts = []
    for quarter, sign in enumerate(((1, 1), (-1, 1), (-1, -1), (1, -1))):
        spin = np.array([[0, 1], [-1, 0]]) if quarter % 2 else np.eye(2)
        corner = (half - radius) * sign
        parts.append(corner + round_ @ spin * (1 if quarter < 2 else -1))
    flat = np.concatenate(parts)
    cos, sin = np.cos(turn), np.sin(turn)
    return np.asarray(centre + flat @ np.array([[cos, sin], [-sin, cos]]))


def lay(scene: Picture, mask: Field, tone: Picture | Field | float) -> None:
    """Paint `tone`, a picture or one colour, over the scene where `mask` is 1."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        return
    box = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    part, paint = scene[box], np.asarray(tone, np.float32)
    part += ((paint[box] if paint.ndim == 3 else paint) - part) * mask[box][..., None]


def blur(field: Field, radius: float) -> Field:
    """Gaussian blur by `radius` pixels (one standard deviation), on a smaller picture where that does not show."""
    import cv2

    height, width = field.shape[:2]
    step = min(int(radius / 1.5), min(height, width) // 8)
    if step < 2:
        return np.asarray(cv2.GaussianBlur(field, (0, 0), max(radius, 0.05)), np.float32)
    small = cv2.resize(field, (-(-width // step), -(-height // step)), interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), radius / step)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
