"""How `archspec train` begins a run, and what it refuses before it starts a worker."""

import json
from pathlib import Path

import pytest
from command import call
from trainings import PLAIN, spec

from archspec.analysis import network, open_spec
from archspec.train import TrainError
from archspec.train.begin import Asked, Begun, alone, begin, resumed
from archspec.train.cluster import VARIABLE, Place, config

RECIPE = {"batch": 4, "steps": 8}


def begun(folder: Path, name: str | None = "one", again: bool = False, place: Place | None = None) -> Begun:
    doc = open_spec(folder / "little.yaml")
    return begin(doc, network(doc), folder / "runs", name, Asked("/w.h5", 2), again, place, lambda error: None)


def test_a_new_run_is_gone_on_with_as_it_was_begun(tmp_path: Path) -> None:
    spec(tmp_path, PLAIN, **RECIPE)
    run = begun(tmp_path)
    assert (run.folder, run.before) == (tmp_path / "runs" / "one", False)
    assert {path.name for path in run.folder.iterdir()} == {"spec.yaml", "run.json"}
    assert (run.folder / "spec.yaml").read_text() == run.text
    assert resumed(run.folder, run.text) == Begun(run.folder, run.text, Asked("/w.h5", 2, 1), True)
    assert begun(tmp_path, again=True) == Begun(run.folder, run.text, Asked("/w.h5", 2, 1), True)
    with pytest.raises(TrainError, match="is there already"):
        begun(tmp_path)


def test_a_run_of_another_spec_is_not_gone_on_with(tmp_path: Path) -> None:
    spec(tmp_path, PLAIN, **RECIPE)
    begun(tmp_path)
    spec(tmp_path, PLAIN, **RECIPE | {"steps": 9})
    with pytest.raises(TrainError, match="a run of another spec"):
        begun(tmp_path, again=True)


def test_a_folder_that_a_killed_command_left_is_begun_anew(tmp_path: Path) -> None:
    spec(tmp_path, PLAIN, **RECIPE)
    (tmp_path / "runs" / "one").mkdir(parents=True)
    assert not begun(tmp_path, again=True).before


def test_in_a_cluster_only_the_chief_writes(tmp_path: Path) -> None:
    spec(tmp_path, PLAIN, **RECIPE | {"batch": 8})
    other = begun(tmp_path, place=Place(1, 2))
    assert not (tmp_path / "runs").exists()
    assert begun(tmp_path, place=Place(0, 2)).text == other.text


def test_a_batch_that_cannot_be_parted_leaves_no_folder(tmp_path: Path) -> None:
    spec(tmp_path, PLAIN, **RECIPE | {"batch": 3})
    with pytest.raises(TrainError, match="`batch: 3` cannot be parted among 2"):
        begun(tmp_path)
    assert not (tmp_path / "runs").exists()


def test_one_command_at_a_time(tmp_path: Path) -> None:
    with alone(tmp_path), pytest.raises(TrainError, match="another process goes on with this run"), alone(tmp_path):
        pass
    with alone(tmp_path):
        pass


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"weights": null, "workers": "many", "devices": 1}'])
def test_what_a_run_was_begun_with_may_be_spoiled(text: str, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(TrainError, match="not what a run was begun with"):
        resumed(tmp_path, "")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], 2, "name a SPEC, or a run by --resume DIR"),
        (["little.yaml", "--resume", "x"], 2, "name a SPEC, or a run by --resume DIR"),
        (["--resume", "x", "--name", "y"], 2, "--resume goes on with the run as it is: no --variant, --set, --weights, "
         "--name or --auto-resume"),
        (["little.yaml", "--auto-resume"], 2, "--auto-resume takes the run's --name"),
        (["little.yaml", "--workers", "3"], 1, "`batch: 4` cannot be parted among 3: choose a multiple of 3"),
        (["little.yaml", "--workers", "2", "--devices", "2"], 2, "a process of --workers has one device; drop one of "
         "--workers and --devices"),
    ],
)  # fmt: skip
def test_what_is_refused(arguments: list[str], code: int, said: str, tmp_path: Path) -> None:
    spec(tmp_path, PLAIN, **RECIPE)
    ran = call("train", *arguments, folder=tmp_path).clean()
    assert (ran.code, ran.out, ran.err.splitlines()[-1]) == (code, "", f"error: {said}")
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("{", 1, "TF_CONFIG is not of the form"),
        (config(["a:1", "b:1"], 0), 2, "TF_CONFIG says who the workers are: --name the run, no --workers or --devices"),
    ],
)
def test_a_place_in_a_cluster(
    text: str, code: int, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    spec(tmp_path, PLAIN, **RECIPE)
    monkeypatch.setenv(VARIABLE, text)
    ran = call("train", "little.yaml", folder=tmp_path).clean()
    assert ran.code == code
    assert ran.err.startswith(f"error: {said}")


def test_a_folder_that_is_no_run(tmp_path: Path) -> None:
    ran = call("train", "--resume", tmp_path).clean()
    assert ran.code == 1
    assert "cannot read the file" in ran.err


def test_a_state_that_is_none(tmp_path: Path) -> None:
    spec(tmp_path, PLAIN, **RECIPE)
    run = begun(tmp_path).folder
    (run / "state.safetensors").write_bytes(json.dumps({}).encode())
    ran = call("train", "--resume", run).clean()
    assert (ran.code, ran.err) == (1, f"error: {run / 'state.safetensors'}: not the state of a run\n")
