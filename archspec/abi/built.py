"""What `archspec build` has made, read as it is to be verified."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archspec import manifest
from archspec.abi import AbiError, golden
from archspec.abi.rows import rows_of
from archspec.artifact import ArtifactError, TensorInfo, inspect_tflite


@dataclass(frozen=True, eq=False)
class Artifact:
    """A built file as the manifest has it, golden images as it takes them, and the float model's answers to these.

    `floats` is empty where boxes come out: suppression leaves few of many, and one more moves all that are behind it.
    `exactness` is its scheme, `mixed` where not all of it is of that.
    """

    abi: str
    scheme: str
    exactness: str
    file: Path
    data: bytes
    sha256: str
    rows: tuple[str, ...]
    fed: NDArray[Any]
    floats: Mapping[str, NDArray[np.float32]]
    outputs: tuple[TensorInfo, ...]
    ops: frozenset[str]

    @property
    def named(self) -> str:
        return f"{self.abi} ({self.scheme})"


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest in a folder. Raises AbiError, OSError."""
    file = folder / manifest.NAME
    try:
        written = json.loads(file.read_text(encoding="utf-8"))
        if isinstance(written["artifacts"], list) and isinstance(written["model"], str):
            return dict(written)
    except FileNotFoundError:
        raise AbiError(f"{folder}: no {manifest.NAME} in it; name a folder that `archspec build` has made") from None
    except (ValueError, KeyError, TypeError):
        pass
    raise AbiError(f"{file} is no manifest of a build")


def read_golden(folder: Path, written: Mapping[str, Any]) -> tuple[Path, golden.Arrays]:
    """Where the golden images of a manifest lie, and what is there. Raises AbiError, OSError."""
    try:
        file, sha256 = folder / written["golden"]["file"], str(written["golden"]["sha256"])
    except (KeyError, TypeError) as error:
        raise AbiError(f"{folder / manifest.NAME} names no golden images, which verify replays; build again") from error
    return file, golden.read(file, sha256)


def read_artifact(folder: Path, entry: Mapping[str, Any], stored: golden.Arrays) -> Artifact:
    """The file of a manifest's entry, with what is to be fed. Raises AbiError where it is another; OSError."""
    try:
        abi, scheme, contract, file = str(entry["abi"]), str(entry["scheme"]), entry["input"], folder / entry["file"]
        data = file.read_bytes()
        if hashlib.sha256(data).hexdigest() != entry["sha256"]:
            raise AbiError(f"{file} is not the file that was built: its digest is another")
        taken = inspect_tflite(data)
        images = golden.in_model_units(stored[golden.images_key(entry["variant"])], contract)
        named = () if entry.get("nms") else tuple(info.name for info in taken.outputs)
        floats = {name: stored[golden.answer_key(entry["variant"], name)] for name in named}
    except ArtifactError as error:
        raise AbiError(f"{file}: {error}") from error
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise AbiError(f"{folder / manifest.NAME} is no manifest of a build") from error
    if len(taken.inputs) != 1 or images.shape[1:] != taken.inputs[0].shape[1:]:
        raise AbiError(f"{file} does not take the input that the manifest or {golden.NAME} says")
    fed = golden.as_fed(images, taken.inputs[0])
    kept_out = entry.get("float_rows") or entry.get("int16_rows")
    ops = frozenset(use.op for use in taken.ops)
    exactness = "mixed" if kept_out else scheme
    return Artifact(abi, scheme, exactness, file, data, taken.sha256, rows_of(entry), fed, floats, taken.outputs, ops)
