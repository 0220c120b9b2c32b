"""ShuffleNet V2's unit and spec against the paper and torchvision's counts."""

import pytest
from networks import spec, table

from archspec import ops
from archspec.diagnostics import SpecError


@pytest.mark.parametrize(
    ("variant", "params"),  # num_params of torchvision's ShuffleNet_V2_X0_5_Weights and so on
    [("w0.5", 1366792), (None, 2278604), ("w1.5", 3503624), ("w2.0", 7393996)],
)
def test_parameters_are_torchvision_s(variant: str | None, params: int) -> None:
    assert spec("shufflenet_v2", variant).cost.trainable == params


def test_stages_are_the_table_s() -> None:
    rows = {row.name: row.output for row in spec("shufflenet_v2").cost.rows}
    assert rows["c2"] == (56, 56, 24)
    assert (rows["c3"], rows["c4"], rows["shuffle_unit_1"]) == ((28, 28, 116), (14, 14, 232), (7, 7, 464))


def test_a_unit_by_hand() -> None:
    """Figure 3 (c): half of 8 channels through 1×1, 3×3 depthwise, 1×1; four values of batch norm for each channel."""
    unit = table("ShuffleUnit: {depth: 8}", size="[6, 6, 8]").cost
    assert unit.params == (4 * 4 + 9 * 4 + 4 * 4) + 3 * 4 * 4
    assert unit.macs == 36 * (4 * 4 + 9 * 4 + 4 * 4)


@pytest.mark.parametrize(("row", "out"), [("depth: 8, stride: 2", (3, 3, 8)), ("depth: 12", (6, 6, 12))])
def test_a_unit_that_changes_its_map_by_hand(row: str, out: tuple[int, int, int]) -> None:
    """Figure 3 (d): both branches read all channels, and the first has a depthwise and a 1×1 convolution of its own."""
    unit = table(f"ShuffleUnit: {{{row}}}", size="[6, 6, 8]")
    half = out[2] // 2
    first, second = 9 * 8 + 8 * half, 8 * half + 9 * half + half * half
    assert unit.cost.rows[-1].output == out
    assert unit.cost.params == first + second + 4 * (8 + half) + 4 * 3 * half


def test_half_of_the_channels_pass_as_they_are() -> None:
    nodes = {node.role: node for node in table("ShuffleUnit: {depth: 8}", size="[6, 6, 8]").graph.nodes}
    assert isinstance(nodes["split"].op, ops.Split)
    kept, made = nodes["concat"].inputs
    assert (kept.node, kept.output, kept.shape) == (0, 0, (6, 6, 4))
    assert nodes["expand"].inputs[0][:2] == (0, 1)
    assert made.shape == (6, 6, 4)


def test_an_odd_depth_is_refused() -> None:
    with pytest.raises(SpecError) as raised:
        table("ShuffleUnit: {depth: 7}")
    (found,) = raised.value.diagnostics
    assert found.code == "shape-mismatch"
    assert found.message == "a shuffle unit's depth is even, half for each branch, not 7"
