import subprocess
import sys
from pathlib import Path

import pytest
from command import ROOT
from reference import find_shared


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "there").write_text("")
    monkeypatch.setenv("ARCHSPEC_SHARED", str(tmp_path))
    monkeypatch.delenv("ARCHSPEC_REQUIRE_SHARED", raising=False)
    return tmp_path


def test_shared_file_is_found(folder: Path) -> None:
    assert find_shared("there") == (folder / "there").resolve()


def test_relative_folder_counts_from_the_repository(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARCHSPEC_SHARED", "tests")
    monkeypatch.chdir(folder)
    assert find_shared("test_conftest.py") == ROOT / "tests" / "test_conftest.py"


def test_missing_file_skips_with_its_name(folder: Path) -> None:
    with pytest.raises(pytest.skip.Exception, match=r"cannot read .*absent"):
        find_shared("absent")


def test_missing_file_fails_where_required(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARCHSPEC_REQUIRE_SHARED", "1")
    with pytest.raises(pytest.fail.Exception, match=r"cannot read .*absent"):
        find_shared("absent")


@pytest.mark.parametrize(("options", "count"), [([], 2000), (["--mutants", "7"], 7)])
def test_mutants_option(tmp_path: Path, options: list[str], count: int) -> None:
    for name in ("conftest.py", "reference.py"):
        (tmp_path / name).write_text((ROOT / "tests" / name).read_text())
    (tmp_path / "test_it.py").write_text(f"def test_it(mutants): assert mutants == {count}\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path), *options]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert run.returncode == 0, run.stdout
    run = subprocess.run([*command, "--mutants", "1"], capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert run.returncode == 1, "a wrong count must fail"
