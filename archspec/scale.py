"""What changes a row as it is expanded: multipliers of width and layers, and the output stride."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from archspec.blocks import Block
from archspec.graph import Tensor
from archspec.kinds import Stride, kind_of
from archspec.rounding import divisible
from archspec.spec import Scale

STRIDE = kind_of(Stride)


def scaled_depth(depth: int, scale: Scale, floor: int | None) -> int:
    """A depth times `scale.width`, at least `floor` (a row's own `min_depth`); as written where the width is 1.

    Source: Slim's `_make_divisible` (MobileNet v2), and for `divisor: 1` Slim's `max(int(d * m), min_depth)`.
    """
    if scale.width == 1:
        return depth
    wanted = depth * scale.width
    least = floor or scale.min_depth
    if scale.divisor == 1:
        return max(int(wanted), least, 1)
    return divisible(wanted, scale.divisor, least)


def scaled_repeat(repeat: int | None, scale: Scale) -> int:
    """A repeat times `scale.layers`, rounded up. A row that does not write `repeat` stays one."""
    if repeat is None:
        return 1
    # a decimal such as 1.1 is not exact in binary: 10 x 1.1 must be 11, not 12
    return math.ceil(round(repeat * scale.layers, 9)) or 1


class Pace(NamedTuple):
    """Where a tensor stands: `stride` input pixels a step, and the atrous `rate` owed for strides not taken."""

    stride: float = 1
    rate: int = 1


def strides(stride: int, repeat: int) -> Iterator[int]:
    """The stride of each repetition: it belongs to the first."""
    for i in range(repeat):
        yield stride if i == 0 else 1


def paced(pace: Pace, stride: int, output_stride: int | None) -> tuple[int, int, Pace]:
    """Stride and rate that a row gets, and the pace after it, where the whole net may not pass `output_stride`.

    Source: Slim's mobilenet_v1_base: at the output stride a row strides no more, and the rows after it look
    `stride` times as far apart.
    """
    if output_stride is None or pace.stride * stride <= output_stride:
        return stride, pace.rate, Pace(pace.stride * stride, pace.rate)
    return 1, pace.rate, Pace(pace.stride, pace.rate * stride)


def stride_of(block: Block, values: Mapping[str, Any]) -> int | None:
    """The stride that a block's row asks for; None where the block has none."""
    option = block.options.get("stride")
    if option is None or option.kind is not STRIDE:
        return None
    return int(values.get("stride", option.default))


def bent(block: Block, values: Mapping[str, Any], stride: int, rate: int) -> dict[str, Any]:
    """The options of one repetition with the stride it gets, and its rate times what is owed."""
    changed = {**values, "stride": stride}
    if "rate" in block.options and stride == 1:
        changed["rate"] = values.get("rate", block.options["rate"].default) * rate
    return changed


def measured(before: Tensor, after: Tensor, pace: Pace) -> Pace:
    """The pace after a row without a stride of its own: a resize, a transposed convolution, a side output."""
    if len(before.shape) != 3 or len(after.shape) != 3 or after.shape[0] <= before.shape[0]:
        return pace
    return Pace(pace.stride * before.shape[0] / after.shape[0], 1)
