"""Multipliers and output stride, against Slim's published definitions."""

import math
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from diagnostic_pages import blocks_of
from hypothesis import given
from hypothesis import strategies as st
from little import assert_finds, built, spec

from archspec.analysis import Network, document, network
from archspec.ops import Conv, DepthwiseConv
from archspec.overlay import assignment
from archspec.scale import Pace, paced, scaled_depth, scaled_repeat, strides
from archspec.source import read_source
from archspec.spec import Scale

SPECS = Path(__file__).resolve().parent.parent / "specs"

depths = st.integers(1, 4096)
widths = st.integers(1, 400).map(lambda percent: percent / 100).filter(lambda width: width != 1)


def make_divisible(v: float, divisor: int, min_value: int) -> int:
    """Slim's definition (tensorflow/models, research/slim/nets/mobilenet/mobilenet.py), in words of our own.

    Round half up to a multiple, not under the least value; one multiple more where that lost over a tenth.
    """
    multiples = [divisor * n for n in range(int(v / divisor) + 3)]
    nearest = max(m for m in multiples if m <= int(v + divisor / 2))
    result = nearest if nearest > min_value else min_value
    return result if result >= 0.9 * v else result + divisor


@given(depths, widths, st.sampled_from([2, 4, 8, 16]), st.integers(0, 40))
def test_depth_is_slims(depth: int, width: float, divisor: int, more: int) -> None:
    """For all least values that Slim's default allows: the divisor or above."""
    least = divisor + more
    expected = make_divisible(depth * width, divisor, least)
    assert scaled_depth(depth, Scale(width, divisor=divisor, min_depth=least), None) == expected
    assert scaled_depth(depth, Scale(width, divisor=divisor), least) == expected


@given(depths, widths, st.integers(1, 40))
def test_depth_without_a_divisor_is_cut_as_slims_mobilenet_v1_cuts_it(depth: int, width: float, least: int) -> None:
    assert scaled_depth(depth, Scale(width, min_depth=least), None) == max(int(depth * width), least)


@given(depths, widths, st.sampled_from([1, 2, 8, 16]), st.integers(1, 40))
def test_depth_keeps_nine_tenths_and_what_is_least(depth: int, width: float, divisor: int, least: int) -> None:
    got = scaled_depth(depth, Scale(width, divisor=divisor, min_depth=least), None)
    assert got >= max(least, 1)
    assert got >= 0.9 * depth * width - (1 if divisor == 1 else 0)
    assert got % divisor == 0 or got == least or got == least + divisor


@given(depths, st.sampled_from([1, 8]), st.integers(1, 40))
def test_width_of_one_leaves_every_depth_as_written(depth: int, divisor: int, least: int) -> None:
    assert scaled_depth(depth, Scale(1.0, divisor=divisor, min_depth=least), least) == depth


@given(st.integers(1, 1000), st.integers(1, 400))
def test_layers_are_rounded_up_as_decimals(repeat: int, percent: int) -> None:
    expected = math.ceil(Fraction(repeat * percent, 100))
    assert scaled_repeat(repeat, Scale(layers=float(Decimal(percent) / 100))) == expected


def test_row_without_repeat_stays_one() -> None:
    assert scaled_repeat(None, Scale(layers=3.0)) == 1
    assert scaled_repeat(1, Scale(layers=3.0)) == 3
    assert scaled_repeat(1000, Scale(layers=1e-12)) == 1


def test_stride_belongs_to_the_first() -> None:
    assert list(strides(2, 3)) == [2, 1, 1]


def test_width_multiplies_depths_and_nothing_else() -> None:
    rows = ("Conv: {depth: 16}", "SideOutput: {depth: 4}", "Logits: {depth: 10}", "GlobalPool", "Dense: {units: 12}")
    half = built(spec(*rows, head="scale: {width: 0.5}\n"))
    assert [row.output[-1] for row in half.cost.rows] == [8, 4, 10, 10, 12]


def test_row_has_a_least_depth_of_its_own() -> None:
    rows = ("Conv: {depth: 16}", "Conv: {depth: 64, min_depth: 48}")
    half = built(spec(*rows, head="scale: {width: 0.5, min_depth: 12}\n"))
    assert [row.output[-1] for row in half.cost.rows] == [12, 48]


def test_depth_that_a_default_or_the_function_gives_is_multiplied_too() -> None:
    head = "scale: {width: 0.5}\ndefaults: {Conv: {depth: 6}}\n"
    with blocks_of("user_blocks"):
        assert [row.output[-1] for row in built(spec("Conv", "Thicken", head=head)).cost.rows] == [3, 4]


def test_layers_multiply_what_is_written_as_repeat() -> None:
    rows = ("Conv: {depth: 8}", "Conv: {depth: 8, repeat: 2}", "Conv: {depth: 8, repeat: 5}")
    deep = built(spec(*rows, head="scale: {layers: 1.5}\n"))
    assert [row.repeat for row in deep.cost.rows] == [1, 3, 8]


@pytest.mark.parametrize(
    ("head", "row", "pointed"),
    [
        ("scale: {width: 0.5}\n", "Flatten", "0.5"),
        ("scale: {layers: 2}\n", "Conv: {depth: 8}", "2"),
        ("scale: {layers: 0.9}\n", "Conv: {depth: 8, repeat: 1}", "0.9"),
        ("scale: {width: 0.99, divisor: 8}\n", "Conv: {depth: 8}", "0.99"),
        ("output_stride: 2\n", "Conv: {depth: 8, stride: 2}", "2"),
    ],
)
def test_multiplier_that_changes_nothing(head: str, row: str, pointed: str) -> None:
    assert_finds(spec(row, head=head), ("idle-multiplier", pointed))


def mobilenet_v1(output_stride: int) -> Network:
    sets = [assignment("--set", f"output_stride={output_stride}")]
    return network(document(read_source(SPECS / "mobilenet_v1.yaml"), sets))


def slims_depthwise(output_stride: int) -> list[tuple[int, int]]:
    """(stride, rate) of the 13 depthwise convolutions, by the loop of Slim's mobilenet_v1_base."""
    written = [1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1]
    current, rate, found = 2, 1, []  # Conv2d_0 has a stride of 2
    for stride in written:
        if current == output_stride:
            found.append((1, rate))
            rate *= stride
        else:
            found.append((stride, 1))
            current *= stride
    return found


@pytest.mark.parametrize(
    ("output_stride", "sides", "rates"),
    [
        (16, [112, 56, 28, 14, 14], {1, 2}),
        (8, [112, 56, 28, 28, 28], {1, 2, 4}),
        (4, [112, 56, 56, 56, 56], {1, 2, 4, 8}),
    ],
)
def test_output_stride_is_slims(output_stride: int, sides: list[int], rates: set[int]) -> None:
    """Sides are those of Slim's mobilenet_v1_test (c1 to c5 end at Conv2d_0, 3, 5, 11, 13)."""
    net = mobilenet_v1(output_stride)
    ops = [node.op for node in net.graph.nodes if isinstance(node.op, DepthwiseConv)]
    assert [(op.stride, op.rate) for op in ops] == slims_depthwise(output_stride)
    assert {op.rate for op in ops} == rates
    named = {row.name: row for row in net.cost.rows}
    assert [named[f"c{i}"].output[0] for i in range(1, 6)] == sides
    assert named["c5"].stride == output_stride
    assert net.cost.params == 4_253_864  # no weight changes


def test_a_rate_of_its_own_is_multiplied() -> None:
    rows = ("Conv: {depth: 8, stride: 2}", "Conv: {depth: 8, stride: 2}", "Conv: {depth: 8, rate: 3}")
    net = built(spec(*rows, head="output_stride: 2\n"))
    ops = [node.op for node in net.graph.nodes if isinstance(node.op, Conv)]
    assert [(op.stride, op.rate) for op in ops] == [(2, 1), (1, 1), (1, 6)]


def test_upsampling_starts_anew() -> None:
    rows = ("Conv: {depth: 8, stride: 2}", "Conv: {depth: 8, stride: 2}", "Conv: {depth: 8}",
            "TransposeConv: {depth: 8, kernel: 4, stride: 2}", "Conv: {depth: 8}")  # fmt: skip
    net = built(spec(*rows, head="output_stride: 2\n"))
    ops = [node.op for node in net.graph.nodes if isinstance(node.op, Conv)]
    assert [(op.stride, op.rate) for op in ops] == [(2, 1), (1, 1), (1, 2), (1, 1)]
    assert [row.stride for row in net.cost.rows] == [2, 2, 2, 1, 1]


def test_pace_stays_where_nothing_strides() -> None:
    assert paced(Pace(8, 2), 1, 8) == (1, 2, Pace(8, 2))
    assert paced(Pace(8, 2), 2, 8) == (1, 2, Pace(8, 4))
    assert paced(Pace(8, 1), 2, None) == (2, 1, Pace(16, 1))
