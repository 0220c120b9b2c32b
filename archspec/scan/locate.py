"""From an edge map to the photo: the document's corners in the photo's own pixels, and a picture of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from archspec.photo import windows
from archspec.scan.find import Found, NotFound, find_quad
from archspec.scan.maps import Map, look
from archspec.scan.plane import clockwise
from archspec.scan.refine import refine

Floats = NDArray[np.float64]
Pixels = NDArray[np.uint8]

LONGEST = 1024  # pixels of the photo's longer side in which corners are refined
NEAR = 1.5  # pixels of the edge map from a side, within which the photo's own edge is looked for
PICTURE = 1280  # pixels of an overlay's longer side
EDGE, SIDE, CORNER = (255, 64, 32), (0, 200, 83), (41, 98, 255)  # colours


def locate(photo: Pixels, edges: NDArray[np.floating], resize: str) -> Found | NotFound:
    """The document in a photo, RGB of (height, width, 3), by its map of edge probabilities of any size.

    `resize` is the input contract's: how the photo was brought to the map's size. Corners are in the photo's pixels,
    refined by its own edges if these are stronger along the refined sides. Raises ValueError for a map that is none.
    """
    found = find_quad(edges)
    if isinstance(found, NotFound):
        return found
    scale, shift = _mapping(photo, edges, resize)
    corners = found.corners * scale + shift
    return Found(clockwise(_by_photo(photo, corners, NEAR * float(scale.max()))), found.score)


def _mapping(photo: Pixels, edges: NDArray[np.floating], resize: str) -> tuple[Floats, Floats]:
    """Scale and shift, both x and y, from the map's pixels to the photo's."""
    size = (photo.shape[1], photo.shape[0])
    part, filled = (np.array(box, float) for box in windows(size, (edges.shape[1], edges.shape[0]), resize))
    scale = (part[2:] - part[:2]) / (filled[2:] - filled[:2])
    return scale, part[:2] - filled[:2] * scale


def _by_photo(photo: Pixels, corners: Floats, near: float) -> Floats:
    """The corners refined by the photo's gradient within `near` pixels of them, if that is stronger along the sides."""
    import cv2

    share = min(1.0, LONGEST / max(photo.shape[:2]))
    small = cv2.resize(photo, None, fx=share, fy=share, interpolation=cv2.INTER_AREA) if share < 1 else photo
    scale = np.array(small.shape[1::-1]) / np.array(photo.shape[1::-1])
    if near * share < 1:  # the map is as fine as the photo
        return corners
    calm = cv2.GaussianBlur(small, (0, 0), 1.0)
    gradients = [cv2.Scharr(calm, cv2.CV_32F, *way) for way in ((1, 0), (0, 1))]
    strength = np.hypot(*gradients).max(axis=2)
    strength = np.minimum(strength / max(1e-6, float(np.percentile(strength, 99))), 1).astype(np.float32)
    start = corners * scale
    refined = refine(start, strength, near * share)
    if _along(refined, strength) <= _along(start, strength):
        return corners
    beside = np.linalg.norm(refined - start, axis=1, keepdims=True) <= near * share
    return np.where(beside, refined / scale, corners)


def _along(corners: Floats, strength: Map) -> float:
    """The mean of a map along the sides, their ends left out."""
    share = np.linspace(0.05, 0.95, 200)[:, None, None]
    return float(look(strength, corners + share * (np.roll(corners, -1, axis=0) - corners)).mean())


def overlay(photo: Pixels, corners: Floats | None, edges: NDArray[np.floating], resize: str) -> Pixels:
    """The photo, smaller where it is large, with the map's edges and the document's sides and corners over it."""
    import cv2

    share = min(1.0, PICTURE / max(photo.shape[:2]))
    size = tuple(max(1, round(n * share)) for n in photo.shape[1::-1])
    made = cv2.resize(photo, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    scale, shift = _mapping(photo, edges, resize)
    matrix = np.column_stack([np.diag(scale * share), ((shift + scale / 2) * share - 0.5)])
    laid = cv2.warpAffine(edges.astype(np.float32), matrix, size, flags=cv2.INTER_LINEAR)[..., None]
    picture = np.ascontiguousarray(np.clip(made + laid * (np.array(EDGE, np.float32) - made), 0, 255).astype(np.uint8))
    if corners is not None:
        points = np.rint((corners * share - 0.5) * 16).astype(np.int32)
        width = max(2, max(size) // 320)
        cv2.polylines(picture, [points], True, SIDE, width, cv2.LINE_AA, 4)
        for point in points:
            cv2.circle(picture, tuple(int(n) for n in point), 16 * 2 * width, CORNER, -1, cv2.LINE_AA, 4)
    return picture
