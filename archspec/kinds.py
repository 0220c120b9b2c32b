"""The types a spec can write. Each says its JSON Schema and, in the words of the spec, what it expects.

A block's function and the dataclasses of `spec` annotate with these; parsing, the schema and the reference of
blocks are drawn from the annotations.
"""

import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

LARGEST_SIZE = 65_536  # channels, units, pixels of a side
MOST_REPEATS = 1_000
MOST_PHOTOS = 9_000_000  # generated for one seed
NAME = r"[A-Za-z][A-Za-z0-9_]*"

Json = Mapping[str, Any]


def _same(value: Any) -> Any:
    return value


@dataclass(frozen=True, eq=False)
class Kind:
    """A type of the language: its `schema`, what it `expects` in words, and how the plain value is `read`."""

    expects: str
    schema: Json
    read: Callable[[Any], Any] = _same
    scaled: bool = False  # `scale.width` multiplies it


def kind_of(annotation: Any) -> Kind:
    """The kind an annotation carries. Raises TypeError where there is none."""
    if get_origin(annotation) is Annotated:
        for extra in get_args(annotation)[1:]:
            if isinstance(extra, Kind):
                return extra
    if get_origin(annotation) in (Union, types.UnionType):
        inner = [a for a in get_args(annotation) if a is not type(None)]
        if len(inner) == 1 and len(get_args(annotation)) == 2:
            return kind_of(inner[0])
    raise TypeError(f"not a type of the language: {annotation!r}")


def _integer(least: int, most: int) -> dict[str, Any]:
    return {"type": "integer", "minimum": least, "maximum": most}


def _number(**limits: float) -> dict[str, Any]:
    return {"type": "number", **limits}


def _pair(item: Json) -> dict[str, Any]:
    return {"type": "array", "items": item, "minItems": 2, "maxItems": 2}


def _both_axes(value: Any) -> Any:
    """One number for both axes, or one for each: (height, width)."""
    return tuple(value) if isinstance(value, list) else (value, value)


def choice(*words: str, expects: str = "") -> Kind:
    return Kind(expects or "one of " + ", ".join(f"`{w}`" for w in words), {"enum": list(words)})


def _padding(value: Any) -> Any:
    return value if isinstance(value, str) else tuple(tuple(axis) for axis in value)


_SIZE = _integer(1, LARGEST_SIZE)
_KERNEL = _integer(1, 255)
_WHOLE = f"a whole number from 1 to {LARGEST_SIZE}"

Depth = Annotated[int, Kind(f"a number of channels, {_WHOLE}", _SIZE, scaled=True)]
"""Channels of a convolution; what `scale.width` multiplies, and nothing else."""

Units = Annotated[int, Kind(_WHOLE, _SIZE)]
"""A count that no multiplier changes: classes, groups, an upsampling factor."""

Size2 = tuple[int, int]

Kernel = Annotated[
    Size2, Kind("a kernel size from 1 to 255, or [height, width]", {"anyOf": [_KERNEL, _pair(_KERNEL)]}, _both_axes)
]
Stride = Annotated[int, Kind("a stride from 1 to 64", _integer(1, 64))]
UpStride = Annotated[int, Kind("a stride from 1 to 64", _integer(1, 64))]
"""How many times larger a transposed convolution makes a map: no stride to `output_stride`."""

Rate = Annotated[int, Kind("an atrous rate from 1 to 256", _integer(1, 256))]
Expansion = Annotated[float, Kind("a factor above 0, at most 64", _number(exclusiveMinimum=0, maximum=64))]
Flag = Annotated[bool, Kind("true or false", {"type": "boolean"})]
Share = Annotated[float, Kind("a share from 0 up to, not including, 1", _number(minimum=0, exclusiveMaximum=1))]
Penalty = Annotated[float, Kind("a number from 0 to 10", _number(minimum=0, maximum=10))]
Positive = Annotated[float, Kind("a number above 0", _number(exclusiveMinimum=0, maximum=1e12))]
Angle = Annotated[float, Kind("an angle from 0 to 180 degrees", _number(minimum=0, maximum=180))]
Small = Annotated[float, Kind("a number above 0, at most 1", _number(exclusiveMinimum=0, maximum=1))]

ACTIVATIONS = (
    "none", "relu", "relu6", "leaky_relu", "elu", "hard_swish", "hard_sigmoid", "swish", "sigmoid", "tanh",
    "softmax", "softplus", "gelu", "mish",
)  # fmt: skip
Act = Annotated[str, choice(*ACTIVATIONS, expects="an activation")]
Initializer = Annotated[
    str, choice("glorot_uniform", "he_normal", "truncated_normal", "bilinear", expects="an initializer")
]
Resampling = Annotated[str, choice("nearest", "bilinear")]
Pooling = Annotated[str, choice("avg", "max")]

Amounts = tuple[Size2, Size2]
_AMOUNT = _integer(0, 255)
Padding = Annotated[
    str | Amounts,
    Kind(
        "`same`, `same_even`, `explicit`, `valid`, or rows of zeros as [[top, bottom], [left, right]]",
        {"anyOf": [{"enum": ["same", "same_even", "explicit", "valid"]}, _pair(_pair(_AMOUNT))]},
        _padding,
    ),
]
PadAmounts = Annotated[
    Amounts, Kind("rows of zeros as [[top, bottom], [left, right]]", _pair(_pair(_AMOUNT)), _padding)
]
Shape1To3 = Annotated[
    tuple[int, ...],
    Kind("a shape of one to three sizes", {"type": "array", "items": _SIZE, "minItems": 1, "maxItems": 3}, tuple),
]

Name = Annotated[
    str,
    Kind("a name: a letter, then letters, digits or `_`", {"type": "string", "pattern": f"^{NAME}$", "maxLength": 64}),
]
From = Annotated[
    tuple[str, ...],
    Kind(
        "the name of a row above, or a list of names",
        {
            "anyOf": [
                {"type": "string", "pattern": f"^{NAME}$"},
                {"type": "array", "items": {"type": "string", "pattern": f"^{NAME}$"}, "minItems": 1, "maxItems": 1000},
            ]
        },
        lambda value: (value,) if isinstance(value, str) else tuple(value),
    ),
]
Repeat = Annotated[int, Kind(f"a whole number from 1 to {MOST_REPEATS}", _integer(1, MOST_REPEATS))]
Count = Annotated[int, Kind("a whole number from 0", _integer(0, 10**18))]
Photos = Annotated[int, Kind(f"a whole number from 1 to {MOST_PHOTOS}", _integer(1, MOST_PHOTOS))]
Steps = Annotated[int, Kind("a whole number from 1", _integer(1, 10**18))]
Version = Annotated[Literal[1], Kind("the version of the language, 1", {"type": "integer", "const": 1})]
Multiplier = Annotated[float, Kind("a multiplier above 0, at most 16", _number(exclusiveMinimum=0, maximum=16))]
OutputStride = Annotated[
    int, Kind("one of 1, 2, 4, 8, 16, 32, 64", {"type": "integer", "enum": [1, 2, 4, 8, 16, 32, 64]})
]
ModelName = Annotated[
    str,
    Kind(
        "a model's name: a letter, then letters, digits, `_`, `.` or `-`",
        {"type": "string", "pattern": "^[A-Za-z][A-Za-z0-9_.-]*$", "maxLength": 64},
    ),
]
InputSize = Annotated[
    int | tuple[int, ...],
    Kind(
        "[height, width, channels], or one number for a square",
        {"anyOf": [_SIZE, {"type": "array", "items": _SIZE, "minItems": 3, "maxItems": 3}]},
        lambda value: value if isinstance(value, int) else tuple(value),
    ),
]
Interval = Annotated[tuple[float, float], Kind("a range [low, high]", _pair(_number(minimum=-1e6, maximum=1e6)), tuple)]
PerChannel = Annotated[
    float | tuple[float, ...],
    Kind(
        "a number, or one for each channel",
        {
            "anyOf": [
                _number(minimum=-1e6, maximum=1e6),
                {"type": "array", "items": _number(minimum=-1e6, maximum=1e6), "minItems": 1, "maxItems": 4},
            ]
        },
        lambda value: tuple(value) if isinstance(value, list) else value,
    ),
]
Colour = Annotated[str, choice("rgb", "bgr", "gray")]
Fit = Annotated[str, choice("stretch", "crop", "pad")]
Scheme = Annotated[str, choice("none", "float16", "dynamic", "int8", "int16x8")]
Border = Annotated[str, choice("int8", "uint8", "int16", "float32")]
Release = Annotated[
    str,
    Kind(
        'a release in quotes, as "2.17.0"',
        {"type": "string", "pattern": r"^[0-9]{1,4}\.[0-9]{1,4}(\.[0-9]{1,4})?$"},
    ),
]
"""In quotes, for YAML reads 2.20 as the number 2.2."""

RowNames = Annotated[
    tuple[str, ...],
    Kind(
        "a list of names of rows",
        {"type": "array", "items": {"type": "string", "pattern": f"^{NAME}$"}, "minItems": 1, "maxItems": 1000},
        tuple,
    ),
]
Numbers = Annotated[
    tuple[float, ...],
    Kind(
        "a list of numbers", {"type": "array", "items": _number(minimum=-1e12, maximum=1e12), "maxItems": 1000}, tuple
    ),
]
Factors = Annotated[
    tuple[tuple[str, float], ...],
    Kind(
        "a factor above 0, at most 1000, for each of some rows, as in {c1: 0.1}",
        {
            "type": "object",
            "propertyNames": {"title": "the name of a row", "pattern": f"^{NAME}$"},
            "additionalProperties": _number(exclusiveMinimum=0, maximum=1000),
            "minProperties": 1,
        },
        lambda value: tuple(value.items()),
    ),
]
PathName = Annotated[
    str,
    Kind(
        "a path, from the spec's folder", {"type": "string", "minLength": 1, "maxLength": 4096, "pattern": r"^[^$\0]"}
    ),
]
LabelNames = Annotated[
    str | tuple[str, ...],
    Kind(
        "a path from the spec's folder, or a list of names",
        {
            "anyOf": [
                {"type": "string", "minLength": 1, "maxLength": 4096, "pattern": r"^[^$\0]"},
                {
                    "type": "array",
                    "items": {"type": "string", "minLength": 1, "maxLength": 256},
                    "minItems": 1,
                    "maxItems": LARGEST_SIZE,
                },
            ]
        },
        lambda value: value if isinstance(value, str) else tuple(value),
    ),
]
"""What the units of an output are called, in their order."""

VariantName = Annotated[str, Kind("the name of a variant", {"type": "string", "maxLength": 64})]
