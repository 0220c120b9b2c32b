"""The ranges of activations that quantization-aware training leaves in a Keras file of weights."""

from __future__ import annotations

import io
import math
import zipfile
from pathlib import Path
from typing import Any

from archspec.weights.errors import WeightsError
from archspec.weights.hdf5 import RANGE

SUFFIX = ".range"  # of the layer's name, behind the tensor's


def ranges_in(path: str | Path) -> dict[str, tuple[float, float]]:
    """The least and the greatest value of each tensor that the file has a range for, by the tensor's name.

    Nothing for a file without any: of another format, or trained without fake quantization. Ranges of no batch are
    left out. Raises WeightsError for a range that is none, and OSError.
    """
    import h5py

    path = Path(path)
    if not path.is_file():
        return {}  # a checkpoint goes by a prefix
    file: Any = path
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if "model.weights.h5" not in archive.namelist():
                return {}
            file = io.BytesIO(archive.read("model.weights.h5"))
    elif not h5py.is_hdf5(path):
        return {}
    try:
        with h5py.File(file, "r") as root:
            return _ranges(root, path.name)
    except (OSError, KeyError, ValueError, TypeError, AttributeError, RuntimeError) as error:
        raise WeightsError(f"{path.name}: damaged HDF5 file: {error}") from error


def _ranges(root: Any, name: str) -> dict[str, tuple[float, float]]:
    found: dict[str, tuple[float, float]] = {}
    layers = root.get("layers", {})
    for key in layers:
        if key.rstrip("0123456789").rstrip("_") != RANGE:
            continue
        variables = layers[key]["vars"]
        tensor = str(variables.attrs["name"]).removesuffix(SUFFIX)
        low, high, batches = (float(variables[str(i)][()]) for i in range(3))
        if not (math.isfinite(low) and math.isfinite(high) and low <= 0 <= high):
            raise WeightsError(f"{name}: `{tensor}` has no range: {low} to {high}")
        if batches > 0:
            found[tensor] = (low, high)
    return dict(sorted(found.items()))
