"""Boxes in COCO's JSON: the files `instances_*.json` of its bounding boxes (Lin et al. 2014)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archspec.files import reason
from archspec.photo import PhotoError, read_photo
from archspec.train.examples import Example, ExampleError
from archspec.train.sources import Asked


def open_source(asked: Asked, path: str | None) -> Coco:
    """One JSON file. Its pictures lie in its own folder, in `images/` there, or as COCO's lie: those of
    annotations/instances_val2017.json in val2017/, beside annotations/. Classes are numbered in the order of the
    categories' ids. Crowds and boxes without area are left out; a picture without boxes counts. Raises ExampleError.
    """
    assert path is not None, "the recipe's check asks for it"
    file = asked.at(path)
    try:
        data = json.loads(file.read_bytes())
        categories = sorted(data["categories"], key=lambda one: one["id"])
        numbers = {one["id"]: i for i, one in enumerate(categories)}
        boxes: dict[Any, list[tuple[float, ...]]] = {one["id"]: [] for one in data["images"]}
        for one in data["annotations"]:
            x, y, width, height = map(float, one["bbox"])
            if not one.get("iscrowd") and width > 0 and height > 0:
                boxes[one["image_id"]].append((y, x, y + height, x + width, numbers[one["category_id"]]))
        pictures = [(str(one["file_name"]), (one.get("width"), one.get("height"))) for one in data["images"]]
        labels = tuple(str(one["name"]) for one in categories)
    except OSError as error:
        raise ExampleError(f"{file}: {reason(error)}") from error
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
        raise ExampleError(f"{file}: not COCO's JSON of boxes ({type(error).__name__}: {error})") from error
    if not pictures:
        raise ExampleError(f"{file}: no pictures in it")
    folder = _folder(file, pictures[0][0])
    lists = [np.array(boxes[one["id"]], np.float32).reshape(-1, 5) for one in data["images"]]
    return Coco(folder, tuple(pictures), tuple(lists), labels)


def _folder(file: Path, picture: str) -> Path:
    """The folder that the pictures are in. Raises ExampleError."""
    places = (file.parent, file.parent / "images", file.parent.parent / file.stem.split("_")[-1])
    for place in places:
        if (place / picture).is_file():
            return place
    raise ExampleError(f"{file}: its picture {picture} is in none of {', '.join(map(str, places))}")


@dataclass(frozen=True, eq=False)
class Coco:
    """Pictures by file name and size (width, height), and the boxes (n, 5) of each: top, left, bottom, right, class."""

    folder: Path
    pictures: Sequence[tuple[str, tuple[int | None, int | None]]]
    boxes: Sequence[NDArray[np.float32]]
    labels: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.pictures)

    def name(self, index: int) -> str:
        return str(self.folder / self.pictures[index][0])

    def read(self, index: int) -> Example:
        path, size = self.folder / self.pictures[index][0], self.pictures[index][1]
        try:
            photo = read_photo(path)
        except PhotoError as error:
            raise ExampleError(str(error)) from error
        if None not in size and photo.size != size:
            sizes = " and ".join("×".join(map(str, pair)) for pair in (photo.size, size))
            raise ExampleError(f"{path}: the picture and what the JSON says of it differ in size: {sizes}")
        return Example(np.asarray(photo), truth_of(self.boxes[index], photo.size))


def truth_of(boxes: NDArray[np.float32], size: tuple[int, int]) -> Mapping[str, NDArray[Any]]:
    """Boxes (n, 5), cut at the borders of a picture of (width, height)."""
    width, height = size
    cut = np.clip(boxes[:, :4], 0, np.array([height, width, height, width], np.float32))
    kept = (cut[:, 2] > cut[:, 0]) & (cut[:, 3] > cut[:, 1])
    return {"boxes": cut[kept], "labels": boxes[kept, 4].astype(np.int64)}
