"""TFLite model metadata: the flatbuffer that tells an app, in a machine's words, what to feed and what comes out.

The tables and the numbers of their fields are those of metadata_schema.fbs of tflite-support (file identifier M001;
github.com/tensorflow/tflite-support, tensorflow_lite_support/metadata). Only fields of its version 1.0.0 are written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from archspec.artifact import TensorInfo
from archspec.deliver.labels import FILE as LABELS
from archspec.nms.tail import BOXES, CLASSES, COUNT, SCORES
from archspec.photo import InputContract

IDENTIFIER = b"M001"
PARSER = "1.0.0"  # the version of the schema that the oldest of the fields written here came with

# members of the schema's enums and unions
FEATURES, IMAGE = 1, 2  # ContentProperties
NORMALIZATION = 1  # ProcessUnitOptions
AXIS_LABELS, VALUE_LABELS = 2, 3  # AssociatedFileType
COLORS = {"rgb": 1, "gray": 2, "bgr": 0}  # ColorSpaceType has no BGR, and RGB would have readers swap red and blue

OBJECTS = {
    BOXES: "Of each object the top, left, bottom and right, in shares of the input's height and width.",
    CLASSES: "The class of each, from 0.",
    SCORES: "The score of each, 0 to 1, the greatest first.",
    COUNT: "How many there are; all that stands behind them is 0.",
}

CHANNELS = {"rgb": "red, green, blue", "bgr": "blue, green, red", "gray": "grey (ITU-R 601-2 luma)"}


class MetadataError(Exception):
    """A description that does not fit the file it is for."""


@dataclass(frozen=True, slots=True)
class Description:
    """What is said of a model inside its file.

    `version` tells which spec it was built from, and by what. Without `input`, a network that takes no photo, the
    input goes undescribed. `labels` belong to every output whose last axis is as long as they are, and in a file that
    gives `objects`, see `nms.tail`, to the numbers in the output of their classes.
    """

    model: str
    version: str
    text: str
    input: InputContract | None
    labels: tuple[str, ...] = ()
    objects: bool = False


def normalization(contract: InputContract) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and std of each channel, so that (p - mean) / std of p in 0..255 is what the network is fed.

    A `range: [low, high]` is std = 255 / (high - low) and mean = -low * std. Raises MetadataError where the two are
    equal: every photo is the same to such a network.
    """
    channels = contract.size[2]
    if contract.range is None:
        return contract.mean or (0.0,) * channels, contract.std or (1.0,) * channels
    low, high = contract.range
    if low == high:
        raise MetadataError(f"input range {list(contract.range)} maps every pixel onto one number")
    std = 255 / (high - low)
    return (-low * std + 0.0,) * channels, (std,) * channels  # + 0.0: no -0


def encode(description: Description, taken: TensorInfo, given: Sequence[TensorInfo]) -> bytes:
    """The metadata of a file with the input `taken` and the outputs `given`, in the order of its first subgraph.

    Normalization is that of the float values, for quantized inputs too, as the schema asks; an input's stats are the
    values of black and white, a quantized output's are what its type can hold. Raises MetadataError.
    """
    if description.input is not None and taken.shape != (1, *description.input.size):
        raise MetadataError(f"the file takes {list(taken.shape)}, not one photo of {list(description.input.size)}")
    units = len(description.labels)
    if units and not description.objects and all(info.shape[-1:] != (units,) for info in given):
        raise MetadataError(f"no output has {units} units, as many as there are labels")
    import flatbuffers

    builder = flatbuffers.Builder(1024)
    inputs = _vector(builder, [_input(builder, taken, description.input)])
    told = [_object(info, units) if description.objects else _row(info, 0 < units == info.shape[-1]) for info in given]
    outputs = _vector(builder, [_output(builder, info, *one) for info, one in zip(given, told, strict=True)])
    name = builder.CreateString(description.model)
    # SubGraphMetadata: name, description, input_tensor_metadata, output_tensor_metadata
    graphs = _vector(builder, [_table(builder, {0: name, 2: inputs, 3: outputs})])
    # ModelMetadata: name, description, version, subgraph_metadata, author, license, associated_files,
    # min_parser_version
    texts = {1: description.text, 2: description.version, 7: PARSER}
    root = _table(builder, {0: name, 3: graphs, **_strings(builder, texts)})
    builder.Finish(root, file_identifier=IDENTIFIER)
    return bytes(builder.Output())


def _input(builder: Any, info: TensorInfo, contract: InputContract | None) -> int:
    if contract is None:
        return _table(builder, _strings(builder, {0: info.name}))
    height, width, _ = contract.size
    text = (
        f"Photo as it is meant to be seen (EXIF orientation applied), {width}×{height} by `{contract.resize}` with "
        f"Pillow's BILINEAR filter; channels: {CHANNELS[contract.color]}."
    )
    mean, std = (np.asarray(numbers, np.float64) for numbers in normalization(contract))
    ends = np.stack([(0 - mean) / std, (255 - mean) / std])
    # ImageSize: width, height; ImageProperties: color_space, default_size
    size = _table(builder, {}, {0: ("Uint32", width), 1: ("Uint32", height)})
    image = _table(builder, {1: size}, {0: ("Int8", COLORS[contract.color])})
    # NormalizationOptions: mean, std; ProcessUnit: options' type, options
    options = _table(builder, {0: _floats(builder, mean), 1: _floats(builder, std)})
    units = _vector(builder, [_table(builder, {1: options}, {0: ("Uint8", NORMALIZATION)})])
    fields = {3: _content(builder, IMAGE, image), 4: units, 5: _stats(builder, ends.min(0), ends.max(0))}
    return _table(builder, fields | _strings(builder, {0: info.name, 1: text}))


def _row(info: TensorInfo, labelled: bool) -> tuple[str, str, int]:
    """What is said of a row of the spec, of the file that names its units, and the type of that, 0 without one."""
    text = f"Row `{info.name}` of the spec, {'×'.join(str(n) for n in info.shape[1:])}."
    if not labelled:
        return text, "", 0
    return (
        f"{text} {LABELS} names its units, in their order.",
        "One label a line, in the order of the units.",
        AXIS_LABELS,
    )


def _object(info: TensorInfo, labels: int) -> tuple[str, str, int]:
    """As `_row`, of an output of objects."""
    if info.name != CLASSES or not labels:
        return OBJECTS[info.name], "", 0
    order = "One label a line, in the order of the classes."
    return f"{OBJECTS[CLASSES]} {LABELS} names them.", order, VALUE_LABELS


def _output(builder: Any, info: TensorInfo, text: str, labels: str, kind: int) -> int:
    """TensorMetadata: name, description, dimension_names, content, process_units, stats, associated_files."""
    fields = {3: _content(builder, FEATURES, _table(builder, {}))}
    if info.scale is not None and info.zero_point is not None:
        held = np.iinfo(info.dtype)
        ends = [np.asarray([(end - info.zero_point) * info.scale]) for end in (held.min, held.max)]
        fields[5] = _stats(builder, *ends)
    if kind:
        # AssociatedFile: name, description, type
        file = _strings(builder, {0: LABELS, 1: labels})
        fields[6] = _vector(builder, [_table(builder, file, {2: ("Int8", kind)})])
    return _table(builder, fields | _strings(builder, {0: info.name, 1: text}))


def _content(builder: Any, kind: int, properties: int) -> int:
    """Content: content_properties' type, content_properties."""
    return _table(builder, {1: properties}, {0: ("Uint8", kind)})


def _stats(builder: Any, least: Any, greatest: Any) -> int:
    """Stats: max, min."""
    return _table(builder, {0: _floats(builder, greatest), 1: _floats(builder, least)})


# --- flatbuffers: what a table refers to is written before the table


def _table(builder: Any, offsets: Mapping[int, int], scalars: Mapping[int, tuple[str, int]] | None = None) -> int:
    """A table of offsets, and of scalars as (type, value), by the number of their field."""
    scalars = scalars or {}
    builder.StartObject(max((*offsets, *scalars), default=-1) + 1)
    for slot, offset in sorted(offsets.items()):
        builder.PrependUOffsetTRelativeSlot(slot, offset, 0)
    for slot, (kind, value) in sorted(scalars.items()):
        getattr(builder, f"Prepend{kind}Slot")(slot, value, 0)
    return int(builder.EndObject())


def _strings(builder: Any, texts: Mapping[int, str]) -> dict[int, int]:
    return {slot: builder.CreateString(text) for slot, text in texts.items()}


def _floats(builder: Any, values: Any) -> int:
    return int(builder.CreateNumpyVector(np.asarray(values, np.float32)))


def _vector(builder: Any, offsets: Sequence[int]) -> int:
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return int(builder.EndVector())
