"""A run that is killed and gone on with, against one that nothing disturbs: equal to the bit."""

import json
import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from trainings import ALL, RICH, differing, kill_all, spec, trained, training, until, workers_of

STEPS = 60
RECIPE = {"batch": 4, "steps": STEPS, "save_every": 3, "evaluate_every": 10, "quantize_after": 20, "picture_every": 25}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run from its beginning to its end."""
    folder = tmp_path_factory.mktemp("whole")
    trained(spec(folder, RICH, **RECIPE), folder=folder)
    return folder / "runs" / "little"


def test_the_run_is_all_there(whole: Path) -> None:
    lines = (whole / "steps.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in lines] == ["step", *map(str, range(1, STEPS + 1))]
    measures = [line.split(",")[:2] for line in (whole / "measures.csv").read_text().splitlines()]
    assert measures[:2] == [["step", "measure"], ["10", "f"]]
    assert [m for m in measures if m[0] == str(STEPS)] == [[str(STEPS), name] for name in ("ods", "ois", "ap")]
    assert {path.name for path in (whole / "pictures").iterdir()} == {"0000025.png", "0000050.png"}


def rows(folder: Path) -> int:
    path = folder / "steps.csv"
    return len(path.read_text().splitlines()) if path.exists() else 0


def moments(run: Path) -> list[Callable[[int], bool]]:
    """When a run is killed, by the rows that its log had before: as it writes each kind of file, and between."""
    return [
        lambda _: (run / "run.json").exists(),  # before any state
        lambda _: any(run.glob(".*.part")) and (run / "steps.csv").exists(),  # a state, nearly always
        lambda before: rows(run) > before and (run / "part.last.weights.h5").exists(),
        lambda before: rows(run) > before + 5,
        lambda before: rows(run) > before + 5,
    ]


def test_a_run_that_is_killed_again_and_again_is_the_same(tmp_path: Path, whole: Path) -> None:
    run, dice = tmp_path / "runs" / "little", random.Random(1)
    arguments: tuple[str | Path, ...] = (spec(tmp_path, RICH, **RECIPE),)
    for moment in moments(run):
        before = rows(run)
        with training(*arguments, folder=tmp_path) as process:
            until(process, partial(moment, before))
            time.sleep(dice.uniform(0, 0.02))
            kill_all(process)
        arguments = ("--resume", run)
        assert rows(run) < STEPS + 1, "it was killed too late to tell anything"
    trained(*arguments, folder=tmp_path)
    assert differing(run, whole) == []
    assert [path for path in run.rglob("*") if "part" in path.name] == []


def test_a_difference_is_noticed(tmp_path: Path, whole: Path) -> None:
    for name in ALL:
        other = tmp_path / name
        shutil.copytree(whole, other)
        data = bytearray((other / name).read_bytes())
        data[-2] ^= 1
        (other / name).write_bytes(data)
        assert differing(other, whole) == [name]


def test_a_finished_run_gives_its_result_once_more(tmp_path: Path, whole: Path) -> None:
    copy = tmp_path / "little"
    shutil.copytree(whole, copy)
    with training("--resume", copy, "--json", folder=tmp_path) as process:
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert err == f"{copy}: the run is finished\n"
    last = dict(line.split(",")[1:] for line in (whole / "measures.csv").read_text().splitlines()[-3:])
    assert json.loads(out) == {"folder": str(copy), **{name: float(value) for name, value in last.items()}}
    assert differing(copy, whole) == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupt_loses_nothing(tmp_path: Path, whole: Path, number: int, code: int) -> None:
    run = tmp_path / "runs" / "little"
    rare = {**RECIPE, "save_every": STEPS}  # by itself it would save at its end only
    with training(spec(tmp_path, RICH, **rare), folder=tmp_path) as process:
        until(process, lambda: (run / "measures.csv").exists() and "\n10,f" in (run / "measures.csv").read_text())
        os.killpg(process.pid, number)  # as a terminal and a scheduler do: all processes get it
        _, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    assert f"go on with: archspec train --resume {Path('runs', 'little')}\n" in err
    assert 11 < rows(run) < STEPS + 1, "the steps up to the interrupt are kept"
    trained("--resume", run, folder=tmp_path)
    assert differing(run, whole) == []


def test_an_interrupt_of_a_measurement_loses_nothing(tmp_path: Path) -> None:
    recipe = {"batch": 4, "steps": 24, "save_every": 24, "evaluate_every": 1}  # nearly all of the time it measures
    trained(spec(tmp_path, RICH, **recipe), "--name", "whole", folder=tmp_path)
    whole, run = tmp_path / "runs" / "whole", tmp_path / "runs" / "little"
    with training(spec(tmp_path, RICH, **recipe), folder=tmp_path) as process:
        until(process, lambda: (run / "measures.csv").exists() and "\n5,f" in (run / "measures.csv").read_text())
        os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert 5 < rows(run) < 24 + 1, "the steps up to the interrupt are kept"
    trained("--resume", run, folder=tmp_path)
    assert differing(run, whole) == []


def test_a_run_can_be_given_another_end(tmp_path: Path) -> None:
    """By the `steps` of the spec that it left, as docs/training.md says; its schedule is that of the new number."""
    run = tmp_path / "runs" / "little"
    recipe = {"batch": 4, "steps": STEPS, "save_every": 3, "schedule": "{kind: cosine}"}
    with training(spec(tmp_path, RICH, **recipe), folder=tmp_path) as process:
        until(process, lambda: rows(run) > 4)
        kill_all(process)
    end = rows(run) + 4
    left = run / "spec.yaml"
    text = left.read_text()
    assert f"  steps: {STEPS}\n" in text
    left.write_text(text.replace(f"  steps: {STEPS}\n", f"  steps: {end}\n"))
    trained("--resume", run, folder=tmp_path)
    lines = [line.split(",") for line in (run / "steps.csv").read_text().splitlines()[1:]]
    assert [int(number) for number, *_ in lines] == list(range(1, end + 1))
    assert float(lines[-1][2]) < 0.1 * float(lines[0][2]), "the rate has come down by the new end"
    assert f"\n{end},ods," in (run / "measures.csv").read_text()


def test_who_is_killed_takes_its_worker_along(tmp_path: Path) -> None:
    """Else it would go on to write the files of the run."""
    with training(spec(tmp_path, RICH, **RECIPE), folder=tmp_path) as process:
        until(process, lambda: (tmp_path / "runs" / "little" / "state.safetensors").exists())
        (worker,) = workers_of(process)
        process.kill()
        process.wait()
        end = time.monotonic() + 5
        while Path(f"/proc/{worker}/stat").exists() and "Z" not in Path(f"/proc/{worker}/stat").read_text().split()[2]:
            assert time.monotonic() < end
            time.sleep(0.01)
