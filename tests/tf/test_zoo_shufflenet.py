"""ShuffleNet V2 against torchvision's network, written down here once more: its weights by name, its outputs."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray
from safetensors.numpy import save_file
from zoo import relative_error, spec_network

from archspec import weights
from archspec.analysis import Network
from archspec.slots import slots_of
from archspec.tf.export import convert
from archspec.tf.lower import assign, lower

Floats = NDArray[np.float32]
State = Mapping[str, Floats]

CLOSE = 1e-5  # of the largest logit
REPEATS = (4, 8, 4)
DEPTHS = {"w0.5": (48, 96, 192, 1024), None: (116, 232, 464, 1024)}  # torchvision's stages_out_channels


def shapes(depths: tuple[int, ...]) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Names and shapes of torchvision's state dict (kernels: out, in, height, width), in its order."""

    def conv_bn(name: str, number: int, out: int, into: int, kernel: int) -> Iterator[tuple[str, tuple[int, ...]]]:
        yield f"{name}.{number}.weight", (out, into, kernel, kernel)
        for part in ("weight", "bias", "running_mean", "running_var"):
            yield f"{name}.{number + 1}.{part}", (out,)

    yield from conv_bn("conv1", 0, 24, 3, 3)
    before = 24
    for stage, (repeat, depth) in enumerate(zip(REPEATS, depths, strict=False), 2):
        for i in range(repeat):
            unit, half = f"stage{stage}.{i}", depth // 2
            if i == 0:
                yield from conv_bn(f"{unit}.branch1", 0, before, 1, 3)
                yield from conv_bn(f"{unit}.branch1", 2, half, before, 1)
            yield from conv_bn(f"{unit}.branch2", 0, half, before if i == 0 else half, 1)
            yield from conv_bn(f"{unit}.branch2", 3, half, 1, 3)
            yield from conv_bn(f"{unit}.branch2", 5, half, half, 1)
        before = depth
    yield from conv_bn("conv5", 0, depths[-1], before, 1)
    yield "fc.weight", (1000, depths[-1])
    yield "fc.bias", (1000,)


def random_state(depths: tuple[int, ...]) -> dict[str, Floats]:
    draw = np.random.default_rng(3)
    state = {}
    for name, shape in shapes(depths):
        if len(shape) > 1:
            values = draw.normal(0, (2 / np.prod(shape[1:])) ** 0.5, shape)
        elif name.endswith((".weight", "running_var")):
            values = draw.uniform(0.5, 1.5, shape)
        else:
            values = draw.normal(0, 0.2, shape)
        state[name] = values.astype(np.float32)
    return state


def torchvision(state: State, image: Floats) -> Floats:
    """torchvision's ShuffleNetV2.forward, channels last: every padding explicit, the shuffle on five axes."""

    def conv_bn(x: tf.Tensor, name: str, number: int, stride: int = 1) -> tf.Tensor:
        kernel = state[f"{name}.{number}.weight"]
        reach = kernel.shape[2] // 2
        x = tf.pad(x, [[0, 0], [reach, reach], [reach, reach], [0, 0]])
        if kernel.shape[1] == 1:
            x = tf.nn.depthwise_conv2d(x, kernel.transpose(2, 3, 0, 1), [1, stride, stride, 1], "VALID")
        else:
            x = tf.nn.conv2d(x, kernel.transpose(2, 3, 1, 0), stride, "VALID")
        gamma, beta, mean, variance = (
            state[f"{name}.{number + 1}.{part}"] for part in ("weight", "bias", "running_mean", "running_var")
        )
        return (x - mean) / np.sqrt(variance + 1e-5) * gamma + beta

    def unit(x: tf.Tensor, name: str) -> tf.Tensor:
        if f"{name}.branch1.0.weight" in state:
            first = tf.nn.relu(conv_bn(conv_bn(x, f"{name}.branch1", 0, 2), f"{name}.branch1", 2))
            stride = 2
        else:
            first, x = tf.split(x, 2, axis=-1)
            stride = 1
        x = tf.nn.relu(conv_bn(x, f"{name}.branch2", 0))
        x = tf.nn.relu(conv_bn(conv_bn(x, f"{name}.branch2", 3, stride), f"{name}.branch2", 5))
        x = tf.concat([first, x], -1)
        n, height, width, depth = x.shape
        x = tf.transpose(tf.reshape(x, (n, height, width, 2, depth // 2)), (0, 1, 2, 4, 3))
        return tf.reshape(x, (n, height, width, depth))

    x = tf.nn.relu(conv_bn(tf.constant(image), "conv1", 0, 2))
    x = tf.nn.max_pool2d(tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]], constant_values=-np.inf), 3, 2, "VALID")
    for stage, repeat in enumerate(REPEATS, 2):
        for i in range(repeat):
            x = unit(x, f"stage{stage}.{i}")
    x = tf.reduce_mean(tf.nn.relu(conv_bn(x, "conv5", 0)), axis=(1, 2))
    return np.asarray(x @ state["fc.weight"].T + state["fc.bias"])


def maps() -> list[tuple[str, str]]:
    """torchvision's names beside ours: nothing but names tells apart the equal layers of a file without a graph."""
    pairs = {"conv1.0": "c1_conv", "conv5.0": "c5_conv"}
    branches = {"branch1.0": "kept_depthwise", "branch1.2": "kept_pointwise", "branch2.0": "expand",
                "branch2.3": "depthwise", "branch2.5": "project"}  # fmt: skip
    for stage, repeat, row in zip((2, 3, 4), REPEATS, ("c3", "c4", "shuffle_unit_1"), strict=True):
        for i in range(repeat):
            for theirs, role in branches.items():
                if i == 0 or theirs.startswith("branch2"):
                    pairs[f"stage{stage}.{i}.{theirs}"] = f"{row}_{i + 1}_{role}"
    norms = {f"{scope[:-1]}{int(scope[-1]) + 1}": f"{layer}_bn" for scope, layer in pairs.items()}
    return [*pairs.items(), *norms.items(), ("fc", "logits_dense")]


MAPS = maps()


def difference(network: Network, state: State, folder: Path, pairs: Sequence[tuple[str, str]] = MAPS) -> float:
    """The relative error of a network with a state dict, imported from a file, against torchvision's forward."""
    save_file(dict(state), folder / "shufflenet.safetensors")
    match = weights.match(slots_of(network.graph), weights.read_source(folder / "shufflenet.safetensors"), pairs)
    model = lower(network.graph)
    assign(model, match.arrays())
    image = np.random.default_rng(4).uniform(-1, 1, (1, *network.graph.input_shape)).astype(np.float32)
    error: float = relative_error(model(image, training=False)["logits"], torchvision(state, image))
    return error


@pytest.mark.parametrize("variant", ["w0.5", None])
@pytest.mark.parametrize("size", [64, 97])
def test_shufflenet_v2(variant: str | None, size: int, tmp_path: Path) -> None:
    network = spec_network("shufflenet_v2", variant, f"input.size={size}")
    assert difference(network, random_state(DEPTHS[variant]), tmp_path) <= CLOSE


@pytest.mark.parametrize(
    "wrong", ["{padding: same, epsilon: 0.00001, momentum: 0.9}", "{padding: explicit, epsilon: 0.001, momentum: 0.9}"]
)
def test_a_wrong_shufflenet_v2_is_found(wrong: str, tmp_path: Path) -> None:
    network = spec_network("shufflenet_v2", "w0.5", "input.size=64", f"defaults.all={wrong}")
    assert difference(network, random_state(DEPTHS["w0.5"]), tmp_path) > 10 * CLOSE


def test_swapped_branches_are_found(tmp_path: Path) -> None:
    network = spec_network("shufflenet_v2", "w0.5", "input.size=64")
    swap = {"c3_1_kept_pointwise": "c3_1_project", "c3_1_project": "c3_1_kept_pointwise"}
    pairs = [(scope, swap.get(layer, layer)) for scope, layer in MAPS]
    assert difference(network, random_state(DEPTHS["w0.5"]), tmp_path, pairs) > 10 * CLOSE


@pytest.mark.parametrize(("variant", "count"), [("w0.5", 1366792), (None, 2278604)])
def test_the_reference_is_as_large_as_torchvision_says(variant: str | None, count: int) -> None:
    state = random_state(DEPTHS[variant])
    assert sum(v.size for name, v in state.items() if "running" not in name) == count
    assert sum(v.size for v in state.values()) == spec_network("shufflenet_v2", variant).cost.params


def most_axes(model: keras.Model, outputs: list[str]) -> int:
    """The most axes that a tensor has in the .tflite of a model."""
    interpreter = Interpreter(model_content=convert(model, outputs))
    return max(len(tensor["shape"]) for tensor in interpreter.get_tensor_details())


def test_no_tensor_has_more_than_four_axes() -> None:
    network = spec_network("shufflenet_v2", "w0.5", "input.size=64")
    assert most_axes(lower(network.graph, batch=1), ["logits"]) == 4


def test_a_fifth_axis_is_found() -> None:
    image = keras.Input((8, 8, 6), batch_size=1)
    x = keras.layers.Reshape((8, 8, 2, 3))(image)
    x = keras.layers.Reshape((8, 8, 6))(keras.layers.Permute((1, 2, 4, 3))(x))
    assert most_axes(keras.Model(image, {"dealt": x}), ["dealt"]) == 5
