"""The command line as a process: its streams, signals, and what it loads."""

import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from command import GOOD, HEAD, ROOT, command, environment

HED = Path("specs/mobilenet_v2_hed.yaml")
V1 = Path("specs/mobilenet_v1.yaml")


def long_spec(rows: int) -> str:
    return HEAD + "- Conv: {depth: 4}\n" * rows


@pytest.mark.parametrize(
    ("arguments", "code"), [(["params", *map(str, [V1, HED])], 0), (["schema"], 0), (["check", "absent.yaml"], 1)]
)
def test_a_reader_that_has_gone(arguments: list[str], code: int) -> None:
    end, pipe = os.pipe()
    os.close(end)
    run = subprocess.run(
        command(*arguments), cwd=ROOT, env=environment(), stdout=pipe, stderr=subprocess.PIPE, text=True, timeout=60
    )
    os.close(pipe)
    assert (run.returncode, run.stderr) == (code, "")


def test_head() -> None:
    line = f"{shlex.join(command('schema'))} | head -1"
    shell = ["bash", "-o", "pipefail", "-c", line]
    run = subprocess.run(shell, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=60)
    assert (run.returncode, run.stdout, run.stderr) == (0, "{\n", "")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here, which is a disk without space")
def test_a_full_disk() -> None:
    with open("/dev/full", "w") as full:
        run = subprocess.run(
            command("blocks"), cwd=ROOT, env=environment(), stdout=full, stderr=subprocess.PIPE, text=True, timeout=60
        )
    assert (run.returncode, run.stderr) == (1, "error: cannot write the output: No space left on device\n")


def test_a_terminal_without_these_letters() -> None:
    env = {**environment(), "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"}
    run = subprocess.run(command("show", HED), cwd=ROOT, env=env, capture_output=True, text=True, timeout=60)
    assert run.returncode == 0
    assert run.stdout.startswith("mobilenet_v2_hed: input 256?256?3")
    assert run.stderr == ""


@pytest.mark.parametrize("working", [False, True], ids=["waiting", "counting"])
def test_interrupt(tmp_path: Path, working: bool) -> None:
    pipe = tmp_path / "spec.yaml"
    os.mkfifo(pipe)
    process = subprocess.Popen(
        command("params", pipe), cwd=ROOT, env=environment(), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    try:
        with pipe.open("w") as stream:  # opens as soon as the command reads its spec
            if working:
                stream.write(long_spec(15_000))
            else:
                process.send_signal(signal.SIGINT)
        if working:
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(0.3)
            process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert (process.returncode, out, err) == (130, "", "interrupted\n")


HEAVY = ("tensorflow", "keras", "h5py", "safetensors", "PIL", "ai_edge_litert", "numpy")
LOADED = """
import contextlib, io, sys
from archspec.cli import main
sys.argv = sys.argv[1:]
with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
    main()
print(*sys.modules, file=sys.stderr)
"""


def heavy_modules(*arguments: str | Path, folder: Path = ROOT) -> list[str]:
    """The large packages that a command loads."""
    run = subprocess.run(
        [sys.executable, "-c", LOADED, "archspec", *map(str, arguments)],
        cwd=folder, env=environment(), capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert "archspec.cli" in run.stderr.split(), run.stderr
    return [name for name in HEAVY if name in run.stderr.split()]


@pytest.mark.parametrize(
    "arguments",
    [["check", HED, "absent"], ["params", HED], ["show", HED], ["diff", HED, V1], ["blocks", "Conv"], ["schema"]],
    ids=str,
)
def test_looking_loads_nothing_heavy(arguments: list[str | Path]) -> None:
    assert heavy_modules(*arguments) == []


def test_heavy_modules_notices_one(tmp_path: Path) -> None:
    (tmp_path / "keras.py").write_text("")
    (tmp_path / "mine.py").write_text("import keras")
    (tmp_path / "test.yaml").write_text(GOOD)
    assert heavy_modules("check", "test.yaml", "--blocks", "mine", folder=tmp_path) == ["keras"]
