"""Residual networks against keras.applications', and against torchvision's and tflearn's written in Keras."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import keras
import numpy as np
import pytest
from zoo import copied, outputs_differ_by, randomize, spec_network

from archspec.analysis import Network
from archspec.tf.lower import assign, lower

CLOSE = 1e-5  # of the largest logit
DEEP = 1e-4  # over 200 layers
CLASSES = 10
EPSILON = 1e-5  # torchvision's and tflearn's

Layer = tuple[int, int, int]  # depth, kernel, stride


def network(model: str, variant: str | None, size: int, *settings: str) -> Network:
    return spec_network(model, variant, f"input.size={size}", f"let.classes={CLASSES}", *settings)


@cache
def pair(name: str, model: str, variant: str | None, size: int) -> tuple[Any, Any]:
    """The spec's network with the weights of keras.applications', and that one."""
    build = getattr(keras.applications, name)
    reference = build(input_shape=(size, size, 3), classes=CLASSES, weights=None, classifier_activation=None)
    randomize(reference)
    return copied(network(model, variant, size), reference), reference


ODD = 75  # 38, 19, 10, 5, 3: explicit zeros and `same` part here


@pytest.mark.parametrize(("name", "model"), [("ResNet50", "resnet_v1"), ("ResNet50V2", "resnet_v2")])
def test_keras_applications(name: str, model: str) -> None:
    assert outputs_differ_by(*pair(name, model, None, ODD)) <= CLOSE


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "model", "variant"),
    [
        ("ResNet101", "resnet_v1", "d101"),
        ("ResNet152", "resnet_v1", "d152"),
        ("ResNet101V2", "resnet_v2", "d101"),
        ("ResNet152V2", "resnet_v2", "d152"),
    ],
)
def test_keras_applications_deep(name: str, model: str, variant: str) -> None:
    assert outputs_differ_by(*pair.__wrapped__(name, model, variant, 64)) <= DEEP


@pytest.mark.parametrize(
    ("name", "model", "wrong"),
    [
        ("ResNet50", "resnet_v1", "let.epsilon=0.0001"),
        ("ResNet50", "resnet_v1", "let.stride_at=middle"),
        ("ResNet50V2", "resnet_v2", "defaults.all={epsilon: 1.001e-5}"),  # `same` instead of explicit zeros
        ("ResNet50V2", "resnet_v2", "defaults.ResidualBottleneck={preactivation: true}"),  # strides in the first 1×1
    ],
)
def test_a_wrong_form_is_found(name: str, model: str, wrong: str) -> None:
    ours, reference = pair(name, model, None, ODD)
    other = lower(network(model, None, ODD, wrong).graph)
    assign(other, held(ours))
    assert outputs_differ_by(other, reference) > 10 * CLOSE


def convolve(x: Any, layer: Layer, name: str, bias: bool = False) -> Any:
    """PyTorch's Conv2d with padding=kernel // 2."""
    depth, kernel, stride = layer
    x = keras.layers.ZeroPadding2D(kernel // 2)(x)
    return keras.layers.Conv2D(depth, kernel, strides=stride, use_bias=bias, name=name)(x)


def normalize(x: Any, name: str) -> Any:
    return keras.layers.BatchNormalization(epsilon=EPSILON, name=name)(x)


def head(image: Any, x: Any) -> Any:
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, keras.layers.Dense(CLASSES, name="logits_dense")(x))


def basic(depth: int, stride: int) -> list[Layer]:
    """torchvision's BasicBlock."""
    return [(depth, 3, stride), (depth, 3, 1)]


def bottleneck(depth: int, stride: int) -> list[Layer]:
    """torchvision's Bottleneck: the stride in the 3×3."""
    return [(depth, 1, 1), (depth, 3, stride), (4 * depth, 1, 1)]


def residual(x: Any, name: str, layers: Sequence[Layer], shortcut: Callable[[Any, int, int], Any] | None) -> Any:
    """relu(x + layers), torchvision's forward(); without a `shortcut`, x is projected where the shape changes."""
    y = x
    for i, layer in enumerate(layers, 1):
        y = normalize(convolve(y, layer, f"{name}_conv{i}"), f"{name}_conv{i}_bn")
        y = keras.layers.ReLU()(y) if i < len(layers) else y
    if shortcut is not None:
        x = shortcut(x, y.shape[-1], y.shape[1])
    elif x.shape != y.shape:
        stride = max(stride for _, _, stride in layers)
        x = normalize(convolve(x, (y.shape[-1], 1, stride), f"{name}_shortcut"), f"{name}_shortcut_bn")
    return keras.layers.ReLU()(x + y)


def torchvision(size: int, block: Callable[[int, int], list[Layer]], counts: Sequence[int]) -> Any:
    image = keras.Input((size, size, 3))
    x = keras.layers.ReLU()(normalize(convolve(image, (64, 7, 2), "c1_conv"), "c1_conv_bn"))
    x = keras.layers.MaxPooling2D(3, strides=2)(keras.layers.ZeroPadding2D(1)(x))  # zeros lose: nothing is below 0
    for stage, count in enumerate(counts):
        for i in range(count):
            layers = block(64 * 2**stage, 2 if stage and i == 0 else 1)
            x = residual(x, f"c{stage + 2}_{i + 1}", layers, None)
    return head(image, x)


def zeros_padded(x: Any, depth: int, side: int) -> Any:
    """Option A as PyTorch ports of it have it: every second pixel, a quarter of the new channels on each side."""
    if x.shape[-1] == depth:
        return x
    return keras.ops.pad(x[:, ::2, ::2], ((0, 0), (0, 0), (0, 0), (depth // 4, depth // 4)))


def cifar(n: int, shortcut: Callable[[Any, int, int], Any] | None) -> Any:
    image = keras.Input((32, 32, 3))
    x = keras.layers.ReLU()(normalize(convolve(image, (16, 3, 1), "conv_1_conv"), "conv_1_conv_bn"))
    for stage in range(3):
        for i in range(n):
            layers = basic(16 * 2**stage, 2 if stage and i == 0 else 1)
            x = residual(x, f"c{stage + 1}_{i + 1}", layers, shortcut)
    return head(image, x)


def tflearn_block(x: Any, name: str, depth: int, downsample: bool) -> Any:
    """tflearn's residual_block, one block of it."""
    stride = 2 if downsample else 1
    y = keras.layers.ReLU()(normalize(x, f"{name}_preact_bn"))
    y = keras.layers.Conv2D(depth, 3, strides=stride, padding="same", name=f"{name}_conv1")(y)
    y = keras.layers.ReLU()(normalize(y, f"{name}_conv1_bn"))
    y = keras.layers.Conv2D(depth, 3, padding="same", name=f"{name}_conv2")(y)
    if downsample:
        x = keras.layers.AveragePooling2D(1, strides=2, padding="same")(x)
    if x.shape[-1] != depth:
        more = (depth - x.shape[-1]) // 2
        x = keras.ops.pad(x, ((0, 0), (0, 0), (0, 0), (more, more)))
    return x + y


def tflearn(n: int) -> Any:
    image = keras.Input((32, 32, 3))
    x = keras.layers.Conv2D(16, 3, padding="same", name="conv_1_conv")(image)
    for stage in range(3):
        for i in range(n):
            x = tflearn_block(x, f"c{stage + 1}_{i + 1}", 16 * 2**stage, downsample=stage > 0 and i == 0)
    return head(image, keras.layers.ReLU()(normalize(x, "batch_norm_1_bn")))


def held(model: Any) -> dict[str, Any]:
    """Weights by layer."""
    return {layer.name: layer.get_weights() for layer in model.layers if layer.weights}


def differ_by_name(reference: Any, model: str, variant: str | None = None, *settings: str) -> float:
    """Give the spec's network the weights of a reference whose layers have the same names, and compare."""
    randomize(reference)
    ours = lower(network(model, variant, reference.input_shape[1], *settings).graph)
    wanted = held(reference)
    assert wanted.keys() == held(ours).keys()
    assign(ours, wanted)
    return outputs_differ_by(ours, reference)


REFERENCES: dict[str, tuple[Callable[[], Any], str, str | None]] = {
    "ResNet-18": (lambda: torchvision(75, basic, (2, 2, 2, 2)), "resnet_basic", None),
    "ResNet-34": (lambda: torchvision(64, basic, (3, 4, 6, 3)), "resnet_basic", "d34"),
    "ResNet-50 v1.5": (lambda: torchvision(75, bottleneck, (3, 4, 6, 3)), "resnet_v1", "v1.5"),
    "CIFAR option A": (lambda: cifar(3, zeros_padded), "resnet_cifar", None),
    "CIFAR option B": (lambda: cifar(3, None), "resnet_cifar", "projected"),
    "CIFAR v2": (lambda: tflearn(5), "resnet_cifar_v2", None),
}


@pytest.mark.parametrize("name", REFERENCES)
def test_references_by_hand(name: str) -> None:
    build, model, variant = REFERENCES[name]
    assert differ_by_name(build(), model, variant) <= CLOSE


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("ResNet-18", "defaults.all={epsilon: 0.0001, padding: explicit}"),
        ("CIFAR option A", "defaults.all={epsilon: 0.00001, padding: same}"),
        ("CIFAR v2", "defaults.all={epsilon: 0.00001, padding: explicit}"),
    ],
)
def test_a_wrong_reference_is_found(name: str, wrong: str) -> None:
    build, model, variant = REFERENCES[name]
    assert differ_by_name(build(), model, variant, wrong) > 10 * CLOSE


def test_zeros_on_one_side_are_found() -> None:
    """As fb.resnet.torch pads: all new channels behind. Another network with the same counts."""

    def behind(x: Any, depth: int, side: int) -> Any:
        same = x.shape[-1] == depth
        return x if same else keras.ops.pad(x[:, ::2, ::2], ((0, 0), (0, 0), (0, 0), (0, depth // 2)))

    assert differ_by_name(cifar(3, behind), "resnet_cifar") > 10 * CLOSE


def test_a_reference_with_other_layers_is_found() -> None:
    with pytest.raises(AssertionError):
        differ_by_name(cifar(3, None), "resnet_cifar")


def test_randomized_logits_differ() -> None:
    """The networks compared are alive: ten images get ten different answers."""
    reference = cifar(3, zeros_padded)
    randomize(reference)
    images = np.random.default_rng(0).uniform(-1, 1, (10, 32, 32, 3)).astype(np.float32)
    assert np.asarray(reference(images, training=False)).std(axis=0).min() > 0.01
