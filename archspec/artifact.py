"""What is in a .tflite file, and what it answers: read and run without TensorFlow."""

from __future__ import annotations

import hashlib
import os
import struct
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


class ArtifactError(Exception):
    """A .tflite file that is broken, or that cannot take the images given to it."""


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """An input or output: value = (stored - zero_point) * scale; both are None where it is not quantized."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    scale: float | None
    zero_point: int | None


@dataclass(frozen=True, slots=True)
class OpUse:
    """How often the file runs an op in one version of it; a custom op goes by its own name."""

    op: str
    version: int
    count: int


@dataclass(frozen=True, slots=True)
class Island:
    """One op that handles floats, and the float tensor it writes, else the first that it reads."""

    op: str
    tensor: str


@dataclass(frozen=True, slots=True)
class Artifact:
    """The contents of a .tflite file; `size` in bytes.

    `inputs` and `outputs` are those of the first subgraph, named by its signature where it has one.
    `ops` (sorted) and `float_islands` (in order of execution) are those of all subgraphs. A file that claims
    int8 has no island: QUANTIZE and DEQUANTIZE at a float border and hybrid ops count as such.
    """

    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    ops: tuple[OpUse, ...]
    float_islands: tuple[Island, ...]
    size: int
    sha256: str


def inspect_tflite(data: bytes) -> Artifact:
    """The contents of the .tflite file `data`. Raises ArtifactError if it is broken."""
    from ai_edge_litert import schema_py_generated as schema

    if data[4:8] != b"TFL3":
        raise ArtifactError("not a .tflite file")
    try:
        model = schema.Model.GetRootAs(data)
        for i in range(model.BuffersLength()):
            model.Buffers(i).DataAsNumpy()  # raises where the file is cut short
        codes = [model.OperatorCodes(i) for i in range(model.OperatorCodesLength())]
        ops = [(op_name(code, schema), code.Version()) for code in codes]
        runs = [run for i in range(model.SubgraphsLength()) for run in _runs(model.Subgraphs(i), ops, schema)]
        inputs, outputs = _interface(model, schema)
    except (struct.error, ValueError, TypeError, IndexError, AttributeError) as error:
        raise ArtifactError("the .tflite file is broken or cut short") from error
    return Artifact(
        inputs=inputs,
        outputs=outputs,
        ops=tuple(OpUse(*op, count) for op, count in sorted(Counter(op for op, _ in runs).items())),
        float_islands=tuple(Island(op[0], tensor) for op, tensor in runs if tensor is not None),
        size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
    )


def run_tflite(file: bytes | Path, images: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    """What the file (bytes or path) answers to `images`, (n, height, width, channels) in model units.

    Images (n at least 1) are quantized by the file's own scale and zero point, rounded half to even as
    TensorFlow does, and run one at a time on this machine's CPU. Outputs are dequantized, first axis n, keyed
    by their signature names. While the file is loaded, what this process writes to standard error is lost, as
    the runtime logs there.
    Raises ArtifactError if the file is broken or takes something else, OSError if it cannot be read.
    """
    data = file.read_bytes() if isinstance(file, Path) else file
    artifact = inspect_tflite(data)
    if len(artifact.inputs) != 1:
        raise ArtifactError(f"the file takes {len(artifact.inputs)} inputs, not one image")
    taken = artifact.inputs[0]
    if (1, *images.shape[1:]) != taken.shape:
        raise ArtifactError(f"the file takes {list(taken.shape)}, not images of {list(images.shape[1:])}")
    try:
        interpreter = _interpreter(data)
        answers = [_invoke(interpreter, _quantize(image[None], taken)) for image in images]
    except (RuntimeError, ValueError) as error:
        raise ArtifactError(f"the runtime refuses the file: {error}") from error
    return {
        info.name: np.concatenate([_dequantize(answer[i], info) for answer in answers])
        for i, info in enumerate(artifact.outputs)
    }


# --- reading


def op_name(code: Any, schema: Any) -> str:
    """What an OperatorCode of ai-edge-litert's `schema` is called. Raises ArtifactError where that does not know it."""
    # Codes above 127 do not fit the older field, which then holds 127; both are written for old readers.
    number = max(code.DeprecatedBuiltinCode(), code.BuiltinCode())
    if number == schema.BuiltinOperator.CUSTOM:
        return str(code.CustomCode() or b"CUSTOM", "utf-8")
    return _enum_name(schema.BuiltinOperator, number, "op")


def _enum_name(enum: Any, number: int, what: str) -> str:
    for name, value in vars(enum).items():
        if value == number and not name.startswith("_"):
            return str(name)
    raise ArtifactError(f"the file holds {what} number {number}, which ai-edge-litert does not know")


def _dtype(tensor: Any, schema: Any) -> str:
    return _enum_name(schema.TensorType, tensor.Type(), "data type").lower()


def _integers(vector: Any) -> list[int]:
    """A flatbuffer's vector, which reads as the number 0 where it is absent."""
    return [int(value) for value in vector] if isinstance(vector, np.ndarray) else []


def _runs(graph: Any, ops: list[tuple[str, int]], schema: Any) -> Iterator[tuple[tuple[str, int], str | None]]:
    """Each op of a subgraph in order, with the float tensor it writes, else reads, else None."""
    tensors = [graph.Tensors(i) for i in range(graph.TensorsLength())]
    floats = ["float" in _dtype(tensor, schema) for tensor in tensors]
    for i in range(graph.OperatorsLength()):
        operator = graph.Operators(i)
        touched = _integers(operator.OutputsAsNumpy()) + _integers(operator.InputsAsNumpy())
        # -1 stands for an optional input left out
        island = next((j for j in touched if j >= 0 and floats[j]), None)
        yield ops[operator.OpcodeIndex()], None if island is None else tensors[island].Name().decode()


def _interface(model: Any, schema: Any) -> tuple[tuple[TensorInfo, ...], tuple[TensorInfo, ...]]:
    """Inputs and outputs of the first subgraph, named by the first signature that stands for it."""
    graph = model.Subgraphs(0)
    signatures = [model.SignatureDefs(i) for i in range(model.SignatureDefsLength())]
    signature = next((s for s in signatures if s.SubgraphIndex() == 0), None)
    names_in: list[Any] = []
    names_out: list[Any] = []
    if signature is not None:
        names_in = [signature.Inputs(i) for i in range(signature.InputsLength())]
        names_out = [signature.Outputs(i) for i in range(signature.OutputsLength())]
    return (
        _infos(graph, _integers(graph.InputsAsNumpy()), names_in, schema),
        _infos(graph, _integers(graph.OutputsAsNumpy()), names_out, schema),
    )


def _infos(graph: Any, indices: list[int], maps: list[Any], schema: Any) -> tuple[TensorInfo, ...]:
    names: dict[int, list[str]] = {}
    for entry in maps:
        names.setdefault(entry.TensorIndex(), []).append(entry.Name().decode())
    infos = []
    for index in indices:
        if not 0 <= index < graph.TensorsLength():
            raise IndexError(index)
        tensor, quantization = graph.Tensors(index), graph.Tensors(index).Quantization()
        quantized = quantization is not None and quantization.ScaleLength() == 1 and quantization.Scale(0) > 0
        # one tensor may be an output twice, by two names
        name = names[index].pop(0) if names.get(index) else tensor.Name().decode()
        infos.append(
            TensorInfo(
                name=name,
                shape=tuple(_integers(tensor.ShapeAsNumpy())),
                dtype=_dtype(tensor, schema),
                scale=float(quantization.Scale(0)) if quantized else None,
                zero_point=int(quantization.ZeroPoint(0)) if quantized else None,
            )
        )
    return tuple(infos)


# --- running


@contextmanager
def _silent() -> Iterator[None]:
    """Sends file descriptor 2 nowhere: the C++ runtime logs there, past Python's sys.stderr."""
    sys.stderr.flush()
    saved = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(nowhere)


def _interpreter(data: bytes) -> Any:
    from ai_edge_litert.interpreter import Interpreter

    with _silent():
        interpreter = Interpreter(model_content=data)
        interpreter.allocate_tensors()
    return interpreter


def _invoke(interpreter: Any, image: NDArray[Any]) -> list[NDArray[Any]]:
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image)
    interpreter.invoke()
    return [interpreter.get_tensor(output["index"]) for output in interpreter.get_output_details()]


def _quantize(image: NDArray[np.float32], info: TensorInfo) -> NDArray[Any]:
    if "float" in info.dtype:
        return image.astype(info.dtype)
    limits = np.iinfo(info.dtype)
    steps = np.rint(image / np.float64(info.scale or 1)) + (info.zero_point or 0)
    return np.asarray(np.clip(steps, limits.min, limits.max), info.dtype)


def _dequantize(answer: NDArray[Any], info: TensorInfo) -> NDArray[np.float32]:
    if info.scale is None or info.zero_point is None:
        return answer.astype(np.float32)
    return ((answer.astype(np.float64) - info.zero_point) * info.scale).astype(np.float32)
