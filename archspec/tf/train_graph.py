"""Graph to the model that is trained: as `lower`, by layers that train faster, with fake quantization if asked for."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import keras

from archspec import ops, quantization
from archspec.graph import INPUT, Graph, Node
from archspec.ops.base import part
from archspec.quantization import IMAGE, SIGMOID
from archspec.tf.fake_quant import (
    DECAY,
    ActivationRange,
    FakeQuantConv2D,
    FakeQuantConv2DTranspose,
    FakeQuantDense,
    FakeQuantDepthwiseConv2D,
    FixedRange,
    HardSigmoid,
    QuantDelay,
)
from archspec.tf.fused_norm import FusedBatchNorm
from archspec.tf.lower import layer_name, set_bilinear, tensor_of
from archspec.tf.thin_conv import ThinConcatenate, ThinConv2D, ThinConv2DTranspose

Quantize = Callable[[str, Any], Any]
"""What becomes of a tensor by its name in the plan; those that the plan does not name stay as they are."""

SWITCHED = {
    "HardSigmoid": HardSigmoid,
    "Conv2D": FakeQuantConv2D,
    "DepthwiseConv2D": FakeQuantDepthwiseConv2D,
    "Conv2DTranspose": FakeQuantConv2DTranspose,
    "Dense": FakeQuantDense,
}
DELAY = "quant_delay"  # the layer's name


def lower_for_training(graph: Graph, quantize: bool = False, quant_delay: int = 0, decay: float = DECAY) -> keras.Model:
    """A model that answers as `lower(graph)` does; layers have the same names, weights and order of weights.

    With `quantize` it has fake quantization by `archspec.quantization.plan`, which begins after `quant_delay` batches
    of training; until then it answers as the float model to the bit, and ranges are collected. A tensor's range is
    the layer `TENSOR.range`.
    """
    image = keras.Input(graph.input_shape, name=IMAGE)
    if not quantize:
        kit = keras_with(
            BatchNormalization=FusedBatchNorm, Concatenate=ThinConcatenate, Conv2D=ThinConv2D,
            Conv2DTranspose=ThinConv2DTranspose,
        )  # fmt: skip
        model = assemble(graph, image, lambda node, x: node.op.lower(kit, node.name, x), lambda _, x: x)
    else:
        plan, on = quantization.plan(graph), QuantDelay(quant_delay, name=DELAY)(image)
        layers = {name: partial(_switched, layer, on) for name, layer in SWITCHED.items()}
        kit = keras_with(BatchNormalization=FusedBatchNorm, **layers)
        step = partial(_ranged, plan, on, decay)
        model = assemble(graph, image, lambda node, x: lower_in_parts(kit, node, x, step), step)
    set_bilinear(model, graph)
    return model


def _switched(layer: Callable[..., Any], on: Any, *arguments: Any, **options: Any) -> Callable[[Any], Any]:
    made = layer(*arguments, **options)
    return lambda x: made(x, on=on)


def _ranged(plan: quantization.Plan, on: Any, decay: float, name: str, x: Any) -> Any:
    if name in plan.fixed:
        return FixedRange(*plan.fixed[name], name=part(name, "range"))(x, on=on)
    return ActivationRange(decay, name=part(name, "range"))(x, on=on) if name in plan.learned else x


def keras_with(**layers: Any) -> SimpleNamespace:
    """What ops are lowered with: Keras, with some layers in the place of its own."""
    replaced = SimpleNamespace(**{**vars(keras.layers), **layers})
    return SimpleNamespace(
        layers=replaced, initializers=keras.initializers, regularizers=keras.regularizers, ops=keras.ops
    )


def assemble(graph: Graph, image: Any, lower_node: Callable[[Node, list[Any]], Any], quantize: Quantize) -> keras.Model:
    """The functional model of a graph, each node by `lower_node`, each tensor through `quantize`."""
    made: dict[int, Any] = {INPUT: quantize(IMAGE, image)}
    for number, node in enumerate(graph.nodes):
        made[number] = quantize(node.name, lower_node(node, [tensor_of(made, t) for t in node.inputs]))
    outputs = {name: tensor_of(made, t) for name, t in graph.outputs}
    return keras.Model(image, outputs, name=layer_name(graph.head.model))


def lower_in_parts(kit: SimpleNamespace, node: Node, inputs: list[Any], quantize: Quantize) -> Any:
    """A node as the ops that an integer file makes of it, with what stands between them quantized."""
    op, name = node.op, node.name
    if isinstance(op, ops.Add | ops.Multiply):
        x = inputs[0]
        for i, other in enumerate(inputs[1:-1], 1):
            x = quantize(part(name, i), op.lower(kit, part(name, i), [x, other]))
        return op.lower(kit, name, [x, inputs[-1]])
    if op == ops.Activation("swish"):
        gate = kit.layers.Activation("sigmoid", name=part(name, SIGMOID))(inputs[0])
        return kit.layers.Multiply(name=name)([inputs[0], quantize(part(name, SIGMOID), gate)])
    if op == ops.Activation("hard_sigmoid"):
        return kit.layers.HardSigmoid(name=name)(inputs[0])
    return op.lower(kit, name, inputs)
