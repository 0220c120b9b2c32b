"""The same model in fewer bytes."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

from archspec.artifact import ArtifactError
from archspec.tflite.model import IDENTIFIER, read_model

ARCHIVE_END = 22  # bytes of the record that ends a zip archive, without its comment


def compact(data: bytes, name: Callable[[str], str] | None = None) -> bytes:
    """The .tflite file `data` with its equal parts stored once: the same model, to the last field.

    Where `name` is given it makes the name of each tensor from the one it has.

    The converter writes the scales and zero points of every tensor anew, eight bytes a channel for zero points that are
    all 0. The offsets of a flatbuffer may lead to one part from many places, and no reader can tell. Buffers stay
    aligned to 16 bytes, and a zip archive behind the tables, in which labels are packed, is kept. Compacting again
    changes nothing. The result must not be altered in place, as its parts belong to many. A file in which nothing
    repeats comes back as it is.

    Raises ArtifactError where the file is broken, or keeps buffers outside of its tables.
    """
    model = read_model(data)
    _check_inside(model)
    if name is not None:
        for tensor in (tensor for graph in model.subgraphs for tensor in graph.tensors or ()):
            tensor.name = name(tensor.name.decode()).encode()
    made = _with_archive(data, packed(model, len(data)))
    return made if len(made) < len(data) else data  # where nothing repeats, padding decides


def packed(model: Any, size: int) -> bytes:
    """A `ModelT` as a compact file; `size` says about how many bytes that will take."""
    from archspec.tflite.sharing import SharingBuilder

    builder = SharingBuilder(size)
    builder.Finish(model.Pack(builder), IDENTIFIER)
    return bytes(builder.Output())


def _check_inside(model: Any) -> None:
    operators = [operator for graph in model.subgraphs for operator in graph.operators or ()]
    places = [buffer.offset for buffer in model.buffers or ()] + [o.largeCustomOptionsOffset for o in operators]
    # 0 and 1 are no places: TensorFlow Lite's schema.fbs
    if any(place > 1 for place in places) or model.externalBuffers:
        raise ArtifactError("the .tflite file keeps buffers outside of its tables, which cannot be moved")


def _with_archive(old: bytes, new: bytes) -> bytes:
    """`new`, with the zip archive that ends `old` where one does. Its index counts from the beginning of the file."""
    file = io.BytesIO(new)
    try:
        with zipfile.ZipFile(io.BytesIO(old)) as archive:
            if old[-ARCHIVE_END - len(archive.comment) :][:4] != b"PK\5\6":
                return new  # it lies in a buffer
            with zipfile.ZipFile(file, "a") as moved:
                moved.comment = archive.comment
                for entry in archive.infolist():
                    moved.writestr(entry, archive.read(entry))
    except zipfile.BadZipFile:
        return new
    except (RuntimeError, NotImplementedError, zlib.error, EOFError) as error:
        raise ArtifactError(f"the archive behind the .tflite file's tables cannot be read: {error}") from error
    return file.getvalue()
