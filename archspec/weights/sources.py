"""Reading foreign weights: the format told by the file's first bytes. No pickle, no code from files."""

import glob
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from archspec.weights.errors import WeightsError
from archspec.weights.hdf5 import pickle_message, read_hdf5, read_keras_zip
from archspec.weights.tflite import IDENTIFIER, read_tflite
from archspec.weights.units import Source

HDF5 = b"\x89HDF\r\n\x1a\n"
ZIP = b"PK\x03\x04"
PICKLES = {".pt", ".pth", ".pkl", ".pickle"}
SAFETENSORS = {  # type names of the format -> numpy's; all little-endian
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2",
    "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1", "U8": "u1", "BOOL": "?",
}  # fmt: skip
KNOWN = "a TensorFlow checkpoint prefix, .weights.h5, .h5, .keras, .safetensors or .tflite"


def read_source(path: str | Path) -> Source:
    """Read all tensors of a file or a TensorFlow checkpoint (its prefix, its .index or a .data file).

    Raises WeightsError for a missing, damaged or unknown file, and for a pickle.
    """
    path = Path(path)
    prefix = re.sub(r"\.(index|meta|data-\d{5}-of-\d{5})$", "", str(path))
    if Path(prefix + ".index").is_file():
        return _checkpoint(prefix)
    if path.is_dir():
        raise WeightsError(
            f"{path}: a folder; give a file, or a checkpoint's prefix such as {path.name}/model.ckpt-100"
        )
    if not path.is_file():
        raise WeightsError(f"{path}: no such file, and no checkpoint {prefix}.index")
    try:
        with path.open("rb") as file:
            head = file.read(16)
    except OSError as error:
        raise WeightsError(f"{path}: {error.strerror}") from error
    return _by_content(path, head)


def _by_content(path: Path, head: bytes) -> Source:
    if head.startswith(HDF5):
        return read_hdf5(path)
    if path.suffix in PICKLES or (head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05")):
        raise WeightsError(pickle_message(path.name))
    if head.startswith(ZIP):
        return read_keras_zip(path)
    if head[4:8] == IDENTIFIER:
        return read_tflite(path)
    if path.suffix == ".safetensors" or head[8:9] == b"{":
        return _safetensors(path)
    raise WeightsError(f"{path.name}: unknown format ({len(head) and head[:8]!r} ...); readable is {KNOWN}")


def _checkpoint(prefix: str) -> Source:
    if not glob.glob(glob.escape(prefix) + ".data-*-of-*"):
        raise WeightsError(f"{prefix}.index has no {Path(prefix).name}.data-00000-of-00001 beside it")
    from archspec.tf.checkpoint import read_checkpoint

    tensors, skipped = read_checkpoint(prefix)
    return Source("TensorFlow checkpoint", tensors, skipped=skipped)


def _safetensors(path: Path) -> Source:
    import safetensors

    deserialize: Callable[[bytes], list[tuple[str, dict[str, Any]]]] = safetensors.deserialize
    try:
        stored = deserialize(path.read_bytes())
    except (safetensors.SafetensorError, OSError) as error:
        raise WeightsError(f"{path.name}: cannot be read as safetensors: {error}") from error
    tensors = {}
    for name, tensor in stored:
        if tensor["dtype"] not in SAFETENSORS:
            raise WeightsError(f"{path.name}: tensor `{name}` holds {tensor['dtype']}, which is not read")
        array = np.frombuffer(tensor["data"], SAFETENSORS[tensor["dtype"]]).reshape(tensor["shape"])
        if tensor["dtype"] == "BF16":  # the upper half of a float32, which numpy has no type for
            array = (array.astype(np.uint32) << 16).view(np.float32)
        tensors[name] = array
    skipped = tuple(name for name in tensors if name.rpartition(".")[2] == "num_batches_tracked")
    return Source("safetensors", {n: t for n, t in tensors.items() if n not in skipped}, skipped=skipped)
