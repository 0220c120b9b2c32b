"""What every test may ask for: the folder of reference data, and how many mutants a fuzz test tries."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

# a run that decides over a change draws the same examples each time; others look for new ones
settings.register_profile("same", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("same")

ROOT = Path(__file__).resolve().parent.parent


def find_shared(path: str) -> Path:
    """The file or folder `path` of the reference data, which is not part of this repository.

    It lies below ARCHSPEC_SHARED (relative to the repository, default `../shared`). Where it is missing the
    test is skipped, or fails if ARCHSPEC_REQUIRE_SHARED is set.
    """
    found = (ROOT / os.environ.get("ARCHSPEC_SHARED", "../shared") / path).resolve()
    if os.access(found, os.R_OK):
        return found
    reason = f"cannot read {found}: set ARCHSPEC_SHARED to the folder of reference data"
    if os.environ.get("ARCHSPEC_REQUIRE_SHARED"):
        pytest.fail(reason)
    pytest.skip(reason)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--mutants",
        type=int,
        default=2000,
        metavar="N",
        help="how many mutants a fuzz test tries (default: 2000)",
    )


@pytest.fixture(scope="session")
def shared() -> Callable[[str], Path]:
    """`find_shared`, for tests that take fixtures."""
    return find_shared


@pytest.fixture(scope="session")
def mutants(request: pytest.FixtureRequest) -> int:
    """The number of mutants from `--mutants`."""
    count = request.config.getoption("--mutants")
    assert isinstance(count, int)
    return count


@pytest.fixture(scope="session")
def tflite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of small .tflite files that make_tflite.py describes."""
    folder = tmp_path_factory.mktemp("tflite")
    script = Path(__file__).with_name("make_tflite.py")
    made = subprocess.run([sys.executable, script, folder], capture_output=True, text=True, timeout=300)
    assert made.returncode == 0, made.stderr
    return folder
