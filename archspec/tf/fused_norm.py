"""Batch normalization by TensorFlow's fused kernel: what keras.layers.BatchNormalization computes, in less time."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

_fused = tf.compat.v1.nn.fused_batch_norm


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
            y, mean, variance = _fused(x, gamma, beta, epsilon=self.epsilon, is_training=True)[:3]
            self._follow(mean, variance, tf.cast(tf.size(x) // x.shape[-1], tf.float32))
            return tf.reshape(y, tf.shape(inputs))
        mean, variance = tf.convert_to_tensor(self.moving_mean), tf.convert_to_tensor(self.moving_variance)
        if len(inputs.shape) == 2:  # the converter folds a product and a sum into a dense layer, and no fused kernel
            return tf.nn.batch_normalization(inputs, mean, variance, beta, gamma, self.epsilon)
        return _fused(inputs, gamma, beta, mean, variance, self.epsilon, is_training=False)[0]

    def _follow(self, mean: Any, variance: Any, count: Any) -> None:
        """Move the statistics. The kernel's variance is that of a sample (n - 1); Keras keeps the batch's own (n)."""
        variance *= (count - 1) / count
        for kept, seen in ((self.moving_mean, mean), (self.moving_variance, variance)):
            kept.assign(kept * self.momentum + tf.stop_gradient(seen) * (1 - self.momentum))

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        own = {"momentum": self.momentum, "epsilon": self.epsilon, "scale": self.scale}
        return {**super().get_config(), **own}
