"""What a build is asked for, before TensorFlow is: conversions, networks and images by variant, refusals."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archspec import calibration
from archspec.analysis import Document, document, network
from archspec.calibration import Calibration, CalibrationError
from archspec.diagnostics import Source, SpecError
from archspec.jobs import Conversion, Network
from archspec.order import Order, order, plan
from archspec.photo import InputContract
from archspec.spec import DEFAULT_TARGETS, Budget, Target

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


PLANNED = """\
archspec: 1
model: tiny
input: {size: [8, 8, 3], range: [0, 1]}
layers:
- Conv: {depth: 4, name: a}
- Conv: {depth: 4, name: b}
variants:
  w1: {scale: {width: 2}}
  w2: {scale: {width: 3}}
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


def planned(targets: dict[str, Target], variant: str | None = None, **given: Any) -> tuple[Conversion, ...]:
    """The plan for targets of a small network with a dropout, by ABI."""
    source = Network("tiny.yaml", PLANNED, variant, **given)
    doc = document(Source("tiny.yaml", PLANNED))
    networks = {which: network(doc, which) for which in (None, *doc.variants)}
    return plan(networks, targets, source, True)


def test_targets_of_one_file_share_a_conversion() -> None:
    made = [(c.key, c.scheme, c.border, c.variant, c.abis, c.images) for c in planned(dict(DEFAULT_TARGETS))]
    assert made == [
        ("0.tflite", "none", "float32", None, ("x86_64",), "0.npy"),
        ("1.tflite", "int8", "int8", None, ("arm64-v8a", "armeabi-v7a"), "0.npy"),
    ]


def test_variants_are_conversions_of_their_own_unless_one_is_asked_for() -> None:
    targets = {"arm64-v8a": Target("int8", variant="w1"), "armeabi-v7a": Target("int8"), "x86_64": Target("none")}
    assert [(c.scheme, c.variant, c.abis, c.images) for c in planned(targets)] == [
        ("none", None, ("x86_64",), "1.npy"),
        ("int8", "w1", ("arm64-v8a",), "0.npy"),
        ("int8", None, ("armeabi-v7a",), "1.npy"),
    ]
    assert [(c.scheme, c.variant, c.abis) for c in planned(targets, "w2")] == [
        ("none", "w2", ("x86_64",)),
        ("int8", "w2", ("arm64-v8a", "armeabi-v7a")),
    ]
    assert planned({}) == ()


@pytest.mark.parametrize(
    "other",
    [
        Target("int8", io="uint8"),
        Target("int8", outputs=("a",)),
        Target("int8", float_rows=("a",)),
        Target("int8", int16_rows=("a",)),
        Target("int8", min_runtime="2.9"),
        Target("dynamic"),
    ],
)
def test_what_makes_another_file_is_another_conversion(other: Target) -> None:
    assert len(planned({"arm64-v8a": Target("int8"), "x86_64": other})) == 2
    assert len(planned({"arm64-v8a": other, "x86_64": other})) == 1


def test_outputs_of_the_callers_own_win() -> None:
    (conversion,) = planned({"x86_64": Target(outputs=("a",))}, outputs=("b",))
    assert conversion.outputs == ()


def test_a_budget_makes_no_other_file() -> None:
    assert len(planned({"arm64-v8a": Target(), "x86_64": Target(budget=Budget(kilobytes=1))})) == 1


def test_without_passes_the_form_is_plain() -> None:
    doc = document(Source("tiny.yaml", PLANNED))
    source = Network("tiny.yaml", PLANNED, None)
    (conversion,) = plan({None: network(doc)}, {"x86_64": Target()}, source, False)
    assert conversion.form == "plain"
    assert planned({"x86_64": Target()})[0].form != "plain"


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
