"""Counts of layers by enumeration: every window, tap and channel is visited, nothing is computed by a formula.

The oracle of the ops' shapes, weights and MACs; it shares no arithmetic with them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product

Shape = tuple[int, ...]
Size = tuple[int, int]
Padding = str | tuple[Size, Size]


@dataclass(frozen=True)
class Counted:
    """Output shape, multiplies, and the shapes of the variables in Keras's order."""

    shape: Shape
    macs: int = 0
    weights: tuple[Shape, ...] = ()


class WindowError(Exception):
    """The window is larger than the padded map."""


def taps(kernel: int, rate: int) -> list[int]:
    """Offsets that an atrous kernel reads along an axis."""
    return [i * rate for i in range(kernel)]


def windows(size: int, offsets: list[int], stride: int, zeros: Size) -> list[int]:
    """The first pixel of each window along an axis; below 0 it lies in the zeros before the map."""
    first, found = -zeros[0], []
    while first + offsets[-1] < size + zeros[1]:
        found.append(first)
        first += stride
    return found


def same(size: int, offsets: list[int], stride: int) -> Size:
    """TensorFlow's SAME by its definition: the fewest zeros that give a window to every `stride` pixels begun.

    The odd one stands after. Source: "notes on padding" in the documentation of tf.nn.
    """
    wanted = len(range(0, size, stride))
    total = 0
    while len(windows(size, offsets, stride, (0, total))) < wanted:
        total += 1
    return total // 2, total - total // 2


def fixed(kernel: int, rate: int) -> Size:
    """Slim's fixed_padding, as it is written there (research/slim/nets/mobilenet_v1.py)."""
    effective = kernel + (kernel - 1) * (rate - 1)
    pad_total = effective - 1
    pad_beg = pad_total // 2
    return pad_beg, pad_total - pad_beg


def zeros_of(padding: Padding, size: int, kernel: int, rate: int, stride: int, axis: int) -> Size:
    """Zeros before and after one axis."""
    if not isinstance(padding, str):
        return padding[axis]
    if padding == "valid":
        return 0, 0
    if padding == "explicit":
        return fixed(kernel, rate)
    # `same_even` is what SAME adds to a size that the stride divides; any such size larger than the kernel will do
    return same(size if padding == "same" else 1000 * stride, taps(kernel, rate), stride)


def sliding(shape: Shape, kernel: Size, stride: int, rate: int, padding: Padding) -> tuple[list[int], list[int]]:
    """First rows and first columns of all windows. Raises WindowError."""
    found = []
    for axis in (0, 1):
        zeros = zeros_of(padding, shape[axis], kernel[axis], rate, stride, axis)
        found.append(windows(shape[axis], taps(kernel[axis], rate), stride, zeros))
    if not all(found):
        raise WindowError
    return found[0], found[1]


def _box(indices: Iterable[Shape]) -> Shape:
    """The shape of the variable whose elements were touched, each index once."""
    touched = set(indices)
    shape = tuple(max(axis) + 1 for axis in zip(*touched, strict=True))
    assert touched == set(product(*map(range, shape))), "an element of the variable is never used"
    return shape


def _variables(kernel: Iterable[Shape], bias: bool, channels: int) -> tuple[Shape, ...]:
    return (_box(kernel), *([(channels,)] if bias else []))


def conv(
    shape: Shape, depth: int, kernel: Size, stride: int, rate: int, groups: int, padding: Padding, bias: bool
) -> Counted:
    """A grouped convolution: an output channel reads the input channels of its own group only."""
    rows, columns = sliding(shape, kernel, stride, rate, padding)
    channels = shape[2]
    group_of = [channel // (channels // groups) for channel in range(channels)]
    multiplies, used = 0, set()
    for _, _, out, a, b, channel in product(
        rows, columns, range(depth), range(kernel[0]), range(kernel[1]), range(channels)
    ):
        if group_of[channel] == out // (depth // groups):
            multiplies += 1
            used.add((a, b, channel % (channels // groups), out))
    return Counted((len(rows), len(columns), depth), multiplies, _variables(used, bias, depth))


def depthwise(
    shape: Shape, kernel: Size, stride: int, rate: int, multiplier: int, padding: Padding, bias: bool
) -> Counted:
    """A depthwise convolution: each channel has `multiplier` kernels of its own."""
    rows, columns = sliding(shape, kernel, stride, rate, padding)
    multiplies, used, outputs = 0, set(), set()
    for _, _, a, b, channel, copy in product(
        rows, columns, range(kernel[0]), range(kernel[1]), range(shape[2]), range(multiplier)
    ):
        multiplies += 1
        used.add((a, b, channel, copy))
        outputs.add((channel, copy))
    made = Counted((len(rows), len(columns), len(outputs)), multiplies)
    return Counted(made.shape, made.macs, _variables(used, bias, len(outputs)))


def transpose(shape: Shape, depth: int, kernel: Size, stride: int, padding: str, bias: bool) -> Counted:
    """A transposed convolution: each input pixel multiplies the whole kernel onto the output.

    The output holds a field of stride × stride pixels for each input pixel; `valid` also all that is painted.
    """
    multiplies, used = 0, set()
    painted = [{field for i in range(shape[axis]) for field in range(i * stride, (i + 1) * stride)} for axis in (0, 1)]
    for y, x, channel, a, b, out in product(
        range(shape[0]), range(shape[1]), range(shape[2]), range(kernel[0]), range(kernel[1]), range(depth)
    ):
        multiplies += 1
        used.add((a, b, out, channel))
        if padding == "valid":
            painted[0].add(y * stride + a)
            painted[1].add(x * stride + b)
    size = (len(painted[0]), len(painted[1]), depth)
    return Counted(size, multiplies, _variables(used, bias, depth))


def dense(shape: Shape, units: int, bias: bool) -> Counted:
    """A matrix on a vector."""
    multiplies, used = 0, set()
    for into, out in product(range(shape[0]), range(units)):
        multiplies += 1
        used.add((into, out))
    return Counted((units,), multiplies, _variables(used, bias, units))
