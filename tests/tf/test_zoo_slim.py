"""MobileNet v1 against TF-Slim's, written down here once more with its output stride, explicit padding and head."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray
from zoo import randomize, relative_error, spec_network

from archspec.tf.lower import lower

CLOSE = 1e-5  # of the largest value
STRIDES = (2, 1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1)  # of _CONV_DEFS: a Conv, then thirteen DepthSepConv


def fixed_padding(x: tf.Tensor, kernel: int, rate: int) -> tf.Tensor:
    """Slim's _fixed_padding."""
    total = kernel + (kernel - 1) * (rate - 1) - 1
    zeros = [total // 2, total - total // 2]
    return tf.pad(x, [[0, 0], zeros, zeros, [0, 0]])


def slim(model: Any, image: NDArray[np.float32], output_stride: int | None, explicit: bool, head: str) -> tf.Tensor:
    """mobilenet_v1_base, or mobilenet_v1 with its squeezed logits, on a model's weights in the order of its layers."""
    weights = iter([layer.get_weights() for layer in model.layers if layer.weights])

    def norm(x: tf.Tensor) -> tf.Tensor:
        gamma, beta, mean, variance = next(weights)
        return tf.nn.relu6((x - mean) / np.sqrt(variance + 0.001) * gamma + beta)

    def conv(x: tf.Tensor, stride: int, rate: int, *, depthwise: bool) -> tf.Tensor:
        (kernel,) = next(weights)
        padding = "SAME"
        if explicit:
            x, padding = fixed_padding(x, kernel.shape[0], rate), "VALID"
        if depthwise:
            return norm(tf.nn.depthwise_conv2d(x, kernel, [1, stride, stride, 1], padding, dilations=[rate, rate]))
        return norm(tf.nn.conv2d(x, kernel, stride, padding))

    x, current_stride, rate = tf.constant(image), 1, 1
    for i, stride in enumerate(STRIDES):
        if current_stride == output_stride:
            layer_stride, layer_rate, rate = 1, rate, rate * stride
        else:
            layer_stride, layer_rate, current_stride = stride, 1, current_stride * stride
        x = conv(x, layer_stride, layer_rate, depthwise=i > 0)
        if i > 0:
            x = conv(x, 1, 1, depthwise=False)
    if head == "base":
        return x
    kernel = [min(x.shape[1], 7), min(x.shape[2], 7)]  # _reduced_kernel_size_for_small_input
    x = tf.nn.avg_pool2d(x, kernel, 2, "VALID")
    matrix, bias = next(weights)
    return tf.squeeze(tf.nn.conv2d(x, matrix, 1, "VALID") + bias, [1, 2])


def difference(spec: str, settings: list[str], output: str, **options: Any) -> float:
    """The relative error of a network, at its row `output`, against Slim's function with the same weights."""
    network = spec_network(spec, None, "scale.width=0.25", "scale.min_depth=8", *settings)
    model = lower(network.graph)
    randomize(model)
    image = np.random.default_rng(2).uniform(-1, 1, (1, *network.graph.input_shape)).astype(np.float32)
    layer = next(row for row in network.graph.rows if row.name == output)
    part = type(model)(model.input, model.get_layer(network.graph.nodes[layer.output.node].name).output)
    error: float = relative_error(part(image, training=False), slim(model, image, **options))
    return error


EXPLICIT = "defaults.all={padding: explicit}"


@pytest.mark.parametrize("size", [64, 97])
@pytest.mark.parametrize("output_stride", [None, 8, 16])
@pytest.mark.parametrize("explicit", [False, True])
def test_base(size: int, output_stride: int | None, explicit: bool) -> None:
    settings = [f"input.size={size}", *([f"output_stride={output_stride}"] if output_stride else [])]
    settings += [EXPLICIT] if explicit else []
    options = {"output_stride": output_stride, "explicit": explicit, "head": "base"}
    assert difference("mobilenet_v1", settings, "c5", **options) <= CLOSE


@pytest.mark.parametrize("size", [64, 128, 224, 256])
def test_head(size: int) -> None:
    options = {"output_stride": None, "explicit": False, "head": "logits"}
    assert difference("mobilenet_v1_slim", [f"input.size={size}"], "logits", **options) <= CLOSE


@pytest.mark.parametrize(("settings", "explicit"), [([], True), ([EXPLICIT], False)])
def test_another_padding_is_found(settings: list[str], explicit: bool) -> None:
    settings = ["input.size=64", *settings]
    error = difference("mobilenet_v1", settings, "c5", output_stride=None, explicit=explicit, head="base")
    assert error > 10 * CLOSE


def test_another_output_stride_is_found() -> None:
    settings = ["input.size=64", "output_stride=8"]
    with pytest.raises(AssertionError, match="outputs, not"):
        difference("mobilenet_v1", settings, "c5", output_stride=16, explicit=False, head="base")
