"""Where fake quantization stands, against placements written out by hand; and weights as int8 holds them."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from networks import shipped, spec, table
from op_cases import uncovered
from qat import ROWS, graph_of

from archspec import ops
from archspec.passes.fold import fold_batch_norm
from archspec.quantization import plan
from archspec.quantized import baked, fake_quantized, rounded_biases
from archspec.weights import WeightsError
from archspec.weights.ranges import ranges_in

LEARNED = {
    "conv": "conv_1_conv_relu conv_2_conv_relu6",
    "transpose": "conv_1_conv_relu transpose_conv_1_conv_relu transpose_conv_2_conv_bn",
    "norm on its own": "batch_norm_1_bn a_conv activation_1 b_conv add_1",
    "norm behind relu": "conv_1_conv_relu conv_1_conv_bn conv_2_conv_relu",
    # b and c have the range of d, and that of the second concatenation; a is read by others too
    "concat": "a_conv_relu c_conv_bn concat_1 activation_1 conv_1_conv_relu",
    "sum": "add_1_sum.1 a_conv_bn b_conv_relu c_conv_bn add_1",
    "squeeze": "conv_1_conv_relu squeeze_excite_1_pool squeeze_excite_1_reduce_relu squeeze_excite_1_expand"
    " squeeze_excite_1_gated",
    "resize": "conv_1_conv_bn conv_2_conv_relu activation_1",
    "pad": "conv_1_conv_bn conv_2_conv_relu activation_1",
}


@pytest.mark.parametrize("name", LEARNED)
def test_ranges_stand_at_the_ends_of_groups(name: str) -> None:
    assert sorted(plan(graph_of(ROWS[name])).learned) == sorted(LEARNED[name].split())


def test_a_row_that_leaves_the_network_ends_its_group() -> None:
    rows = "Conv: {depth: 4, activation: none, name: a}\nActivation: {activation: relu, name: r}"
    assert plan(graph_of(rows)).learned == ("r",)
    leaving = table(rows, head="outputs: [a, r]").graph
    assert plan(leaving).learned == ("a_conv_bn", "r")


def test_functions_that_bound_their_values_have_fixed_ranges() -> None:
    planned = plan(graph_of(ROWS["efficientnet"]))
    assert planned.fixed["input"] == (0, 1)
    assert planned.fixed["inverted_residual_1_se_expand_sigmoid"] == (0, 255 / 256)
    assert planned.fixed["conv_1_conv_swish.sigmoid"] == (0, 255 / 256)
    assert "conv_1_conv_swish" in planned.learned
    assert plan(graph_of("Conv: {depth: 2, activation: tanh}")).fixed["conv_1_conv_tanh"] == (-1, 127 / 128)


def test_an_interval_is_widened_to_zero() -> None:
    graph = spec("mobilenet_v2_hed", input__range="[0.25, 1]").graph
    assert plan(graph).fixed["input"] == (0, 1)


def test_the_rows_of_the_tests_hold_every_op_of_a_spec() -> None:
    passes_only = {ops.DepthToSpace, ops.EdgePad}
    assert uncovered(node.op for rows in ROWS.values() for node in graph_of(rows).nodes) == passes_only


@pytest.mark.parametrize("name", sorted({name for name, _ in shipped()}))
def test_every_node_of_the_zoo_is_in_one_group(name: str) -> None:
    graph = spec(name).graph
    planned = plan(graph)
    members = [member for group in planned.groups.values() for member in group]
    assert sorted(members) == sorted(node.name for node in graph.nodes)
    assert not set(planned.learned) & set(planned.fixed)


def test_folding_batch_norm_leaves_the_ranges_where_they_were() -> None:
    graph = spec("mobilenet_v2_hed").graph
    before, after = plan(graph), plan(fold_batch_norm(graph))
    assert len(before.learned) == len(after.learned)
    # the end of a group is its activation, or the layer that its batch norm was folded into
    group = {name: end for end, names in before.groups.items() for name in names}
    assert [group[name] for name in after.learned] == list(before.learned)


AXES = {(3, 3, 4, 6): (3,), (3, 2, 4, 2): (2, 3), (4, 4, 5, 3): (2,), (7, 5): (1,)}


@pytest.mark.parametrize(("shape", "axes"), AXES.items())
def test_a_kernel_is_rounded_to_127_steps_of_each_channel(shape: tuple[int, ...], axes: tuple[int, ...]) -> None:
    kernel = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    rounded = fake_quantized(kernel, axes)
    for at in np.ndindex(*[shape[axis] for axis in axes]):
        where = tuple(at[axes.index(axis)] if axis in axes else slice(None) for axis in range(len(shape)))
        step = float(np.abs(kernel[where]).max()) / 127
        wanted = [min(max(round(float(v) / step), -127), 127) * step for v in kernel[where].ravel()]
        np.testing.assert_allclose(rounded[where].ravel(), wanted, rtol=1e-6, atol=1e-9)


def test_a_factor_for_each_channel_passes_through_rounding() -> None:
    random = np.random.default_rng(0)
    kernel = random.normal(size=(3, 3, 4, 6)).astype(np.float32)
    factor = random.uniform(0.1, 9, 6).astype(np.float32) * random.choice([-1, 1], 6).astype(np.float32)
    np.testing.assert_allclose(
        fake_quantized(kernel * factor, (3,)), fake_quantized(kernel, (3,)) * factor, rtol=2e-6, atol=1e-7
    )
    across = random.uniform(0.1, 9, (4, 1)).astype(np.float32)
    apart = fake_quantized(kernel * across, (3,)) - fake_quantized(kernel, (3,)) * across
    assert np.abs(apart).max() > 1e-3, "a factor of input channels does not"


def test_a_channel_of_zeros_stays_zero() -> None:
    assert not fake_quantized(np.zeros((1, 1, 2, 3), np.float32), (3,)).any()


def test_biases_are_multiples_of_input_step_times_kernel_step() -> None:
    graph = graph_of(
        "Conv: {depth: 2, norm: false, name: a}\nMaxPool\nConv: {depth: 2, norm: false, activation: hard_sigmoid}\n"
        "Conv: {depth: 2, name: c}"
    )
    random = np.random.default_rng(0)
    weights = {
        node.name: [random.normal(size=w.shape).astype(np.float32) for w in node.op.weights(*node.input_shapes)]
        for node in graph.nodes
        if node.op.weights(*node.input_shapes)
    }
    kernels = baked(graph, weights)
    made = rounded_biases(graph, kernels, {"a_conv_relu": (0.0, 5.1)})
    for layer, step, shift in (("a_conv", 1 / 255, 0), ("conv_1_conv", 0.02, 3)):
        unit = np.abs(kernels[layer][0]).max((0, 1, 2)) / 127 * step
        count = (made[layer][1].astype(np.float64) + shift) / unit
        np.testing.assert_allclose(count, np.rint(count), atol=2e-2 + 1e-7 * 3 / unit.min())
        assert (np.abs(made[layer][1] - weights[layer][1]) <= unit * 0.51).all()
        assert np.any(made[layer][1] != weights[layer][1])
    assert len(made["c_conv"]) == 1
    blind = rounded_biases(graph, kernels, {})
    np.testing.assert_array_equal(blind["conv_1_conv"][1], weights["conv_1_conv"][1])


def write(path: Path, *ranges: tuple[float, ...]) -> Path:
    with h5py.File(path, "w") as root:
        for i, values in enumerate(ranges):
            group = root.create_group(f"layers/activation_range{f'_{i}' if i else ''}/vars")
            group.attrs["name"] = f"t{i}.range"
            for j, value in enumerate(values):
                group.create_dataset(str(j), data=np.float32(value))
    return path


def test_ranges_of_a_file(tmp_path: Path) -> None:
    path = write(tmp_path / "w.weights.h5", (-1, 2, 3), (0, 0.5, 1), (0, 0, 0))
    assert ranges_in(path) == {"t0": (-1, 2), "t1": (0, 0.5)}, "the third has seen no batch"
    (tmp_path / "model.tflite").write_bytes(b"\x1c\0\0\0TFL3")
    assert ranges_in(tmp_path / "model.tflite") == {}
    assert ranges_in(tmp_path / "model.ckpt-100") == {}


@pytest.mark.parametrize("values", [(float("nan"), 1, 1), (0, float("inf"), 1), (1, 2, 1), (-2, -1, 1), (0, 1)])
def test_a_range_that_is_none_is_refused(tmp_path: Path, values: tuple[float, ...]) -> None:
    with pytest.raises(WeightsError):
        ranges_in(write(tmp_path / "w.weights.h5", values))
