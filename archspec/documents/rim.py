"""A document with a rim of something else that belongs to it: on a mount, laminated, cut out of another photo."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from archspec.documents.blank import Page
from archspec.documents.draw import Points, Random
from archspec.documents.settings import Pictures
from archspec.documents.surfaces import surface
from archspec.scan.plane import homography

WIDEST = 0.05  # of the longer side
SIDES = 0.6  # the chance that a side has a rim
PASTED = 0.5


def rimmed(random: Random, page: Page, pictures: Pictures, own: float) -> Page:
    """The page on a surface that shows beside some of its sides, each rim wider at one end than at the other."""
    import cv2

    height, width = size = (page.face.shape[0], page.face.shape[1])
    below = surface(random, size, pictures, own)
    middles = np.array([[0, 0], [width, 0], [width, height], [0, height]]) - 0.5  # OpenCV's 0, 0 is a pixel's middle
    matrix = homography(middles, middles + max(size) * _inset(random))
    laid = cv2.warpPerspective(page.face, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
    cover = cv2.warpPerspective(np.ones(size, np.float32), matrix, (width, height))[..., None]
    face = np.clip(below + (laid - below) * cover, 0, 255).astype(np.uint8)
    return replace(page, face=face, radius=0.0, thickness=0.0, pasted=PASTED)


def _inset(random: Random) -> Points:
    """How far each corner lies within, (4, 2) as shares of the longer side, clockwise from the top left."""
    ends = WIDEST * random.uniform(0, 1, (4, 2)) ** 2 * (random.random((4, 1)) < SIDES)  # narrow ones are likelier
    top, right, bottom, left = ends
    return np.array([[left[0], top[0]], [-right[0], top[1]], [-right[1], -bottom[1]], [left[1], -bottom[0]]])
