"""Graph to `tf.keras`: a functional model of stock layers, which opens in plain Keras without archspec."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from archspec.expand import IMAGE
from archspec.graph import INPUT, Graph, Tensor
from archspec.ops import Fill
from archspec.ops.base import part


def lower(graph: Graph, batch: int | None = None) -> keras.Model:
    """A functional model: image (batch, height, width, channels) to a dict of outputs by row name.

    Every layer has its node's name and every kernel a seed of its own, so that the same graph gives the same model in
    every process. Outputs are the spec's, in its order.
    """
    return _model(graph, dict(graph.outputs), batch)


def lower_rows(graph: Graph) -> keras.Model:
    """The same network with the tensor of every row as an output, by row name."""
    return _model(graph, {row.name: row.output for row in graph.rows if row.output.node != INPUT}, None)


def rows_of(model: keras.Model, graph: Graph) -> keras.Model:
    """A part of a lowered network: the same layers, with the outputs of `graph`, which is cut from its graph."""

    def at(tensor: Tensor) -> Any:
        if tensor.node == INPUT:
            return model.input
        node = graph.nodes[tensor.node]
        return model.get_layer(part(node.name, tensor.output + 1) if node.op.outputs > 1 else node.name).output

    return keras.Model(model.input, {name: at(tensor) for name, tensor in graph.outputs})


def _model(graph: Graph, outputs: Mapping[str, Tensor], batch: int | None) -> keras.Model:
    image = keras.Input(graph.input_shape, batch_size=batch, name=IMAGE)
    made: dict[int, Any] = {INPUT: image}
    for number, node in enumerate(graph.nodes):
        made[number] = node.op.lower(keras, node.name, [tensor_of(made, t) for t in node.inputs])
    given = {name: tensor_of(made, t) for name, t in outputs.items()}
    model = keras.Model(image, given, name=layer_name(graph.head.model))
    set_bilinear(model, graph)
    return model


def set_bilinear(model: keras.Model, graph: Graph) -> None:
    """Set the kernels that begin as interpolation, for which Keras has no initializer."""
    for node in graph.nodes:
        fill = getattr(node.op, "fill", None)
        if isinstance(fill, Fill) and fill.initializer == "bilinear":
            layer = model.get_layer(node.name)
            layer.set_weights([bilinear(layer.kernel.shape), *layer.get_weights()[1:]])


def tensor_of(made: Mapping[int, Any], tensor: Tensor) -> Any:
    """The Keras tensor that stands for one of the graph, among what its nodes gave."""
    value = made[tensor.node]
    return value[tensor.output] if isinstance(value, list) else value


def layer_name(model: str) -> str:
    """A model's name as Keras takes it."""
    return "".join(c if c.isalnum() else "_" for c in model)


def bilinear(shape: Sequence[int]) -> np.ndarray:
    """Weights of a kernel (height, width, channels, channels) that interpolates: each channel by itself.

    Source: FCN, Long et al. 2015 (upsample_filt of its surgery.py).
    """
    height, width, channels, _ = shape
    kernel = np.zeros(shape, np.float32)
    kernel[:, :, range(channels), range(channels)] = np.outer(_triangle(height), _triangle(width))[:, :, None]
    return kernel


def _triangle(size: int) -> np.ndarray:
    factor = (size + 1) // 2
    centre = factor - 1 if size % 2 else factor - 0.5
    slope: np.ndarray = 1 - np.abs(np.arange(size) - centre) / factor
    return slope


def assign(model: keras.Model, weights: Mapping[str, Sequence[np.ndarray]]) -> None:
    """Set the weights of each named layer, in Keras's order. Raises ValueError on a shape that differs."""
    for name, values in weights.items():
        model.get_layer(name).set_weights(list(values))
