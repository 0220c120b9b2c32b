"""What changes a row as it is expanded: multipliers of width and layers, and the output stride."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

from archspec.spec import Scale


def scaled_depth(depth: int, scale: Scale, floor: int | None) -> int:
    """A depth times `scale.width`. `floor` is a row's own `min_depth`.

    Source: Slim's `_make_divisible` (MobileNet v2), and for `divisor: 1` Slim's `max(int(d * m), min_depth)`.
    """
    if scale.width == 1:
        return depth
    wanted = depth * scale.width
    least = floor or scale.min_depth
    if scale.divisor == 1:
        return max(int(wanted), least, 1)
    rounded = max(scale.divisor, int(wanted + scale.divisor / 2) // scale.divisor * scale.divisor)
    if rounded < 0.9 * wanted:
        rounded += scale.divisor
    return max(rounded, least)


def scaled_repeat(repeat: int | None, scale: Scale) -> int:
    """A repeat times `scale.layers`, rounded up. A row that does not write `repeat` stays one."""
    if repeat is None:
        return 1
    # a decimal such as 1.1 is not exact in binary: 10 x 1.1 must be 11, not 12
    return math.ceil(round(repeat * scale.layers, 9))


class Pace(NamedTuple):
    """Where a tensor stands: `stride` input pixels a step, and the atrous `rate` owed for strides not taken."""

    stride: Fraction = Fraction(1)
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
