"""The user's own backgrounds and documents."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from archspec.calibration import CalibrationError, pictures
from archspec.documents.settings import Pictures
from archspec.photo import PhotoError, read_photo

LONGEST = 1024  # pixels of a picture's longer side that are kept: 207 pictures take half a gigabyte at most


def read_pictures(backgrounds: Path | None, documents: Path | None) -> Pictures:
    """The pictures of two folders, in the order of their names, decoded once and shrunk.

    Raises PhotoError, which names the folder or the picture that cannot be used.
    """
    return Pictures(*(() if folder is None else _read(folder) for folder in (backgrounds, documents)))


def _read(folder: Path) -> tuple[NDArray[np.uint8], ...]:
    try:
        files = pictures(folder)
    except CalibrationError as error:
        raise PhotoError(str(error)) from error
    read = []
    for file in files:
        photo = read_photo(file)
        photo.thumbnail((LONGEST, LONGEST))
        read.append(np.asarray(photo))
    return tuple(read)
