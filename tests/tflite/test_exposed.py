"""A file that tells its inner tensors, and files of several of its ops."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from numpy.typing import NDArray

from archspec.artifact import ArtifactError, inspect_tflite
from archspec.tflite.exposed import exposed, name_of
from archspec.tflite.slices import cut, sections, tensors

NAMES = ["branches_float", "branches_half", "branches_int8"]


def noise(data: bytes) -> NDArray[Any]:
    (info,) = inspect_tflite(data).inputs
    values = np.random.default_rng(2).random(info.shape, np.float32)
    return values if info.dtype == "float32" else (values * 255 - 128).astype(info.dtype)


def answers(data: bytes, *given: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """What a file answers by builtin kernels, by its signature's names."""
    builtin = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    net = Interpreter(model_content=data, experimental_op_resolver_type=builtin)
    net.allocate_tensors()
    for detail, value in zip(net.get_input_details(), given, strict=True):
        net.set_tensor(detail["index"], value)
    net.invoke()
    outputs = zip(inspect_tflite(data).outputs, net.get_output_details(), strict=True)
    return {info.name: net.get_tensor(detail["index"]) for info, detail in outputs}


@pytest.mark.parametrize("name", NAMES)
def test_inner_tensors(tflite: Path, name: str) -> None:
    """As the runtime keeps them itself, where it is told to."""
    data = (tflite / f"{name}.tflite").read_bytes()
    numbers = [i for one in cut(data) for i in one.outputs]
    wanted = tensors(data, [noise(data)], numbers)
    told = answers(exposed(data, reversed(numbers)), noise(data))
    assert list(told) == sorted(told) == [name_of(i) for i in sorted(numbers)]
    assert all(np.array_equal(told[name_of(i)], wanted[i]) for i in numbers)
    assert len({wanted[i].tobytes() for i in numbers}) == len(numbers)


def test_scales_are_kept(tflite: Path) -> None:
    data = (tflite / "branches_int8.tflite").read_bytes()
    infos = inspect_tflite(exposed(data, [i for one in cut(data) for i in one.outputs])).outputs
    assert all(info.scale for info in infos)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("at", [1, 3, 5])
def test_two_halves_are_the_whole(tflite: Path, name: str, at: int) -> None:
    data = (tflite / f"{name}.tflite").read_bytes()
    slices = cut(data)
    first, second = slices[:at], slices[at:]
    across = sorted({i for one in second for i in one.inputs} & {i for one in first for i in one.outputs})
    leaving = [one.outputs[0] for one in second]
    extra = sorted({i for one in second for i in one.inputs} - {i for one in second for i in one.outputs} - set(across))
    halves = (
        ([s.index for s in first], first[0].inputs, across),
        ([s.index for s in second], [*extra, *across], leaving),
    )
    one, two = sections(data, halves)
    given = noise(data)
    between = [answers(one, given)[f"out{i:03}"] for i in range(len(across))]
    got = answers(two, *([given] if extra else []), *between)
    wanted = tensors(data, [given], leaving)
    assert all(np.array_equal(got[f"out{i:03}"], wanted[number]) for i, number in enumerate(leaving))
    shifted = answers(two, *([given] if extra else []), *(value + value.dtype.type(1) for value in between))
    assert any(not np.array_equal(shifted[f"out{i:03}"], wanted[number]) for i, number in enumerate(leaving))


def test_file_without_a_signature(tflite: Path) -> None:
    with pytest.raises(ArtifactError, match="one subgraph and a signature"):
        exposed((tflite / "loop_float.tflite").read_bytes(), [1])
