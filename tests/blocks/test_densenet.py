"""DenseNet's blocks, counted by hand from the paper's table 1, and the light stage from its article's code."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from keras_counts import counts, keras_counts
from networks import spec, table

TABLE_1 = {None: (6, 12, 24, 16), "169": (6, 12, 32, 32), "201": (6, 12, 48, 32)}
GROWTH = 32
TRAINABLE_OF_NORM = 2  # gamma and beta; the paper counts them, and not the moving statistics


def by_hand(blocks: Sequence[int]) -> tuple[int, int]:
    """Trainable parameters and MACs at 224×224."""
    params = 7 * 7 * 3 * 64 + TRAINABLE_OF_NORM * 64
    macs = 7 * 7 * 3 * 64 * 112 * 112
    channels, side = 64, 56
    for number, layers in enumerate(blocks):
        for _ in range(layers):
            kernels = channels * 4 * GROWTH + 9 * 4 * GROWTH * GROWTH
            params += kernels + TRAINABLE_OF_NORM * (channels + 4 * GROWTH)
            macs += kernels * side * side
            channels += GROWTH
        if number < len(blocks) - 1:
            params += channels * (channels // 2) + TRAINABLE_OF_NORM * channels
            macs += channels * (channels // 2) * side * side
            channels, side = channels // 2, side // 2
    return params + TRAINABLE_OF_NORM * channels + channels * 1000 + 1000, macs + channels * 1000


@pytest.mark.parametrize(("variant", "blocks"), TABLE_1.items())
def test_table_1(variant: str | None, blocks: tuple[int, ...]) -> None:
    _, trainable, macs = counts(spec("densenet", variant))
    assert (trainable, macs) == by_hand(blocks)


def test_another_table_is_seen() -> None:
    assert by_hand((6, 12, 24, 15)) != counts(spec("densenet"))[1:]


@pytest.mark.parametrize(("variant", "keras"), [(None, "DenseNet121"), ("169", "DenseNet169"), ("201", "DenseNet201")])
def test_counts_of_keras(shared: Callable[[str], Path], variant: str | None, keras: str) -> None:
    assert counts(spec("densenet", variant)) == keras_counts(shared, keras)


def test_sizes_of_table_1() -> None:
    rows = {row.name: row.output for row in spec("densenet").cost.rows}
    assert rows["max_pool_1"] == (56, 56, 64)
    assert rows["transition_1"] == (28, 28, 128)
    assert rows["transition_2"] == (14, 14, 256)
    assert rows["transition_3"] == (7, 7, 512)
    assert rows["c5"] == (7, 7, 1024)


def light(channels: int, growth: int, layers: int) -> int:
    """Parameters of Dense_Stage: conv2d and separable_conv2d with a bias each, a batch norm after each."""
    total = 0
    for _ in range(layers):
        total += channels * growth + growth + 4 * growth
        total += 9 * growth + growth * growth + growth + 4 * growth
        channels += growth
    return total


def test_the_light_stage() -> None:
    rows = {row.name: row for row in spec("densenet_light").cost.rows}
    assert rows["c2"].params == light(64, 64, 8)
    assert rows["c2"].output == (56, 56, 64 + 8 * 64)
    assert rows["c3"].params == light(288, 64, 8)
    row = [node.role for node in spec("densenet_light").graph.nodes if node.name.startswith("c2_layer2_")]
    assert row == [f"layer2_{role}" for role in (
        "reduce", "reduce_leaky_relu", "reduce_bn",
        "depthwise", "pointwise", "pointwise_leaky_relu", "pointwise_bn", "concat",
    )]  # fmt: skip


def test_the_light_network_by_hand() -> None:
    stem = 7 * 7 * 3 * 64 + 64 + 4 * 64
    params, channels = stem, 64
    for number in range(3):
        params += light(channels, 64, 8)
        channels += 8 * 64
        if number < 2:
            params += channels * (channels // 2) + (channels // 2) * (1 + 4)
            channels //= 2
    assert counts(spec("densenet_light"))[0] == params + channels * 1000 + 1000


def test_a_layer_in_the_paper_s_order() -> None:
    roles = [node.role for node in table("DenseBlock: {layers: 1, growth: 4}").graph.nodes]
    assert roles == [f"layer1_{role}" for role in (
        "preact_bn", "preact_relu", "reduce", "reduce_bn", "reduce_relu", "conv", "concat",
    )]  # fmt: skip


def test_biases_are_the_last_convolutions_too() -> None:
    def biases(options: str) -> list[str]:
        nodes = table(f"DenseBlock: {{layers: 1, growth: 4, {options}}}").graph.nodes
        return [n.role for n in nodes if any(w.role == "bias" for w in n.op.weights(*n.input_shapes))]

    assert biases("") == []
    assert biases("bias: true") == ["layer1_reduce", "layer1_conv"]


def test_a_bottleneck_s_decimal_is_exact() -> None:
    nodes = table("DenseBlock: {layers: 1, growth: 100, bottleneck: 0.29}").graph.nodes
    (reduce,) = [node for node in nodes if node.role == "layer1_reduce"]
    assert reduce.shape[-1] == 29


def test_a_transition_compresses_and_shrinks() -> None:
    assert table("Transition: {compression: 0.29}", "[9, 8, 100]").cost.rows[0].output == (4, 4, 29)
    assert table("Transition: {compression: 1, stride: 4}", "[9, 8, 10]").cost.rows[0].output == (2, 2, 10)
    assert [n.role for n in table("Transition").graph.nodes] == ["preact_bn", "preact_relu", "conv", "pool"]
    after = [n.role for n in table("Transition: {preactivation: false}").graph.nodes]
    assert after == ["conv", "conv_bn", "conv_relu", "pool"]
