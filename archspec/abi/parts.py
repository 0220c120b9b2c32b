"""The program that cuts a .tflite file into its ops, each with the inputs it has in the whole.

python -m archspec.abi.parts MODEL GIVEN FOLDER

GIVEN holds the inputs of one inference. FOLDER gets `N.tflite` and `N.in` for the op at place N: `N.in` its inputs, as
often as `count.RUNS` says. A process of its own, as the whole is run here, and its kernels may crash.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from archspec.abi.count import RUNS
from archspec.artifact import ArtifactError, inspect_tflite
from archspec.tflite.slices import Slice, cut, tensors


def part(folder: Path, one: Slice) -> tuple[Path, Path]:
    """The file of one op and that of its inputs."""
    return folder / f"{one.index}.tflite", folder / f"{one.index}.in"


def main(model: str, given: str, folder: str) -> None:
    data, raw = Path(model).read_bytes(), Path(given).read_bytes()
    fed = []
    for info in inspect_tflite(data).inputs:
        values = np.frombuffer(raw, info.dtype, int(np.prod(info.shape)))
        fed.append(values.reshape(info.shape))
        raw = raw[values.nbytes :]
    slices = cut(data)
    known = tensors(data, fed, sorted({number for one in slices for number in one.inputs}))
    for one in slices:
        file, inputs = part(Path(folder), one)
        file.write_bytes(one.data)
        inputs.write_bytes(b"".join(known[number].tobytes() for number in one.inputs) * RUNS)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except (ArtifactError, RuntimeError, ValueError) as error:
        sys.exit(f"error: {error}")
