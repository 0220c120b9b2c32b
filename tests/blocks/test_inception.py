"""The Inception blocks: counts by hand formulas, shapes by the papers, published numbers where they hold."""

from collections.abc import Callable
from pathlib import Path

import pytest
from keras_counts import counts, keras_counts
from networks import spec, table

from archspec.analysis import Network
from archspec.diagnostics import SpecError

# GoogLeNet, table 1: map, channels in, then the columns 1×1, 3×3 reduce, 3×3, 5×5 reduce, 5×5, pool proj; and the
# millions of operations that the table prints.
MODULES = {
    "3a": (28, 192, (64, 96, 128, 16, 32, 32), 128),
    "3b": (28, 256, (128, 128, 192, 32, 96, 64), 304),
    "4a": (14, 480, (192, 96, 208, 16, 48, 64), 73),
    "4b": (14, 512, (160, 112, 224, 24, 64, 64), 88),
    "4c": (14, 512, (128, 128, 256, 24, 64, 64), 100),
    "4d": (14, 512, (112, 144, 288, 32, 64, 64), 119),
    "4e": (14, 528, (256, 160, 320, 32, 128, 128), 170),
    "5a": (7, 832, (256, 160, 320, 32, 128, 128), 54),
    "5b": (7, 832, (384, 192, 384, 48, 128, 128), 71),
}
WRONG_IN_PRINT = {"5a"}  # 54 M; its depths give 51 M, and the released model has these depths
CINNAMON = """
    Inception: {conv1x1: 64, reduce3x3: 96, conv3x3: 128, reduce5x5: 16, middle5x5: 48, conv5x5: 32, pool_proj: 32,
      pool_kernel: 2, pool_norm: true, activation: leaky_relu, bias: true}
"""


def kernels(channels: int, one: int, r3: int, c3: int, r5: int, c5: int, pool: int) -> int:
    """Weights of a module without biases, which are also its multiplies a pixel."""
    return channels * (one + r3 + r5 + pool) + 9 * r3 * c3 + 25 * r5 * c5


def flat(rows: str) -> str:
    """A table's row that was broken over lines, on one."""
    return " ".join(rows.split())


def layers(network: Network) -> list[str]:
    """The names of the layers that hold weights, in order."""
    return [node.name for node in network.graph.nodes if node.op.weights(*node.input_shapes)]


def test_counts_of_keras(shared: Callable[[str], Path]) -> None:
    assert counts(spec("inception_v3")) == keras_counts(shared, "InceptionV3")
    assert counts(spec("inception_resnet_v2")) == keras_counts(shared, "InceptionResNetV2")


def test_other_counts_are_seen(shared: Callable[[str], Path]) -> None:
    scaled = spec("inception_v3", defaults__all="{norm_scale: true}", expect="{}")
    assert counts(scaled) != keras_counts(shared, "InceptionV3")


def test_googlenet_by_hand() -> None:
    network = spec("googlenet")
    rows = [row for row in network.cost.rows if row.block == "Inception"]
    assert len(rows) == len(MODULES)
    for row, (size, channels, columns, _) in zip(rows, MODULES.values(), strict=True):
        one, _, c3, _, c5, pool = columns
        assert row.output == (size, size, one + c3 + c5 + pool)
        assert row.macs == kernels(channels, *columns) * size * size
        assert row.params == kernels(channels, *columns) + sum(columns)
    stem = 7 * 7 * 3 * 64 + 64 + 64 * 64 + 64 + 3 * 3 * 64 * 192 + 192
    inner = sum(kernels(channels, *columns) + sum(columns) for _, channels, columns, _ in MODULES.values())
    assert network.cost.params == stem + inner + 1024 * 1000 + 1000


def test_googlenet_as_printed() -> None:
    rows = [row for row in spec("googlenet").cost.rows if row.block == "Inception"]
    printed = {name: millions for name, (_, _, _, millions) in MODULES.items()}
    off = {name for name, row in zip(MODULES, rows, strict=True) if abs(row.macs / 1e6 - printed[name]) >= 1}
    assert off == WRONG_IN_PRINT


def test_the_first_row_as_printed_is_separable() -> None:
    """2.7 K parameters and 34 M operations."""
    row = "SeparableConv: {kernel: 7, stride: 2, depth: 64, multiplier: 8, norm: false, bias: false}"
    cost = table(row, "[224, 224, 3]").cost
    assert cost.params == 7 * 7 * 3 * 8 + 24 * 64
    assert (round(cost.params / 1e3, 1), round(cost.macs / 1e6)) == (2.7, 34)


def test_the_tour_s_inception() -> None:
    """Depths, kernels and biases as its code has them, in order."""
    network = table(flat(CINNAMON), "[8, 8, 192]")
    depths = [64, 96, 128, 16, 48, 32, 32]
    taps = [192, 192, 9 * 96, 192, 9 * 16, 25 * 48, 192]
    norms = 4 * (sum(depths) + 192)  # one of them on the pooled map
    assert network.cost.params == sum(d * t + d for d, t in zip(depths, taps, strict=True)) + norms
    assert network.cost.rows[0].output == (8, 8, 64 + 128 + 32 + 32)
    functions = {getattr(node.op, "function", "") for node in network.graph.nodes}
    assert "leaky_relu" in functions
    assert "relu" not in functions


def test_the_tour_s_inception_resnet() -> None:
    row = """InceptionResNetA: {conv1x1: 32, reduce3x3: 32, conv3x3: 32, reduce3x3dbl: 32, middle3x3dbl: 48,
        conv3x3dbl: 64, depth: 384, activation: leaky_relu, bias: true, last_activation: none}"""
    network = table(flat(row), "[8, 8, 3]")
    depths, taps = [32, 32, 32, 32, 48, 64], [3, 3, 9 * 32, 3, 9 * 32, 9 * 48]
    branches = sum(d * t + d + 4 * d for d, t in zip(depths, taps, strict=True))
    assert network.cost.params == branches + (128 * 384 + 384) + (3 * 384 + 384)
    assert [name.removeprefix("inception_res_net_a_1_") for name in layers(network)[-2:]] == ["up", "shortcut"]
    same = table(flat(row), "[8, 8, 384]")
    assert layers(same)[-1].endswith("_up")


def test_inception_v3_shapes() -> None:
    """The grids of table 1 and the comments of keras.applications."""
    rows = {row.name: row.output for row in spec("inception_v3").cost.rows}
    assert rows["c1"] == (147, 147, 64)
    assert rows["c2"] == (71, 71, 192)
    assert rows["inception_a_1"] == (35, 35, 256)
    assert rows["c3"] == (35, 35, 288)
    assert rows["reduction_a_1"] == rows["c4"] == (17, 17, 768)
    assert rows["reduction_b_1"] == (8, 8, 1280)
    assert rows["c5"] == (8, 8, 2048)


def test_inception_resnet_v2_shapes() -> None:
    rows = {row.name: row.output for row in spec("inception_resnet_v2").cost.rows}
    assert rows["c3"] == (35, 35, 320)
    assert rows["c4"] == (17, 17, 1088)
    assert rows["inception_res_net_reduction_b_1"] == (8, 8, 2080)
    assert rows["c5"] == (8, 8, 1536)


def test_residuals_are_scaled() -> None:
    """Every module but the last, which has no activation either."""
    nodes = [node for node in spec("inception_resnet_v2").graph.nodes if node.role in ("scale", "add")]
    factors = [getattr(node.op, "factor", None) for node in nodes]
    assert factors == [0.17, None] * 10 + [0.1, None] * 20 + [0.2, None] * 9 + [None]
    rows = spec("inception_resnet_v2").graph.rows
    (last,) = [row for row in rows if row.name == "inception_res_net_c_2"]
    assert spec("inception_resnet_v2").graph.nodes[last.stop - 1].role == "add"


def test_a_residual_follows_its_input() -> None:
    narrow = spec("inception_resnet_v2", scale__width=0.5, expect="{}")
    assert {row.name: row.output for row in narrow.cost.rows}["c3"] == (35, 35, 160)


def test_a_reduction_keeps_its_stride() -> None:
    """Its pool cannot be made atrous, so an output stride that would take its stride is refused."""
    with pytest.raises(SpecError) as error:
        spec("inception_v3", output_stride=16)
    assert [(d.code, d.span.source.text[d.span.start : d.span.end].split(":")[0]) for d in error.value.diagnostics] == [
        ("output-stride", "ReductionB")
    ]
