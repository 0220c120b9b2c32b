"""Artifacts of released weights: their size, latency and answers, as JSON. Needs the folder of reference data.

released.py SHARED: Google's MobileNet v2, brought into our form and built as int8, against Google's own int8 file;
the document scanner's network, int8 against float.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
CLASSES = ("--set", "let.classes=1001", "--folded")  # Google's files have the background as class 0
ROUNDS = 200  # in which both files answer once


def archspec(*arguments: str) -> str:
    """What a command prints. Raises CalledProcessError."""
    command = [sys.executable, "-m", "archspec", *arguments]
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


def latencies(files: list[Path]) -> list[float]:
    """The median seconds of each file's inference on one thread, in turns."""
    from ai_edge_litert.interpreter import Interpreter

    nets = [Interpreter(model_path=str(file), num_threads=1) for file in files]
    for net in nets:
        net.allocate_tensors()
        (taken,) = net.get_input_details()
        net.set_tensor(taken["index"], np.random.default_rng(0).integers(0, 100, taken["shape"]).astype(taken["dtype"]))
        net.invoke()
    seconds: list[list[float]] = [[] for _ in nets]
    for _ in range(ROUNDS):
        for net, times in zip(nets, seconds, strict=True):
            start = time.perf_counter()
            net.invoke()
            times.append(time.perf_counter() - start)
    return [median(times) for times in seconds]


def classifier(shared: Path, folder: Path) -> Iterator[dict[str, Any]]:
    """MobileNet v2 against Google's int8 file of the same weights."""
    theirs, weights = shared / "coral" / "tf2_mobilenet_v2_1.0_224_ptq.tflite", folder / "v2.weights.h5"
    spec, photos = "specs/mobilenet_v2.yaml", str(shared / "hed" / "backgrounds")
    archspec("import", str(theirs), spec, *CLASSES, "-o", str(weights))
    archspec("build", spec, *CLASSES, "--weights", str(weights), "--calibrate", photos, "--out", str(folder))
    ours = folder / "mobilenet_v2" / "arm64-v8a" / "model.tflite"
    sizes = [file.stat().st_size for file in (ours, theirs)]
    yield figure("bytes of mobilenet_v2 int8, against Google's", sizes[0] / sizes[1], 0.95, f"{sizes[0]} / {sizes[1]}")
    mine, other = latencies([ours, theirs])
    how = f"{1000 * mine:.3g} ms / {1000 * other:.3g} ms"
    yield figure("latency of mobilenet_v2 int8 on one thread, against Google's", mine / other, 1.0, how)
    wrong = [p for p in sorted((shared / "coral").glob("*.png")) if top(ours, p) != top_of_google(theirs, p)]
    how = "photos: " + (", ".join(p.name for p in wrong) or "all alike")
    yield figure("photos with another top-1 than Google's file", len(wrong), 0, how, "")


def top(file: Path, photo: Path) -> int:
    """The likeliest class by `archspec predict`."""
    return int(json.loads(archspec("predict", str(file), str(photo), "--json"))["classes"][0]["index"])


def top_of_google(file: Path, photo: Path) -> int:
    """The likeliest class by a plain interpreter on the photo stretched to 224×224, 0 to 255."""
    from ai_edge_litert.interpreter import Interpreter
    from PIL import Image

    net = Interpreter(model_path=str(file))
    net.allocate_tensors()
    (taken,), (given,) = net.get_input_details(), net.get_output_details()
    pixels = np.asarray(Image.open(photo).convert("RGB").resize((224, 224), Image.Resampling.BILINEAR))
    net.set_tensor(taken["index"], pixels[None])
    net.invoke()
    return int(net.get_tensor(given["index"])[0].argmax())


def edges(shared: Path, folder: Path) -> Iterator[dict[str, Any]]:
    """The released document network: bytes of its int8 file, and what int8 loses on the annotated pairs."""
    weights, photos = str(shared / "hed" / "checkpoint" / "hed.ckpt-100"), str(shared / "hed" / "backgrounds")
    spec = "specs/mobilenet_v2_hed.yaml"
    archspec("build", spec, "--weights", weights, "--calibrate", photos, "--out", str(folder))
    built = folder / "mobilenet_v2_hed"
    ours, exact = built / "arm64-v8a" / "model.tflite", built / "x86_64" / "model.tflite"
    yield figure("kB of mobilenet_v2_hed int8", ours.stat().st_size / 1000, 400, "", "kB")
    pairs = str(shared / "hed" / "pairs.csv")
    scores = json.loads(archspec("eval", str(exact), str(ours), "--pairs", pairs, "--output", "fuse", "--json"))
    lost = -scores["difference"]["ods"]
    yield figure("ODS that int8 loses on the annotated pairs", lost, 0.005, "", "")


def figure(name: str, value: float, bar: float, how: str, unit: str = "×") -> dict[str, Any]:
    return {"name": name, "value": value, "unit": unit, "bar": bar, "how": how}


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="archspec-bench-") as scratch:
        given = Path(sys.argv[1]).resolve()
        found = [*classifier(given, Path(scratch)), *edges(given, Path(scratch))]
    print(json.dumps(found))
