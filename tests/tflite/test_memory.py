"""Memory of .tflite files, against sums over sets written out here and the addresses that the runtime gives."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from little_tflite import Step, little, packed, tensor, unpacked

from archspec.artifact import ArtifactError
from archspec.tflite.memory import arena_size, peak_ram

BYTES = {0: 4, 2: 4, 3: 1, 4: 8, 9: 1}  # of a value, by the schema's number of its type
SHARED = ["coral/mobilenet_v1_0.25_128_quant.tflite", "coral/tf2_mobilenet_v2_1.0_224_ptq.tflite",
          "coral/deeplabv3_mnv2_dm05_pascal_quant.tflite"]  # fmt: skip


def alive(data: bytes, step: int) -> set[int]:
    """The activations that a step must find or leave whole, by the words of `peak_ram`."""
    graph = unpacked(data).subgraphs[0]
    reads = [set(map(int, op.inputs)) for op in graph.operators]
    found = {int(i) for i in graph.inputs} | {i for i, t in enumerate(graph.tensors) if t.isVariable}
    for number, op in enumerate(graph.operators[: step + 1]):
        for i in map(int, op.outputs):
            read_later = any(i in later for later in reads[step:])
            never_read = not any(i in reader for reader in reads)
            if number == step or read_later or never_read or i in graph.outputs:
                found.add(i)
    return found


def brute_peak(data: bytes) -> int:
    graph = unpacked(data).subgraphs[0]
    sizes: list[int] = [int(np.prod(t.shape)) * BYTES[t.type] for t in graph.tensors]
    sums: list[int] = [sum(sizes[i] for i in alive(data, step)) for step in range(len(graph.operators))]
    return max(sums)


def measured_arena(data: bytes) -> int:
    """From the first to the last byte of the activations, as the runtime's reference kernels have them."""
    interpreter = Interpreter(model_content=data, experimental_op_resolver_type=OpResolverType.BUILTIN_REF)
    interpreter.allocate_tensors()
    graph = unpacked(data).subgraphs[0]
    spans: list[tuple[int, int]] = []
    for i in {int(i) for op in graph.operators for i in op.outputs} | {int(i) for i in graph.inputs}:
        view = interpreter.tensor(i)()
        address = view.__array_interface__["data"][0]
        spans.append((address, address + view.nbytes))
    return max(end for _, end in spans) - min(start for start, _ in spans)


def random_file(seed: int) -> bytes:
    """A network of float vectors: ops that write over an input, ops that keep its bytes, and others."""
    random = np.random.default_rng(seed)
    axis = tensor("axis", (), "INT32", buffer=1)
    tensors, made, steps = [axis], [1, 2], list[Step]()
    for name in "ab":
        tensors.append(tensor(name, (1, int(random.integers(1, 200)))))
    for number in range(int(random.integers(1, 14))):
        x = int(random.choice(made))
        shape = tuple(map(int, tensors[x].shape))
        y = int(random.choice([i for i in made if tuple(tensors[i].shape) == shape]))
        op = str(
            random.choice(
                ["ADD", "SUB", "MUL", "DIV", "RELU", "MAXIMUM", "SOFTMAX", "EXPAND_DIMS", "SQUEEZE", "CONCATENATION"]
            )
        )
        reads: Sequence[int] = (x, y) if op in ("ADD", "SUB", "MUL", "DIV", "MAXIMUM", "CONCATENATION") else (x,)
        if op == "EXPAND_DIMS":
            reads, shape = (x, 0), (1, *shape)
        elif op == "SQUEEZE":
            shape = tuple(side for side in shape if side != 1)
        elif op == "CONCATENATION":
            shape = (shape[0] * 2, *shape[1:])
        if not shape or len(shape) > 4 or (op == "SOFTMAX" and len(shape) > 2):
            continue
        tensors.append(tensor(f"t{number}", shape))
        made.append(len(tensors) - 1)
        steps.append((op, reads, (made[-1],)))
    steps.append(("RELU", (made[-1],), (len(tensors),)))
    tensors.append(tensor("last", tensors[made[-1]].shape))
    outputs = [len(tensors) - 1, *map(int, random.choice(made, int(random.integers(0, 2))))]
    return packed(little(tensors, steps, (1, 2), [*dict.fromkeys(outputs)], constants=[np.int32(0).tobytes()]))


CHAIN = [("RELU", (0,), (1,)), ("RELU", (1,), (2,)), ("ADD", (1, 2), (3,)), ("RELU", (3,), (4,))]


def chain(shape: Sequence[int] = (1, 10), dtype: str = "INT8") -> bytes:
    return packed(little([tensor(f"t{i}", shape, dtype) for i in range(5)], CHAIN, (0,), (4,)))


def test_by_hand() -> None:
    # input 0, and 1, 2, 3 at the ADD; it writes over 2, so the arena holds 0, 1 and 2, the last at 2 * 64
    assert peak_ram(chain()) == 40
    assert arena_size(chain()) == 2 * 64 + 10


def test_bits() -> None:
    assert peak_ram(chain(dtype="FLOAT32")) == 160
    assert peak_ram(chain((1, 3), "INT4")) == 4 * 2, "half bytes are rounded up"
    assert peak_ram(chain((), "INT64")) == 4 * 8, "one value"


def test_variable_lives_from_beginning_to_end() -> None:
    state = tensor("state", (1, 1000), "INT8", isVariable=True)
    tensors = [*(tensor(f"t{i}", (1, 10), "INT8") for i in range(5)), state]
    assert peak_ram(packed(little(tensors, CHAIN, (0,), (4,)))) == 1040


def test_network_without_ops() -> None:
    assert peak_ram(packed(little([tensor("t", (1, 3))], [], (0,), (0,)))) == 12


@pytest.mark.parametrize("seed", range(60))
def test_random_networks(seed: int) -> None:
    data = random_file(seed)
    assert peak_ram(data) == brute_peak(data)
    assert arena_size(data) == measured_arena(data)


def test_random_networks_tell_planners_apart() -> None:
    """In some, writing over inputs saves memory, in some gaps are lost: the oracle sees both."""
    differences = [arena_size(data) - brute_peak(data) for data in map(random_file, range(60))]
    assert min(differences) < 0 < max(differences)


@pytest.mark.parametrize("path", SHARED)
def test_released_files(path: str, shared: Callable[[str], Path]) -> None:
    data = shared(path).read_bytes()
    assert peak_ram(data) == brute_peak(data)
    assert arena_size(data) == measured_arena(data)


@pytest.mark.parametrize("name", ["edges_float", "edges_int8", "edges_border", "twice_float"])
def test_converted_files(name: str, tflite: Path) -> None:
    data = (tflite / f"{name}.tflite").read_bytes()
    assert peak_ram(data) == brute_peak(data)
    assert arena_size(data) == measured_arena(data)


def test_what_kernels_take_for_themselves_comes_on_top(tflite: Path) -> None:
    data = (tflite / "classes_int8.tflite").read_bytes()  # MEAN sums up in a tensor of its own
    assert arena_size(data) < measured_arena(data)


def test_what_cannot_be_counted(tflite: Path) -> None:
    with pytest.raises(ArtifactError, match="holds 3 graphs"):
        peak_ram((tflite / "loop_float.tflite").read_bytes())
    with pytest.raises(ArtifactError, match=r"`t\d` \(string\)"):
        arena_size(chain(dtype="STRING"))
    with pytest.raises(ArtifactError, match=r"`t\d` \(int8\)"):
        peak_ram(chain((-1, 10)))
    model = little([tensor("t", (1, 3))], [("RELU", (0,), (7,))], (0,), (0,))
    with pytest.raises(ArtifactError, match="names what it does not hold"):
        peak_ram(packed(model))
    with pytest.raises(ArtifactError, match="not a"):
        peak_ram(os.urandom(100))
