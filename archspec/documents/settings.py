"""What generated photos are made of, and how often each difficulty occurs."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

PHONES = (3 / 4, 4 / 3, 3 / 4, 4 / 3, 9 / 16, 16 / 9, 1.0)


@dataclass(frozen=True, slots=True)
class Settings:
    """Shares, 0 to 1, of the photos that show something; independent of each other.

    `negatives`: no document at all. Of the photos with a document, `partial`: a corner outside the frame;
    `low_contrast`: nearly the colour of what it lies on; `curled`: not flat; `occluded`: a finger or an object over
    its border. Of all photos, `cluttered`: other things around; `shadowed`: a shadow falls on it; `blurred`: by
    motion, focus or a small sensor; `own`: with one of the given pictures, where such are given.
    `rimmed`, of the photos with a document: a rim of something else belongs to it, as where it is laminated, lies on
    a mount, or was cut out of another photo. `thick`, of the others of these: a book or a pile, whatever is on top of
    it; some covers are books besides.
    `aspects`: width / height of the photos, one of which is drawn and stretched to the size asked for, as a network
    with `resize: stretch` sees them; empty for photos as they are.
    Raises ValueError for a share or an aspect out of bounds.
    """

    negatives: float = 0.1
    partial: float = 0.1
    low_contrast: float = 0.15
    curled: float = 0.3
    occluded: float = 0.2
    cluttered: float = 0.6
    shadowed: float = 0.5
    blurred: float = 0.35
    own: float = 0.5
    aspects: tuple[float, ...] = PHONES
    rimmed: float = 0.0
    thick: float = 0.0

    def __post_init__(self) -> None:
        for field in fields(self):
            if field.name != "aspects" and not 0 <= getattr(self, field.name) <= 1:
                raise ValueError(f"{field.name} is a share of 0 to 1, not {getattr(self, field.name)}")
        for aspect in self.aspects:
            if not 0.25 <= aspect <= 4:
                raise ValueError(f"a photo's aspect is 1/4 to 4, not {aspect}")


PLAIN = Settings(negatives=0, partial=0, low_contrast=0, aspects=())
"""Photos as they are taken, each with a whole document."""


@dataclass(frozen=True, slots=True, eq=False)
class Pictures:
    """Decoded pictures, uint8 RGB of (height, width, 3): what documents lie on, and documents seen flat."""

    backgrounds: tuple[NDArray[np.uint8], ...] = ()
    documents: tuple[NDArray[np.uint8], ...] = ()
