"""How long an image takes in training: one worker on one processor, and two workers on one each. JSON on one line.

The document scanner's network on examples that are kept in memory; the clock runs between two measurements of the run,
so that start-up does not count. Processor seconds stand beside it: they tell what others on the machine do not disturb.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
SPEC = ROOT / "specs" / "mobilenet_v2_hed.yaml"
# images a step; steps between two measurements, which take the first worker's time alone; spans that are timed
BATCH, EVERY, TIMES = 16, 20, 3


def spec(folder: Path) -> Path:
    """The network with a recipe that measures it on one image now and then."""
    tree = yaml.safe_load(SPEC.read_text(encoding="utf-8"))
    data = {"source": "documents", "count": 2 * BATCH + 1, "holdout": 0.02}
    steps = EVERY * (TIMES + 1) + 1
    tree["train"] = {
        "task": "edges", "data": data, "optimizer": "adam", "learning_rate": 0.0005, "batch": BATCH, "steps": steps,
        "evaluate_every": EVERY, "save_every": steps,
    }  # fmt: skip
    path = folder / "net.yaml"
    path.write_text(yaml.safe_dump(tree, sort_keys=False))
    return path


def processor_seconds(parent: int) -> float:
    """Of the processes that a process has started and that run still."""
    used = 0
    for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        used += int(fields[11]) + int(fields[12])  # utime and stime, proc(5)
    return used / os.sysconf("SC_CLK_TCK")


def an_image(workers: int, processors: set[int]) -> tuple[float, float]:
    """The least seconds that an image takes by the clock, and by the processors. Raises OSError, RuntimeError."""
    with tempfile.TemporaryDirectory(prefix="archspec-bench-") as folder:
        command = [sys.executable, "-m", "archspec", "train", str(spec(Path(folder))), "--workers", str(workers)]
        with subprocess.Popen(
            [*command, "--runs", folder], cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        ) as process:
            os.sched_setaffinity(process.pid, processors)
            assert process.stderr is not None
            stamps: list[tuple[float, float]] = []
            said = []
            for line in process.stderr:
                said.append(line)
                if line.startswith("step ") and len(stamps) <= TIMES:
                    stamps.append((time.perf_counter(), processor_seconds(process.pid)))
        if process.returncode:
            raise RuntimeError("".join(said))
    spans = [(b[0] - a[0], b[1] - a[1]) for a, b in pairwise(stamps)]
    clock, used = (min(column) / (EVERY * BATCH) for column in zip(*spans, strict=True))
    return clock, used


def main() -> None:
    every = sorted(os.sched_getaffinity(0))
    if len(every) < 2:
        raise SystemExit("two workers need two processors")
    one, two = an_image(1, {every[0]}), an_image(2, set(every[:2]))
    names = ("one_clock", "one_processor", "two_clock", "two_processor")
    print(json.dumps(dict(zip(names, (*one, *two), strict=True)) | {"load": os.getloadavg()[0]}))


if __name__ == "__main__":
    main()
