"""From a spec to the folder of a run: the resolved spec, and what is checked before a run begins."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from little import spec
from PIL import Image

from archspec.analysis import Document, Network, document, network
from archspec.diagnostics import Source
from archspec.train import TrainError
from archspec.train.examples import ExampleError
from archspec.train.prepare import checked, new_folder, resolved

ROWS = ("GlobalPool", "Dense: {units: $classes}")


def opened(train: str, head: str = "let: {classes: 2}\n") -> tuple[Document, Network]:
    doc = document(Source("spec.yaml", spec(*ROWS, head=f"{head}train: {{task: classification, {train}}}\n")))
    return doc, network(doc)


def folders(root: Path) -> None:
    for label, value in (("a", 50), ("b", 150)):
        (root / "data" / label).mkdir(parents=True)
        for i in range(4):
            Image.new("RGB", (8, 8), (value, 2 * i, 7)).save(root / "data" / label / f"{i}.png")


def test_a_resolved_spec_is_the_network_alone_with_whole_paths(tmp_path: Path) -> None:
    doc, one = opened("data: {source: folders, path: data}")
    again = yaml.safe_load(text := resolved(doc, one, tmp_path, None))
    assert again["train"]["data"]["path"] == str(tmp_path / "data")
    assert again["layers"][1] == {"Dense": {"units": 2}}
    assert "let" not in again
    back = network(document(Source("again.yaml", text)))
    assert [node.op for node in back.graph.nodes] == [node.op for node in one.graph.nodes]


def test_a_split_of_a_data_set_is_no_path(tmp_path: Path) -> None:
    doc, one = opened("data: {source: tfds, name: n, validation: test}")
    assert yaml.safe_load(resolved(doc, one, tmp_path, None))["train"]["data"]["validation"] == "test"


def test_the_mean_of_the_examples_goes_into_the_input(tmp_path: Path) -> None:
    folders(tmp_path)
    said = "data: {source: folders, path: data, validation: data, zero_centre: true}"
    doc, one = opened(said)
    _, mean = checked(one, tmp_path, lambda error: None)
    assert mean == pytest.approx((100, 3, 7))
    entry: dict[str, Any] = yaml.safe_load(resolved(doc, one, tmp_path, mean))
    assert entry["input"] == {"size": [32, 32, 3], "mean": [100, 3, 7], "std": 255}
    assert "zero_centre" not in entry["train"]["data"]
    assert checked(opened(said.replace(", zero_centre: true", ""))[1], tmp_path, lambda error: None)[1] is None


def test_what_does_not_fit_is_said_before_a_run_begins(tmp_path: Path) -> None:
    folders(tmp_path)
    data = "data: {source: folders, path: data}"
    for train, head, message in (
        (data, "let: {classes: 3}\n", "is 3, and there are 2 classes"),
        (f"{data}, epochs: 1, batch: 7, quantize_after: 1", "let: {classes: 2}\n", "training ends after 1 steps"),
        ("data: {source: folders, path: none}", "let: {classes: 2}\n", "none: no such folder"),
    ):
        with pytest.raises(TrainError, match=message):
            checked(opened(train, head)[1], tmp_path, lambda error: None)
    bare = network(document(Source("spec.yaml", spec("GlobalPool"))))
    with pytest.raises(TrainError, match="no `train` section"):
        checked(bare, tmp_path, lambda error: None)


def test_broken_examples_are_told_of_or_refused(tmp_path: Path) -> None:
    folders(tmp_path)
    for file in (tmp_path / "data" / "a").glob("*.png"):
        file.write_bytes(b"torn")
    said = "data: {source: folders, path: data, validation: data, zero_centre: true"
    told: list[ExampleError] = []
    _, mean = checked(opened(f"{said}, broken: skip}}")[1], tmp_path, told.append)
    assert mean == pytest.approx((150, 3, 7))
    assert len({str(error) for error in told}) == 4
    with pytest.raises(ExampleError, match=r"0\.png: not a picture"):
        checked(opened(f"{said}}}")[1], tmp_path, told.append)


def test_runs_get_the_first_name_that_is_free(tmp_path: Path) -> None:
    made = [new_folder(tmp_path / "runs", None, "m").name for _ in range(3)]
    assert made == ["m", "m-2", "m-3"]
    assert new_folder(tmp_path / "runs", "mine", "m").name == "mine"
    with pytest.raises(TrainError, match="mine is there already"):
        new_folder(tmp_path / "runs", "mine", "m")
