"""TFRecord files of tf.train.Example: ImageNet as Slim's and TensorFlow Datasets' scripts write it.

The framing and the protocol buffers are read here: the process that checks a recipe has no TensorFlow.
"""

from __future__ import annotations

import glob
import io
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from archspec.files import reason
from archspec.photo import PhotoError, read_photo
from archspec.train.examples import Example, ExampleError
from archspec.train.sources import Asked
from archspec.train.sources.protobuf import FeatureError, features

KEYS = (("image/encoded", "image/class/label"), ("image", "label"))
"""Picture and class: Slim's names, and TensorFlow Datasets'."""

HEAD, FOOT = 12, 4  # bytes before a record, its length and that one's checksum; and behind it, its own checksum
NAMES = ("labels.txt", "label.labels.txt")


def open_source(asked: Asked, path: str | None) -> Records:
    """One file, or those of a pattern, train-*. The classes are named in labels.txt beside them (Slim's `0:name`, or a
    name a line) or label.labels.txt (TensorFlow Datasets'). Raises ExampleError.
    """
    assert path is not None, "the recipe's check asks for it"
    given = asked.at(path)
    files = [given] if given.is_file() else sorted(map(Path, glob.glob(str(given))))
    places = [(file, start, size) for file in files for start, size in _index(file)]
    if not places:
        raise ExampleError(f"{given}: {'no records in it' if files else 'no such file'}")
    return Records(tuple(places), _names(files[0].parent))


def _index(file: Path) -> list[tuple[int, int]]:
    """Where each record begins and how long it is. Raises ExampleError."""
    found = []
    try:
        end = file.stat().st_size
        with file.open("rb") as stream:
            at = 0
            while at < end:
                size = _length(stream)
                if size is None or at + HEAD + size + FOOT > end:
                    raise ExampleError(f"{file}: not a TFRecord file: no record at byte {at}")
                found.append((at + HEAD, size))
                at = stream.seek(size + FOOT, io.SEEK_CUR)
    except OSError as error:
        raise ExampleError(f"{file}: {reason(error)}") from error
    return found


def _length(stream: BinaryIO) -> int | None:
    """The length of the record that begins here; None where its checksum differs."""
    head = stream.read(HEAD)
    if len(head) < HEAD or struct.unpack("<I", head[8:])[0] != masked_crc(head[:8]):
        return None
    return int(struct.unpack("<Q", head[:8])[0])


def masked_crc(data: bytes) -> int:
    """CRC-32C, rotated and moved, as TFRecord stores it (tsl/lib/hash/crc32c.h)."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = CRC[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    crc ^= 0xFFFFFFFF
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def _table() -> tuple[int, ...]:
    made = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)  # Castagnoli's polynomial, bits reversed
        made.append(value)
    return tuple(made)


CRC = _table()


def _names(folder: Path) -> tuple[str, ...]:
    file = next((folder / name for name in NAMES if (folder / name).is_file()), None)
    if file is None:
        raise ExampleError(f"{folder}: no {' or '.join(NAMES)} in it, which names a class a line")
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise ExampleError(f"{file}: {reason(error)}") from error
    names = [line.strip() for line in lines if line.strip()]
    if all(name.partition(":")[0] == str(i) for i, name in enumerate(names)):
        names = [name.partition(":")[2] for name in names]
    return tuple(names)


@dataclass(frozen=True)
class Records:
    """Records by file, first byte and length; the checksums of their contents are not looked at."""

    places: tuple[tuple[Path, int, int], ...]
    labels: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.places)

    def name(self, index: int) -> str:
        file, start, _ = self.places[index]
        return f"{file} at byte {start}"

    def read(self, index: int) -> Example:
        file, start, size = self.places[index]
        try:
            with file.open("rb") as stream:
                stream.seek(start)
                values = features(stream.read(size))
        except OSError as error:
            raise ExampleError(f"{file}: {reason(error)}") from error
        except FeatureError as error:
            raise ExampleError(f"{self.name(index)}: not a tf.train.Example: {error}") from error
        for picture, label in KEYS:
            encoded, classes = values.get(picture), values.get(label)
            if encoded and classes and isinstance(encoded[0], bytes) and isinstance(classes[0], int):
                return Example(self._decoded(index, encoded[0]), {"label": np.array(classes[0])})
        wanted = " or ".join(" and ".join(f"`{key}`" for key in pair) for pair in KEYS)
        raise ExampleError(f"{self.name(index)}: no {wanted} in it")

    def _decoded(self, index: int, encoded: bytes) -> NDArray[np.uint8]:
        try:
            return np.asarray(read_photo(self.name(index), io.BytesIO(encoded)))
        except PhotoError as error:
            raise ExampleError(str(error)) from error
