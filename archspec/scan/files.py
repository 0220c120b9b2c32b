"""What is told and written of a document in a photo: its corners as JSON, an overlay, its page."""

from __future__ import annotations

import io
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from archspec.scan.find import NotFound
from archspec.scan.locate import locate, overlay
from archspec.scan.page import rectify

Pixels = NDArray[np.uint8]
DIGITS = 2  # of a pixel, behind the point


@dataclass(frozen=True, slots=True)
class Document:
    """A document's four corners, x and y in the photo's pixels as it is seen upright, clockwise from the one nearest
    the top left; 0, 0 is the outer corner of the first pixel. None with the `reason` where none was found.
    `score`: how well the edges bear the corners out, 0 to 1.
    """

    corners: tuple[tuple[float, float], ...] | None
    score: float
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class ScanFiles:
    """Where to write a document's corners (JSON), the photo with edges and corners, and the page (both PNG)."""

    corners: Path | None = None
    overlay: Path | None = None
    page: Path | None = None


def scan(
    photo: Pixels, edges: NDArray[np.floating], resize: str, files: ScanFiles
) -> tuple[Document, dict[Path | str, bytes | str]]:
    """The document in a photo, RGB (height, width, 3), by its edge probabilities, and the contents of the files.

    `resize` is the input contract's. Without a document there is no page.
    """
    found = locate(photo, edges, resize)
    if isinstance(found, NotFound):
        corners, document = None, Document(None, round(found.score, 4), found.reason)
    else:
        corners = np.round(found.corners, DIGITS)
        told = tuple((float(x), float(y)) for x, y in corners)
        document = Document(told, round(found.score, 4))
    made: dict[Path | str, bytes | str] = {}
    if files.corners:
        size = {"width": photo.shape[1], "height": photo.shape[0]}
        made[files.corners] = json.dumps(size | asdict(document), indent=2) + "\n"
    if files.overlay:
        made[files.overlay] = _png(overlay(photo, corners, edges, resize))
    if files.page and corners is not None:
        made[files.page] = _png(rectify(photo, corners))
    return document, made


def _png(picture: Pixels) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return file.getvalue()
