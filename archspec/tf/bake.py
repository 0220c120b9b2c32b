"""Graph with ranges to the model that is converted: its int8 file needs no calibration where no range is missing."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from archspec import ops, quantization
from archspec.graph import Graph, Node, Tensor
from archspec.ops.base import part
from archspec.passes import Rewrite
from archspec.quantization import IMAGE, Range
from archspec.quantized import Floats, Weights, baked, rounded_biases
from archspec.tf.fake_quant import FixedRange, HardSigmoid
from archspec.tf.fused_norm import FusedBatchNorm
from archspec.tf.lower import assign, lower
from archspec.tf.train_graph import assemble, keras_with, lower_in_parts


def lower_quantized(
    graph: Graph, weights: Weights, ranges: Mapping[str, Range], rewrite: Rewrite
) -> tuple[keras.Model, tuple[str, ...]]:
    """The deployed form of a network that was trained with fake quantization, and the tensors that lack a range.

    `weights` and `ranges` are of `graph`, `rewrite` is its deployment. What the model computes in floats the int8
    file computes in integers.
    """
    whole = baked(graph, weights)
    deployed = rewrite.weights(whole)
    kept = carried(graph, whole, rewrite.graph, deployed, ranges)
    model, missing = lower_ranged(rewrite.graph, kept)
    assign(model, rounded_biases(rewrite.graph, deployed, kept))
    return model, missing


def lower_ranged(graph: Graph, ranges: Mapping[str, Range]) -> tuple[keras.Model, tuple[str, ...]]:
    """A model with the weights of `lower(graph)`, rounding each tensor by its range; and the tensors without one.

    `ranges` are of the graph's own tensors. The converter reads them out of the model once it is frozen; where one is
    missing it needs images to calibrate on.
    """
    plan = quantization.plan(graph)
    known = {**{name: ranges[name] for name in plan.learned if name in ranges}, **plan.fixed}
    known |= {name: known[source] for name, source in plan.held.items() if source in known}
    missing = (*(name for name in plan.learned if name not in known), *plan.unknown)
    kit = keras_with(BatchNormalization=FusedBatchNorm, HardSigmoid=HardSigmoid)
    alone = keras_with(BatchNormalization=_NormAlone)
    heads = {members[0] for members in plan.groups.values()}
    image = keras.Input(graph.input_shape, name=IMAGE)

    def ranged(name: str, x: Any) -> Any:
        return FixedRange(*known[name], name=part(name, "range"))(x) if name in known else x

    def lower_node(node: Node, inputs: list[Any]) -> Any:
        by_itself = isinstance(node.op, ops.BatchNorm) and node.name in heads
        return lower_in_parts(alone if by_itself else kit, node, inputs, ranged)

    return assemble(graph, image, lower_node, ranged), missing


class _NormAlone(FusedBatchNorm):
    """A batch norm that follows no layer it could be folded into, as a depthwise convolution by one pixel.

    That has a scale for each channel and a bias of 32 bits; a product and a sum would be rounded to 8 bits between.
    """

    def call(self, inputs: Any, training: bool = False) -> Any:
        factor = tf.math.rsqrt(tf.convert_to_tensor(self.moving_variance) + self.epsilon)
        factor = factor if self.gamma is None else factor * self.gamma
        shift = self.beta - self.moving_mean * factor
        x = tf.reshape(inputs, (-1, 1, 1, inputs.shape[-1])) if len(inputs.shape) == 2 else inputs
        y = tf.nn.depthwise_conv2d(x, factor[None, None, :, None], (1, 1, 1, 1), "VALID") + shift
        return tf.reshape(y, (-1, *inputs.shape[1:]))


def carried(
    graph: Graph, weights: Weights, deployed: Graph, deployed_weights: Weights, ranges: Mapping[str, Range]
) -> dict[str, Range]:
    """The ranges of `graph` as those of `deployed`, made from it by passes, by the names of its tensors.

    A range stays with its node. Where passes took that away (a batch norm that is folded), it goes to the node which
    ends what is left of the group. Kept are ranges of tensors that hold the same values as before in float: a pass may
    rescale a node and leave its name. Values are compared on one image of noise.
    """
    group = {name: end for end, members in quantization.plan(graph).groups.items() for name in members}
    pairs: dict[str, tuple[str, str]] = {}  # tensor of `deployed` -> tensor with the range, node that holds its value
    for name in quantization.plan(deployed).learned:
        node = name.partition(".")[0]
        if name in ranges and node in group:
            pairs[name] = name, node
        elif group.get(name) in ranges:
            pairs[name] = group[name], group[name]
    before = _values(graph, weights, {node for _, node in pairs.values()})
    after = _values(deployed, deployed_weights, {name.partition(".")[0] for name in pairs})
    return {
        name: ranges[tensor]
        for name, (tensor, node) in pairs.items()
        if _same(before[node], after[name.partition(".")[0]])
    }


def _values(graph: Graph, weights: Weights, names: Collection[str]) -> dict[str, Floats]:
    """What some nodes give for one image of noise over the input's range."""
    if not names:
        return {}
    outputs = tuple((n.name, Tensor(i, 0, n.shape)) for i, n in enumerate(graph.nodes) if n.name in names)
    model = lower(replace(graph, outputs=outputs))
    reached = {layer.name for layer in model.layers}
    assign(model, {name: values for name, values in weights.items() if name in reached})
    low, high = graph.head.input.interval
    image = np.random.default_rng(0).uniform(low, high, (1, *graph.input_shape)).astype(np.float32)
    return {name: np.asarray(value) for name, value in model(image, training=False).items()}


def _same(before: Floats, after: Floats) -> bool:
    """Equal but for the rounding of single precision."""
    return before.shape == after.shape and bool(np.allclose(before, after, rtol=0, atol=1e-3 * np.abs(before).max()))
