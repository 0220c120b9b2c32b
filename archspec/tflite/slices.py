"""Cuts a .tflite file into one file for each op, so that ops can be run and measured by themselves."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from archspec.artifact import ArtifactError, op_name

EXTERNAL = "its weights lie outside of the flatbuffer"


@dataclass(frozen=True)
class Slice:
    """One op as a file of its own, with all that its weights are computed from; `index` is its place in the whole.

    `inputs` and `outputs` are tensors of the whole, by number: those the file takes and gives, in its order. `names`
    are the whole's names of the outputs, that of the signature where one leaves the whole; `constants` those of the
    constants that only this op reads.
    """

    index: int
    op: str
    names: tuple[str, ...]
    constants: tuple[str, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    data: bytes


def cut(data: bytes) -> tuple[Slice, ...]:
    """The ops of a file that an inference runs, in order.

    An op of constants alone, as float16 weights have one before them, is run once or by no one: it has no slice, and
    stands before the op in the slices of those that read it. Raises ArtifactError where the file is broken, has more
    than one subgraph, keeps a state, or has its weights elsewhere.
    """
    from ai_edge_litert import schema_py_generated as schema

    if data[4:8] != b"TFL3":
        raise ArtifactError("not a .tflite file")
    try:
        stored = schema.Model.GetRootAs(data)
        codes = [op_name(stored.OperatorCodes(i), schema) for i in range(stored.OperatorCodesLength())]
        return tuple(_slices(_Whole(schema.ModelT.InitFromObj(stored), codes, schema)))
    except (struct.error, ValueError, TypeError, IndexError, AttributeError) as error:
        raise ArtifactError("the .tflite file is broken or cut short") from error


def sections(data: bytes, wanted: Iterable[tuple[Iterable[int], Sequence[int], Sequence[int]]]) -> list[bytes]:
    """Files of several ops each: of those at some places of the whole, with tensors it takes and gives, by number.

    `data` is one that `cut` takes.
    """
    from ai_edge_litert import schema_py_generated as schema

    stored = schema.Model.GetRootAs(data)
    whole = _Whole(schema.ModelT.InitFromObj(stored), [], schema)
    made = []
    for places, inputs, outputs in wanted:
        chains = [op for place in sorted(places) for op in _chain(whole, whole.ops[place])]
        ops = list({id(op): op for op in chains}.values())
        made.append(_file(whole, ops, inputs, outputs))
    return made


def tensors(data: bytes, fed: Sequence[NDArray[Any]], wanted: Iterable[int]) -> dict[int, NDArray[Any]]:
    """Tensors of a file by number, after one inference by this machine's builtin kernels.

    `fed` are the inputs in the file's order, as it takes them. A kernel that crashes takes the process along.
    """
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    builtin = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    net = Interpreter(
        model_content=data, experimental_op_resolver_type=builtin, experimental_preserve_all_tensors=True, num_threads=1
    )
    net.allocate_tensors()
    for detail, value in zip(net.get_input_details(), fed, strict=True):
        net.set_tensor(detail["index"], value)
    net.invoke()
    return {index: net.get_tensor(index) for index in wanted}


class _Whole:
    """The file that is cut, unpacked, and which of its tensors and ops hang on constants alone."""

    def __init__(self, model: Any, codes: Sequence[str], schema: Any) -> None:
        if len(model.subgraphs) != 1:
            raise ArtifactError(f"the file has {len(model.subgraphs)} subgraphs; only one can be cut")
        self.model, self.codes, self.schema, self.graph = model, codes, schema, model.subgraphs[0]
        self.ops = self.graph.operators
        self.constants = {i for i, tensor in enumerate(self.graph.tensors) if self._stored(tensor)}
        self.made_by: dict[int, Any] = {}  # of tensors computed from constants: the op
        for op in self.ops:
            if self.folded(op):
                self.made_by |= dict.fromkeys(map(int, op.outputs), op)

        signature = next((s for s in model.signatureDefs or () if s.subgraphIndex == 0), None)
        self.leaving = {out.tensorIndex: out.name.decode() for out in signature.outputs} if signature else {}

    def name(self, tensor: int) -> str:
        return self.leaving.get(tensor) or str(self.graph.tensors[tensor].name.decode())

    def _stored(self, tensor: Any) -> bool:
        buffer = self.model.buffers[tensor.buffer]
        if tensor.isVariable:
            raise ArtifactError("the file keeps a state between inferences, and cannot be cut")
        if buffer.offset > 1 or tensor.externalBuffer:
            raise ArtifactError(f"the file cannot be cut: {EXTERNAL}")
        return buffer.data is not None and len(buffer.data) > 0

    def folded(self, op: Any) -> bool:
        """Whether an op reads constants alone, and something at all."""
        read = reads(op)
        return bool(read) and all(i in self.constants or i in self.made_by for i in read)


def reads(op: Any) -> list[int]:
    """The tensors that an op reads, each once; -1 stands for one that is left out."""
    return list(dict.fromkeys(int(i) for i in op.inputs if i >= 0)) if op.inputs is not None else []


def _slices(whole: _Whole) -> Iterable[Slice]:
    readers: dict[int, int] = {}
    for op in whole.ops:
        for i in reads(op):
            readers[i] = readers.get(i, 0) + 1
    for index, op in enumerate(whole.ops):
        if whole.folded(op):
            continue
        chain = _chain(whole, op)
        own = [i for part in chain for i in reads(part) if i in whole.constants and readers[i] == 1]
        inputs = tuple(i for i in reads(op) if i not in whole.constants and i not in whole.made_by)
        outputs = tuple(map(int, op.outputs))
        names, constants = (tuple(map(whole.name, side)) for side in (outputs, own))
        made = _file(whole, chain, inputs, outputs)
        yield Slice(index, whole.codes[op.opcodeIndex], names, constants, inputs, outputs, made)


def _chain(whole: _Whole, op: Any) -> list[Any]:
    """An op behind those that its constants are computed by, in order."""
    found = [op]
    for part in found:
        found += [made for i in reads(part) if (made := whole.made_by.get(i)) and made not in found]
    return found[::-1]


def _file(whole: _Whole, chain: Sequence[Any], inputs: Sequence[int], outputs: Sequence[int]) -> bytes:
    """The bytes of a file with these ops, and a signature with inputs and outputs in this order."""
    from archspec.tflite.sharing import SharingBuilder

    schema = whole.schema
    used = list(dict.fromkeys([*inputs, *(i for op in chain for i in (*reads(op), *map(int, op.outputs)))]))
    numbers = {-1: -1} | {old: new for new, old in enumerate(used)}
    codes = list(dict.fromkeys(op.opcodeIndex for op in chain))
    buffers = [schema.BufferT()]
    parts = []
    for old in used:
        tensor = copy(whole.graph.tensors[old])
        held = whole.model.buffers[tensor.buffer]
        tensor.buffer = len(buffers) if old in whole.constants else 0
        buffers += [held] if old in whole.constants else []
        parts.append(tensor)
    ops = []
    for op in chain:
        op = copy(op)
        op.inputs, op.outputs = ([numbers[int(i)] for i in ends] for ends in (op.inputs, op.outputs))
        op.opcodeIndex, op.intermediates = codes.index(op.opcodeIndex), None
        ops.append(op)
    ends = [[numbers[i] for i in side] for side in (inputs, outputs)]
    graph = schema.SubGraphT(parts, *ends, ops, "main")
    # names that sort as they stand: a runtime may order them
    maps = [
        [schema.TensorMapT(f"{side}{i:03}", n) for i, n in enumerate(numbers)]
        for side, numbers in zip(("in", "out"), ends, strict=True)
    ]
    made = schema.ModelT(
        version=whole.model.version,
        operatorCodes=[whole.model.operatorCodes[i] for i in codes],
        subgraphs=[graph],
        buffers=buffers,
        signatureDefs=[schema.SignatureDefT(*maps, "serving_default", 0)],
    )
    builder = SharingBuilder(1024)
    builder.Finish(made.Pack(builder), b"TFL3")
    return bytes(builder.Output())
