"""Folders as `archspec build` writes them, around .tflite files that it has not built."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

from archspec.artifact import inspect_tflite

INPUT = {"size": [32, 48, 3], "range": [0, 1], "mean": None, "std": None, "color": "rgb", "resize": "stretch"}
TRAINED = {"file": "weights/x.safetensors", "sha256": "0" * 64}


def lay_out(folder: Path, artifact: Path, **changes: Any) -> Path:
    """A build folder, as `archspec build` writes it, around a .tflite file; gives the artifact's path."""
    file = folder / "build" / "net" / "arm64-v8a" / "model.tflite"
    file.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(artifact, file)
    data = artifact.read_bytes()
    names = [info.name for info in inspect_tflite(data).outputs] if data[4:8] == b"TFL3" else []
    entry = {
        "sha256": hashlib.sha256(data).hexdigest(),
        "input": INPUT,
        "nms": None,
        "outputs": [{"name": n} for n in names],
    }
    entry |= {key: changes.pop(key) for key in ("input", "outputs") if key in changes}
    manifest = {"weights": TRAINED, "artifacts": [{"sha256": "0" * 64}, entry]} | changes
    (file.parent.parent / "manifest.json").write_text(json.dumps(manifest))
    return file
