"""Training runs for tests: little networks, `archspec train` as a process, its workers, what two runs have alike."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from command import command, environment

ALL = ("state.safetensors", "steps.csv", "measures.csv")
"""The files of a run that another run equals to the byte if it took the same steps."""

HEAD = "archspec: 1\nmodel: little\ninput: {size: [32, 32, 3], range: [0, 1]}\noutputs: [fuse]\n"
PLAIN = """layers:
- Conv: {depth: 4, norm: false, activation: tanh, name: c1}
- Conv: {depth: 4, norm: false, activation: tanh, name: c2}
- Logits: {depth: 1, name: fuse}
train:
  task: edges
  data: {count: 12, holdout: 0.25}
  optimizer: sgd
  learning_rate: 0.5
"""
RICH = """layers:
- Conv: {depth: 4, l2: 0.001, name: c1}
- DepthSepConv: {depth: 8, name: c2}
- Dropout: {drop: 0.2}
- Logits: {depth: 1, name: fuse}
train:
  task: edges
  data: {count: 12, holdout: 0.25}
  augment: {flip: true, colour: 0.2, rotate: 10}
  learning_rates: {c2: 0.5}
  ema: 0.9
"""


def spec(folder: Path, net: str, **train: object) -> Path:
    """A spec of one of the networks above, with more settings of its recipe."""
    path = folder / "little.yaml"
    path.write_text(HEAD + net + "".join(f"  {key}: {value}\n" for key, value in train.items()))
    return path


@contextmanager
def training(*arguments: str | Path, folder: Path, **variables: str) -> Iterator[subprocess.Popen[str]]:
    """`archspec train ARGUMENTS` in a folder, in a group of processes of its own, all of which end with the block."""
    process = subprocess.Popen(
        command("train", *arguments), cwd=folder, env=environment() | variables, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        kill_all(process)


def trained(*arguments: str | Path, folder: Path, **variables: str) -> str:
    """The same, run to its good end; what it said on the standard error stream."""
    with training(*arguments, folder=folder, **variables) as process:
        _, err = process.communicate(timeout=180)
        assert process.returncode == 0, err
        return err


def kill_all(process: subprocess.Popen[str]) -> None:
    """SIGKILL for a command and its workers."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def workers_of(process: subprocess.Popen[str]) -> list[int]:
    """The processes that a command has started, in their order."""
    return [int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]


def until(process: subprocess.Popen[str], condition: Callable[[], object], seconds: float = 120) -> None:
    """Wait, as closely as may be, until something holds while a command runs."""
    end = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, f"it ended before: {process.communicate()}"
        assert time.monotonic() < end, "it takes too long"
        time.sleep(0.0005)


def differing(one: Path, other: Path) -> list[str]:
    """The files that two runs do not have alike."""
    return [name for name in ALL if (one / name).read_bytes() != (other / name).read_bytes()]
