"""Fake quantization for tests: trained in one step, deployed, converted, and the file held against the float graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from networks import table
from numpy.typing import NDArray

from archspec.artifact import inspect_tflite, run_tflite
from archspec.graph import Graph
from archspec.passes.fold import fold

Floats = NDArray[np.float32]
SIZE = "[12, 10, 3]"

ROWS = {
    "conv": "Conv: {depth: 8}\nConv: {depth: 8, rate: 2, groups: 2, activation: relu6}",
    "depthwise": "DepthSepConv: {depth: 8, multiplier: 2, stride: 2}\nDepthSepConv: {depth: 6}",
    "transpose": "Conv: {depth: 8}\nTransposeConv: {depth: 4, kernel: 4}\n"
    "TransposeConv: {depth: 4, kernel: 2, activation: none}",
    "dense": "Conv: {depth: 8}\nFlatten\nDense: {units: 9, activation: relu}\nDense: {units: 4}",
    "norm on its own": "BatchNorm\nConv: {depth: 8, norm: false, activation: none, name: a}\nBatchNorm\n"
    "Activation: {activation: relu}\nConv: {depth: 8, norm: false, activation: none, name: b}\nAdd: {from: [a, b]}",
    "norm of vectors": "Conv: {depth: 8}\nGlobalPool\nBatchNorm\nDense: {units: 4}\nBatchNorm\n"
    "Activation: {activation: relu}",
    "norm behind relu": "Conv: {depth: 8, norm_after_activation: true}\nConv: {depth: 4, norm_scale: false}",
    "concat": "Conv: {depth: 8, name: a}\nConv: {depth: 4, name: b}\n"
    "Conv: {depth: 4, activation: hard_swish, name: c, from: a}\nConcat: {from: [b, c], name: d}\n"
    "MaxPool: {from: a, stride: 1, kernel: 3, name: p}\nConcat: {from: [d, p]}\nBatchNorm\n"
    "Activation: {activation: relu}\nConv: {depth: 4}",
    "sum": "Conv: {depth: 8, activation: none, name: a}\nConv: {depth: 8, name: b}\n"
    "Conv: {depth: 8, activation: none, name: c}\nAdd: {from: [a, b, c], activation: relu}",
    "product": "Conv: {depth: 8, name: a}\nConv: {depth: 8, activation: none, name: b}\n"
    "GlobalPool: {keep: true, name: c}\nMultiply: {from: [c, b, a]}\nActivation: {activation: relu}",
    "squeeze": "Conv: {depth: 8}\nSqueezeExcite",
    "mobilenet v3": "Conv: {depth: 8, activation: hard_swish}\n"
    "InvertedResidual: {depth: 8, expansion: 3, se: 0.25, activation: hard_swish}",
    "efficientnet": "Conv: {depth: 8, activation: swish}\n"
    "InvertedResidual: {depth: 8, expansion: 2, se: 0.25, activation: swish, se_gate: sigmoid}",
    "shuffle": "Conv: {depth: 8}\nShuffleUnit: {depth: 8}\nShuffleUnit: {depth: 16, stride: 2}",
    "resize": "Conv: {depth: 8, activation: none}\nResize: {factor: 2}\nConv: {depth: 4}\n"
    "Resize: {factor: 2, method: nearest}\nActivation: {activation: relu}",
    "pools": "Conv: {depth: 8, activation: none}\nMaxPool\nActivation: {activation: relu}\nAvgPool\nConv: {depth: 4}\n"
    "GlobalPool: {pool: max}\nDense: {units: 3}",
    "pad": "Conv: {depth: 8, activation: none}\nPad: {zeros: [[1, 2], [0, 3]]}\n"
    "Conv: {depth: 3, padding: explicit, stride: 2}\nDropout: {drop: 0.5}\nActivation: {activation: relu}",
    "scale": "Conv: {depth: 8}\n"
    "InceptionResNetC: {conv1x1: 4, reduce3x3: 4, middle3x3: 4, conv3x3: 4, residual_scale: 0.2}\nGlobalPool",
    "leaky_relu": "Conv: {depth: 8, activation: leaky_relu}",
    "gelu": "Conv: {depth: 8, activation: gelu}",
    "sigmoid": "Conv: {depth: 8, activation: sigmoid}\nConv: {depth: 3, activation: sigmoid}",
    "tanh": "Conv: {depth: 8, activation: tanh}\nConv: {depth: 3, activation: tanh}",
    "softmax": "Conv: {depth: 8}\nGlobalPool\nDense: {units: 5, activation: softmax}",
    "hard_sigmoid": "Conv: {depth: 8, activation: hard_sigmoid}\n"
    "Conv: {depth: 3, activation: none, name: a}\nActivation: {activation: hard_sigmoid, name: h}\n"
    "Add: {from: [a, h]}",
    "activation of the image": "Activation: {activation: relu}\nConv: {depth: 4}",
}
"""Every op that int8 files hold, in the places where the converter treats it in its own way."""


def graph_of(rows: str) -> Graph:
    return table(rows, SIZE).graph


def images(graph: Graph, count: int = 8) -> Floats:
    """Noise around a mean of its own for each image, over the input's range."""
    random = np.random.default_rng(0)
    low, high = graph.head.input.interval
    noise = random.random((count, *graph.input_shape)) + random.random((count, 1, 1, graph.input_shape[-1]))
    return (low + (high - low) * noise / 2).astype(np.float32)


def randomize(model: Any) -> None:
    """Weights that keep activations alive, with gammas of both signs; the state of quantization stays."""
    random = np.random.default_rng(0)
    for layer in model.layers:
        for weight in layer.trainable_weights:
            shape = tuple(weight.shape)
            if weight.name == "kernel":
                fan = (
                    np.prod(shape[:2])
                    if len(shape) == 4 and "Depthwise" in type(layer).__name__
                    else np.prod(shape[:-1])
                )
                weight.assign(random.normal(size=shape) * (2 / fan) ** 0.5)
            elif weight.name == "gamma":
                weight.assign(random.uniform(0.5, 1.5, shape) * random.choice([-1, 1, 1], shape))
            else:
                weight.assign(random.normal(size=shape) * 0.3)


def trained_model(graph: Graph, fed: Floats, **options: Any) -> Any:
    """Random weights; ranges and batch norms' statistics are those of one batch."""
    from archspec.tf.fused_norm import FusedBatchNorm
    from archspec.tf.train_graph import lower_for_training

    model = lower_for_training(graph, quantize=True, **options)
    randomize(model)
    norms = [(layer, layer.momentum) for layer in model.layers if isinstance(layer, FusedBatchNorm)]
    for layer, _ in norms:
        layer.momentum = 0.0
    model(fed, training=True)
    for layer, momentum in norms:
        layer.momentum = momentum
    return model


def arrays(model: Any, graph: Graph) -> dict[str, list[Floats]]:
    """The weights of a graph's layers in a model for training."""
    return {n.name: model.get_layer(n.name).get_weights() for n in graph.nodes if n.op.weights(*n.input_shapes)}


def ranges(model: Any) -> dict[str, tuple[float, float]]:
    """The ranges that a model for training has learned, by tensor."""
    from archspec.tf.fake_quant import ActivationRange

    layers = [layer for layer in model.layers if isinstance(layer, ActivationRange)]
    return {layer.name.removesuffix(".range"): (float(layer.low), float(layer.high)) for layer in layers}


@dataclass(frozen=True)
class Exported:
    """An int8 file, and by output the difference of its answers to the float graph's, in steps of the output."""

    data: bytes
    missing: tuple[str, ...]
    apart: Mapping[str, Floats]
    scales: Mapping[str, float]

    @property
    def within_one(self) -> float:
        """The share of all values within one step (a hundredth more for what a resize leaves unrounded)."""
        return float((np.concatenate([a.ravel() for a in self.apart.values()]) < 1.1).mean())

    @property
    def ops(self) -> dict[str, int]:
        return {use.op: use.count for use in inspect_tflite(self.data).ops}


def exported(graph: Graph, weights: Any, learned: Any, fed: Floats) -> Exported:
    """Fold and convert without calibration; the file must be int8 throughout."""
    from archspec.tf import bake, export

    model, missing = bake.lower_quantized(graph, weights, learned, fold(graph))
    names = [name for name, _ in graph.outputs]
    data = export.convert_ranged(export.freeze(model, names), "int8", None)
    artifact = inspect_tflite(data)
    assert artifact.float_islands == (), "the file is int8 throughout"
    assert {info.dtype for info in (*artifact.inputs, *artifact.outputs)} == {"int8"}
    scales = {info.name: info.scale or 0.0 for info in artifact.outputs}
    wanted, got = model(fed, training=False), run_tflite(data, fed)
    apart = {name: np.abs(got[name] - np.asarray(wanted[name])) / scales[name] for name in names}
    return Exported(data, missing, apart, scales)
