"""Pictures and masks of labels: VOC's layout, or two folders with files of the same names."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from archspec.files import reason
from archspec.photo import PhotoError, read_photo
from archspec.train.examples import Example, ExampleError
from archspec.train.sources import Asked
from archspec.train.sources.pictures import pictures_in

LAYOUTS = (("JPEGImages", "SegmentationClass"), ("images", "masks"))
"""Folders of pictures and of masks: VOC's, and the usual one."""

LOSSY = (".jpg", ".jpeg", ".webp")


def open_source(asked: Asked, path: str | None) -> Masks:
    """A folder of one of `LAYOUTS`; or a list of VOC's, ImageSets/Segmentation/train.txt. Raises ExampleError."""
    assert path is not None, "the recipe's check asks for it"
    given = asked.at(path)
    folder, names = given, None
    if given.suffix == ".txt":
        folder = given.parent.parent.parent
        try:
            names = given.read_text(encoding="utf-8").split()
        except (OSError, ValueError) as error:
            raise ExampleError(f"{given}: {reason(error)}") from error
    layout = next(((a, b) for a, b in LAYOUTS if (folder / a).is_dir() and (folder / b).is_dir()), None)
    if layout is None:
        wanted = " or ".join(f"{a}/ and {b}/" for a, b in LAYOUTS)
        raise ExampleError(f"{folder}: neither {wanted} in it")
    images, masks = (by_name(pictures_in(folder / part)) for part in layout)
    chosen = names if names is not None else sorted(masks)
    lost = [name for name in chosen if name not in masks or name not in images]
    if lost or not chosen:
        raise ExampleError(f"{folder}: {f'no picture or no mask of {lost[0]}' if lost else 'no masks'}")
    return Masks(tuple((images[name], masks[name]) for name in chosen))


def by_name(files: list[Path]) -> dict[str, Path]:
    """Files by their names without ending. Raises ExampleError where two have one name."""
    named: dict[str, Path] = {}
    for path in files:
        if path.stem in named:
            raise ExampleError(f"{path}: {named[path.stem].name} has the same name")
        named[path.stem] = path
    return named


@dataclass(frozen=True)
class Masks:
    """Pictures, each with a mask of one label a pixel, stored as a palette or in grey."""

    pairs: tuple[tuple[Path, Path], ...]
    labels: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.pairs)

    def name(self, index: int) -> str:
        return str(self.pairs[index][0])

    def read(self, index: int) -> Example:
        from PIL import Image

        image, mask = self.pairs[index]
        if mask.suffix.lower() in LOSSY:
            raise ExampleError(f"{mask}: its format changes labels; store masks as .png")
        try:
            photo = read_photo(image)
            with Image.open(mask) as file:
                if file.mode not in ("P", "L", "1"):
                    raise ExampleError(f"{mask}: not a mask of labels, but of colours ({file.mode})")
                labels = np.asarray(file, np.uint8)
        except PhotoError as error:
            raise ExampleError(str(error)) from error
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise ExampleError(f"{mask}: cannot read the mask: {reason(error)}") from error
        if labels.shape != (photo.height, photo.width):
            sizes = f"{labels.shape[1]}×{labels.shape[0]} pixels, and its picture has {photo.width}×{photo.height}"
            raise ExampleError(f"{mask}: {sizes}")
        return Example(np.asarray(photo), {"mask": labels})
