"""How fast archspec is, each figure beside its bar: `make bench`, or run.py [--json] [--quick].

Processes are held against another one in the same run, the two in turns, each by its best time: a machine that is slow
is so for both. What runs on one processor is timed by the processor, not by the clock, so that others on a busy machine
do not count; what uses several, by the clock. Every process gets bytecode; one run of each beforehand writes
it. The exit code says only whether all could be measured; the bars are there to be read.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from archspec.analysis import document, network
from archspec.diagnostics import Source, SpecError
from archspec.table import table

ROOT = Path(__file__).resolve().parent.parent
HED, V2 = "specs/mobilenet_v2_hed.yaml", "specs/mobilenet_v2.yaml"
THREE = "{x86_64: {quantize: none}, arm64-v8a: {quantize: int8}, armeabi-v7a: {quantize: dynamic}}"
BARE = ("-c", "import typer, yaml, jsonschema")  # what any such command line loads, doing nothing
HEAD = "archspec: 1\nmodel: long\ninput: {size: [64, 64, 3], range: [0, 1]}\nlayers:\n"
FOUR_ROWS = (
    "- Conv: {{depth: 16, name: a{0}}}\n- DepthSepConv: {{depth: 16}}\n"
    "- Conv: {{depth: 16, kernel: 1, activation: none, name: b{0}}}\n- Add: {{from: [a{0}, b{0}]}}\n"
)


class BenchError(Exception):
    """Something could not be run, so there is nothing to measure."""


@dataclass(frozen=True)
class Figure:
    """A measurement and the most it may be. `how` shows the times behind a ratio."""

    name: str
    value: float
    unit: str
    bar: float
    how: str

    @property
    def verdict(self) -> str:
        return "ok" if self.value <= self.bar else "over"


def best(runs: Sequence[Callable[[], float]], times: int) -> list[float]:
    """The least seconds of each run, all of them in turns, `times` times."""
    seconds = [[run() for run in runs] for _ in range(times)]
    return [min(column) for column in zip(*seconds, strict=True)]


def process(*arguments: str, clock: bool = False) -> Callable[[], float]:
    """Runs Python with these arguments at the root of the repository: its processor seconds, or the clock's.

    Raises BenchError where it fails.
    """
    allowed = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}

    def run() -> float:
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        done = subprocess.run([sys.executable, *arguments], cwd=ROOT, env=allowed, capture_output=True, text=True)
        after, end = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        if done.returncode:
            raise BenchError(f"`python {' '.join(arguments)}` ended with code {done.returncode}:\n{done.stderr}")
        if clock:
            return end - start
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    return run


def ratio(
    name: str, ours: Sequence[str], other: Sequence[str], bar: float, times: int, *, clock: bool = False
) -> Figure:
    """One process against another, after one run of each."""
    runs = [process(*ours, clock=clock), process(*other, clock=clock)]
    best(runs, 1)
    mine, theirs = best(runs, times)
    return Figure(name, mine / theirs, "×", bar, f"{mine:.3g} s / {theirs:.3g} s")


def analysis(source: Source) -> Callable[[], float]:
    """Text to counts, in this process: parse, schema, expand, count, the spec's own network. Processor seconds."""

    def run() -> float:
        start = time.process_time()
        network(document(source))
        return time.process_time() - start

    return run


def long_spec(rows: int) -> Source:
    """A spec of that many rows: convolutions that are wired by name and added up."""
    return Source("long.yaml", HEAD + "".join(FOUR_ROWS.format(i) for i in range(rows // 4)))


def every_spec() -> list[str]:
    return [str(path.relative_to(ROOT)) for path in sorted((ROOT / "specs").glob("*.yaml"))]


def commands(times: int) -> Iterator[Figure]:
    """The commands that people wait for at every change of a spec."""
    specs = every_spec()
    check = ("-m", "archspec", "check", HED)
    params = ("-m", "archspec", "params", *specs)
    yield ratio("check one spec, against the bare import", check, BARE, 1.5, times)
    yield ratio("params of every spec and variant, against the bare import", params, BARE, 4, 2 * times, clock=True)


def analyser(times: int) -> Iterator[Figure]:
    """The analyser in this process, after one run."""
    for name in ("mobilenet_v2_hed", "mobilenet_v2"):
        source = Source(name, (ROOT / "specs" / f"{name}.yaml").read_text(encoding="utf-8"))
        best([analysis(source)], 1)
        (seconds,) = best([analysis(source)], 10 * times)
        yield Figure(f"analyse {name}", 1000 * seconds, "ms", 15, "")
    at_half, at_whole = best([analysis(long_spec(5_000)), analysis(long_spec(10_000))], max(times // 3, 2))
    yield Figure("analyse 10,000 rows", at_whole, "s", 2, "")
    yield Figure("10,000 rows against 5,000", at_whole / at_half, "×", 2.3, f"{at_whole:.3g} s / {at_half:.3g} s")


def builds() -> Iterator[Figure]:
    """Three artifacts of MobileNet v2, float32, int8 and dynamic, against a script that makes them by hand."""
    script = str(ROOT / "benchmarks" / "straightforward.py")
    with tempfile.TemporaryDirectory(prefix="archspec-bench-") as folder:
        asked = ("--set", f"targets={THREE}", "--out", f"{folder}/ours")
        ours = process("-m", "archspec", "build", V2, *asked, clock=True)
        theirs = process(script, f"{folder}/theirs", clock=True)
        mine, other = best([ours, theirs], 2)
    name = "build three artifacts, against the straightforward script"
    yield Figure(name, mine / other, "×", 0.4, f"{mine:.3g} s / {other:.3g} s")


def deployed() -> Iterator[Figure]:
    """Instructions of the document scanner's int8 files with the deployment passes, against those without.

    Counted on emulated CPUs, so exact; the first run fetches the emulator.
    """
    process("-m", "archspec", "setup-abi")()
    counts: dict[str, list[int]] = {}
    with tempfile.TemporaryDirectory(prefix="archspec-bench-") as folder:
        for options in ((), ("--no-passes",)):
            process("-m", "archspec", "build", HED, "--out", folder, *options)()
            for abi in ("armeabi-v7a", "arm64-v8a"):
                file = f"{folder}/mobilenet_v2_hed/{abi}/model.tflite"
                counts.setdefault(abi, []).append(instructions(file, abi))
    for abi, (ours, plain) in counts.items():
        how = f"{ours / 1e6:.4g} M / {plain / 1e6:.4g} M"
        yield Figure(f"instructions on {abi} with the passes, against without", ours / plain, "×", 0.8, how)


def instructions(file: str, abi: str) -> int:
    """Of one inference, by `archspec profile`. Raises BenchError where it fails."""
    command = [sys.executable, "-m", "archspec", "profile", file, "--abi", abi, "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise BenchError(f"`archspec profile` ended with code {done.returncode}:\n{done.stderr}")
    (column,) = json.loads(done.stdout)["columns"]
    return sum(column["whole"].values())


def workers() -> Iterator[Figure]:
    """Two local workers in training, against one that has one processor."""
    seconds = answer_of("workers.py")
    one, two = seconds["one_clock"], seconds["two_clock"]
    name = "an image in training by two workers, against one on one processor"
    yield Figure(name, two / one, "×", round(1 / 1.7, 3), f"{1 / two:.3g} images/s / {1 / one:.3g} images/s")


def training() -> Iterator[Figure]:
    """Training against Keras's `fit` written by hand, and against the same step without anything to read."""
    for name, bar in (("vgg_hed", 1.3), ("mobilenet_v2_hed", 1.5)):
        found = answer_of("training.py", f"specs/{name}.yaml")
        (mine, used), (memory, _), (fit, other) = found["ours"], found["memory"], found["fit"]
        how = f"{1 / mine:.3g} images/s / {1 / fit:.3g} images/s, of the processor {used / other:.3g} ×"
        yield Figure(f"an image in training {name}, against fit by hand", mine / fit, "×", round(1 / bar, 3), how)
        how = f"{1 / mine:.3g} images/s / {1 / memory:.3g} images/s"
        yield Figure(f"an image in training {name}, against fed from memory", mine / memory, "×", 1.031, how)
        first, second = found["ours_first"], found["fit_first"]
        how = f"{first:.3g} s / {second:.3g} s"
        yield Figure(f"first step of training {name}, against fit by hand", first / second, "×", 1.0, how)


def released() -> Iterator[Figure]:
    """Artifacts of released weights, where the folder of reference data is there."""
    shared = Path(os.environ.get("ARCHSPEC_SHARED", ROOT.parent / "shared")).resolve()
    if not shared.is_dir():
        print(f"no reference data in {shared}: artifacts of released weights are not measured", file=sys.stderr)
        return
    yield from (Figure(**figure) for figure in answer_of("released.py", str(shared)))


def digits() -> Iterator[Figure]:
    """What int8 loses in classification, of a network that is trained for it."""
    yield from (Figure(**figure) for figure in answer_of("digits.py"))


def answer_of(script: str, *arguments: str) -> Any:
    """The JSON that a script of this folder prints. Raises BenchError where it fails."""
    command = [sys.executable, str(ROOT / "benchmarks" / script), *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise BenchError(f"benchmarks/{script} ended with code {done.returncode}:\n{done.stderr}")
    return json.loads(done.stdout)


def counting() -> Iterator[Figure]:
    """Counting every network of the zoo, against building each in Keras, which knows its counts only then."""
    (ours,) = best([process("-m", "archspec", "params", *every_spec(), clock=True)], 3)
    (keras,) = best([process(str(ROOT / "benchmarks" / "lowering.py"), *every_spec(), clock=True)], 1)
    name = "params of every spec and variant, against building them in Keras"
    yield Figure(name, ours / keras, "×", 0.01, f"{ours:.3g} s / {keras:.3g} s")


def figures(quick: bool) -> list[Figure]:
    """All that is measured; quickly: fewer repetitions and no build."""
    times = 3 if quick else 10
    return [
        *commands(times),
        *analyser(times),
        *(() if quick else (*builds(), *counting(), *deployed(), *released(), *digits(), *workers(), *training())),
    ]


def main() -> int:
    """Print the figures. 1 where something could not be measured."""
    parser = argparse.ArgumentParser(description="Measure archspec, each figure beside its bar.")
    parser.add_argument("--json", action="store_true", help="JSON instead of a table")
    parser.add_argument("--quick", action="store_true", help="fewer repetitions, no build")
    options = parser.parse_args()
    try:
        found = figures(options.quick)
    except (BenchError, SpecError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps([{**asdict(f), "verdict": f.verdict} for f in found], indent=2, ensure_ascii=False))
    else:
        rows = [(f.name, f"{f.value:.3g} {f.unit}", f"{f.bar:g} {f.unit}", f.verdict, f.how) for f in found]
        print(table(("what", "measured", "at most", "", "how"), rows), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
