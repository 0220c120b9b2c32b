"""What a spec says, as frozen data. The schema is drawn from these types."""

import typing
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from functools import cache
from typing import NamedTuple

from archspec.diagnostics import Span
from archspec.kinds import (
    Border,
    Colour,
    Count,
    Fit,
    InputSize,
    Interval,
    Kind,
    Multiplier,
    PerChannel,
    Positive,
    Release,
    RowNames,
    Scheme,
    Share,
    Small,
    Units,
    VariantName,
    kind_of,
)
from archspec.ops import Shape
from archspec.recipe import Train
from archspec.source import Map, Node, Scalar

ABIS = ("arm64-v8a", "armeabi-v7a", "x86_64")
CHANNELS = {"rgb": 3, "bgr": 3, "gray": 1}


@dataclass(frozen=True)
class Input:
    """The one I/O contract: what the network is fed, from a photo's 8-bit values.

    `range: [low, high]` maps 0..255 onto low..high; `mean` and `std` (in 0..255) standardize instead.
    """

    size: InputSize
    range: Interval | None = None
    mean: PerChannel | None = None
    std: PerChannel | None = None
    color: Colour | None = None
    resize: Fit = "stretch"

    @property
    def shape(self) -> Shape:
        """(height, width, channels)."""
        if isinstance(self.size, tuple):
            return self.size
        return self.size, self.size, CHANNELS[self.color or "rgb"]

    @property
    def interval(self) -> tuple[float, float]:
        """The least and the greatest value the network is fed, over all channels."""
        if self.range is not None:
            return self.range
        means = self.mean if isinstance(self.mean, tuple) else (self.mean or 0.0,)
        stds = self.std if isinstance(self.std, tuple) else (self.std or 1.0,)
        count = max(len(means), len(stds))
        pairs = list(zip(means * (count // len(means)), stds * (count // len(stds)), strict=True))
        return min((0 - m) / s for m, s in pairs), max((255 - m) / s for m, s in pairs)


@dataclass(frozen=True)
class Scale:
    """Multipliers: `width` of what is annotated as a depth, `layers` of what is written as `repeat` (ceiling).

    A depth becomes the nearest multiple of `divisor`, at least `min_depth`, and never under 0.9 of the product
    (Slim's _make_divisible); with `divisor: 1` it is cut down to a whole number, as Slim's MobileNet v1 does.
    """

    width: Multiplier = 1.0
    layers: Multiplier = 1.0
    divisor: Units = 1
    min_depth: Units = 1


@dataclass(frozen=True)
class Expect:
    """Published counts; checked whenever the spec is. `trainable` leaves out batch norm's moving statistics."""

    params: Count | None = None
    trainable: Count | None = None
    macs: Count | None = None


@dataclass(frozen=True)
class Budget:
    """What an artifact may cost; one that costs more fails the build. Sizes in kB of 1000 bytes.

    `peak_ram_kilobytes` is of the activations that live at one time, `minstructions` of one inference in millions,
    counted on the ABI's least CPU under emulation.
    """

    kilobytes: Positive | None = None
    peak_ram_kilobytes: Positive | None = None
    minstructions: Positive | None = None
    macs: Count | None = None


@dataclass(frozen=True)
class Nms:
    """Non-maximum suppression, class by class: of boxes with a score of at least `score` those go that overlap a better
    one of their class by more than `overlap`, an intersection over union; the best `most` of all classes stay.
    """

    score: Share = 0.01
    overlap: Small = 0.5
    most: Units = 100


@dataclass(frozen=True)
class Target:
    """What is built for an ABI: a variant of the network, a quantization scheme, and what the file is held to.

    `io` is the type of its inputs and outputs, by itself that of the scheme: int8 of int8, int16 of int16x8, else
    float32. `outputs` are the rows it serves instead of the network's own outputs. Rows under `float_rows` stay out
    of quantization, those under `int16_rows` have activations of 16 bits. `min_runtime` is the oldest TensorFlow Lite
    release that must run the file. With `nms` a file with the heads of an SSD gives boxes, floats whatever `io` says.
    """

    quantize: Scheme = "int8"
    io: Border | None = None
    variant: VariantName | None = None
    outputs: RowNames = ()
    float_rows: RowNames = ()
    int16_rows: RowNames = ()
    min_runtime: Release | None = None
    budget: Budget = Budget()
    nms: Nms | None = None

    @property
    def border(self) -> str:
        """The type of the file's inputs and outputs."""
        return self.io or BORDERS[self.quantize][0]


BORDERS = {
    "none": ("float32",),
    "float16": ("float32",),
    "dynamic": ("float32",),
    "int8": ("int8", "uint8", "float32"),
    "int16x8": ("int16", "float32"),
}
"""The types that a scheme's inputs and outputs can have, its own first."""

CALIBRATED = ("int8", "int16x8")
"""The schemes whose activations have ranges of their own."""

DEFAULT_TARGETS: Mapping[str, Target] = {
    "arm64-v8a": Target("int8"),
    "armeabi-v7a": Target("int8"),
    "x86_64": Target("none"),
}
SECTIONS: Mapping[str, type] = {"input": Input, "scale": Scale, "expect": Expect, "train": Train}


@dataclass(frozen=True)
class Head:
    """All of a spec but its rows. `tree` is the resolved tree it was read from, for the spans of its values."""

    model: str
    input: Input
    scale: Scale
    output_stride: int | None
    outputs: tuple[Scalar, ...]
    labels: str | tuple[str, ...]
    expect: Expect
    train: Train | None
    targets: Mapping[str, Target]
    defaults: Mapping[str, Map]
    tree: Map = field(compare=False)


class RowSpec(NamedTuple):
    """One row of the table, as written: block, row words and options, each with its place."""

    block: Scalar
    whole: Span
    options: Mapping[str, Node]
    name: Scalar | None
    sources: tuple[Scalar, ...] | None
    repeat: Node | None
    min_depth: Node | None

    @property
    def span(self) -> Span:
        """Where findings about the row point: its block's name."""
        return self.block.span


class BrokenRow(NamedTuple):
    """A row with something wrong in it that is reported already. It still defines its name."""

    whole: Span
    name: Scalar | None


@cache
def kinds_of(made: type) -> Mapping[str, Kind]:
    """The kind of each field of a section that holds a value."""
    hints, parts = typing.get_type_hints(made, include_extras=True), parts_of(made)
    return {f.name: kind_of(hints[f.name]) for f in fields(made) if f.name not in parts}


@cache
def parts_of(made: type) -> Mapping[str, type]:
    """The fields of a section that are sections themselves, or None where they are left out."""
    hints = typing.get_type_hints(made, include_extras=True)
    kinds = {f.name: typing.get_args(hints[f.name]) or (hints[f.name],) for f in fields(made)}
    return {name: kind for name, (kind, *_) in kinds.items() if isinstance(kind, type) and is_dataclass(kind)}


def required(made: type) -> list[str]:
    """The fields of a section that have no default."""
    return [f.name for f in fields(made) if f.default is MISSING and f.default_factory is MISSING]
