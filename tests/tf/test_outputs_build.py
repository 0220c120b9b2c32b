"""A network cut at a row answers what the whole one has there, and is built with the whole one's weights."""

import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from zoo import randomize, relative_error, spec_network

from archspec.analysis import document, network
from archspec.graph import cut
from archspec.source import read_source
from archspec.tf.lower import lower, lower_rows

SPEC = """
archspec: 1
model: small
input: {size: [16, 16, 3], range: [0, 1]}
layers:
- Conv:        {depth: 4, stride: 2, name: c2}
- ShuffleUnit: {depth: 8, stride: 2, name: c3}
- Conv:        {depth: 16}
- GlobalPool
- Dense:       {units: 5}
targets: {x86_64: {quantize: none}}
"""


def test_a_cut_network_answers_as_the_whole_one() -> None:
    whole = spec_network("mobilenet_v2_hed", None, "input.size=64").graph
    rows = lower_rows(whole)
    randomize(rows)
    part = lower(cut(whole, ["side3", "c2"]))
    for layer in part.layers:
        layer.set_weights(rows.get_layer(layer.name).get_weights())
    image = np.random.default_rng(0).uniform(size=(1, 64, 64, 3)).astype(np.float32)
    wanted, answers = rows(image, training=False), part(image, training=False)
    assert list(answers) == ["side3", "c2"]
    for name, answer in answers.items():
        assert relative_error(answer, wanted[name]) <= 1e-6
    assert relative_error(wanted["side2"], wanted["side3"]) > 1e-3, "all rows answer alike"


@pytest.mark.slow
def test_build_takes_the_weights_of_the_whole_network(tmp_path: Path) -> None:
    spec = tmp_path / "small.yaml"
    spec.write_text(SPEC)
    rows = lower_rows(network(document(read_source(spec))).graph)
    randomize(rows)
    rows.save_weights(tmp_path / "small.weights.h5")
    folder = tmp_path / "build"
    options = ["--outputs", "c3", "--weights", tmp_path / "small.weights.h5", "--out", folder]
    command = [sys.executable, "-m", "archspec", "build", spec, *options]
    ran = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stderr
    built = keras.models.load_model(folder / "small" / "model.keras")
    image = np.random.default_rng(0).uniform(size=(1, 16, 16, 3)).astype(np.float32)
    answers = built(image, training=False)
    assert list(answers) == ["c3"]
    assert relative_error(answers["c3"], rows(image, training=False)["c3"]) <= 1e-6
