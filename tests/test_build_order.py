"""What a build is asked for, before TensorFlow is: conversions, networks and images by variant, refusals."""

from pathlib import Path

import numpy as np
import pytest

from archspec import calibration
from archspec.analysis import Document, document
from archspec.build import Order, order, plan
from archspec.calibration import Calibration, CalibrationError
from archspec.diagnostics import Source, SpecError
from archspec.jobs import Network
from archspec.photo import InputContract
from archspec.spec import DEFAULT_TARGETS, Target

SPEC = """\
archspec: 1
model: tiny
input: {size: [8, 8, 3], range: [0, 1]}
layers:
- Conv: {depth: 4}
variants:
  small: {input: {size: [4, 4, 3]}}
  deep:  {input: {size: [8, 8, 5]}}
targets:
  x86_64:      {quantize: none, variant: small}
  arm64-v8a:   {quantize: int8}
  armeabi-v7a: {quantize: int8, variant: VARIANT}
"""


def asked(
    said: list[str], variant: str | None = None, weights: Path | None = None, pictures: Path | None = None,
    target: str = "small",
) -> Order:  # fmt: skip
    doc: Document = document(Source("tiny.yaml", SPEC.replace("VARIANT", target)))
    source = Network(doc.source.name, doc.source.text, variant)
    return order(doc, source, weights, Path("out"), pictures, said.append)


@pytest.fixture
def generated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Photos that take no time: of one value."""

    def photos(contract: InputContract) -> Calibration:
        return Calibration(np.full((2, *contract.size), 0.5, np.float32), "photos")

    monkeypatch.setattr(calibration, "generated", photos)


def test_targets_of_one_scheme_share_a_conversion() -> None:
    planned = [(c.key, c.scheme, c.variant, c.abis, c.images) for c in plan(DEFAULT_TARGETS, None)]
    assert planned == [
        ("0.tflite", "none", None, ("x86_64",), "0.npy"),
        ("1.tflite", "int8", None, ("arm64-v8a", "armeabi-v7a"), "0.npy"),
    ]


def test_variants_are_conversions_of_their_own_unless_one_is_asked_for() -> None:
    targets = {"a": Target("int8", "w1"), "b": Target("int8"), "c": Target("none"), "d": Target("int8", "w1")}
    planned = [(c.scheme, c.variant, c.abis, c.images) for c in plan(targets, None)]
    assert planned == [
        ("none", None, ("c",), "1.npy"),
        ("int8", "w1", ("a", "d"), "0.npy"),
        ("int8", None, ("b",), "1.npy"),
    ]
    assert [(c.scheme, c.variant, c.abis) for c in plan(targets, "w2")] == [
        ("none", "w2", ("c",)),
        ("int8", "w2", ("a", "b", "d")),
    ]
    assert plan({}, None) == ()


def test_each_variant_has_its_network_and_images_of_its_size() -> None:
    said: list[str] = []
    made = asked(said)
    assert made.folder == Path("out/tiny")
    assert (made.weights, said) == (None, [])
    assert {v: n.graph.input_shape for v, n in made.networks.items()} == {None: (8, 8, 3), "small": (4, 4, 3)}
    assert {v: c.images.shape[1:] for v, c in made.calibrations.items()} == {None: (8, 8, 3), "small": (4, 4, 3)}
    alone = asked(said, "small")
    assert {*alone.networks, *alone.calibrations, alone.network.variant} == {"small"}


@pytest.mark.usefixtures("generated")
def test_trained_weights_have_photos_where_int8_needs_them(tmp_path: Path) -> None:
    (tmp_path / "w.h5").write_text("weights")
    said: list[str] = []
    made = asked(said, weights=tmp_path / "w.h5", target="deep")
    assert {v: c.source for v, c in made.calibrations.items()} == {
        "small": "20 images of noise",  # float only
        None: "photos",
        "deep": "20 images of noise",  # five channels are no photo
    }
    assert sorted(said) == [
        "warning: int8 ranges come from 20 images of noise; give real photos by --calibrate DIR",
        "warning: int8 ranges come from photos; give real photos by --calibrate DIR",
    ]


def test_what_cannot_be_built_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="absent"):
        asked([], weights=tmp_path / "absent")
    with pytest.raises(CalibrationError, match="absent"):
        asked([], pictures=tmp_path / "absent")
    with pytest.raises(CalibrationError, match="pictures do not fit this network's input"):
        asked([], "deep", pictures=tmp_path)
    with pytest.raises(SpecError, match="no variant `wide`"):
        asked([], "wide")
