"""Separable convolutions and Xception's blocks: counts by hand, shapes by the paper's figure 5."""

from collections.abc import Callable
from pathlib import Path

import pytest
from keras_counts import counts, keras_counts
from networks import spec, table

from archspec.analysis import Network


def roles(network: Network) -> list[str]:
    return [node.role for node in network.graph.nodes]


def separable(channels: int, depth: int) -> int:
    """Parameters of a separable 3×3 convolution and its batch norm."""
    return 9 * channels + channels * depth + 4 * depth


def test_counts_of_keras(shared: Callable[[str], Path]) -> None:
    assert counts(spec("xception")) == keras_counts(shared, "Xception")
    assert counts(spec("xception", let__classes=999, expect="{}")) != keras_counts(shared, "Xception")


def test_the_tour_s_separable_convolution() -> None:
    """Its two comments: (3*3*3+1)*64 = 1792, and 3*3*3 + (1*1*3+1)*64 = 283."""
    assert table("Conv: {depth: 64, norm: false, activation: none}", "[300, 300, 3]").cost.params == 1792
    bare = table("SeparableConv: {depth: 64, norm: false, activation: none}", "[300, 300, 3]")
    assert bare.cost.params == 283
    assert roles(bare) == ["depthwise", "pointwise"]


def test_a_separable_convolution_has_nothing_between() -> None:
    assert roles(table("SeparableConv: {depth: 8}")) == ["depthwise", "pointwise", "pointwise_bn", "pointwise_relu"]
    between = roles(table("DepthSepConv: {depth: 8}"))
    assert between[:3] == ["depthwise", "depthwise_bn", "depthwise_relu"]


def test_figure_5() -> None:
    rows = {row.name: row.output for row in spec("xception").cost.rows}
    assert rows["c1"] == (147, 147, 64)
    assert rows["c2"] == (74, 74, 128)
    assert rows["c3"] == (37, 37, 256)
    assert rows["xception_block_1"] == rows["c4"] == (19, 19, 728)
    assert rows["xception_block_2"] == (10, 10, 1024)
    assert rows["c5"] == (10, 10, 2048)


def test_blocks_by_hand() -> None:
    rows = {row.name: row.params for row in spec("xception").cost.rows}
    assert rows["c2"] == separable(64, 128) + separable(128, 128) + 64 * 128 + 4 * 128
    assert rows["c4"] == 8 * 3 * separable(728, 728)
    assert rows["xception_block_2"] == separable(728, 728) + separable(728, 1024) + 728 * 1024 + 4 * 1024


@pytest.mark.parametrize(
    ("options", "first"),
    [("", "sep1_relu"), ("activate_input: false", "sep1_depthwise"), ("activation: none", "sep1_depthwise")],
)
def test_what_comes_first(options: str, first: str) -> None:
    assert roles(table(f"XceptionBlock: {{depth: 3, {options}}}"))[0] == first


def test_no_activation_is_none_at_all() -> None:
    assert not [role for role in roles(table("XceptionBlock: {depth: 3, activation: none}")) if role.endswith("relu")]


def test_the_input_is_projected_only_where_it_must_be() -> None:
    assert "shortcut" not in roles(table("XceptionBlock: {depth: 3}"))
    assert "shortcut" in roles(table("XceptionBlock: {depth: 4}"))
    assert "shortcut" in roles(table("XceptionBlock: {depth: 3, stride: 2}"))


def test_an_output_stride_turns_into_rates() -> None:
    """As DeepLab uses Xception: at stride 16 the exit flow looks twice as far apart."""
    network = spec("xception", output_stride=16)
    rows = {row.name: row.output for row in network.cost.rows}
    assert rows["xception_block_2"] == (19, 19, 1024)
    assert network.cost.params == spec("xception").cost.params
    rates = {node.name: getattr(node.op, "rate", 1) for node in network.graph.nodes}
    assert rates["c4_8_sep3_depthwise"] == 1
    assert rates["c5_depthwise"] == 2
