import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from archspec.artifact import ArtifactError, Island, TensorInfo, _quantize, inspect_tflite, run_tflite

FUSE = np.array([8, -4, 2])  # as in make_tflite.py
FILES = [
    "edges_float",
    "edges_int8",
    "edges_border",
    "negative_int8",
    "classes_int8",
    "wide_dynamic",
    "loop_float",
]


def images(count: int = 2) -> NDArray[np.float32]:
    return np.random.default_rng(0).uniform(0, 1, (count, 32, 48, 3)).astype(np.float32)


def fuse(image: NDArray[Any]) -> NDArray[np.float64]:
    return np.asarray(image @ FUSE - 1)[..., None]


def check_against_object_api(data: bytes) -> None:
    """Ops, versions and interface as the schema's own object tree and the C++ runtime give them."""
    from ai_edge_litert import schema_py_generated as schema
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    artifact = inspect_tflite(data)
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(data))
    names = {v: k for k, v in vars(schema.BuiltinOperator).items() if not k.startswith("_")}
    codes = [(names[max(c.deprecatedBuiltinCode, c.builtinCode)], c.version) for c in model.operatorCodes]
    counts = Counter(codes[op.opcodeIndex] for graph in model.subgraphs for op in graph.operators)
    assert {(use.op, use.version): use.count for use in artifact.ops} == counts
    plain = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = Interpreter(model_content=data, experimental_op_resolver_type=plain)
    for infos, details in (
        (artifact.inputs, interpreter.get_input_details()),
        (artifact.outputs, interpreter.get_output_details()),
    ):
        assert [info.shape for info in infos] == [tuple(d["shape"]) for d in details]
        assert [info.dtype for info in infos] == [d["dtype"].__name__ for d in details]
        assert [(i.scale or 0.0, i.zero_point or 0) for i in infos] == [d["quantization"] for d in details]


@pytest.mark.parametrize("name", FILES)
def test_inspection_agrees_with_the_object_api(tflite: Path, name: str) -> None:
    check_against_object_api((tflite / f"{name}.tflite").read_bytes())


@pytest.mark.parametrize(
    "name",
    ["mobilenet_v1_0.25_128_quant", "tf2_mobilenet_v2_1.0_224_ptq", "deeplabv3_mnv2_dm05_pascal_quant"],
)
def test_googles_quantized_files(shared: Callable[[str], Path], name: str) -> None:
    data = shared(f"coral/{name}.tflite").read_bytes()
    check_against_object_api(data)
    assert inspect_tflite(data).float_islands == ()


def test_object_api_check_notices_another_inspection(tflite: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    right = inspect_tflite((tflite / "edges_int8.tflite").read_bytes())
    monkeypatch.setitem(globals(), "inspect_tflite", lambda _: right)
    with pytest.raises(AssertionError):
        check_against_object_api((tflite / "edges_border.tflite").read_bytes())


def test_size_and_digest_are_those_of_the_file(tflite: Path) -> None:
    path = tflite / "edges_int8.tflite"
    artifact = inspect_tflite(path.read_bytes())
    digest = subprocess.run(["sha256sum", path], capture_output=True, text=True, check=True).stdout.split()[0]
    assert (artifact.size, artifact.sha256) == (path.stat().st_size, digest)


def test_names_are_those_of_the_signature(tflite: Path) -> None:
    artifact = inspect_tflite((tflite / "edges_int8.tflite").read_bytes())
    assert [info.name for info in artifact.inputs + artifact.outputs] == ["image", "fuse", "side"]
    # the samples fill 0..1, in 255 steps; the file holds float32
    assert artifact.inputs[0] == TensorInfo("image", (1, 32, 48, 3), "int8", float(np.float32(1 / 255)), -128)


@pytest.mark.parametrize(
    ("name", "ops"),
    [
        ("edges_int8", []),
        ("classes_int8", []),
        ("softmax_int8", []),
        ("negative_int8", ["DEQUANTIZE", "NEG", "QUANTIZE"]),
        ("edges_border", ["QUANTIZE", "DEQUANTIZE", "DEQUANTIZE"]),
        ("wide_dynamic", ["CONV_2D"]),
        ("edges_float", ["CONV_2D", "CONV_2D"]),
        ("loop_float", ["WHILE", "REDUCE_MAX", "LESS", "MUL", "ADD"]),  # WHILE alone is in the first subgraph
    ],
)
def test_float_islands(tflite: Path, name: str, ops: list[str]) -> None:
    artifact = inspect_tflite((tflite / f"{name}.tflite").read_bytes())
    assert sorted(island.op for island in artifact.float_islands) == sorted(ops)


def test_island_names_the_float_tensor(tflite: Path) -> None:
    islands = inspect_tflite((tflite / "edges_border.tflite").read_bytes()).float_islands
    assert islands[0] == Island("QUANTIZE", "serving_default_image:0")


def test_file_of_a_custom_op_goes_by_its_name(tflite: Path) -> None:
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    data = (tflite / "classes_float.tflite").read_bytes()
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(data))
    code = model.operatorCodes[0]
    code.deprecatedBuiltinCode = code.builtinCode = schema.BuiltinOperator.CUSTOM
    code.customCode = "FlexThing"
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), b"TFL3")
    changed = bytes(builder.Output())
    assert "FlexThing" in {use.op for use in inspect_tflite(changed).ops}
    with pytest.raises(ArtifactError, match=r"runtime refuses the file: .*FlexThing"):
        run_tflite(changed, images(1))


def test_broken_files_are_refused(tflite: Path) -> None:
    data = (tflite / "edges_int8.tflite").read_bytes()
    for cut in range(0, len(data) - 64, 37):
        with pytest.raises(ArtifactError, match=r"broken or cut short|not a \.tflite file"):
            inspect_tflite(data[:cut])
    with pytest.raises(ArtifactError, match=r"not a \.tflite file"):
        inspect_tflite(b"\x89PNG" * 100)


def test_mutants_never_escape_as_another_error(tflite: Path) -> None:
    random = np.random.default_rng(0)
    data = (tflite / "edges_int8.tflite").read_bytes()
    refused = 0
    for _ in range(1000):
        mutant = bytearray(data)
        for place in random.integers(8, len(data), random.integers(1, 9)):
            mutant[place] = random.integers(256)
        try:
            inspect_tflite(bytes(mutant))
        except ArtifactError:
            refused += 1
    assert refused > 100


def test_float_file_gives_the_formula(tflite: Path) -> None:
    answers = run_tflite(tflite / "edges_float.tflite", images(3))
    assert set(answers) == {"fuse", "side"}
    assert answers["fuse"].dtype == np.float32
    np.testing.assert_allclose(answers["fuse"], fuse(images(3)), atol=1e-5)
    np.testing.assert_allclose(answers["side"], -fuse(images(3)), atol=1e-5)


def test_bytes_and_path_are_the_same_file(tflite: Path) -> None:
    path = tflite / "edges_int8.tflite"
    by_bytes, by_path = run_tflite(path.read_bytes(), images()), run_tflite(path, images())
    np.testing.assert_array_equal(by_bytes["fuse"], by_path["fuse"])


def test_int8_file_gives_the_formula_within_a_step(tflite: Path) -> None:
    path = tflite / "edges_int8.tflite"
    step = inspect_tflite(path.read_bytes()).outputs[0].scale
    assert step is not None
    # half a step of each input channel, half a step of 8/127 of each weight, and one step of the output
    bound = 0.5 / 255 * np.abs(FUSE).sum() + 3 * 0.5 * 8 / 127 + step
    error = np.abs(run_tflite(path, images())["fuse"] - fuse(images()))
    assert error.max() < bound


def test_input_is_rounded_half_to_even_and_clipped(tflite: Path) -> None:
    info = TensorInfo("image", (1, 1, 7, 1), "int8", 0.5, -3)
    image = np.array([0.25, 0.75, 1.25, -0.25, 100, -100, 0], np.float32).reshape(1, 1, 7, 1)
    stored = _quantize(image, info)
    assert stored.dtype == np.int8
    assert stored.ravel().tolist() == [-3, -1, -1, -3, 127, -128, -3]


def test_one_tensor_under_two_names(tflite: Path) -> None:
    answers = run_tflite(tflite / "twice_float.tflite", images())
    assert sorted(answers) == ["first", "second"]
    np.testing.assert_array_equal(answers["second"], images())


@pytest.mark.parametrize("shape", [(1, 48, 32, 3), (1, 32, 48), (1, 32, 48, 4)])
def test_images_of_another_shape_are_refused(tflite: Path, shape: tuple[int, ...]) -> None:
    with pytest.raises(ArtifactError, match=r"takes \[1, 32, 48, 3\], not images of"):
        run_tflite(tflite / "edges_int8.tflite", np.zeros(shape, np.float32))


def test_runtime_is_silent(tflite: Path) -> None:
    """And a bare interpreter is not, or this test would show nothing."""
    path = str(tflite / "edges_int8.tflite")
    bare = (
        "import sys; from ai_edge_litert.interpreter import Interpreter\n"
        "Interpreter(model_path=sys.argv[1]).allocate_tensors()\n"
    )
    ours = (
        "import sys, numpy; from pathlib import Path; from archspec.artifact import run_tflite\n"
        "run_tflite(Path(sys.argv[1]), numpy.zeros((1, 32, 48, 3), numpy.float32))\n"
    )
    root = Path(__file__).parents[1]
    runs = [
        subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, timeout=60, cwd=root)
        for code in (bare, ours)
    ]
    assert [run.returncode for run in runs] == [0, 0]
    assert "XNNPACK" in runs[0].stderr
    assert (runs[1].stdout, runs[1].stderr) == ("", "")


def test_standard_error_works_again_after_success_and_failure(
    tflite: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run_tflite(tflite / "edges_int8.tflite", images(1))
    os.write(2, b"one ")
    import ai_edge_litert.interpreter

    def refuse(**_: object) -> None:
        os.write(2, b"noise ")
        raise RuntimeError("no")

    monkeypatch.setattr(ai_edge_litert.interpreter, "Interpreter", refuse)
    open_before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(ArtifactError, match="the runtime refuses the file: no"):
        run_tflite(tflite / "edges_int8.tflite", images(1))
    os.write(2, b"two")
    assert capfd.readouterr().err == "one two"
    assert len(os.listdir("/proc/self/fd")) == open_before
