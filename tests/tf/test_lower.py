"""The lowering of whole networks: counts, shapes, names, and the options of every convolution."""

from math import prod
from typing import Any

import keras
import numpy as np
import pytest
from networks import shipped, spec, table

from archspec.analysis import Network
from archspec.tf.lower import lower, lower_rows


def check_model(network: Network, model: Any, shapes: dict[str, tuple[int, ...]]) -> None:
    """Parameters, trainable ones, and the outputs' names and shapes are those that were counted without Keras."""
    assert model.count_params() == network.cost.params
    assert sum(prod(w.shape) for w in model.trainable_weights) == network.cost.trainable
    assert {name: tuple(output.shape[1:]) for name, output in model.output.items()} == shapes


def outputs_of(network: Network) -> dict[str, tuple[int, ...]]:
    return {name: tensor.shape for name, tensor in network.graph.outputs}


@pytest.mark.parametrize(("name", "variant"), shipped())
def test_rows_of_every_variant(name: str, variant: str | None) -> None:
    network = spec(name, variant)
    with keras.StatelessScope(initialize_variables=False):  # no values: VGG has 500 MB of them
        model = lower_rows(network.graph)
        check_model(network, model, {row.name: row.output for row in network.cost.rows})


@pytest.mark.parametrize("name", [name for name, variant in shipped() if variant is None])
def test_outputs(name: str) -> None:
    network = spec(name)
    with keras.StatelessScope(initialize_variables=False):
        model = lower(network.graph)
        check_model(network, model, outputs_of(network))
    assert list(model.output) == list(outputs_of(network)), "the spec's order is lost"
    named = {node.name for node in network.graph.nodes}
    others = {layer.name for layer in model.layers} - named
    assert {layer.partition(".")[0] for layer in others} - named == {"input"}, "a layer has a name of its own"


def test_check_finds_another_network() -> None:
    small, large = table("Conv: {depth: 4}"), table("Conv: {depth: 5}")
    frozen, halved = table("Conv: {depth: 4, trainable: false}"), table("Conv: {depth: 4, stride: 2}")
    model = lower(small.graph)
    check_model(small, model, outputs_of(small))
    for other in (large, frozen, halved):
        with pytest.raises(AssertionError):
            check_model(other, model, outputs_of(other))


def test_fixed_batch() -> None:
    network = spec("mobilenet_v2_hed")
    model = lower(network.graph, batch=1)
    assert tuple(model.inputs[0].shape) == (1, 256, 256, 3)
    assert {tuple(output.shape) for output in model.outputs} == {(1, 256, 256, 1)}
    assert tuple(lower(network.graph).inputs[0].shape) == (None, 256, 256, 3)


def test_l2_is_half_the_sum_of_squares_of_kernels() -> None:
    rows = """
    Conv: {depth: 4, norm: false, l2: 0.5}
    DepthwiseConv: {norm: false, l2: 0.25}
    TransposeConv: {depth: 4, kernel: 2, norm: false, l2: 2}
    Conv: {depth: 4, norm: false}
    GlobalPool
    Dense: {units: 2, l2: 1}
    """
    model = lower(table(rows).graph)
    kernels = [layer.get_weights()[0] for layer in model.layers if layer.weights]
    for layer in model.layers:
        layer.set_weights([w + 1 for w in layer.get_weights()])  # biases too, which no penalty holds
    assert len(kernels) == 5
    wanted = sum(l2 * ((w + 1.0) ** 2).sum() / 2 for l2, w in zip((0.5, 0.25, 2, 0, 1), kernels, strict=True))
    assert float(sum(model.losses)) == pytest.approx(wanted, rel=1e-5)


def layers_of(row: str) -> list[tuple[str, bool]]:
    """The layers of a row, each with whether it has a bias."""
    layers = lower(table(row).graph).layers[1:]
    return [(layer.name, bool(getattr(layer, "use_bias", False))) for layer in layers]


def test_order_of_batch_norm_and_activation() -> None:
    before = [("c_conv", False), ("c_conv_bn", False), ("c_conv_relu", False)]
    assert layers_of("Conv: {depth: 2, name: c}") == before
    assert layers_of("Conv: {depth: 2, norm_after_activation: true, name: c}") == [before[0], before[2], before[1]]


def test_bias_stands_where_no_batch_norm_follows() -> None:
    assert layers_of("Conv: {depth: 2, activation: none, name: c}") == [("c_conv", False), ("c_conv_bn", False)]
    assert layers_of("Conv: {depth: 2, activation: none, norm: false, name: c}") == [("c_conv", True)]
    assert layers_of("Conv: {depth: 2, activation: none, norm: false, bias: false, name: c}") == [("c_conv", False)]
    assert layers_of("Conv: {depth: 2, activation: none, bias: true, name: c}")[0] == ("c_conv", True)
    assert layers_of("Logits: {depth: 2, name: c}") == [("c_conv", True)]
    side = layers_of("SideOutput: {upsample: 2, name: s}")
    assert side == [("s_conv", False), ("s_conv_bn", False), ("s_upsample", True)]


def test_a_frozen_row_is_frozen_whole() -> None:
    for row in ("SideOutput: {upsample: 2, trainable: false}", "InvertedResidual: {depth: 3, trainable: false}"):
        network = table(row)
        assert network.cost.trainable == 0
        assert lower(network.graph).trainable_weights == []


def test_a_row_may_be_called_like_the_padding_of_another() -> None:
    rows = """
    Conv: {depth: 2, stride: 2, padding: explicit, name: c}
    Pad: {zeros: [[1, 1], [1, 1]], name: c_conv_pad}
    """
    network = table(rows, size="[8, 8, 3]")
    check_model(network, lower(network.graph), {"c_conv_pad": (6, 6, 2)})


def test_expansion_by_a_decimal() -> None:
    network = table("InvertedResidual: {depth: 4, expansion: 0.29, name: b}", size="[4, 4, 100]")
    assert tuple(lower(network.graph).get_layer("b_expand").kernel.shape) == (1, 1, 100, 29)


def test_a_network_that_gives_the_image_back() -> None:
    network = table("Activation: {activation: none, name: same}", size="[2, 2, 1]")
    image = np.ones((1, 2, 2, 1), np.float32)
    assert np.array_equal(lower(network.graph)(image)["same"], image)
