"""Batch normalization by TensorFlow's fused kernel: what keras.layers.BatchNormalization computes, in less time."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

_fused = tf.compat.v1.nn.fused_batch_norm
THIN, WIDE, LARGE = 36, 192, 1024  # channels for which the kernel is slow, and quick; pixels from which that matters


@keras.saving.register_keras_serializable("archspec")
class FusedBatchNorm(keras.layers.Layer):  # type: ignore[misc]
    """keras.layers.BatchNormalization over the last axis: its weights by its names in its order, its answers.

    Keras takes the kernel apart into mean, difference and square root, which costs a quarter of a training step and
    more. Under tf.distribute the moving statistics are the replicas' mean, and equal on all of them; Keras's drift
    apart. Takes maps (batch, height, width, channels) and vectors (batch, channels).
    """

    def __init__(self, momentum: float = 0.99, epsilon: float = 1e-3, scale: bool = True, **options: Any) -> None:
        super().__init__(**options)
        self.momentum = momentum
        self.epsilon = epsilon
        self.scale = scale

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        shape = (input_shape[-1],)
        # statistics of half-precision maps are kept in single precision
        kept: dict[str, Any] = {"dtype": "float32", "autocast": False}
        self.gamma = self.add_weight(shape, "ones", name="gamma", **kept) if self.scale else None
        self.beta = self.add_weight(shape, "zeros", name="beta", **kept)
        kept |= {"trainable": False, "aggregation": "mean"}
        self.moving_mean = self.add_weight(shape, "zeros", name="moving_mean", **kept)
        self.moving_variance = self.add_weight(shape, "ones", name="moving_variance", **kept)

    def call(self, inputs: Any, training: bool = False) -> Any:
        gamma = tf.ones(inputs.shape[-1]) if self.gamma is None else tf.convert_to_tensor(self.gamma)
        beta = tf.convert_to_tensor(self.beta)
        if training and self.trainable:
            x = tf.reshape(inputs, (-1, 1, 1, inputs.shape[-1])) if len(inputs.shape) == 2 else inputs
            if times := _side_by_side(x):
                y, mean, variance = _thin(times, self.epsilon)(x, gamma, beta)
            else:
                y, mean, variance = _fused(x, gamma, beta, epsilon=self.epsilon, is_training=True)[:3]
                variance *= _biased(x)
            self._follow(mean, variance)
            return tf.reshape(y, tf.shape(inputs))
        mean, variance = tf.convert_to_tensor(self.moving_mean), tf.convert_to_tensor(self.moving_variance)
        if len(inputs.shape) == 2:  # the converter folds a product and a sum into a dense layer, and no fused kernel
            return tf.nn.batch_normalization(inputs, mean, variance, beta, gamma, self.epsilon)
        return _fused(inputs, gamma, beta, mean, variance, self.epsilon, is_training=False)[0]

    def _follow(self, mean: Any, variance: Any) -> None:
        """Move the statistics."""
        for kept, seen in ((self.moving_mean, mean), (self.moving_variance, variance)):
            kept.assign(kept * self.momentum + tf.stop_gradient(seen) * (1 - self.momentum))

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        own = {"momentum": self.momentum, "epsilon": self.epsilon, "scale": self.scale}
        return {**super().get_config(), **own}


def _biased(x: Any) -> Any:
    """What takes the kernel's variance, that of a sample (n - 1), to the batch's own (n), which Keras keeps."""
    count = tf.cast(tf.size(x) // x.shape[-1], tf.float32)
    return (count - 1) / count


def _side_by_side(x: Any) -> int:
    """How many pixels of a map with few channels are looked at as one pixel with more; 0 where it does not pay."""
    channels, pixels = x.shape[-1], (x.shape[1] or 0) * (x.shape[2] or 0)
    if channels > THIN or pixels < LARGE or x.dtype != tf.float32:
        return 0
    return max(
        (times for times in (2, 4, 8, 16, 32, 64) if times * channels <= WIDE and pixels % times == 0), default=0
    )


def _thin(times: int, epsilon: float) -> Any:
    """The batch norm of a map with few channels: x, gamma, beta to its answer, mean and variance (of n).

    oneDNN's kernel takes three times as long for 6 channels as for 192 side by side, and 1.1 times for 36 as for 144.
    Their statistics are put together as parts of a sample are (Chan, Golub and LeVeque 1983); what is left is one
    product and one sum a channel.
    """

    def repeated(value: Any) -> Any:
        return tf.tile(value, [times])

    def together(value: Any) -> Any:
        return tf.reshape(value, (times, -1))

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def norm(x: Any, gamma: Any, beta: Any) -> tuple[Any, Any]:
        wide = tf.reshape(x, (1, -1, 1, times * x.shape[-1]))
        one = tf.ones(wide.shape[-1])
        _, means, variances = _fused(wide, one, one, epsilon=epsilon, is_training=True)[:3]
        means, variances = together(means), together(variances * _biased(wide))
        mean = tf.reduce_mean(means, 0)
        variance = tf.reduce_mean(variances + tf.square(means - mean), 0)
        known = {"mean": repeated(mean), "variance": repeated(variance), "epsilon": epsilon, "is_training": False}
        y = _fused(wide, repeated(gamma), repeated(beta), **known)[0]

        def gradient(dy: Any, *_: Any) -> tuple[Any, Any, Any]:
            first = tf.raw_ops.FusedBatchNormGradV3(
                y_backprop=tf.reshape(dy, tf.shape(wide)), x=wide, scale=repeated(gamma), epsilon=epsilon,
                is_training=False, reserve_space_1=known["mean"], reserve_space_2=known["variance"],
                reserve_space_3=one,
            )  # fmt: skip
            dgamma = tf.reduce_sum(together(first.scale_backprop), 0)
            dbeta = tf.reduce_sum(together(first.offset_backprop), 0)
            # what the batch's own mean and variance add: linear in x, so once more a batch norm of known statistics
            share = gamma * tf.math.rsqrt(variance + epsilon) / tf.cast(tf.size(x) // x.shape[-1], tf.float32)
            own = _fused(wide, repeated(share * dgamma), repeated(share * dbeta), **known)[0]
            return tf.reshape(first.x_backprop - own, tf.shape(x)), dgamma, dbeta

        return (tf.reshape(y, tf.shape(x)), mean, variance), gradient

    return norm
