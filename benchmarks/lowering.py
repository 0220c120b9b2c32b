"""Builds every network of the specs it is given in Keras, one after another."""

from __future__ import annotations

import sys
from pathlib import Path

import keras

from archspec.analysis import networks, open_spec
from archspec.diagnostics import SpecError
from archspec.tf.lower import lower

if __name__ == "__main__":
    for spec in sys.argv[1:]:
        for network in networks(open_spec(Path(spec))):
            if isinstance(network, SpecError):
                raise network
            assert lower(network.graph).count_params() == network.cost.params
            keras.backend.clear_session()
