"""What a build says of an artifact, on small files whose contents are known."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from archspec.analysis import document, network
from archspec.artifact import run_tflite
from archspec.claims import Claim, ClaimError
from archspec.diagnostics import Source
from archspec.facts import contents, difference, facts, finite
from archspec.graph import Graph
from archspec.quantize.borders import named

Floats = NDArray[np.float32]
IMAGES: Floats = np.random.default_rng(0).uniform(0, 1, (3, 32, 48, 3)).astype(np.float32)


SPEC = """\
archspec: 1
model: edges
input: {size: [32, 48, 3], range: [0, 1]}
layers:
- Logits: {depth: 1, name: fuse}
- Logits: {depth: 1, from: input, name: side}
outputs: [OUTPUTS]
"""


def graph(*outputs: str) -> Graph:
    """The rows of make_tflite.py's files."""
    text = SPEC.replace("OUTPUTS", ", ".join(outputs))
    if "fuse" not in outputs:
        text = text.replace("- Logits: {depth: 1, name: fuse}\n", "")
    return network(document(Source("edges.yaml", text))).graph


def claim(scheme: str, border: str, *outputs: str) -> Claim:
    return Claim(graph(*(outputs or ("side", "fuse"))), scheme, border)


def reference() -> dict[str, Floats]:
    """make_tflite.py's `edges` in numpy; the order is not the files'."""
    fuse = (IMAGES @ np.array([8, -4, 2], np.float32) - 1)[..., None]
    return {"side": -fuse, "fuse": fuse}


def told(data: bytes, held_to: Claim) -> dict[str, Any]:
    """All that a manifest says of a file."""
    return facts(data, held_to, IMAGES, reference()) | contents(data, held_to, list(reference()))


def test_facts_of_an_int8_file(tflite: Path) -> None:
    data = (tflite / "edges_int8.tflite").read_bytes()
    found = told(data, claim("int8", "int8"))
    assert (found["bytes"], found["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
    assert [info["name"] for info in found["outputs"]] == ["side", "fuse"], "the order asked for"
    assert [info["name"] for info in found["inputs"]] == ["image"]
    assert found["float_islands"] == []
    assert found["compared"] == 3
    answers = run_tflite(data, IMAGES)
    for info in found["outputs"]:
        apart = np.abs(answers[info["name"]].astype(np.float64) - reference()[info["name"]])
        measured = found["difference"][info["name"]]
        assert measured["max"] == pytest.approx(apart.max(), rel=1e-6)
        assert measured["mean"] == pytest.approx(apart.mean(), rel=1e-6)
        assert measured["max_lsb"] == pytest.approx(apart.max() / info["scale"], rel=1e-6)
        # half a step of rounding each for the image, the kernel and the answer, times the channels
        assert 0 < measured["mean_lsb"] < measured["max_lsb"] < 4


def test_facts_of_a_float_file(tflite: Path) -> None:
    found = told((tflite / "edges_float.tflite").read_bytes(), claim("none", "float32"))
    assert found["float_islands"] is None
    assert found["difference"]["fuse"]["max"] < 1e-5
    assert found["difference"]["fuse"]["max_lsb"] is None


@pytest.mark.parametrize(
    ("file", "scheme", "border", "message"),
    [
        ("edges_float", "int8", "int8", "not int8: `image` is float32 instead of int8"),
        ("edges_border", "int8", "int8", "not int8: `image` is float32 instead of int8"),
        ("edges_int8", "none", "float32", "not none: `image` is int8 instead of float32"),
        ("classes_int8", "int8", "int8", "outputs logits instead of side, fuse"),
        ("edges_float", "float16", "float32", "not float16: CONV_2D has float32 weights at row `side`"),
        ("edges_float", "dynamic", "float32", "not dynamic: no layer has 8-bit weights"),
        ("edges_border", "none", "float32", "not none: QUANTIZE handles int8 at .+"),
        (
            "edges_float",
            "int8",
            "float32",
            "not int8: CONV_2D handles floats at row `side`; name the row .*",
        ),
    ],
)
def test_a_file_that_is_not_what_it_claims(tflite: Path, file: str, scheme: str, border: str, message: str) -> None:
    data = named((tflite / f"{file}.tflite").read_bytes())
    with pytest.raises(ClaimError, match=f"^{message}$"):
        facts(data, claim(scheme, border), IMAGES, reference())


def test_floats_that_are_asked_for_at_the_border_are_no_island(tflite: Path) -> None:
    data = (tflite / "edges_border.tflite").read_bytes()
    found = told(data, claim("int8", "float32"))
    assert {island["op"] for island in found["float_islands"]} == {"QUANTIZE", "DEQUANTIZE"}
    assert (found["float_layers"], found["min_runtime"]) == (0, "1.14.0")


def test_a_float_island_is_named_by_the_op_inside(tflite: Path) -> None:
    """NEG has no int8 kernel; the converter puts DEQUANTIZE and QUANTIZE around it, which are not to blame."""
    data = named((tflite / "negative_int8.tflite").read_bytes())
    with pytest.raises(ClaimError, match=r"^not int8: NEG handles floats at row `side`; "):
        facts(data, claim("int8", "int8", "side"), IMAGES, {"side": reference()["side"]})


def test_difference_by_hand() -> None:
    got, wanted = np.array([1, 2, 4], np.float32), np.array([1, 3, 2], np.float32)
    assert difference(got, wanted, 0.5) == {"max": 2.0, "mean": 1.0, "max_lsb": 4.0, "mean_lsb": 2.0}
    assert difference(got, got, None) == {"max": 0.0, "mean": 0.0, "max_lsb": None, "mean_lsb": None}


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_answers_that_are_no_numbers_are_refused(bad: Any) -> None:
    good = {"edges": np.zeros(2, np.float32), "logits": np.ones(2, np.float32)}
    finite("the artifact", good)
    with pytest.raises(ClaimError, match=r"^the float model answers nan or inf at output `logits`$"):
        finite("the float model", good | {"logits": np.array([0, bad], np.float32)})


def test_an_artifact_that_answers_no_numbers_is_refused(tflite: Path) -> None:
    """An infinite pixel; the reference is not asked."""
    images = IMAGES.copy()
    images[0, 0, 0, 0] = np.inf
    with pytest.raises(ClaimError, match="the artifact answers nan or inf at output `"):
        facts((tflite / "edges_float.tflite").read_bytes(), claim("none", "float32"), images, reference())
