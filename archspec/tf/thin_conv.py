"""Convolutions of large maps with few channels, some pixels of a row at a time."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

THIN, LARGE = 8, 16384  # channels for which TensorFlow's kernels are slow, and pixels from which that matters
BLOCK = 4  # pixels beside each other that are taken as one


class ThinConv2D(keras.layers.Conv2D):  # type: ignore[misc]
    """keras.layers.Conv2D: its weights, its answers but for the order in which products are added up.

    TensorFlow's kernels, and above all that of the kernel's gradient, take as long for 3 channels as for 12. Four
    pixels of three channels are seen as one of twelve, by a kernel that repeats the layer's own and is 0 between.
    """

    def convolution_op(self, inputs: Any, kernel: Any) -> Any:
        """The sums of products, (batch, height, width, filters)."""
        if not self._pays(inputs):
            return super().convolution_op(inputs, kernel)
        height, width, channels = inputs.shape[1:]
        places = tf.constant(_places(self.kernel_size[1]), kernel.dtype)
        wide = tf.einsum("hwcf,wbpq->hbpcqf", kernel, places)
        shape = (self.kernel_size[0], places.shape[1], BLOCK * channels, BLOCK * self.filters)
        blocks = tf.reshape(inputs, (-1, height, width // BLOCK, BLOCK * channels))
        made = tf.nn.conv2d(blocks, tf.reshape(wide, shape), 1, "SAME")
        return tf.reshape(made, (-1, height, width, self.filters))

    def _pays(self, inputs: Any) -> bool:
        height, width, channels = inputs.shape[1:]
        plain = (self.strides, self.dilation_rate, self.groups, self.padding) == ((1, 1), (1, 1), 1, "same")
        odd = all(side % 2 for side in self.kernel_size) and self.kernel_size[1] // 2 <= BLOCK
        large = None not in (height, width) and height * width >= LARGE and width % BLOCK == 0
        return bool(plain and odd and large and max(channels, self.filters) <= THIN)


def _places(width: int) -> Any:
    """Where a column of a kernel stands between a pixel of a block and one of the block before it, its own, the next.

    (width, blocks, BLOCK of the input, BLOCK of the output), 0 and 1; the block alone for a kernel one pixel wide.
    """
    blocks = 1 if width == 1 else 3
    column, block, given, made = np.indices((width, blocks, BLOCK, BLOCK))
    return (block - blocks // 2) * BLOCK + given - made == column - width // 2
