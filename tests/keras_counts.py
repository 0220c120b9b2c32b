"""Counts of keras.applications' models, from the reference data."""

import json
from collections.abc import Callable
from pathlib import Path

from archspec.analysis import Network

Counts = tuple[int, int, int]


def counts(network: Network) -> Counts:
    """Parameters, trainable ones, MACs."""
    return network.cost.params, network.cost.trainable, network.cost.macs


def keras_counts(shared: Callable[[str], Path], name: str) -> Counts:
    """The same of the model `name`, as its function builds it without arguments."""
    rows = json.loads(shared("reference/keras_applications.json").read_text())
    (row,) = [row for row in rows if row["name"] == name and not row["args"]]
    return row["params"], row["trainable"], row["macs"]
