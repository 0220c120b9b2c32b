"""A generated photo of a document with its truth: corners, border, mask, box."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from archspec.documents.blank import Page
from archspec.documents.camera import photograph
from archspec.documents.draw import Field, Picture, Points, Random, Size, lay, polygon
from archspec.documents.light import glare, lit
from archspec.documents.pages import page
from archspec.documents.pose import Pose, placed, pose
from archspec.documents.rim import rimmed
from archspec.documents.settings import Pictures, Settings
from archspec.documents.surfaces import surface
from archspec.documents.things import clutter, occlude, shadow
from archspec.scan.plane import clockwise

LEAST = 32  # pixels of a photo's side
THICK = (0.02, 0.07)  # least and most, as shares of the photo's longer side
STEP = 0.25  # pixels between the points of a border that mark its pixels


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """A photo, uint8 RGB of (height, width, 3), and what is true of it.

    `border`: the pixels that the document's border passes through, whatever lies over it, `edges` those of them where
    it is seen, bool of (height, width). `mask`: the pixels within its border, whatever lies over it. `corners`: x, y
    in pixels, (4, 2), with 0, 0 the outer corner of the first pixel, clockwise as seen from the one nearest the top
    left; where the sides would meet if they are rounded off. A corner may lie outside the photo. `box`: left, top,
    right, bottom of the mask.
    `corners` and `box` are None where there is no document.
    """

    image: NDArray[np.uint8]
    border: NDArray[np.bool_]
    edges: NDArray[np.bool_]
    mask: NDArray[np.bool_]
    corners: NDArray[np.float64] | None
    box: tuple[int, int, int, int] | None


def sample(
    seed: int, size: Size, settings: Settings = Settings(), pictures: Pictures = Pictures()  # noqa: B008  frozen
) -> Sample:  # fmt: skip
    """The photo of (height, width) pixels that a seed names, for one version of numpy and OpenCV.

    Raises ValueError for a size under 32 pixels a side.
    """
    if min(size) < LEAST:
        raise ValueError(f"a photo is at least {LEAST}×{LEAST} pixels, not {size[1]}×{size[0]}")
    random = np.random.default_rng(seed)
    chance = {name: random.random() for name in Settings.__dataclass_fields__ if name not in ("rimmed", "thick")}
    kinds = np.random.default_rng((seed, 1))  # apart, so that a photo of neither kind is the same whatever their share
    scene = surface(random, size, pictures, settings.own)
    if chance["negatives"] < settings.negatives:
        if chance["cluttered"] < settings.cluttered:
            clutter(random, scene, papers=False)
        sheet, border, covered = None, None, None
    else:
        sheet, border, covered = _document(random, kinds, scene, settings, pictures, chance)
    lit(random, scene, chance["shadowed"] < settings.shadowed)
    image = photograph(random, scene, chance["blurred"] < settings.blurred)
    if sheet is None or border is None or covered is None:
        nowhere = np.zeros(size, bool)
        return Sample(image, nowhere, nowhere, nowhere, None, None)
    return _truth(image, sheet, border, covered)


def _document(
    random: Random, kinds: Random, scene: Picture, settings: Settings, pictures: Pictures, chance: dict[str, float]
) -> tuple[Pose, Points, Field]:
    """Draw a document and what lies around, below and above it; gives where it is, its border, what covers it."""
    size = (scene.shape[0], scene.shape[1])
    aspect = float(random.choice(settings.aspects)) if settings.aspects else size[1] / size[0]
    made = page(random, random.uniform(0.7, 1.1) * max(size), pictures, settings.own)
    if kinds.random() < settings.rimmed:
        made = rimmed(kinds, made, pictures, settings.own)
    elif kinds.random() < settings.thick:
        made = replace(made, thickness=kinds.uniform(*THICK))
    sides = np.array(made.face.shape[1::-1]) / max(made.face.shape)
    corners = pose(random, sides, size, aspect, chance["partial"] < settings.partial)
    curl = made.curl * random.uniform(0.2, 1) if chance["curled"] < settings.curled else 0.0
    sheet = placed(random, corners, sides, made.radius * float(sides.min()), curl, size)
    hidden = chance["low_contrast"] < settings.low_contrast
    if hidden:
        _like(random, scene, made.face)
    elif chance["cluttered"] < settings.cluttered:
        clutter(random, scene, papers=True)
    border = sheet.border()
    _lay_sheet(random, scene, made, sheet, border, hidden)
    covered = np.zeros(size, np.float32)
    if chance["occluded"] < settings.occluded:
        covered = occlude(random, scene, border)
    return sheet, border, covered


def _like(random: Random, scene: Picture, face: NDArray[np.uint8]) -> None:
    """Give a surface nearly the tone of a document: never just the same, or there was no border to see."""
    rim = np.concatenate([face[:2].reshape(-1, 3), face[-2:].reshape(-1, 3)]).mean(axis=0)
    step = random.uniform(6, 22) * (1 if random.random() < 0.4 else -1)
    scene -= scene.mean(axis=(0, 1))
    scene *= np.float32(random.uniform(0.05, 0.3))
    scene += rim + np.float32(step)


def _lay_sheet(random: Random, scene: Picture, made: Page, sheet: Pose, border: Points, hidden: bool) -> None:
    """Lay the document down: its shadow, its thickness, its face with the shading of its curl, and glare."""
    import cv2

    size = (scene.shape[0], scene.shape[1])
    left, top, right, bottom = window = sheet.window(border, size)
    across, down = sheet.places(window)
    mask = np.zeros(size, np.float32)
    inner = mask[top:bottom, left:right]
    inner[...] = sheet.coverage(across, down)
    if random.random() < made.pasted and not hidden:
        mask[...] = np.rint(mask)
    else:
        shadow(random, scene, mask, random.uniform(0.25 if hidden else 0.05, 0.6))
        _lay_pages(random, scene, made.thickness * max(size), border)
    height, width = made.face.shape[:2]
    x, y = across * np.float32(width) - np.float32(0.5), down * np.float32(height) - np.float32(0.5)
    face = cv2.remap(made.face, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE).astype(np.float32)
    if sheet.bend is not None:
        place = np.clip(np.stack([across, down], axis=-1), -0.1, 1.1, dtype=np.float64)
        slope = np.gradient(sheet.bend.height(place).astype(np.float32))[int(random.integers(2))]
        shade = 1 + np.float32(random.uniform(-0.06, 0.06) * max(size)) * slope
        face *= np.clip(shade, 0.6, 1.2)[..., None]
    lay(scene[top:bottom, left:right], inner, face)
    if made.gloss and random.random() < 0.5:
        glare(random, scene, mask, made.gloss)


def _lay_pages(random: Random, scene: Picture, thickness: float, border: Points) -> None:
    """What shows of a document's `thickness`, in pixels, beside its face."""
    if thickness > 1:
        reach = thickness * random.normal(0, 0.7, 2)
        for share in (1.0, 0.66, 0.33):
            lay(scene, polygon(border + share * reach, (scene.shape[0], scene.shape[1])), random.uniform(120, 240))


def _truth(image: NDArray[np.uint8], sheet: Pose, border: Points, covered: Field) -> Sample:
    size = (image.shape[0], image.shape[1])
    left, top, right, bottom = window = sheet.window(border, size)
    mask = np.zeros(size, bool)
    mask[top:bottom, left:right] = sheet.coverage(*sheet.places(window)) >= 0.5
    down, across = np.nonzero(mask)
    box = (int(across.min()), int(down.min()), int(across.max()) + 1, int(down.max()) + 1)
    line = passed(border, size)
    return Sample(image, line, line & (covered < 0.5), mask, clockwise(sheet.corners()), box)


def passed(border: Points, size: Size) -> NDArray[np.bool_]:
    """The pixels that a line through points passes: an edge map."""
    edges = np.zeros(size, bool)
    steps = np.diff(border, axis=0)
    counts = np.maximum(1, np.ceil(np.linalg.norm(steps, axis=1) / STEP)).astype(int)
    start = np.repeat(np.cumsum(counts) - counts, counts)
    share = (np.arange(counts.sum()) - start) / np.repeat(counts, counts)
    points = np.repeat(border[:-1], counts, axis=0) + share[:, None] * np.repeat(steps, counts, axis=0)
    x, y = np.floor(points).astype(int).T
    inside = (x >= 0) & (y >= 0) & (x < size[1]) & (y < size[0])
    edges[y[inside], x[inside]] = True
    return edges
