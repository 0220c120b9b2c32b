"""A folder as `archspec build` leaves it, of files that make_tflite.py has made."""

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archspec.abi import golden
from archspec.artifact import inspect_tflite

CONTRACT = {"size": [32, 48, 3], "range": [0, 1], "mean": None, "std": None, "color": "rgb", "resize": "stretch"}
PIXELS = np.random.default_rng(0).integers(0, 256, (2, 32, 48, 3), np.uint8)


def floats(pixels: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
    """What the float model `edges` answers: fuse = 8r - 4g + 2b - 1 and side = -fuse, as make_tflite.py has it."""
    fuse = (pixels / 255 @ np.array([8, -4, 2]) - 1).astype(np.float32)[..., None]
    return {"fuse": fuse, "side": -fuse}


def made(folder: Path, tflite: Path, files: Mapping[str, tuple[str, str]]) -> Path:
    """`files` are names in `tflite` and schemes, by ABI; all answer as `edges` does."""
    entries = []
    for abi, (name, scheme) in files.items():
        (folder / abi).mkdir()
        shutil.copy(tflite / f"{name}.tflite", folder / abi / "model.tflite")
        sha256 = inspect_tflite((folder / abi / "model.tflite").read_bytes()).sha256
        entry = {"abi": abi, "file": f"{abi}/model.tflite", "scheme": scheme, "variant": None, "rows": ["fuse", "side"]}
        entries.append({**entry, "input": CONTRACT, "sha256": sha256})
    images = golden.in_model_units(PIXELS, CONTRACT)
    stored = golden.packed(golden.stored(None, CONTRACT, images, floats(PIXELS)))
    (folder / golden.NAME).write_bytes(stored)
    digest: dict[str, Any] = {"file": golden.NAME, "sha256": hashlib.sha256(stored).hexdigest()}
    (folder / "manifest.json").write_text(json.dumps({"model": "edges", "artifacts": entries, "golden": digest}))
    return folder
