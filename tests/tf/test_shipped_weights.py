"""The weights that come with archspec: they fit their spec, and find more documents than the released ones."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from building import sha256
from command import ROOT, call, start

SPEC, WEIGHTS = ROOT / "specs" / "mobilenet_v2_hed.yaml", ROOT / "weights" / "mobilenet_v2_hed.weights.h5"
CARD = WEIGHTS.with_name("mobilenet_v2_hed.md")
TARGET = "targets={x86_64: {quantize: none, outputs: [fuse]}}"
DOCUMENTS = 24

pytestmark = pytest.mark.slow


def built(weights: Path, folder: Path) -> Path:
    """The float file of some weights."""
    ran = start("build", SPEC, "--weights", weights, "--set", TARGET, "--out", folder).clean()
    assert ran.code == 0, ran.err
    return folder / "mobilenet_v2_hed" / "x86_64" / "model.tflite"


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(WEIGHTS, tmp_path_factory.mktemp("ours"))


@pytest.fixture(scope="module")
def theirs(shared: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(shared("hed/checkpoint") / "hed.ckpt-100", tmp_path_factory.mktemp("theirs"))


def scores(*arguments: str | Path) -> list[dict[str, Any]]:
    ran = call("eval", *arguments, "--json").clean()
    assert ran.code == 0, ran.err
    return list(json.loads(ran.out)["files"])


def test_the_card_is_of_these_weights() -> None:
    told = re.findall(r"SHA-256[^0-9a-f]*([0-9a-f]{64})", CARD.read_text(encoding="utf-8"))
    assert told == [sha256(WEIGHTS.read_bytes())]


def test_they_find_more_generated_documents_than_the_released_checkpoint(ours: Path, theirs: Path) -> None:
    mine, other = scores(ours, theirs, "--documents", str(DOCUMENTS))
    assert not mine["untrained"]
    assert mine["score"]["ods"] > other["score"]["ods"] + 0.1
    assert mine["corners"]["found"] > other["corners"]["found"] + 0.1
    assert mine["corners"]["error"] < 0.01


def test_they_hold_on_photos_that_they_were_not_trained_on(ours: Path, shared: Callable[[str], Path]) -> None:
    """Photos of a desk, of another kind than the generated ones."""
    (found,) = scores(ours, "--pairs", shared("hed/pairs.csv"))
    assert found["corners"]["found"] >= 0.9
    assert found["score"]["ods"] >= 0.9
