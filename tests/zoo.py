"""Holds a spec's network against a reference model: weights copied by the import, outputs compared."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from archspec import weights
from archspec.analysis import Network, document, network
from archspec.overlay import assignment
from archspec.slots import slots_of
from archspec.source import read_source

SPECS = Path(__file__).resolve().parents[1] / "specs"


def spec_network(name: str, variant: str | None = None, *settings: str) -> Network:
    """The network of a spec of the zoo, with KEY=VALUE settings laid over its head."""
    overrides = [assignment("--set", text) for text in settings]
    return network(document(read_source(SPECS / f"{name}.yaml"), overrides), variant)


def randomize(model: Any, seed: int = 0) -> None:
    """Give every weight of a Keras model a random value that keeps activations alive, variances above zero."""
    random = np.random.default_rng(seed)
    for layer in model.layers:
        values = []
        for weight, value in zip(layer.weights, layer.get_weights(), strict=True):
            role = weight.path.split("/")[-1]
            if role in ("gamma", "moving_variance", "variance"):
                values.append(random.uniform(0.5, 1.5, value.shape).astype(np.float32))
            elif value.ndim < 2:
                values.append(random.normal(0, 0.1, value.shape).astype(np.float32))
            else:
                fan = (
                    int(np.prod(value.shape[:-1]))
                    if "depthwise" not in weight.path
                    else value.shape[0] * value.shape[1]
                )
                values.append(random.normal(0, (2 / fan) ** 0.5, value.shape).astype(np.float32))
        layer.set_weights(values)


def copied(ours: Network, reference: Any, maps: Sequence[str] = ()) -> Any:
    """The Keras model of a network with the weights of a reference model, through a .keras file and the import."""
    from archspec.tf import lower

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "reference.keras"
        reference.save(path)
        match = weights.match(
            slots_of(ours.graph), weights.read_source(path), [weights.parse_map(text) for text in maps]
        )
        model = lower.lower(ours.graph)
        lower.assign(model, match.arrays())
    return model


def relative_error(ours: Any, wanted: Any) -> float:
    """The largest difference of two outputs, as a share of the largest value wanted."""
    ours, wanted = np.asarray(ours, np.float64).ravel(), np.asarray(wanted, np.float64).ravel()
    assert ours.shape == wanted.shape, f"{ours.shape} outputs, not {wanted.shape}"
    assert np.abs(wanted).max() > 0, "a reference that answers zero proves nothing"
    return float(np.abs(ours - wanted).max() / np.abs(wanted).max())


def outputs_differ_by(model: Any, reference: Any, seed: int = 1) -> float:
    """The relative error of a model's first output against a reference's, on one random image of -1 to 1."""
    image = np.random.default_rng(seed).uniform(-1, 1, (1, *reference.input_shape[1:])).astype(np.float32)
    return relative_error(first(model(image, training=False)), first(reference(image, training=False)))


def first(outputs: Any) -> Any:
    """The first of a model's outputs."""
    return next(iter(outputs.values())) if isinstance(outputs, dict) else outputs
