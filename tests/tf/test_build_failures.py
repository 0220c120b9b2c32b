"""Builds that fail or are interrupted: what is said, what is left, and what is built all the same."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from building import CLASSIFIER, ODD, ODD_BLOCKS, assert_describes, files, manifest
from command import Ran, command, environment, start


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the odd spec and its blocks, and an empty one for temporary files."""
    (tmp_path / "odd.yaml").write_text(ODD)
    (tmp_path / "odd_blocks.py").write_text(ODD_BLOCKS)
    (tmp_path / "scratch").mkdir()
    return tmp_path


def run(folder: Path, *options: str | Path) -> Ran:
    made = subprocess.run(
        command("build", "odd.yaml", "--blocks", "odd_blocks", *options),
        cwd=folder,
        env={**environment(), "TMPDIR": str(folder / "scratch")},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert list((folder / "scratch").iterdir()) == [], "temporary files are left"
    return Ran(made.returncode, made.stdout, made.stderr).clean()


def test_two_targets_fail_and_the_third_is_built(folder: Path) -> None:
    ran = run(folder)
    assert ran.code == 1
    said = ran.err.splitlines()
    assert (
        "error: arm64-v8a (int8): the process aborted (SIGABRT): F0000 00:00:00 1 odd.cc:1] Check failed: odd" in said
    )
    island = next(line for line in said if line.startswith("error: armeabi-v7a"))
    assert island.startswith("error: armeabi-v7a (int8), row `mid`: not int8: ELU handles floats at ")
    assert "noise" not in ran.err + ran.out
    made = manifest(folder / "build" / "odd")
    assert [entry["abi"] for entry in made["artifacts"]] == ["x86_64"]
    assert_describes(made["artifacts"][0], folder / "build" / "odd" / "x86_64" / "model.tflite", ["logits"])
    assert [(f["abi"], f["scheme"], f["row"]) for f in made["failed"]] == [
        ("arm64-v8a", "int8", None),
        ("armeabi-v7a", "int8", "mid"),
    ]
    left = set(files(folder / "build" / "odd"))
    assert {name for name in left if not name.startswith("android/")} == {
        "manifest.json", "model.keras", "golden.npz", "x86_64/model.tflite",
    }  # fmt: skip
    assert {name for name in left if name.endswith(".tflite")} == {
        "x86_64/model.tflite", "android/src/main/assets/odd/x86_64.tflite",
    }  # fmt: skip


def test_an_earlier_builds_artifact_does_not_outlive_its_targets_failure(folder: Path) -> None:
    old = folder / "build" / "odd" / "arm64-v8a"
    old.mkdir(parents=True)
    (old / "model.tflite").write_text("of an earlier build")
    (folder / "build" / "odd" / "labels.txt").write_text("of an earlier build")
    assets = folder / "build" / "odd" / "android" / "src" / "main" / "assets"
    assets.mkdir(parents=True)
    (assets / "old.tflite").write_text("of an earlier build")
    (folder / "build" / "odd" / "notes.txt").write_text("mine")
    ran = run(folder, "--variant", "bessel")
    assert ran.code == 1
    said = [line for line in ran.err.splitlines() if line.startswith("error")]
    reason = "row `mid`: ConverterError: 'tf.BesselI0' op is neither a custom op nor a flex op"
    assert said == [
        f"error: {target}, {reason}" for target in ("x86_64 (none)", "arm64-v8a (int8)", "armeabi-v7a (int8)")
    ]
    assert set(files(folder / "build" / "odd")) == {"manifest.json", "model.keras", "golden.npz", "notes.txt"}
    assert not old.exists()
    assert not (folder / "build" / "odd" / "android").exists()


def test_answers_that_are_no_numbers_fail(folder: Path) -> None:
    ran = run(folder, "--variant", "nan", "--json")
    assert ran.code == 1
    said = [line for line in ran.err.splitlines() if line.startswith("error")]
    reason = "the float model answers nan or inf at output `logits`"
    assert said == [
        f"error: {target}: {reason}" for target in ("x86_64 (none)", "arm64-v8a (int8)", "armeabi-v7a (int8)")
    ]
    assert manifest(folder / "build" / "odd")["artifacts"] == []


@pytest.mark.parametrize(
    ("variant", "said"),
    [
        ("abort", "error: the process aborted (SIGABRT): F0000 00:00:00 1 odd.cc:1] Check failed: odd\n"),
        ("raise", "error: row `mid`: RuntimeError: "),
    ],
)
def test_without_a_keras_model_nothing_is_written(folder: Path, variant: str, said: str) -> None:
    ran = run(folder, "--variant", variant)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith(said)
    assert ran.err.count("\n") == 1
    if variant == "raise":
        assert "no luck" in ran.err
    assert not (folder / "build").exists()


def wait_for(there: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + 100
    while not there():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.05)


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.mark.parametrize(
    ("number", "group", "code"),
    [
        (signal.SIGINT, True, 130),  # as a terminal does it
        (signal.SIGINT, False, 130),
        (signal.SIGTERM, False, 143),
    ],
)
def test_an_interrupt_leaves_all_as_it_was(folder: Path, number: int, group: bool, code: int) -> None:
    old = folder / "build" / "odd"
    (old / "x86_64").mkdir(parents=True)
    (old / "x86_64" / "model.tflite").write_text("of an earlier build")
    (old / "manifest.json").write_text("{}")
    before = files(folder / "build")
    process = subprocess.Popen(
        command("build", "odd.yaml", "--blocks", "odd_blocks", "--variant", "wait"),
        cwd=folder,
        env={**environment(), "TMPDIR": str(folder / "scratch")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        wait_for(lambda: (folder / "waiting").exists() and (folder / "waiting").read_text() != "", process)
        worker = int((folder / "waiting").read_text())
        assert list((folder / "scratch").iterdir()), "the work goes on somewhere else"
        (os.killpg if group else os.kill)(process.pid, number)
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()
    assert (process.returncode, out) == (code, "")
    assert "Traceback" not in err
    assert err.splitlines()[-1:] == (["interrupted"] if number == signal.SIGINT else [])
    assert gone(worker)
    assert list((folder / "scratch").iterdir()) == []
    assert files(folder / "build") == before


@pytest.mark.parametrize(
    ("out", "said"),
    [
        ("file", "error: file: not a directory"),
        ("file/deeper/still", "error: file: not a directory"),
        pytest.param(
            "closed/deeper",
            "error: closed: no permission to write",
            marks=pytest.mark.skipif(os.geteuid() == 0, reason="permissions do not bind the superuser"),
        ),
    ],
)
def test_a_folder_that_cannot_be_written_is_told_at_once(folder: Path, out: str, said: str) -> None:
    (folder / "file").write_text("a file")
    (folder / "closed").mkdir(0o500)
    start_time = time.monotonic()
    ran = run(folder, "--out", out, "--variant", "wait")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == f"{said}\n"
    assert time.monotonic() - start_time < 20, "the worker was started for it"
    assert (folder / "file").read_text() == "a file"


def test_a_folder_in_a_files_place_leaves_the_old_files(tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(CLASSIFIER + "targets: {x86_64: {quantize: none}}\n")
    old = tmp_path / "build" / "tiny"
    (old / "x86_64").mkdir(parents=True)
    (old / "x86_64" / "model.tflite").write_text("of an earlier build")
    (old / "model.keras").mkdir()
    ran = start("build", "tiny.yaml", folder=tmp_path).clean()
    assert ran.code == 1
    assert ran.err.splitlines()[-1] == "error: build/tiny/model.keras: is a directory"
    assert [*files(old)] == ["x86_64/model.tflite"]
    assert (old / "x86_64" / "model.tflite").read_text() == "of an earlier build"


def test_a_full_disk_is_told(folder: Path) -> None:
    """A limit on the size of files makes the kernel itself cut the write short: 20 images have 240 KB."""
    code = 'ulimit -f 64; exec "$@"'
    made = subprocess.run(
        ["bash", "-c", code, "bash", *command("build", "odd.yaml", "--blocks", "odd_blocks")],
        cwd=folder,
        env={**environment(), "TMPDIR": str(folder / "scratch")},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert made.returncode == 1
    assert made.stderr.startswith(f"error: cannot work in {folder / 'scratch'}: ")
    assert made.stderr.count("\n") == 1
    assert list((folder / "scratch").iterdir()) == []
    assert not (folder / "build").exists()
