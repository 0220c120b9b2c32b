"""Keras layers that round as an int8 file will: kernels for each output channel, activations by a learned range.

The layers reload from a saved model wherever this module has been imported; `archspec` stands before their names.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from archspec.tf.thin_conv import ThinConv2D, ThinConv2DTranspose

DECAY = 0.999  # of the ranges' moving average, once that many batches are seen; TF-Slim's ema_decay
LEAST = 0.01  # width of a range, where a tensor is zero throughout: kernels refuse steps too small for their inputs

serializable = keras.saving.register_keras_serializable("archspec")


@tf.custom_gradient  # type: ignore[untyped-decorator]
def _rounded(kernel: Any, step: Any) -> Any:
    """The nearest multiples of each channel's step; the gradient passes straight through (Bengio et al. 2013)."""
    return tf.round(tf.math.divide_no_nan(kernel, step)) * step, lambda gradient: (gradient, None)


def fake_quantized(kernel: Any, axes: tuple[int, ...]) -> Any:
    """`archspec.quantized.fake_quantized` in TensorFlow, with a gradient."""
    others = [axis for axis in range(len(kernel.shape)) if axis not in axes]
    # times the reciprocal, as grappler would make of a division
    step = tf.reduce_max(tf.abs(tf.stop_gradient(kernel)), others, keepdims=True) * (1 / 127)
    return _rounded(kernel, step)


def _ranged(x: Any, low: Any, high: Any, on: Any) -> Any:
    """Rounded to 256 steps of a range, where `on` is true or there is none; half precision is rounded in single."""

    def rounded() -> Any:
        return tf.cast(tf.quantization.fake_quant_with_min_max_vars(tf.cast(x, tf.float32), low, high), x.dtype)

    # one branch runs; a choice between both results would cost a third of a training step
    return rounded() if on is None else tf.cond(on, rounded, lambda: x)


@serializable
class QuantDelay(keras.layers.Layer):  # type: ignore[misc]
    """Whether fake quantization is on: once `steps` batches of training have passed (TF-Slim's quant_delay).

    Takes the image and gives a truth value for all other layers of this module, so that one traced function serves
    both phases. The batches passed are a variable, which checkpoints and files of weights keep.
    """

    def __init__(self, steps: int = 0, **options: Any) -> None:
        super().__init__(**options)
        self.steps = steps

    def build(self, input_shape: Any) -> None:
        self.passed = self.add_weight(
            (), "zeros", "int32", trainable=False, aggregation="only_first_replica", name="passed"
        )

    def call(self, image: Any, training: bool = False) -> Any:
        on = tf.convert_to_tensor(self.passed) >= self.steps
        if training:
            self.passed.assign_add(1)
        return on

    def compute_output_spec(self, image: Any, training: bool = False) -> Any:
        return keras.KerasTensor((), "bool")

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "steps": self.steps}


@serializable
class FixedRange(keras.layers.Layer):  # type: ignore[misc]
    """Rounds to 256 steps of a range that is given; as it is where `on` says so."""

    def __init__(self, low: float, high: float, **options: Any) -> None:
        super().__init__(**options)
        self.low = low
        self.high = high

    def call(self, x: Any, on: Any = None) -> Any:
        return _ranged(x, self.low, self.high, on)

    def compute_output_spec(self, x: Any, on: Any = None) -> Any:
        return keras.KerasTensor(x.shape, x.dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "low": self.low, "high": self.high}


@serializable
class HardSigmoid(keras.layers.Layer):  # type: ignore[misc]
    """hard_sigmoid, relu6(x + 3) / 6, rounded inside to 256 steps of 0 to 6; as it is where `on` says so."""

    def call(self, x: Any, on: Any = None) -> Any:
        whole = tf.nn.relu6(x + 3)
        rounded = tf.quantization.fake_quant_with_min_max_vars(whole, 0.0, 6.0) * (1 / 6)
        return rounded if on is None else tf.where(on, rounded, whole / 6)

    def compute_output_spec(self, x: Any, on: Any = None) -> Any:
        return keras.KerasTensor(x.shape, x.dtype)


@serializable
class ActivationRange(keras.layers.Layer):  # type: ignore[misc]
    """Rounds to 256 steps of a range that follows what it sees while training; zero is one of the steps.

    The range is the mean over the first batches and their moving average later, from the first batch on, while
    `on` is still false too. Before that nothing is rounded.
    """

    def __init__(self, decay: float = DECAY, **options: Any) -> None:
        super().__init__(**options)
        self.decay = decay

    def build(self, input_shape: Any) -> None:
        kept = {"trainable": False, "aggregation": "mean", "dtype": "float32", "autocast": False}
        self.low, self.high, self.batches = (
            self.add_weight((), "zeros", name=name, **kept) for name in ("low", "high", "batches")
        )

    def call(self, x: Any, on: Any, training: bool = False) -> Any:
        if training:
            self._follow(tf.stop_gradient(x))
        low, high, batches = (tf.convert_to_tensor(v) for v in (self.low, self.high, self.batches))
        return _ranged(x, low, high, on & (batches > 0))

    def _follow(self, x: Any) -> None:
        batches = self.batches + 1
        keep = tf.minimum(self.decay, (batches - 1) / batches)
        low = tf.minimum(tf.cast(tf.reduce_min(x), tf.float32), 0.0)
        high = tf.maximum(tf.cast(tf.reduce_max(x), tf.float32), low + LEAST)
        self.low.assign(keep * self.low + (1 - keep) * low)
        self.high.assign(keep * self.high + (1 - keep) * high)
        self.batches.assign(batches)

    def compute_output_spec(self, x: Any, on: Any, training: bool = False) -> Any:
        return keras.KerasTensor(x.shape, x.dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "decay": self.decay}


class _FakeQuantKernel:
    """A layer of Keras whose kernel is rounded where it is used, and kept as it is."""

    axes: tuple[int, ...]

    def call(self, inputs: Any, on: Any) -> Any:
        layer: Any = self
        kernel = tf.convert_to_tensor(layer.kernel)
        used = tf.where(on, fake_quantized(kernel, self.axes), kernel)
        with keras.StatelessScope([(layer.kernel, used)]):
            return super().call(inputs)  # type: ignore[misc]

    def compute_output_spec(self, inputs: Any, on: Any) -> Any:
        layer: Any = self
        return keras.KerasTensor(layer.compute_output_shape(inputs.shape), layer.compute_dtype)


@serializable
class FakeQuantConv2D(_FakeQuantKernel, ThinConv2D):
    """Conv2D, rounded; kernel (height, width, in, out)."""

    axes = (3,)


@serializable
class FakeQuantDepthwiseConv2D(_FakeQuantKernel, keras.layers.DepthwiseConv2D):  # type: ignore[misc]
    """DepthwiseConv2D, rounded; kernel (height, width, in, multiplier)."""

    axes = (2, 3)


@serializable
class FakeQuantConv2DTranspose(_FakeQuantKernel, ThinConv2DTranspose):  # type: ignore[misc]
    """Conv2DTranspose, rounded; kernel (height, width, out, in)."""

    axes = (2,)


@serializable
class FakeQuantDense(_FakeQuantKernel, keras.layers.Dense):  # type: ignore[misc]
    """Dense, rounded; kernel (in, out)."""

    axes = (1,)
