"""Several processes or devices that train one network, against one; and what becomes of a run that loses a worker."""

import json
import os
import signal
import subprocess
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from trainings import ALL, PLAIN, RICH, differing, kill_all, spec, trained, training, until, workers_of

from archspec.train.cluster import config, local_addresses

SHORT = {"batch": 4, "steps": 12}
LONG = {"batch": 4, "steps": 80, "save_every": 5, "evaluate_every": 40}
CLOSE = 2e-6  # of weights up to 1 after 12 steps in float32; one step alone is wrong by more if gradients are not added


def weights(run: Path) -> dict[str, np.ndarray]:
    from safetensors.numpy import load_file

    found = {k: v for k, v in load_file(run / "state.safetensors").items() if k.startswith("model/")}
    assert len(found) == 6
    return found


def furthest(one: Path, other: Path) -> float:
    """The largest difference between the weights of two runs."""
    mine, theirs = weights(one), weights(other)
    assert mine.keys() == theirs.keys()
    return max(float(np.abs(mine[k] - theirs[k]).max()) for k in mine)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one process on whole batches: SGD, no batch norm."""
    folder = tmp_path_factory.mktemp("alone")
    trained(spec(folder, PLAIN, **SHORT), folder=folder)
    return folder / "runs" / "little"


@pytest.mark.parametrize("parts", [("--workers", "2"), ("--devices", "2")])
def test_parts_of_batches_train_as_whole_ones(parts: tuple[str, str], tmp_path: Path, alone: Path) -> None:
    trained(spec(tmp_path, PLAIN, **SHORT), *parts, folder=tmp_path)
    run = tmp_path / "runs" / "little"
    assert furthest(run, alone) < CLOSE
    mine, theirs = (np.loadtxt(r / "steps.csv", delimiter=",", skiprows=1)[:, 1] for r in (run, alone))
    np.testing.assert_allclose(mine, theirs, rtol=1e-4)


def test_weights_that_moved_otherwise_are_noticed(tmp_path: Path, alone: Path) -> None:
    """A run on halves of the batches alone, which is what a worker would do whose gradients nobody adds."""
    trained(spec(tmp_path, PLAIN, **SHORT | {"batch": 2}), folder=tmp_path)
    assert furthest(tmp_path / "runs" / "little", alone) > 100 * CLOSE


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two workers from its beginning to its end: Adam, batch norm, dropout, averages."""
    folder = tmp_path_factory.mktemp("two")
    trained(spec(folder, RICH, **LONG), "--workers", "2", folder=folder)
    return folder / "runs" / "little"


@pytest.mark.parametrize("number", [0, 1], ids=["chief", "worker"])
def test_a_killed_worker_costs_the_steps_since_the_last_state(number: int, tmp_path: Path, two: Path) -> None:
    run = tmp_path / "runs" / "little"
    with training(spec(tmp_path, RICH, **LONG), "--workers", "2", folder=tmp_path) as process:
        until(process, lambda: (run / "state.safetensors").exists())
        before = workers_of(process)
        os.kill(before[number], signal.SIGKILL)
        until(process, lambda: len(set(workers_of(process)) - set(before)) == 2)  # none of the old ones goes on
        _, err = process.communicate(timeout=180)
    assert process.returncode == 0, err
    (said,) = [line for line in err.splitlines() if "going on" in line]
    assert said.startswith(f"worker {number}: the process was killed (SIGKILL)")
    assert differing(run, two) == []


def test_a_worker_that_always_dies_ends_the_run(tmp_path: Path) -> None:
    """As one does for want of memory: the command must not start it for ever."""
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys\nif 'archspec.tf.worker' in sys.orig_argv[2]:\n    os.kill(os.getpid(), 9)\n"
    )
    path = os.pathsep.join([str(tmp_path), str(Path(__file__).parents[2])])
    with training(spec(tmp_path, PLAIN, **SHORT), "--workers", "2", folder=tmp_path, PYTHONPATH=path) as process:
        _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    lines = err.splitlines()
    assert [line.endswith("going on from the last state") for line in lines[:3]] == [True] * 3
    assert lines[3].startswith("error: worker ")
    assert "killed (SIGKILL)" in lines[3]
    assert len(lines) == 4


def cluster(folder: Path, stack: ExitStack, **train: object) -> list[subprocess.Popen[str]]:
    """Two commands with a place in a cluster each, as a scheduler starts them, in folders of their own."""
    addresses, found = local_addresses(2), []
    for i in range(2):
        (folder / str(i)).mkdir(exist_ok=True)
        spec(folder / str(i), PLAIN, **train)
        found.append(
            stack.enter_context(
                training(
                    "little.yaml", "--name", "one", "--auto-resume", "--runs", folder / "runs",
                    folder=folder / str(i), TF_CONFIG=config(addresses, i),
                )
            )
        )  # fmt: skip
    return found


def test_a_cluster_trains_alike_and_only_the_chief_writes(tmp_path: Path, alone: Path) -> None:
    with ExitStack() as stack:
        chief, other = cluster(tmp_path, stack, **SHORT)
        opened: set[str] = set()
        while other.poll() is None:
            opened |= written(other.pid, tmp_path)
        assert [process.communicate(timeout=60)[1] for process in (chief, other)]
        assert (chief.returncode, other.returncode) == (0, 0)
    assert opened == set()
    assert furthest(tmp_path / "runs" / "one", alone) < CLOSE
    assert [path.name for path in (tmp_path / "1").iterdir()] == ["little.yaml"]
    assert all((tmp_path / "runs" / "one" / name).exists() for name in ALL)


def written(pid: int, folder: Path) -> set[str]:
    """The files below a folder that a command's workers have open to write."""
    found = set()
    for worker in Path(f"/proc/{pid}/task/{pid}/children").read_text().split() if Path(f"/proc/{pid}").exists() else ():
        try:
            for link in Path(f"/proc/{worker}/fd").iterdir():
                flags = (Path(f"/proc/{worker}/fdinfo") / link.name).read_text().split("flags:")[1].split()[0]
                if int(flags, 8) & os.O_ACCMODE and os.readlink(link).startswith(str(folder)):
                    found.add(os.readlink(link))
        except OSError:
            continue  # it has ended, or closed the file
    return found


def test_open_files_are_noticed(tmp_path: Path) -> None:
    code = f"import sys; f = open({str(tmp_path / 'x')!r}, 'w'); print(1, flush=True); sys.stdin.read()"
    run = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {code!r}])"
    with subprocess.Popen(["python3", "-c", run], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert written(process.pid, tmp_path) == {str(tmp_path / "x")}
        assert process.stdin is not None
        process.stdin.close()


def test_a_cluster_that_loses_a_worker_goes_on_when_it_is_started_again(tmp_path: Path) -> None:
    run = tmp_path / "runs" / "one"
    with ExitStack() as stack:
        chief, other = cluster(tmp_path, stack, **LONG)
        until(chief, lambda: (run / "state.safetensors").exists())
        kill_all(other)
        chief.communicate(timeout=60)
        assert chief.returncode == 1
    with ExitStack() as stack:
        said = [process.communicate(timeout=120)[1] for process in cluster(tmp_path, stack, **LONG)]
    steps = [int(line.split(",")[0]) for line in (run / "steps.csv").read_text().splitlines()[1:]]
    assert steps == list(range(1, LONG["steps"] + 1)), said
    assert json.loads((run / "run.json").read_text())["workers"] == 1
