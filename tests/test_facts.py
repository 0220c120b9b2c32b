"""What a build says of an artifact, on small files whose contents are known."""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from archspec.artifact import Artifact, Island, TensorInfo, run_tflite
from archspec.facts import ClaimError, check, difference, facts, finite

Floats = NDArray[np.float32]
IMAGES: Floats = np.random.default_rng(0).uniform(0, 1, (3, 32, 48, 3)).astype(np.float32)


def reference() -> dict[str, Floats]:
    """make_tflite.py's `edges` in numpy; the order is not the files'."""
    fuse = (IMAGES @ np.array([8, -4, 2], np.float32) - 1)[..., None]
    return {"side": -fuse, "fuse": fuse}


def test_facts_of_an_int8_file(tflite: Path) -> None:
    data = (tflite / "edges_int8.tflite").read_bytes()
    found = facts(data, "int8", IMAGES, reference())
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
    found = facts((tflite / "edges_float.tflite").read_bytes(), "none", IMAGES, reference())
    assert found["float_islands"] is None
    assert found["difference"]["fuse"]["max"] < 1e-5
    assert found["difference"]["fuse"]["max_lsb"] is None


@pytest.mark.parametrize(
    ("file", "scheme", "message"),
    [
        ("edges_float", "int8", "not int8: `image` is float32"),
        ("edges_border", "int8", "not int8: `image` is float32"),
        ("edges_int8", "none", "not none: `image` is int8"),
        ("classes_int8", "int8", "outputs logits instead of side, fuse"),
    ],
)
def test_a_file_that_is_not_what_it_claims(tflite: Path, file: str, scheme: str, message: str) -> None:
    with pytest.raises(ClaimError, match=f"^{message}$"):
        facts((tflite / f"{file}.tflite").read_bytes(), scheme, IMAGES, reference())


def test_a_float_island_is_named_by_the_op_inside(tflite: Path) -> None:
    """NEG has no int8 kernel; the converter puts DEQUANTIZE and QUANTIZE around it, which are not to blame."""
    data = (tflite / "negative_int8.tflite").read_bytes()
    with pytest.raises(ClaimError, match=r"^not int8: NEG handles floats at output `side`$"):
        facts(data, "int8", IMAGES, {"side": reference()["side"]})


@pytest.mark.parametrize(
    ("tensor", "outputs", "place"),
    [
        ("net_1/mid_1/Neg", 2, "net_1/mid_1/Neg"),
        ("PartitionedCall:1", 2, "output `b`"),
        ("PartitionedCall:11", 2, "output `b`"),
        ("StatefulPartitionedCall:01", 2, "output `a`"),
        ("PartitionedCall:2", 2, "PartitionedCall:2"),
        ("PartitionedCall:11", 12, "PartitionedCall:11"),  # `l`, or `b` with one more digit
        ("PartitionedCall:111", 12, "output `l`"),
    ],
)
def test_outputs_that_the_converter_numbers_get_their_names_back(tensor: str, outputs: int, place: str) -> None:
    names = dict.fromkeys("abcdefghijkl"[:outputs])
    info = TensorInfo("a", (1, 2), "int8", 0.1, 0)
    artifact = Artifact((), tuple(replace(info, name=n) for n in names), (), (Island("NEG", tensor),), 0, "")
    with pytest.raises(ClaimError) as caught:
        check(artifact, "int8", names)
    assert str(caught.value) == f"not int8: NEG handles floats at {place}"


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
        facts((tflite / "edges_float.tflite").read_bytes(), "none", images, reference())
