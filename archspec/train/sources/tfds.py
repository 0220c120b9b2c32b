"""A data set of TensorFlow Datasets, by its name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from archspec.train.examples import Example, ExampleError
from archspec.train.sources import Asked

TRAIN = "train"  # the split without a name


def open_source(asked: Asked, path: str | None) -> DataSet:
    """The split `path` of the data set `train.data.name`, which is fetched where it is not there yet.

    Raises ExampleError where TensorFlow Datasets is not installed, has no such data set or split, or where that has no
    pictures with classes.
    """
    try:
        import tensorflow_datasets as tfds
    except ImportError as error:
        message = "TensorFlow Datasets is not installed: pip install 'archspec-compiler[tfds]'"
        raise ExampleError(message) from error
    name, split = asked.train.data.name, path or TRAIN
    try:
        # records in a format that can be read in any order
        builder = tfds.builder(name, file_format="array_record")
        builder.download_and_prepare()
        keys, features = builder.info.supervised_keys, builder.info.features
        source = builder.as_data_source(split=split)
        if keys is None or not hasattr(features[keys[1]], "num_classes"):
            raise ExampleError(f"{name}: a data set without pictures and their classes")
        return DataSet(source, keys[0], keys[1], tuple(features[keys[1]].names), f"{name} {split}")
    except ExampleError:
        raise
    except Exception as error:  # what a data set's own code raises may be of any type
        raise ExampleError(f"{name}: {type(error).__name__}: {error}") from error


@dataclass(frozen=True, eq=False)
class DataSet:
    """A split that is read by number."""

    source: Any
    picture: str
    label: str
    labels: tuple[str, ...]
    path: str

    def __len__(self) -> int:
        return len(self.source)

    def name(self, index: int) -> str:
        return f"{self.path} record {index}"

    def read(self, index: int) -> Example:
        try:
            record = self.source[index]
        except Exception as error:  # as above
            raise ExampleError(f"{self.name(index)}: {type(error).__name__}: {error}") from error
        image = np.asarray(record[self.picture], np.uint8)
        if image.shape[-1] == 1:
            image = np.repeat(image, 3, -1)
        if image.ndim != 3 or image.shape[-1] != 3:
            raise ExampleError(f"{self.name(index)}: no picture in colour or grey: {'×'.join(map(str, image.shape))}")
        return Example(image, {"label": np.asarray(int(record[self.label]))})
