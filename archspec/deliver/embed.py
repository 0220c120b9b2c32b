"""Puts metadata and files into a .tflite file: the one into its flatbuffer, the others into a zip archive behind it."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping

from archspec.artifact import inspect_tflite
from archspec.deliver.metadata import Description, MetadataError, encode
from archspec.tflite.compact import packed
from archspec.tflite.model import read_model

ENTRY = "TFLITE_METADATA"  # where tflite-support looks among a model's metadata
EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time a zip archive can hold


def with_metadata(data: bytes, description: Description) -> bytes:
    """The .tflite file `data` with metadata in it, in place of what it has; files behind it are lost.

    Nothing else in it changes; its bytes are laid out anew, with equal parts stored once, as `compact` lays them out.
    Raises MetadataError where the description does not fit, ArtifactError for a broken file.
    """
    from ai_edge_litert import schema_py_generated as schema

    artifact = inspect_tflite(data)
    if len(artifact.inputs) != 1:
        raise MetadataError(f"the file takes {len(artifact.inputs)} inputs, not one image")
    model = read_model(data)
    buffer = schema.BufferT(data=encode(description, artifact.inputs[0], artifact.outputs))
    model.metadata = model.metadata or []
    old = [entry.buffer for entry in model.metadata if (entry.name or b"").decode(errors="replace") == ENTRY]
    if old:
        model.buffers[old[0]] = buffer
    else:
        model.metadata.append(schema.MetadataT(name=ENTRY, buffer=len(model.buffers)))
        model.buffers.append(buffer)
    return packed(model, len(data))


def with_files(data: bytes, files: Mapping[str, bytes]) -> bytes:
    """The .tflite file `data` and behind it a zip archive of `files`, as tflite-support appends them.

    Entries are stored, not compressed, for its readers take no others; they hold no time, so that bytes repeat.
    Runtimes do not look past the flatbuffer. Without files the file stays as it is.
    """
    if not files:
        return data
    stream = io.BytesIO(data)
    stream.seek(0, io.SEEK_END)
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.create_system, entry.external_attr = 3, 0o644 << 16  # Unix, whichever system builds
            archive.writestr(entry, content)
    return stream.getvalue()
