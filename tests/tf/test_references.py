"""Networks against their references: keras.applications with the same weights, and the released HED checkpoint."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from networks import spec
from numpy.typing import NDArray

from archspec.analysis import Network
from archspec.tf.lower import assign, lower

Images = NDArray[np.float32]

CLOSE = 1e-5  # of the largest logit
KINDS = ("Conv2D", "DepthwiseConv2D", "BatchNormalization", "Dense")


def randomize(model: Any, seed: int) -> None:
    """Weights that spread values over all the activations' parts: below 0, between, and above 6."""
    draw = np.random.default_rng(seed)
    for layer in model.layers:
        values = []
        for variable in layer.weights:
            shape = tuple(variable.shape)
            if variable.name in ("kernel", "depthwise_kernel"):
                taps = np.prod(shape[:-2]) if isinstance(layer, keras.layers.DepthwiseConv2D) else np.prod(shape[:-1])
                values.append(draw.normal(scale=np.sqrt(2 / taps), size=shape))
            elif variable.name in ("gamma", "moving_variance"):
                values.append(draw.uniform(0.5, 3 if variable.name == "gamma" else 1.5, shape))
            else:
                values.append(draw.normal(scale=0.2, size=shape))
        if values:
            layer.set_weights(values)


def weighted(model: Any) -> Iterator[tuple[str, Any]]:
    """Layers with variables, in topological order, by kind."""
    for layer in model.layers:
        if layer.weights:
            yield type(layer).__name__, layer


def copy(reference: Any, model: Any) -> None:
    """Copy weights, the n-th layer of a kind to the n-th of that kind.

    A 1×1 convolution that stands last (MobileNet v1's head) goes to the dense layer.
    """
    source: dict[str, list[Any]] = {kind: [] for kind in KINDS}
    for kind, layer in weighted(reference):
        source[kind].append(layer.get_weights())
    if not source["Dense"]:
        source["Dense"].append(source["Conv2D"].pop())
    for kind, layer in weighted(model):
        values = source[kind].pop(0)
        layer.set_weights([v.reshape(w.shape) for v, w in zip(values, layer.get_weights(), strict=True)])
    assert not any(source.values()), "weights of the reference are left over"


def difference(reference: Any, model: Any, images: Images) -> float:
    """The largest difference of the logits, as a share of the largest logit."""
    wanted = np.asarray(reference(images, training=False)).reshape(len(images), -1)
    (got,) = model(images, training=False).values()
    assert got.shape == wanted.shape
    assert np.abs(wanted).max() > 0.01, "the network is dead"
    return float(np.abs(np.asarray(got) - wanted).max() / np.abs(wanted).max())


def compare(network: Network, build: Callable[..., Any], alpha: float) -> float:
    """Build the reference, give it weights, copy them, and compare on random images."""
    shape = network.graph.input_shape
    reference = build(input_shape=shape, alpha=alpha, weights=None, classifier_activation=None)
    randomize(reference, seed=3)
    model = lower(network.graph)
    assert model.count_params() == reference.count_params()
    copy(reference, model)
    images = np.random.default_rng(5).uniform(-1, 1, (2, *shape)).astype(np.float32)
    return difference(reference, model, images)


@pytest.mark.parametrize(
    ("variant", "alpha", "overrides"),
    [
        ("keras", 1.0, {"input__size": 97}),  # odd at every stage: 97, 49, 24 (keras) or 25 (same)
        ("keras", 0.25, {"scale__width": 0.25, "input__size": 100}),
        ("keras", 0.5, {"scale__width": 0.5, "input__size": "[65, 130, 3]"}),
        (None, 1.0, {}),  # 224: every stage is even, and `same` pads as keras.applications does
        ("w0.5-r128", 0.5, {}),
    ],
)
def test_mobilenet_v1(variant: str | None, alpha: float, overrides: dict[str, object]) -> None:
    network = spec("mobilenet_v1", variant, **overrides)
    assert compare(network, keras.applications.MobileNet, alpha) <= CLOSE


@pytest.mark.parametrize(
    ("variant", "alpha", "overrides"),
    [
        (None, 1.0, {}),
        ("w0.35", 0.35, {"input__size": 97}),  # correct_pad is `same` on odd sizes too
        ("w1.4", 1.4, {"input__size": 96}),
    ],
)
@pytest.mark.filterwarnings("ignore:.input_shape. is undefined or non-square")
def test_mobilenet_v2(variant: str | None, alpha: float, overrides: dict[str, object]) -> None:
    network = spec("mobilenet_v2", variant, **overrides)
    assert compare(network, keras.applications.MobileNetV2, alpha) <= CLOSE


@pytest.mark.parametrize(
    ("variant", "overrides"),
    [
        (None, {}),  # `same` where the reference pads ((0, 1), (0, 1))
        ("keras", {"defaults__all": "{epsilon: 0.0011}"}),  # 0.001
        ("keras", {"defaults__Conv": "{activation: relu}"}),  # relu6
    ],
)
def test_a_wrong_mobilenet_v1_is_found(variant: str | None, overrides: dict[str, object]) -> None:
    network = spec("mobilenet_v1", variant, input__size=97, scale__width=0.25, **overrides)
    assert compare(network, keras.applications.MobileNet, 0.25) > 10 * CLOSE


@pytest.mark.filterwarnings("ignore:.input_shape. is undefined or non-square")
def test_a_wrong_mobilenet_v2_is_found() -> None:
    network = spec("mobilenet_v2", "w0.35-r96", defaults__InvertedResidual="{padding: explicit}")
    assert compare(network, keras.applications.MobileNetV2, 0.35) > 10 * CLOSE


# The checkpoint's scopes, in the order of the table of mobilenet_v2_hed, and what the spec's rows call them.
CONVS = {"block0_0": "conv_1", "block0_1": "c1", "block0_2": "conv_2"}
BLOCKS = {
    "block1_0": "c2",
    "block2_0": "c3_1", "block2_1": "c3_2",
    "block3_0": "c4_1", "block3_1": "c4_2", "block3_2": "c4_3",
    "block4_0": "inverted_residual_1_1", "block4_1": "inverted_residual_1_2",
    "block4_2": "inverted_residual_1_3", "block4_3": "inverted_residual_1_4",
    "block5_0": "c5_1", "block5_1": "c5_2", "block5_2": "c5_3",
}  # fmt: skip
PARTS = {
    "expansion_1x1_conv2d": ("expand", "conv2d/kernel"),
    "depthwise_conv2d": ("depthwise", "SeparableConv2d/depthwise_weights"),
    "projection_1x1_conv2d": ("project", "conv2d/kernel"),
    "1x1_conv2d": ("shortcut", "conv2d/kernel"),  # where the depth changes at stride 1
}
SHORTCUTS = ("block1_0", "block5_0")


def hed_names() -> dict[str, list[str]]:
    """Names in the checkpoint of each layer's weights, in Keras's order."""
    names: dict[str, list[str]] = {}

    def pair(layer: str, scope: str, kernel: str) -> None:
        names[layer] = [f"hed/{scope}/{kernel}"]
        norm = ("gamma", "beta", "moving_mean", "moving_variance")
        names[f"{layer}_bn"] = [f"hed/{scope}/batch_normalization/{role}" for role in norm]

    for block, row in CONVS.items():
        pair(f"{row}_conv", f"mobilenet_v2/{block}/conv2d", "conv2d/kernel")
    for block, row in BLOCKS.items():
        for scope, (part, kernel) in PARTS.items():
            if part != "shortcut" or block in SHORTCUTS:
                pair(f"{row}_{part}", f"mobilenet_v2/{block}/{scope}", kernel)
    for i in range(1, 6):
        pair(f"side{i}_conv", f"dsn{i}", "conv2d/kernel")
        if i > 1:
            names[f"side{i}_upsample"] = [f"hed/dsn{i}/conv2d_transpose/{role}" for role in ("kernel", "bias")]
    names["fuse_conv"] = [f"hed/dsn_fuse/conv2d/{role}" for role in ("kernel", "bias")]
    return names


def hed_difference(network: Network, shared: Callable[[str], Path]) -> float:
    """The largest difference of the fused logits from those of the author's frozen graph."""
    model = lower(network.graph)
    reader = tf.train.load_checkpoint(str(shared("hed/checkpoint/hed.ckpt-100.index")).removesuffix(".index"))
    names = hed_names()
    stored = {name for name in reader.get_variable_to_shape_map() if name.startswith("hed/")}
    assert sorted(n for several in names.values() for n in several) == sorted(stored)
    assert set(names) == {layer.name for layer in model.layers if layer.weights}
    assign(model, {layer: [reader.get_tensor(n) for n in several] for layer, several in names.items()})
    with np.load(shared("hed/expected_ckpt100.npz")) as expected:
        got = model(expected["images"].astype(np.float32) / 255, training=False)["fuse"]
        return float(np.abs(np.asarray(got) - expected["fuse_logits"]).max())


def test_hed_gives_the_author_s_logits(shared: Callable[[str], Path]) -> None:
    assert hed_difference(spec("mobilenet_v2_hed"), shared) <= 1e-3


@pytest.mark.parametrize("wrong", ["{padding: explicit}", "{epsilon: 0.002}"])
def test_wrong_hed_is_found(shared: Callable[[str], Path], wrong: str) -> None:
    assert hed_difference(spec("mobilenet_v2_hed", defaults__Conv=wrong), shared) > 1e-2
