"""What int8 loses in classification, as JSON: the digits network is trained, built twice and asked about each digit.

Half of the digits that training never sees calibrate the int8 file; the agreement is over all digits of the other
half. About three minutes on two processors, most of them training.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SPEC = "specs/digits.yaml"
TARGETS = "targets={x86_64: {quantize: none}, arm64-v8a: {quantize: int8}}"


def held_out(folder: Path) -> tuple[Path, Path]:
    """Two folders of PNG pictures, half each of the digits that the recipe keeps out of training."""
    from PIL import Image

    from archspec.analysis import document, network
    from archspec.calibration import input_entry
    from archspec.diagnostics import Source
    from archspec.photo import InputContract
    from archspec.train.sources import Asked, open_sources

    graph = network(document(Source(SPEC, (ROOT / SPEC).read_text(encoding="utf-8")))).graph
    assert graph.head.train is not None
    contract = InputContract.from_manifest(input_entry(graph.head.input))
    _, measured = open_sources(Asked(graph.head.train, contract, ROOT / "specs"))
    halves = folder / "calibrate", folder / "ask"
    for k, half in enumerate(halves):
        half.mkdir()
        for i in range(k, len(measured), 2):
            Image.fromarray(measured.read(i).image).save(half / f"{i:04}.png")
    return halves


def archspec(*arguments: str | Path) -> str:
    """What a command prints. Raises CalledProcessError."""
    command = [sys.executable, "-m", "archspec", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


def main() -> None:
    """Print one figure: the share of digits that int8 calls otherwise than float32."""
    with tempfile.TemporaryDirectory(prefix="archspec-bench-") as name:
        folder = Path(name)
        calibrate, ask = held_out(folder)
        trained = json.loads(archspec("train", SPEC, "--runs", folder, "--name", "run", "--json"))
        weights = folder / "run" / "last.weights.h5"
        archspec("build", SPEC, "--set", TARGETS, "--weights", weights, "--calibrate", calibrate, "--out", folder)
        files = [folder / "digits" / abi / "model.tflite" for abi in ("x86_64", "arm64-v8a")]
        told = json.loads(archspec("eval", *files, "--images", ask, "--json"))
    how = f"{told['agree']} of {told['images']} alike; top-1 of float {trained['top1']:.4f}"
    figure = {"name": "digits that int8 calls otherwise", "value": 1 - told["share"]}
    print(json.dumps([figure | {"unit": "", "bar": 0.01, "how": how}]))


if __name__ == "__main__":
    main()
