"""What every op computes, in numpy and 64 bits, pixel by pixel from its definition; the oracle of the lowering.

Maps are (height, width, channels), without a batch. Windows come from the enumerations of `brute_count`.
"""

import math
from collections.abc import Callable

import numpy as np
from brute_count import Padding, Size, same, sliding, taps, zeros_of
from numpy.typing import NDArray

Array = NDArray[np.float64]


def _relu6(x: Array) -> Array:
    return np.where(x > 6, 6, np.where(x > 0, x, 0))


def _softmax(x: Array) -> Array:
    powers = np.exp(x)
    shares: Array = powers / powers.sum(axis=-1, keepdims=True)
    return shares


_erf = np.vectorize(math.erf)

ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "relu": lambda x: np.where(x > 0, x, 0),
    "relu6": _relu6,
    "leaky_relu": lambda x: np.where(x > 0, x, 0.2 * x),  # tf.nn.leaky_relu's slope
    "elu": lambda x: np.where(x > 0, x, np.exp(x) - 1),  # Clevert et al. 2015, alpha 1
    "hard_swish": lambda x: x * _relu6(x + 3) / 6,  # MobileNetV3, Howard et al. 2019, section 5.2
    "hard_sigmoid": lambda x: _relu6(x + 3) / 6,
    "swish": lambda x: x / (1 + np.exp(-x)),  # Ramachandran et al. 2017
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "tanh": lambda x: (np.exp(x) - np.exp(-x)) / (np.exp(x) + np.exp(-x)),
    "softmax": _softmax,
    "softplus": lambda x: np.log(1 + np.exp(x)),
    "gelu": lambda x: x / 2 * (1 + _erf(x / math.sqrt(2))),  # Hendrycks and Gimpel 2016, the exact form
    "mish": lambda x: x * np.tanh(np.log(1 + np.exp(x))),  # Misra 2019
}


class _Surrounded:
    """A map with zeros all around, as far as anyone looks."""

    def __init__(self, x: Array) -> None:
        self.x = x

    def __getitem__(self, place: Size) -> Array:
        row, column = place
        inside = 0 <= row < self.x.shape[0] and 0 <= column < self.x.shape[1]
        return self.x[row, column] if inside else np.zeros(self.x.shape[2])


def conv(x: Array, kernel: Array, bias: Array | None, stride: int, rate: int, groups: int, padding: Padding) -> Array:
    """Kernel (height, width, channels / groups, depth)."""
    size = kernel.shape[0], kernel.shape[1]
    rows, columns = sliding(x.shape, size, stride, rate, padding)
    around = _Surrounded(x)
    out = np.zeros((len(rows), len(columns), kernel.shape[3]))
    inside, depth = kernel.shape[2], kernel.shape[3] // groups
    for i, row in enumerate(rows):
        for j, column in enumerate(columns):
            for a in range(size[0]):
                for b in range(size[1]):
                    pixel = around[row + a * rate, column + b * rate]
                    for g in range(groups):
                        mine = slice(g * depth, (g + 1) * depth)
                        out[i, j, mine] += pixel[g * inside : (g + 1) * inside] @ kernel[a, b, :, mine]
    return out if bias is None else out + bias


def depthwise(x: Array, kernel: Array, bias: Array | None, stride: int, rate: int, padding: Padding) -> Array:
    """Kernel (height, width, channels, multiplier); output channel c·multiplier + m."""
    size = kernel.shape[0], kernel.shape[1]
    rows, columns = sliding(x.shape, size, stride, rate, padding)
    around = _Surrounded(x)
    channels, multiplier = kernel.shape[2:]
    out = np.zeros((len(rows), len(columns), channels * multiplier))
    for i, row in enumerate(rows):
        for j, column in enumerate(columns):
            for a in range(size[0]):
                for b in range(size[1]):
                    pixel = around[row + a * rate, column + b * rate]
                    for c in range(channels):
                        for m in range(multiplier):
                            out[i, j, c * multiplier + m] += pixel[c] * kernel[a, b, c, m]
    return out if bias is None else out + bias


def transpose(x: Array, kernel: Array, bias: Array | None, stride: int, padding: str) -> Array:
    """Kernel (height, width, depth, channels): each pixel paints it, `same` cuts as its convolution would pad."""
    height, width, _ = x.shape
    canvas = np.zeros((height * stride + kernel.shape[0], width * stride + kernel.shape[1], kernel.shape[2]))
    for i in range(height):
        for j in range(width):
            for a in range(kernel.shape[0]):
                for b in range(kernel.shape[1]):
                    canvas[i * stride + a, j * stride + b] += kernel[a, b] @ x[i, j]
    sizes, firsts = [], []
    for axis, side in enumerate((height, width)):
        painted = max((side - 1) * stride + kernel.shape[axis], side * stride)
        sizes.append(side * stride if padding == "same" else painted)
        firsts.append(same(side * stride, taps(kernel.shape[axis], 1), stride)[0] if padding == "same" else 0)
    out = canvas[firsts[0] : firsts[0] + sizes[0], firsts[1] : firsts[1] + sizes[1]]
    return out if bias is None else out + bias


def dense(x: Array, kernel: Array, bias: Array | None) -> Array:
    """Kernel (in, units)."""
    out = np.array([sum(x[i] * kernel[i, unit] for i in range(len(x))) for unit in range(kernel.shape[1])])
    return out if bias is None else out + bias


def norm(x: Array, gamma: Array | float, beta: Array, mean: Array, variance: Array, epsilon: float) -> Array:
    """Batch norm at inference: Ioffe and Szegedy 2015, algorithm 2."""
    return (x - mean) / np.sqrt(variance + epsilon) * gamma + beta


def pool(x: Array, function: str, kernel: Size, stride: int, padding: Padding) -> Array:
    """Zeros that are given by hand are pixels like others; those that `same` stands for are not there."""
    if not isinstance(padding, str) or padding in ("explicit", "same_even"):
        zeros = [zeros_of(padding, x.shape[axis], kernel[axis], 1, stride, axis) for axis in (0, 1)]
        x, padding = np.pad(x, (zeros[0], zeros[1], (0, 0))), "valid"
    rows, columns = sliding(x.shape, kernel, stride, 1, padding)
    out = np.zeros((len(rows), len(columns), x.shape[2]))
    for i, row in enumerate(rows):
        for j, column in enumerate(columns):
            seen = x[max(row, 0) : row + kernel[0], max(column, 0) : column + kernel[1]]
            out[i, j] = seen.max(axis=(0, 1)) if function == "max" else seen.mean(axis=(0, 1))
    return out


def shuffle(x: Array, groups: int) -> Array:
    """ShuffleNet, Zhang et al. 2017, section 3.1: (groups, rest) transposed and made flat again."""
    deal = x.shape[-1] // groups
    order = [group * deal + card for card in range(deal) for group in range(groups)]
    return x[..., order]


def depth_to_space(x: Array, block: int) -> Array:
    """TFLite's DEPTH_TO_SPACE: channel (y·block + x)·depth + c becomes channel c of pixel (y, x) of the square."""
    height, width, channels = x.shape
    depth = channels // block**2
    made = np.zeros((height * block, width * block, depth))
    for row in range(height * block):
        for column in range(width * block):
            first = (row % block * block + column % block) * depth
            made[row, column] = x[row // block, column // block, first : first + depth]
    return made


def resize(x: Array, size: tuple[int, int], method: str) -> Array:
    """Output pixel i of n lies at (i + 1/2) m / n - 1/2 of the m of the input (half-pixel centres); edges repeat."""

    def along(before: int, after: int) -> Array:
        weights = np.zeros((after, before))
        for i in range(after):
            place = (i + 0.5) * before / after - 0.5
            if method == "nearest":
                weights[i, min(math.floor(place + 0.5), before - 1)] = 1
                continue
            below, share = math.floor(place), place - math.floor(place)
            weights[i, min(max(below, 0), before - 1)] += 1 - share
            weights[i, min(max(below + 1, 0), before - 1)] += share
        return weights

    wide: Array = np.einsum("ih,hwc,jw->ijc", along(x.shape[0], size[0]), x, along(x.shape[1], size[1]))
    return wide
