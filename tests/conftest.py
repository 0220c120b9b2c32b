"""What tests may ask for: the folder of reference data, the number of mutants, small files, an emulator."""

import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings
from reference import find_shared

# a run that decides over a change draws the same examples each time; others look for new ones
settings.register_profile("same", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("same")

# under nohup, or in the background of a script, signals are ignored, and what tests start would inherit that
for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, handler)


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


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `archspec setup-abi` makes: in ARCHSPEC_ABI_CACHE if that is set, else where it is already, else for now.

    Skips where it cannot be fetched.
    """
    from archspec.abi import AbiError
    from archspec.abi.setup import default_cache, installed, setup

    base = tmp_path_factory.getbasetemp()
    common = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base  # workers share what is fetched
    named = os.environ.get("ARCHSPEC_ABI_CACHE")
    own = default_cache() if installed(default_cache()) else common / "fetched" / "abi"
    folder = Path(named) if named else own
    try:
        with (common / "fetching").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            setup(folder, lambda line: None)
    except AbiError as error:
        if any(why in str(error) for why in ("cannot fetch", "no apt-get here", "emulation is set up on")):
            pytest.skip(f"no emulation here: {error}")
        raise
    return folder.absolute()
