"""The weights that come with archspec: they fit their specs, and find more documents than the released ones."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from building import sha256
from command import ROOT, call, start

HED = "mobilenet_v2_hed"
NETWORKS = {HED: "fuse", "unet_edges": "edges"}  # and the map that a phone shows
DOCUMENTS = 24

pytestmark = pytest.mark.slow


def built(name: str, weights: Path, folder: Path) -> Path:
    """The float file of some weights."""
    target = f"targets={{x86_64: {{quantize: none, outputs: [{NETWORKS[name]}]}}}}"
    spec = ROOT / "specs" / f"{name}.yaml"
    ran = start("build", spec, "--weights", weights, "--set", target, "--out", folder).clean()
    assert ran.code == 0, ran.err
    return folder / name / "x86_64" / "model.tflite"


def shipped(name: str) -> Path:
    return ROOT / "weights" / f"{name}.weights.h5"


@pytest.fixture(scope="module", params=NETWORKS)
def ours(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(request.param, shipped(request.param), tmp_path_factory.mktemp("ours"))


def scores(*arguments: str | Path) -> list[dict[str, Any]]:
    ran = call("eval", *arguments, "--json").clean()
    assert ran.code == 0, ran.err
    return list(json.loads(ran.out)["files"])


@pytest.fixture(scope="module")
def theirs(shared: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The float file of the released checkpoint."""
    return built(HED, shared("hed/checkpoint") / "hed.ckpt-100", tmp_path_factory.mktemp("theirs"))


@pytest.fixture(scope="module")
def released(theirs: Path) -> dict[str, Any]:
    """What the released checkpoint scores on generated documents."""
    return scores(theirs, "--documents", str(DOCUMENTS))[0]


@pytest.mark.parametrize("name", NETWORKS)
def test_the_card_is_of_these_weights(name: str) -> None:
    card = (ROOT / "weights" / f"{name}.md").read_text(encoding="utf-8")
    told = re.findall(r"SHA-256[^0-9a-f]*([0-9a-f]{64})", card)
    assert told == [sha256(shipped(name).read_bytes())]


def test_they_find_more_generated_documents_than_the_released_checkpoint(ours: Path, released: dict[str, Any]) -> None:
    (mine,) = scores(ours, "--documents", str(DOCUMENTS))
    assert not mine["untrained"]
    assert mine["score"]["ods"] > released["score"]["ods"] + 0.1
    assert mine["corners"]["found"] > released["corners"]["found"] + 0.1
    assert mine["corners"]["error"] < 0.01


def test_they_hold_on_photos_that_they_were_not_trained_on(ours: Path, shared: Callable[[str], Path]) -> None:
    """Photos of a desk, of another kind than the generated ones."""
    (found,) = scores(ours, "--pairs", shared("hed/pairs.csv"))
    assert found["corners"]["found"] >= 0.9
    assert found["score"]["ods"] >= 0.9


@pytest.mark.parametrize("ours", ["unet_edges"], indirect=True)
def test_edges_are_better_than_those_of_a_network_that_was_trained_on_the_photos(
    ours: Path, theirs: Path, shared: Callable[[str], Path]
) -> None:
    mine, other = scores(ours, theirs, "--pairs", shared("hed/pairs.csv"))
    assert mine["score"]["ods"] > other["score"]["ods"]
