"""What a spec says besides its rows, as frozen data, and how the located tree is read into it."""

import typing
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, NamedTuple, TypeVar

from archspec.diagnostics import Diagnostic, Span
from archspec.kinds import (
    Act, Colour, Count, Fit, InputSize, Interval, Kind, ModelName, Multiplier, Name, OutputStride, Penalty, PerChannel,
    Scheme, Small, Units, VariantName, Version, kind_of,
)  # fmt: skip
from archspec.ops import Shape
from archspec.source import Map, Node, Scalar, Seq, plain

__all__ = ["ABIS", "Act", "Expect", "Head", "Input", "RowSpec", "Scale", "Target", "Train", "read_head", "read_rows"]

ABIS = ("arm64-v8a", "armeabi-v7a", "x86_64")
CHANNELS = {"rgb": 3, "bgr": 3, "gray": 1}

T = TypeVar("T")


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
class Target:
    """What is built for an ABI: quantization scheme, and a variant of the network."""

    quantize: Scheme = "int8"
    variant: VariantName | None = None


OPTIMIZERS = ("sgd", "momentum", "rmsprop", "adam", "adamw")
TASKS = ("edges", "classification", "segmentation", "detection")


@dataclass(frozen=True)
class Train:
    """How the network is trained: the recipe of its source."""

    task: typing.Annotated[str, Kind("a task: " + ", ".join(TASKS), {"enum": list(TASKS)})]
    optimizer: typing.Annotated[str, Kind("an optimizer", {"enum": list(OPTIMIZERS)})] = "adam"
    learning_rate: Small = 1e-3
    batch: Units = 32
    epochs: Units | None = None
    steps: Count | None = None
    seed: Count = 0
    l2: Penalty = 0.0


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
    expect: Expect
    train: Train | None
    targets: Mapping[str, Target]
    defaults: Mapping[str, Map]
    tree: Map = field(compare=False)


class RowSpec(NamedTuple):
    """One row of the table, as written: block, row words and options, each with its place."""

    block: Scalar
    span: Span
    options: Mapping[str, Node]
    name: Scalar | None
    sources: tuple[Scalar, ...] | None
    repeat: int | None
    min_depth: int | None


def read_value(kind: Kind, name: str, node: Node, found: list[Diagnostic]) -> Any:
    """A value of a kind. One that `let` named is checked here, for the schema saw only its name."""
    value = plain(node)
    if (origin := _origin(node)) is not None:
        from archspec.schema import explain_value  # the schema is drawn from this module's types

        if problem := explain_value(kind, name, value):
            code, message = problem
            found.append(Diagnostic(code, message, node.span, others=(origin,)))
            return None
    return kind.read(value)


def _origin(node: Node) -> Any:
    if isinstance(node, Scalar):
        return node.origin
    if isinstance(node, Seq):
        return next((o for item in node.items if (o := _origin(item)) is not None), None)
    return None


def read_section(made: type[T], node: Node | None, found: list[Diagnostic]) -> T:
    """A section of the head as its dataclass. The tree has passed the schema."""
    hints = typing.get_type_hints(made, include_extras=True)
    given: dict[str, Any] = {}
    for f in fields(made):  # type: ignore[arg-type]
        value = node.get(f.name) if isinstance(node, Map) else None
        if value is not None:
            given[f.name] = read_value(kind_of(hints[f.name]), f.name, value, found)
    return made(**given)


def required(made: type) -> list[str]:
    """The fields of a section that have no default."""
    return [f.name for f in fields(made) if f.default is MISSING and f.default_factory is MISSING]


def read_head(root: Map, found: list[Diagnostic]) -> Head:
    """Read the head of a resolved tree that has passed the schema; what only a reader can see goes to `found`."""
    model = root.get("model")
    section = root.get("input")
    contract = read_section(Input, section, found)
    if isinstance(section, Map) and contract.size is not None:
        _check_input(contract, section, found)
    stride = root.get("output_stride")
    outputs = root.get("outputs")
    targets = root.get("targets")
    defaults = root.get("defaults")
    train = root.get("train")
    return Head(
        model=str(plain(model)) if model else "",
        input=contract,
        scale=read_section(Scale, root.get("scale"), found),
        output_stride=read_value(kind_of(OutputStride), "output_stride", stride, found) if stride else None,
        outputs=tuple(n for n in outputs.items if isinstance(n, Scalar)) if isinstance(outputs, Seq) else (),
        expect=read_section(Expect, root.get("expect"), found),
        train=read_section(Train, train, found) if train else None,
        targets={str(k.value): read_section(Target, v, found) for k, v in targets.entries}
        if isinstance(targets, Map)
        else DEFAULT_TARGETS,
        defaults={str(k.value): v for k, v in defaults.entries if isinstance(v, Map)}
        if isinstance(defaults, Map)
        else {},
        tree=root,
    )


def _check_input(contract: Input, section: Map, found: list[Diagnostic]) -> None:
    def report(code: str, message: str, key: str, help: str = "") -> None:
        place = section.get(key) or section
        found.append(Diagnostic(code, message, place.span, help=help))

    if contract.range is None and (contract.mean is None or contract.std is None):
        key = root_key(section)
        message = "`input` does not say how a photo's values are scaled"
        found.append(Diagnostic("missing-key", message, key, help="add `range: [0, 1]`, or `mean` and `std`"))
    if contract.range is not None:
        if contract.mean is not None or contract.std is not None:
            report("conflicting-keys", "`input` has a `range`, or `mean` and `std`, not both", "range")
        if contract.range[0] >= contract.range[1]:
            report("out-of-range", "the low end of `range` must be under the high end", "range")
    channels = contract.shape[2]
    for key in ("mean", "std"):
        value = getattr(contract, key)
        if isinstance(value, tuple) and len(value) != channels:
            report("wrong-length", f"`{key}` has {len(value)} values for {channels} channels", key)
    stds = contract.std if isinstance(contract.std, tuple) else (contract.std,)
    if any(s is not None and s <= 0 for s in stds):
        report("out-of-range", "`std` must be above 0", "std")
    if contract.color and CHANNELS[contract.color] != channels:
        report("wrong-length", f"`color: {contract.color}` has {CHANNELS[contract.color]} channels, not {channels}", "color")


def root_key(section: Map) -> Span:
    """The first key of a section: a place to point at for what the section lacks."""
    return section.entries[0][0].span if section.entries else section.span


def block_names(root: Map) -> list[str]:
    """The blocks that the table names, as far as it is a table."""
    layers = root.get("layers")
    items = layers.items if isinstance(layers, Seq) else ()
    keys = [item.entries[0][0] if isinstance(item, Map) and item.entries else item for item in items]
    return [str(key.value) for key in keys if isinstance(key, Scalar)]


def read_rows(root: Map) -> list[RowSpec | Scalar | None]:
    """The rows of the table. A row that is malformed is None, or its name where it has one."""
    layers = root.get("layers")
    return [_read_row(item) for item in layers.items] if isinstance(layers, Seq) else []


def _read_row(item: Node) -> RowSpec | Scalar | None:
    if isinstance(item, Scalar):
        return RowSpec(item, item.span, {}, None, None, None, None) if isinstance(item.value, str) else None
    if not isinstance(item, Map) or len(item.entries) != 1:
        return None
    block, body = item.entries[0]
    entries = {str(k.value): v for k, v in body.entries} if isinstance(body, Map) else {}
    name, source = entries.pop("name", None), entries.pop("from", None)
    repeat, floor = entries.pop("repeat", None), entries.pop("min_depth", None)
    sources = tuple(source.items) if isinstance(source, Seq) else (source,) if source else None
    return RowSpec(
        block,
        block.span,
        entries,
        name if isinstance(name, Scalar) else None,
        tuple(s for s in sources if isinstance(s, Scalar)) if sources is not None else None,
        repeat.value if isinstance(repeat, Scalar) and type(repeat.value) is int else None,
        floor.value if isinstance(floor, Scalar) and type(floor.value) is int else None,
    )


Names = typing.Annotated[tuple[str, ...], kind_of(Name)]
MODEL = kind_of(ModelName)
VERSION = kind_of(Version)
