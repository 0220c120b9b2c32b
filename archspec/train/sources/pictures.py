"""Files of pictures in a folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from archspec.photo import PhotoError, read_photo
from archspec.train.examples import ExampleError

ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".bmp")


def pictures_in(folder: Path) -> list[Path]:
    """The pictures right in a folder, sorted by name. Raises ExampleError where there is no such folder."""
    if not folder.is_dir():
        raise ExampleError(f"{folder}: no such folder")
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in ENDINGS)


def read_picture(path: Path, longest: int | None = None) -> NDArray[np.uint8]:
    """A picture, RGB, its longer side at most `longest`. Raises ExampleError."""
    try:
        photo = read_photo(path)
    except PhotoError as error:
        raise ExampleError(str(error)) from error
    if longest is not None:
        photo.thumbnail((longest, longest))
    return np.asarray(photo)
