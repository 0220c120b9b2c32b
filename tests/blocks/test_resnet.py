"""Residual networks held against published counts, and the residual blocks' options against the papers' figures."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from keras_counts import keras_counts
from networks import spec, table

from archspec import ops
from archspec.cost import NetCost
from archspec.diagnostics import SpecError
from archspec.graph import INPUT, Graph, Node

KERAS = {
    "ResNet50": ("resnet_v1", None),
    "ResNet101": ("resnet_v1", "d101"),
    "ResNet152": ("resnet_v1", "d152"),
    "ResNet50V2": ("resnet_v2", None),
    "ResNet101V2": ("resnet_v2", "d101"),
    "ResNet152V2": ("resnet_v2", "d152"),
}
# Trainable parameters and MACs: torchvision's resnet*, and keras.applications' ResNet50V2 at 299.
PUBLISHED = {
    ("resnet_basic", None): (11689512, 1814073344),
    ("resnet_basic", "d34"): (21797672, 3663761408),
    ("resnet_v1", "v1.5"): (25557032, 4089184256),
    ("resnet_v1", "d101-v1.5"): (44549160, 7801405440),
    ("resnet_v1", "d152-v1.5"): (60192808, 11513626624),
    ("resnet_v2", "r299"): (25568360, 6536211200),
}
CIFAR = {None: 3, "d32": 5, "d44": 7, "d56": 9, "d110": 18}
CIFAR_MILLIONS = {None: 0.27, "d32": 0.46, "d44": 0.66, "d56": 0.85, "d110": 1.7}  # table 6 of arXiv 1512.03385


def cifar(n: int, *, projected: bool = False, bias: bool = False) -> tuple[int, int, int]:
    """Trainable parameters, MACs and statistics of batch norm by section 4.2 of arXiv 1512.03385.

    3×3 convolutions with batch norm: one, then n pairs at 32, 16 and 8 pixels; a dense layer.
    """
    weights, norms, macs = 9 * 3 * 16, 16, 9 * 3 * 16 * 32**2
    channels = 16
    for depth, side in ((16, 32), (32, 16), (64, 8)):
        if projected and depth != channels:
            weights, norms, macs = weights + channels * depth, norms + depth, macs + channels * depth * side**2
        for _ in range(2 * n):
            weights, norms, macs = weights + 9 * channels * depth, norms + depth, macs + 9 * channels * depth * side**2
            channels = depth
    biases = 16 + 2 * n * (16 + 32 + 64) if bias else 0
    return weights + biases + 2 * norms + 64 * 10 + 10, macs + 64 * 10, 2 * norms


def check(cost: NetCost, trainable: int, macs: int, statistics: int | None = None) -> None:
    assert (cost.trainable, cost.macs) == (trainable, macs)
    assert statistics is None or cost.params == trainable + statistics


@pytest.mark.parametrize(("name", "variant"), PUBLISHED)
def test_published(name: str, variant: str | None) -> None:
    check(spec(name, variant).cost, *PUBLISHED[name, variant])


def test_keras_applications(shared: Callable[[str], Path]) -> None:
    for name, (model, variant) in KERAS.items():
        params, trainable, macs = keras_counts(shared, name)
        check(spec(model, variant).cost, trainable, macs, params - trainable)


TIMM_V2 = {50: (25549352, 4089184256), 101: (44541480, 7801405440), 152: (60185128, 11513626624)}  # resnetv2_*


@pytest.mark.parametrize(("depth", "n3", "n4"), [(50, 4, 6), (101, 4, 23), (152, 8, 36)])
def test_v2_that_strides_first(depth: int, n3: int, n4: int) -> None:
    """timm's form: a stack strides in its first block, no convolution has a bias."""
    rows = f"""
        Conv: {{kernel: 7, stride: 2, depth: 64, norm: false, bias: false, activation: none}}
        MaxPool: {{kernel: 3, stride: 2}}
        ResidualBottleneck: {{depth_bottleneck: 64, depth: 256, repeat: 3}}
        ResidualBottleneck: {{depth_bottleneck: 128, depth: 512, stride: 2, repeat: {n3}}}
        ResidualBottleneck: {{depth_bottleneck: 256, depth: 1024, stride: 2, repeat: {n4}}}
        ResidualBottleneck: {{depth_bottleneck: 512, depth: 2048, stride: 2, repeat: 3}}
        BatchNorm
        Activation: {{activation: relu}}
        GlobalPool
        Dense: {{units: 1000}}
    """
    head = "defaults: {ResidualBottleneck: {preactivation: true, stride_at: middle, bias: false}}"
    check(table(rows, "[224, 224, 3]", head).cost, *TIMM_V2[depth])


def test_check_finds_another_form() -> None:
    with pytest.raises(AssertionError):
        check(spec("resnet_v1").cost, *PUBLISHED["resnet_v1", "v1.5"])
    trainable, macs, statistics = cifar(3)
    with pytest.raises(AssertionError):
        check(spec("resnet_cifar").cost, trainable, macs, statistics + 2)


@pytest.mark.parametrize("variant", CIFAR)
def test_cifar(variant: str | None) -> None:
    n = CIFAR[variant]
    cost = spec("resnet_cifar", variant).cost
    check(cost, *cifar(n))
    assert float(f"{cost.trainable / 1e6:.{1 if n == 18 else 2}f}") == CIFAR_MILLIONS[variant]
    projected = f"{variant}-projected" if variant else "projected"
    check(spec("resnet_cifar", projected).cost, *cifar(n, projected=True))


@pytest.mark.parametrize(("variant", "n"), [(None, 5), ("d56", 9), ("d110", 18)])
def test_cifar_v2(variant: str | None, n: int) -> None:
    """As many channels of batch norm as v1: where a stage begins it has fewer, before the head more."""
    check(spec("resnet_cifar_v2", variant).cost, *cifar(n, bias=True))


def nodes(row: str, size: str = "[8, 8, 16]", head: str = "") -> dict[str, Node]:
    """The nodes of one row that is called `r`, by role."""
    return {node.role: node for node in graph(row, size, head).nodes}


def graph(row: str, size: str = "[8, 8, 16]", head: str = "") -> Graph:
    return table(row.replace("}", ", name: r}"), size, head).graph


def conv(found: dict[str, Node], role: str) -> Any:
    op = found[role].op
    assert isinstance(op, ops.Conv)
    return op


def test_basic_block_of_figure_5() -> None:
    found = nodes("Residual: {depth: 16}")
    assert list(found) == ["conv1", "conv1_bn", "conv1_relu", "conv2", "conv2_bn", "add", "out"]
    assert [(conv(found, r).depth, conv(found, r).kernel) for r in ("conv1", "conv2")] == [(16, (3, 3))] * 2
    assert [t.node for t in found["add"].inputs] == [INPUT, 4]


def test_bottleneck_of_figure_5() -> None:
    found = nodes("ResidualBottleneck: {depth_bottleneck: 4, depth: 16}")
    assert [r for r in found if r[-1].isdigit()] == ["conv1", "conv2", "conv3"]
    kernels = [(conv(found, r).depth, conv(found, r).kernel) for r in ("conv1", "conv2", "conv3")]
    assert kernels == [(4, (1, 1)), (4, (3, 3)), (16, (1, 1))]
    assert "conv3_relu" not in found
    assert list(found)[-1] == "out"


@pytest.mark.parametrize(("where", "strides"), [("first", [2, 1, 1]), ("middle", [1, 2, 1])])
def test_where_a_bottleneck_strides(where: str, strides: list[int]) -> None:
    found = nodes(f"ResidualBottleneck: {{depth_bottleneck: 4, depth: 32, stride: 2, stride_at: {where}}}")
    assert [conv(found, r).stride for r in ("conv1", "conv2", "conv3")] == strides
    assert conv(found, "shortcut").stride == 2
    assert found["out"].shape == (4, 4, 32)


@pytest.mark.parametrize("block", ["Residual: {", "ResidualBottleneck: {depth_bottleneck: 4, "])
@pytest.mark.parametrize(
    ("options", "roles"),
    [
        ("depth: 16", []),
        ("depth: 16, stride: 2", ["subsample"]),
        ("depth: 16, stride: 2, shortcut: pad", ["subsample"]),
        ("depth: 32", ["shortcut", "shortcut_bn"]),
        ("depth: 32, stride: 2", ["shortcut", "shortcut_bn"]),
        ("depth: 32, shortcut: pad", ["widen"]),
        ("depth: 32, stride: 2, shortcut: pad", ["subsample", "widen"]),
        ("depth: 8", ["shortcut", "shortcut_bn"]),
        ("depth: 32, preactivation: true", ["shortcut"]),
        ("depth: 16, stride: 2, preactivation: true", ["subsample"]),
    ],
)
def test_shortcuts(block: str, options: str, roles: list[str]) -> None:
    """Weights only where the depth changes; where the size alone does, pixels are dropped."""
    found = nodes(f"{block}{options}}}")
    assert [r for r in found if r in ("shortcut", "shortcut_bn", "subsample", "widen")] == roles


def test_zeros_stand_on_both_sides() -> None:
    """As tflearn pads, and with an odd one behind."""
    for depth, channels in ((32, (8, 8)), (19, (1, 2))):
        op = nodes(f"Residual: {{depth: {depth}, shortcut: pad}}")["widen"].op
        assert op == ops.Pad(((0, 0), (0, 0)), channels)


def test_zeros_cannot_narrow() -> None:
    with pytest.raises(SpecError) as raised:
        nodes("Residual: {depth: 8, shortcut: pad}")
    (found,) = raised.value.diagnostics
    assert found.code == "shape-mismatch"
    assert found.message == "zeros cannot make 8 channels of 16: `shortcut: project` can"


def test_preactivation_of_figure_4e() -> None:
    """Norm and activation before each convolution, nothing after the sum; the sum adds the bare input."""
    found = nodes("Residual: {depth: 16, preactivation: true}")
    before = ["preact_bn", "preact_relu", "conv1", "conv1_bn", "conv1_relu", "conv2"]
    assert list(found) == [*before, "add"]
    assert found["add"].inputs[0].node == INPUT


def test_a_projection_reads_what_the_convolutions_read() -> None:
    made = graph("Residual: {depth: 32, preactivation: true}").nodes
    numbers = {node.role: i for i, node in enumerate(made)}
    for role in ("shortcut", "conv1"):
        assert made[numbers[role]].inputs[0].node == numbers["preact_relu"]


@pytest.mark.parametrize(
    ("option", "biased"),
    [
        ("", {"conv3", "shortcut"}),  # keras.applications and Slim: where no batch norm follows
        (", bias: false", set()),  # timm
        (", bias: true", {"conv1", "conv2", "conv3", "shortcut"}),
    ],
)
def test_biases_of_a_preactivated_bottleneck(option: str, biased: set[str]) -> None:
    found = nodes(f"ResidualBottleneck: {{depth_bottleneck: 4, depth: 32, preactivation: true{option}}}")
    assert {role for role, node in found.items() if isinstance(node.op, ops.Conv) and node.op.bias} == biased


def test_no_activation() -> None:
    for option in ("", ", preactivation: true"):
        found = nodes(f"Residual: {{depth: 16, activation: none{option}}}")
        assert not any(isinstance(node.op, ops.Activation) for node in found.values())
        assert list(found)[-1] == "add"


def rates(stride: int) -> tuple[list[int], list[float]]:
    """Of ResNet-50 at an output stride: the rate of every 3×3 convolution, and the strides of its stages."""
    network = spec("resnet_v1", output_stride=stride)
    convs = [node.op for node in network.graph.nodes if isinstance(node.op, ops.Conv) and node.op.kernel == (3, 3)]
    return [c.rate for c in convs], [r.stride for r in network.cost.rows if r.name.startswith("c")]


def test_output_stride() -> None:
    """A stage that strides no more leaves its first block as it is; those after it look wider (Slim's resnet_utils)."""
    assert rates(16) == ([1] * 14 + [2, 2], [2, 4, 8, 16, 16])
    assert rates(8) == ([1] * 8 + [2] * 6 + [4, 4], [2, 4, 8, 8, 8])
