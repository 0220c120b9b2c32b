"""Where a network first gives values that are not finite."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from archspec.graph import INPUT, Graph


def first_bad_row(graph: Graph, model: keras.Model, images: Any) -> str | None:
    """The first row, in the spec's order, whose weights or activations for a batch are not finite; None: no row.

    `images` (batch, height, width, channels) in model units. The network answers as in training, and its batch norms
    follow: it is of no use afterwards.
    """
    layers = {layer.name: layer for layer in model.layers}
    rows = [(row, [n.name for n in graph.nodes[row.start : row.stop] if n.name in layers]) for row in graph.rows]
    ends = {row.name: layers[names[-1]].output for row, names in rows if names and row.output.node != INPUT}
    answers = keras.Model(model.input, ends)(images, training=True)
    for row, names in rows:
        weights = [v for name in names for v in layers[name].weights]
        if not all(_finite(v) for v in weights) or (row.name in answers and not _finite(answers[row.name])):
            return row.name
    return None


def _finite(value: Any) -> bool:
    tensor = tf.convert_to_tensor(value)
    return not tensor.dtype.is_floating or bool(tf.reduce_all(tf.math.is_finite(tensor)))
