"""TFLite files as sources of weights: they come back as they went into the converter, or are refused."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema
from networks import table
from numpy.typing import NDArray
from zoo import outputs_differ_by, randomize

from archspec import passes
from archspec.graph import Graph
from archspec.jobs import Conversion
from archspec.quantize.calibrate import ranges
from archspec.slots import slots_of
from archspec.tf.artifacts import artifact
from archspec.tf.export import convert, freeze
from archspec.tf.lower import assign, lower
from archspec.trained import trained
from archspec.weights import Source, WeightsError, match, read_source

Arrays = dict[str, list[NDArray[np.float32]]]

# Every kind of layer, branches of one shape, and constants that the converter makes a part of weights.
ROWS = """Conv: {depth: 4, stride: 2}
    DepthSepConv: {depth: 6, multiplier: 2}
    TransposeConv: {depth: 3, kernel: 4}
    InceptionA: {conv1x1: 4, reduce5x5: 3, conv5x5: 4, reduce3x3dbl: 4, conv3x3dbl: 4, pool_proj: 4}
    InceptionResNetA: {conv1x1: 4, reduce3x3: 4, conv3x3: 4, reduce3x3dbl: 4, middle3x3dbl: 4, conv3x3dbl: 4, depth: 16,
                       residual_scale: 0.17}
    InvertedResidual: {depth: 16, expansion: 2, se: 0.25, se_gate: hard_sigmoid}
    Conv: {depth: 5, norm: false, bias: false, groups: 1}
    GlobalPool
    Dense: {units: 3, name: logits}""".replace("\n                       ", " ")


def weights_of(model: Any) -> Arrays:
    return {layer.name: layer.get_weights() for layer in model.layers if layer.weights}


@cache
def small() -> tuple[Graph, Any]:
    """A graph with every kind of layer, and its Keras model with random weights."""
    graph = table(ROWS, "[16, 16, 3]").graph
    model = lower(graph)
    randomize(model)
    return graph, model


@cache
def converted(scheme: str) -> bytes:
    graph, model = small()
    data = convert(model, ["logits"])
    images = np.random.default_rng(0).uniform(-1, 1, (8, 16, 16, 3)).astype(np.float32)
    border = "int8" if scheme == "int8" else "float32"
    conversion = Conversion("0.tflite", scheme, border, None, (), "", "plain")
    return artifact(data, graph, conversion, lambda: ranges(data, images))


def read(data: bytes, folder: Path) -> Source:
    (folder / "x.tflite").write_bytes(data)
    return read_source(folder / "x.tflite")


def refusal(data: bytes, folder: Path) -> str:
    with pytest.raises(WeightsError) as error:
        match(slots_of(passes.fold_batch_norm(small()[0])), read(data, folder))
    return str(error.value)


def test_a_float_file_comes_back(tmp_path: Path) -> None:
    graph, model = small()
    folded = passes.fold_batch_norm(graph)
    found = match(slots_of(folded), read(converted("none"), tmp_path))
    arrays = found.arrays()
    for layer, wanted in passes.fold_weights(graph, weights_of(model)).items():
        for got, value in zip(arrays[layer], wanted, strict=True):
            np.testing.assert_allclose(got, value, rtol=1e-5, atol=1e-5, err_msg=layer)
    ours = lower(folded)
    assign(ours, arrays)
    assert outputs_differ_by(ours, model) <= 1e-5
    assert "graph" in {entry.how for entry in found.entries}, "branches of one shape"
    assert found.other_graph is None


def test_an_int8_file_comes_back_to_half_a_step(tmp_path: Path) -> None:
    graph, model = small()
    slots = slots_of(passes.fold_batch_norm(graph))
    arrays = match(slots, read(converted("int8"), tmp_path)).arrays()
    wanted = passes.fold_weights(graph, weights_of(model))
    for slot in slots:
        kernel, value = arrays[slot.layer][0], wanted[slot.layer][0]
        channels = {"depthwise": (2, 3), "transpose": (2,)}.get(slot.kind, (kernel.ndim - 1,))
        others = tuple(axis for axis in range(kernel.ndim) if axis not in channels)
        step = np.abs(value).max(others, keepdims=True) / 127
        if slot.kind == "dense":
            step = np.abs(value).max() / 127  # by tensor
        assert (np.abs(kernel - value) <= 0.51 * step).all(), slot.layer
        for got, bias in zip(arrays[slot.layer][1:], wanted[slot.layer][1:], strict=True):
            assert np.abs(got - bias).max() <= 0.01 * np.abs(bias).max(), slot.layer


def test_constants_that_became_a_part_of_weights_are_taken_out(tmp_path: Path) -> None:
    """The 3 of relu6(x + 3) / 6 is in the gate's bias, the scale of the residual in the weights before it."""
    graph, model = small()
    source = read(converted("none"), tmp_path)
    slots = [replace(slot, follows=None) for slot in slots_of(passes.fold_batch_norm(graph))]
    raw = match(slots, source).arrays()
    wanted = passes.fold_weights(graph, weights_of(model))
    gate, scaled = "inverted_residual_1_se_expand", "inception_res_net_a_1_up"
    others = [layer for layer in wanted if not np.allclose(raw[layer][-1], wanted[layer][-1], atol=1e-4)]
    assert sorted(others) == [scaled, gate]
    np.testing.assert_allclose(raw[gate][1], wanted[gate][1] + 3, atol=1e-5)
    np.testing.assert_allclose(raw[scaled][0], 0.17 * wanted[scaled][0], rtol=1e-4)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("Conv: {depth: 4, activation: hard_sigmoid}\nConv: {depth: 5}", "layer `conv_2_conv` reads a scaled map"),
        ("Conv: {depth: 4, norm: false, activation: hard_sigmoid}", "has relu6 behind it, row `conv_1`"),
    ],
)
def test_constants_that_cannot_be_taken_out_are_refused(rows: str, said: str, tmp_path: Path) -> None:
    other = table(rows.replace("hard_sigmoid", "relu6")).graph
    data = convert(lower(other), [name for name, _ in other.outputs])
    (tmp_path / "x.tflite").write_bytes(data)
    graph = table(rows).graph
    with pytest.raises(WeightsError, match=said):
        trained(graph, graph, str(tmp_path / "x.tflite"), (), True)
    assert trained(other, other, str(tmp_path / "x.tflite"), (), True)


# --- files changed by hand


def changed(data: bytes, change: Callable[[Any], None]) -> bytes:
    """A file with its object tree changed and written anew."""
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(data))
    change(model)
    builder = flatbuffers.Builder(len(data))
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def first_layer(model: Any) -> Any:
    """The first convolution: its image, kernel and bias are its inputs."""
    codes = [code.builtinCode for code in model.operatorCodes]
    steps = model.subgraphs[0].operators
    return next(step for step in steps if codes[step.opcodeIndex] == schema.BuiltinOperator.CONV_2D)


def tensor(model: Any, place: int) -> Any:
    return model.subgraphs[0].tensors[first_layer(model).inputs[place]]


def forget_scale(model: Any) -> None:
    tensor(model, 2).quantization = None


def compute_kernel(model: Any) -> None:
    model.buffers[tensor(model, 1).buffer].data = None


def two_graphs(model: Any) -> None:
    model.subgraphs = [model.subgraphs[0]] * 2


def narrow(model: Any) -> None:
    tensor(model, 1).type = schema.TensorType.INT4


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (forget_scale, "holds int32 without a scale"),
        (compute_kernel, "`conv2d_0` computes its weights; only constants are read"),
        (two_graphs, "2 graphs in one file; only one is read"),
        (narrow, "holds int4, which is not read"),
    ],
)
def test_what_cannot_be_read_is_refused(change: Callable[[Any], None], said: str, tmp_path: Path) -> None:
    assert said in refusal(changed(converted("int8"), change), tmp_path)


def test_a_bias_left_out_is_zeros(tmp_path: Path) -> None:
    def leave_out(model: Any) -> None:
        first_layer(model).inputs = first_layer(model).inputs[:2]

    found = read(changed(converted("none"), leave_out), tmp_path)
    assert found.tensors["conv2d_0/bias"].tolist() == [0] * 4
    assert np.any(read(changed(converted("none"), lambda model: None), tmp_path).tensors["conv2d_0/bias"])
    slots = slots_of(passes.fold_batch_norm(small()[0]))
    assert not np.any(match(slots, found).arrays()["conv_1_conv"][1])


def test_zero_points_and_unsigned_weights(tmp_path: Path) -> None:
    """The same kernel by tensor, unsigned: (stored - 130) * 0.01."""
    stored = np.arange(4 * 3 * 3 * 3, dtype=np.uint8).reshape(4, 3, 3, 3)

    def unsigned(model: Any) -> None:
        kernel = tensor(model, 1)
        kernel.type, kernel.quantization = schema.TensorType.UINT8, schema.QuantizationParametersT()
        kernel.quantization.scale, kernel.quantization.zeroPoint = [0.01], [130]
        model.buffers[kernel.buffer].data = np.frombuffer(stored.tobytes(), np.uint8)

    kernel = read(changed(converted("none"), unsigned), tmp_path).tensors["conv2d_0/kernel"]
    expected = [
        [[[(int(stored[o, h, w, i]) - 130) * 0.01 for o in range(4)] for i in range(3)] for w in range(3)]
        for h in range(3)
    ]
    np.testing.assert_allclose(kernel, expected, rtol=1e-6)


def test_half_floats(tmp_path: Path) -> None:
    """Their constants pass through DEQUANTIZE first."""
    graph, model = small()
    module = freeze(model, ["logits"])
    converter = tf.lite.TFLiteConverter.from_concrete_functions([module.serve.get_concrete_function()], module)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_types = [tf.float16]
    arrays = match(slots_of(passes.fold_batch_norm(graph)), read(converter.convert(), tmp_path)).arrays()
    for layer, wanted in passes.fold_weights(graph, weights_of(model)).items():
        for got, value in zip(arrays[layer], wanted, strict=True):
            np.testing.assert_allclose(got, value, rtol=2e-3, atol=4e-3, err_msg=layer)


def test_a_batch_norm_that_is_no_bias_is_not_lost(tmp_path: Path) -> None:
    graph = table("Conv: {depth: 4, norm: false}\nBatchNorm\nActivation: {activation: relu}").graph
    model = lower(graph)
    randomize(model)
    source = read(convert(model, [name for name, _ in graph.outputs]), tmp_path)
    with pytest.raises(WeightsError) as error:
        match(slots_of(passes.fold_batch_norm(graph)), source)
    assert "left in source: no row wants `mul_1/input_1`" in str(error.value)
    assert "missing tensor: row `batch_norm_1`" in str(error.value)


@pytest.mark.parametrize("cut", [8, 100, 5000, -3000])
def test_a_damaged_file(cut: int, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"x\.tflite: "):
        read(converted("none")[:cut], tmp_path)
