"""What a file claims by its scheme, held against the ops that are in it. A claim that fails names the row."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from archspec.artifact import TensorInfo, inspect_tflite
from archspec.graph import Graph
from archspec.quantize.placed import BORDERS, Placed, placed
from archspec.tflite.model import one_graph
from archspec.tflite.runtimes import newer_than

FLOATS = ("FLOAT32", "FLOAT16")


class ClaimError(Exception):
    """An artifact that is not what its scheme claims; names the op and the row, the tensor or the output."""


@dataclass(frozen=True)
class Claim:
    """What is said of a file that was made of `graph`; the rest is what a `jobs.Conversion` asks for."""

    graph: Graph
    scheme: str
    border: str
    float_rows: tuple[str, ...] = ()
    int16_rows: tuple[str, ...] = ()
    min_runtime: str | None = None


def check(data: bytes, claim: Claim, outputs: Iterable[str]) -> None:
    """Hold a file to its claim but for the release; `outputs` are the names it must serve.

    Raises ClaimError, ArtifactError.
    """
    artifact, asked = inspect_tflite(data), list(outputs)
    if sorted(info.name for info in artifact.outputs) != sorted(asked):
        raise ClaimError(f"outputs {', '.join(i.name for i in artifact.outputs)} instead of {', '.join(asked)}")
    for info in (*artifact.inputs, *artifact.outputs):
        _check_border(info, claim)
    ops = placed(data, claim.graph)
    graph = one_graph(data)
    CHECKS[claim.scheme](ops, claim, {*graph.inputs, *graph.outputs})


def _check_border(info: TensorInfo, claim: Claim) -> None:
    if info.dtype != claim.border:
        raise ClaimError(f"not {claim.scheme}: `{info.name}` is {info.dtype} instead of {claim.border}")
    if info.dtype != "float32" and info.scale is None:
        raise ClaimError(f"not {claim.scheme}: `{info.name}` has no scale")
    if info.shape[:1] != (1,):
        raise ClaimError(f"`{info.name}` has batch {info.shape[:1]}, not 1")


def _floats(ops: Sequence[Placed], claim: Claim, borders: set[int]) -> None:
    """float32 throughout, but for the kernels of `float16` and `dynamic`."""
    for op in ops:
        if other := next((t for t in (*op.reads, *op.writes) if t not in ("FLOAT32", "INT32", "BOOL")), None):
            raise ClaimError(f"not {claim.scheme}: {op.op} handles {other.lower()}{located(op)}")
    kernels = [op for op in ops if op.kernel is not None]
    wanted = {"none": "FLOAT32", "float16": "FLOAT16", "dynamic": "INT8"}[claim.scheme]
    for op in kernels:
        if op.kernel != wanted and (op.kernel != "FLOAT32" or claim.scheme == "float16"):
            raise ClaimError(f"not {claim.scheme}: {op.op} has {str(op.kernel).lower()} weights{located(op)}")
    if claim.scheme == "dynamic" and float_layers(ops) == len(kernels):
        raise ClaimError("not dynamic: no layer has 8-bit weights")


def float_layers(ops: Iterable[Placed]) -> int:
    """How many layers with a kernel have it in float32."""
    return sum(op.kernel == "FLOAT32" for op in ops)


def _integers(ops: Sequence[Placed], claim: Claim, borders: set[int]) -> None:
    """Integers throughout, but for the rows that are to be float, and what goes to and from those."""
    _check_kept(ops, claim.float_rows, "FLOAT32", "float")
    _check_kept(ops, claim.int16_rows, "INT16", "of 16 bits")
    inside = {"int8": "INT8", "int16x8": "INT16"}[claim.scheme]
    accepted = set(borders) if claim.border == "float32" else set[int]()
    for op in (op for op in ops if op.op not in BORDERS):
        if set(op.rows) & set(claim.float_rows):
            accepted |= {*op.inputs, *op.outputs}
        else:
            _check_op(op, claim, "INT16" if set(op.rows) & set(claim.int16_rows) else inside)
    for op in (op for op in ops if op.op in BORDERS):
        if any(t in FLOATS for t in (*op.reads, *op.writes)) and not accepted & {*op.inputs, *op.outputs}:
            raise ClaimError(f"not {claim.scheme}: {op.op} handles floats{located(op)}")


def _check_op(op: Placed, claim: Claim, inside: str) -> None:
    if op.kernel == "INT8" and "FLOAT32" in op.reads:
        raise ClaimError(f"not {claim.scheme}: {op.op} is hybrid, 8-bit weights on floats{located(op)}")
    if any(t in FLOATS for t in (*op.reads, *op.writes)):
        raise ClaimError(f"not {claim.scheme}: {op.op} handles floats{located(op)}{_help(op)}")
    if op.kernel not in (None, "INT8"):
        raise ClaimError(f"not {claim.scheme}: {op.op} has {str(op.kernel).lower()} weights{located(op)}")
    other = next((t for t in (*op.reads, *op.writes) if t in ("INT8", "UINT8", "INT16") and t != inside), None)
    if other:
        raise ClaimError(f"not {claim.scheme}: {op.op} handles {other.lower()}{located(op)}")
    if inside == "INT16" and op.bias not in (None, "INT64"):
        raise ClaimError(f"not {claim.scheme}: {op.op} has a bias of {str(op.bias).lower()}{located(op)}")


def _help(op: Placed) -> str:
    return "; name the row under float_rows, or give it another op" if op.rows else ""


def _check_kept(ops: Sequence[Placed], rows: Sequence[str], dtype: str, what: str) -> None:
    for row in rows:
        there = [op for op in ops if row in op.rows and op.op not in BORDERS]
        if not any(dtype in (*op.reads, *op.writes) for op in there):
            raise ClaimError(f"row `{row}` is not {what}, as it should be")


def check_runtime(data: bytes, ops: Sequence[Placed], runtime: str) -> None:
    """Raise ClaimError where a release of TensorFlow Lite does not run one of a file's `ops`."""
    needs = newer_than(data, runtime)
    if needs:
        one = needs[0]
        at = next((located(op) for op in ops if op.tensor == one.tensor), "")
        since = f"is there since {one.runtime}" if one.runtime else "is in no known release"
        raise ClaimError(f"TensorFlow Lite {runtime} cannot run it: {one.op} version {one.version} {since}{at}")


def located(op: Placed) -> str:
    """Where an op is, to end a message with."""
    return f" at row `{op.rows[0]}`" if op.rows else f" at {op.tensor}"


CHECKS: dict[str, Callable[[Sequence[Placed], Claim, set[int]], None]] = {
    "none": _floats,
    "float16": _floats,
    "dynamic": _floats,
    "int8": _integers,
    "int16x8": _integers,
}
