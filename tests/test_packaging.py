import importlib.util
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from command import ROOT
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

# Stands in for Python: makes a .venv whose python does nothing, and notes what it was called with.
FAKE_PYTHON = """#!/bin/sh
echo "$@" >> calls
case "$*" in
  *version_info*) exit ${OLD:-0} ;;
  *ensurepip*) exit ${BARE:-0} ;;
  *"-m venv"*) mkdir -p .venv/bin && cp "$0" .venv/bin/python ;;
esac
"""


def project() -> dict[str, Any]:
    table: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return table


def requirements() -> list[Requirement]:
    """What the environment of `make setup` is resolved from."""
    extras = project()["optional-dependencies"]
    return [Requirement(line) for line in [*project()["dependencies"], *extras["cpu"], *extras["dev"]]]


def pins(text: str) -> dict[str, str]:
    """Package to version; every line that is no comment must be an exact pin."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    matches = [re.fullmatch(r"([a-z0-9-]+)==([\w.]+)", line) for line in lines]
    assert all(matches), "a line is no exact pin"
    return {match[1]: match[2] for match in matches if match}


def lock() -> dict[str, str]:
    return pins((ROOT / "requirements.lock").read_text())


def without_reason(text: str) -> list[str]:
    """The dependency lines of a pyproject.toml that do not say why they are there."""
    lines = re.findall(r'^ +"[A-Za-z][\w-]*[=<>~!].*$', text, re.MULTILINE)
    assert lines, "no dependency found"
    return [line for line in lines if not re.search(r'",\s*# \S+', line)]


def test_name_and_command() -> None:
    assert project()["name"] == "archspec-compiler"
    assert project()["scripts"] == {"archspec": "archspec.cli:main"}
    assert (ROOT / "archspec" / "py.typed").exists()


def test_every_dependency_says_why() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    assert without_reason(text) == []
    count = len(project()["dependencies"]) + sum(map(len, project()["optional-dependencies"].values()))
    assert len(re.findall(r'^ +"[A-Za-z][\w-]*[=<>~!]', text, re.MULTILINE)) == count
    assert without_reason('    "numpy>=2",\n    "typer>=1",  # reason\n') == ['    "numpy>=2",']


def test_cpu_and_gpu_differ_in_tensorflow_only() -> None:
    extras = project()["optional-dependencies"]
    assert [line.replace("tensorflow-cpu", "tensorflow") for line in extras["cpu"]] == extras["gpu"]


def test_lock_satisfies_every_requirement() -> None:
    for requirement in requirements():
        version = lock()[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), requirement


def test_pins_refuses_a_range() -> None:
    with pytest.raises(AssertionError, match="no exact pin"):
        pins("numpy>=2\n")


WORKER = """
import io, json, sys
from types import SimpleNamespace
from archspec.jobs import ImportJob, Network, encode
from archspec.tf import worker
sys.stdin = SimpleNamespace(buffer=io.BytesIO(encode(ImportJob(Network("s", "", None), "", "", ())).encode()))
def imported(job):
    import keras
    return {"hidden": not any(name.startswith("sklearn.") for name in sys.modules)}
worker._import = imported
HIDE
worker.main()
"""


@pytest.mark.parametrize("hides", [True, False])
def test_a_worker_keeps_keras_from_importing_scikit_learn(hides: bool) -> None:
    """And without what hides it Keras does import it."""
    assert importlib.util.find_spec("sklearn"), "the lock has it for the digits"
    program = WORKER.replace("HIDE", "" if hides else "import sklearn.base")
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, cwd=ROOT)
    events = [json.loads(line) for line in ran.stdout.splitlines()]
    assert events[-1] == {"event": "made", "key": "", "hidden": hides}, ran.stderr


def test_no_requirement_pulls_extras() -> None:
    assert all(not requirement.extras for requirement in requirements())


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout below a folder with spaces, with a fake Python in it."""
    folder = tmp_path / "my own code"
    (folder / ".ci").mkdir(parents=True)
    for name in ("Makefile", "pyproject.toml", "requirements.lock", ".ci/run"):
        shutil.copy(ROOT / name, folder / name)
    (folder / "fake python").write_text(FAKE_PYTHON)
    (folder / "fake python").chmod(0o755)
    return folder


def make(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    # a make that runs these tests would hand its own flags down
    clean = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}
    return subprocess.run(
        ["make", *arguments, f"PYTHON={folder / 'fake python'}"],
        cwd=folder,
        env=clean | environment,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_setup_works_once_and_then_does_nothing(checkout: Path) -> None:
    first = make(checkout, "setup")
    assert first.returncode == 0, first.stderr
    calls = (checkout / "calls").read_text()
    assert "-r requirements.lock" in calls
    assert "--no-deps --no-build-isolation -e ." in calls
    assert make(checkout, "setup").returncode == 0
    assert (checkout / "calls").read_text() == calls


@pytest.mark.parametrize(("changed", "again"), [("requirements.lock", True), ("pyproject.toml", False)])
def test_setup_repeats_what_changed(checkout: Path, changed: str, again: bool) -> None:
    make(checkout, "setup")
    later = (checkout / ".venv/.installed").stat().st_mtime + 10
    os.utime(checkout / changed, (later, later))
    (checkout / "calls").write_text("")
    make(checkout, "setup")
    calls = (checkout / "calls").read_text()
    assert "-e ." in calls
    assert ("-r requirements.lock" in calls) == again


@pytest.mark.parametrize(("trouble", "message"), [("OLD", "needs Python 3.11 or newer"), ("BARE", "python3-venv")])
def test_setup_says_what_is_missing(checkout: Path, trouble: str, message: str) -> None:
    run = make(checkout, "setup", **{trouble: "1"})
    assert run.returncode == 2
    assert message in run.stderr
    assert not (checkout / ".venv").exists()


@pytest.mark.parametrize(
    ("target", "command"),
    [
        ("demo", ".venv/bin/archspec build specs/mobilenet_v2_hed.yaml"),
        ("demo", ".venv/bin/archspec predict build/mobilenet_v2_hed/arm64-v8a/model.tflite"),
        ("test", ".venv/bin/python -m pytest"),
        ("bench", ".venv/bin/python benchmarks/run.py"),
        ("lint", ".venv/bin/ruff check ."),
        ("lint", ".venv/bin/ruff format --check ."),
        ("lint", ".venv/bin/mypy"),
        ("schema", ".venv/bin/archspec schema"),
    ],
)
def test_make_targets(checkout: Path, target: str, command: str) -> None:
    run = make(checkout, "--dry-run", target)
    assert run.returncode == 0, run.stderr
    assert command in run.stdout


@pytest.mark.parametrize("there", [True, False])
def test_ci_run_requires_reference_data_where_it_exists(checkout: Path, there: bool) -> None:
    (checkout / "Makefile").write_text(
        "lint test:\n\t@echo $@ $$PWD $$ARCHSPEC_SHARED required=$$ARCHSPEC_REQUIRE_SHARED\n"
    )
    if there:
        (checkout.parent / "shared").mkdir()
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("ARCHSPEC", "MAKE"))}
    script = checkout / ".ci" / "run"
    assert script.stat().st_mode & stat.S_IXUSR
    run = subprocess.run([script], cwd="/", env=clean, capture_output=True, text=True, timeout=60)
    required = "1" if there else ""
    assert run.stdout.splitlines() == [
        f"{target} {checkout} ../shared required={required}" for target in ("lint", "test")
    ], run.stderr


def test_ci_run_fails_where_a_step_fails(checkout: Path) -> None:
    (checkout / "Makefile").write_text("lint:\n\tfalse\ntest:\n\t@echo tested\n")
    run = subprocess.run([checkout / ".ci" / "run"], capture_output=True, text=True, timeout=60)
    assert run.returncode != 0
    assert "tested" not in run.stdout
