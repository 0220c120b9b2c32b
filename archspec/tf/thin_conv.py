"""Layers that make large maps of few channels: convolutions by some pixels of a row at a time, concatenation."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

THIN, LARGE = 64, 16384  # products of channels in and out for which TensorFlow's kernels are slow; pixels, likewise
BLOCK = 4  # pixels beside each other that are taken as one
FEW = 4  # products of channels in and out, up to which upsampling is done in blocks
ROW = 16  # pixels of a row that a block makes


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
        return bool(plain and odd and large and channels * self.filters <= THIN)


def _places(width: int) -> Any:
    """Where a column of a kernel stands between a pixel of a block and one of the block before it, its own, the next.

    (width, blocks, BLOCK of the input, BLOCK of the output), 0 and 1; the block alone for a kernel one pixel wide.
    """
    blocks = 1 if width == 1 else 3
    column, block, given, made = np.indices((width, blocks, BLOCK, BLOCK))
    return (block - blocks // 2) * BLOCK + given - made == column - width // 2


class ThinConv2DTranspose(keras.layers.Conv2DTranspose):  # type: ignore[misc]
    """keras.layers.Conv2DTranspose: its weights, its answers but for the order in which products are added up.

    A stride's pixels, down and across, are the channels of a convolution of the small map, as in sub-pixel convolution
    (Shi et al. 2016, arXiv 1609.05158). TensorFlow's kernels go through the large map for each place of the kernel.
    """

    def call(self, inputs: Any) -> Any:
        """The map, (batch, height × stride, width × stride, filters)."""
        if not self._pays(inputs):
            return super().call(inputs)
        (stride, _), block = self.strides, self._block()
        height, width, channels = inputs.shape[1:]
        kernel = tf.convert_to_tensor(self.kernel)
        down = tf.constant(_phases(self.kernel_size[0], stride, 1)[:, :, 0, 0], kernel.dtype)
        across = tf.constant(_phases(self.kernel_size[1], stride, block), kernel.dtype)
        wide = tf.einsum("hwfc,hdp,webmq->debcpmqf", kernel, down, across)
        made = block * stride * self.filters
        shape = (down.shape[1], across.shape[1], block * channels, stride * made)
        blocks = tf.reshape(inputs, (-1, height, width // block, block * channels))
        answer = tf.nn.conv2d(blocks, tf.reshape(wide, shape), 1, "SAME")
        if self.bias is not None:  # before it is one channel, for which the bias's gradient takes long
            answer = tf.nn.bias_add(answer, tf.tile(tf.convert_to_tensor(self.bias), [stride * made // self.filters]))
        rows = tf.transpose(tf.reshape(answer, (-1, width // block, stride, made)), (0, 2, 1, 3))
        return self.activation(tf.reshape(rows, (-1, height * stride, width * stride, self.filters)))

    def _block(self) -> int:
        return max(1, ROW // int(self.strides[0]))

    def _pays(self, inputs: Any) -> bool:
        (height, width, channels), (stride, other) = inputs.shape[1:], self.strides
        plain = (self.dilation_rate, self.padding, self.output_padding) == ((1, 1), "same", None) and stride == other
        near = all(stride <= side <= 2 * stride for side in self.kernel_size)
        large = None not in (height, width) and height * width * stride**2 >= LARGE and width % self._block() == 0
        return bool(plain and near and large and channels * self.filters <= FEW)


def _phases(width: int, stride: int, block: int) -> Any:
    """Which column of a kernel paints what: (width, 3 blocks, pixel read, pixel made, place in its stride), 0 and 1.

    The pixel that is read is one of the block before the one whose pixels are made, of that one, of the next.
    """
    column, beside, read, made, place = np.indices((width, 3, block, block, stride))
    return column == place + (width - stride) // 2 - ((beside - 1) * block + read - made) * stride


class ThinConcatenate(keras.layers.Concatenate):  # type: ignore[misc]
    """keras.layers.Concatenate of channels; where each map has one, by whole maps that are transposed then.

    TensorFlow's kernel copies run by run, and these are of one number.
    """

    def call(self, inputs: Any) -> Any:
        """The map, (batch, height, width, channels)."""
        shapes = [x.shape for x in inputs]
        if any(len(shape) != 4 or None in shape[1:] or shape[3] != 1 for shape in shapes):
            return super().call(inputs)
        _, height, width, _ = shapes[0]
        maps = tf.stack([tf.reshape(x, (-1,)) for x in inputs])
        return tf.reshape(tf.transpose(maps), (-1, height, width, len(shapes)))
