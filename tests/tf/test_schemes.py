"""Every scheme of a target: what the file holds, how near it is to the float model, and what is refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from building import files, manifest
from command import Ran, start
from qat import images, trained_model

from archspec.analysis import document, network
from archspec.artifact import run_tflite
from archspec.claims import Claim, ClaimError, check
from archspec.diagnostics import Source
from archspec.facts import contents
from archspec.graph import Graph
from archspec.jobs import Conversion
from archspec.quantize.borders import STEPS
from archspec.quantize.calibrate import ranges
from archspec.quantize.mixed import mixed
from archspec.quantize.placed import Placed, placed, tensors_of
from archspec.quantize.report import relative_error
from archspec.tf.artifacts import artifact, outputs_of
from archspec.tf.export import convert, convert_ranged, freeze
from archspec.tf.lower import lower
from archspec.tf.quantize import integers

# `a` and `a_b` begin alike, `map` is read by a row and leaves the network too
SPEC = """\
archspec: 1
model: mixed
input: {size: [16, 16, 3], range: [-1, 1]}
layers:
- Conv:         {depth: 8, stride: 2, name: a, activation: ACTIVATION}
- DepthSepConv: {depth: 8, name: a_b, activation: relu6}
- Conv:         {depth: 8, name: c, activation: none}
- Add:          {from: [a_b, c], name: sum}
- SideOutput:   {from: sum, upsample: 2, name: map}
- Conv:         {depth: 4, from: map, name: tail}
- Logits:       {depth: 3, name: last}
outputs: [map, last]
"""
IMAGES = np.random.default_rng(0).uniform(-1, 1, (24, 16, 16, 3)).astype(np.float32)


def graph_of(activation: str = "relu") -> Graph:
    return network(document(Source("mixed.yaml", SPEC.replace("ACTIVATION", activation)))).graph


@pytest.fixture(scope="module")
def graph() -> Graph:
    return graph_of()


@pytest.fixture(scope="module")
def flat(graph: Graph) -> bytes:
    """The float file, of random weights."""
    return flat_of(graph)


def flat_of(graph: Graph) -> bytes:
    model = lower(graph)
    rng = np.random.default_rng(1)
    for layer in model.layers:
        layer.set_weights(
            [rng.normal(0.3, 0.4, w.shape) if w.ndim > 1 else np.abs(w) + 0.1 for w in layer.get_weights()]
        )
    return convert(model, [name for name, _ in graph.outputs])


def asked(scheme: str, border: str, floats: tuple[str, ...] = (), wide: tuple[str, ...] = ()) -> Conversion:
    return Conversion("0", scheme, border, None, (), "", "plain", float_rows=floats, int16_rows=wide)


def made(flat: bytes, graph: Graph, conversion: Conversion) -> bytes:
    """The file, which is held to its claim."""
    data = artifact(flat, graph, conversion, lambda: ranges(flat, IMAGES[:12]))
    rows = conversion.float_rows, conversion.int16_rows
    check(data, Claim(graph, conversion.scheme, conversion.border, *rows), ["map", "last"])
    return data


def error(flat: bytes, data: bytes) -> float:
    return relative_error(run_tflite(data, IMAGES[12:]), run_tflite(flat, IMAGES[12:]))


def types(ops: tuple[Placed, ...]) -> set[str]:
    return {dtype for op in ops for dtype in (*op.reads, *op.writes)}


def test_the_float_file_is_the_model(flat: bytes, graph: Graph) -> None:
    data = made(flat, graph, asked("none", "float32"))
    ops = placed(data, graph)
    assert types(ops) == {"FLOAT32"}
    assert {row for op in ops for row in op.rows} == {"a", "a_b", "c", "sum", "map", "tail", "last"}
    assert all(len(op.rows) == 1 for op in ops), "each op is of one row"
    assert error(flat, data) < 1e-6


@pytest.mark.parametrize(("scheme", "kernel", "most"), [("float16", "FLOAT16", 1e-3), ("dynamic", "INT8", 2e-2)])
def test_lighter_weights(flat: bytes, graph: Graph, scheme: str, kernel: str, most: float) -> None:
    """float16 has 11 bits, int8 weights 1/254 of a channel's largest at most; measured: 2e-4 and 7e-3."""
    data = made(flat, graph, asked(scheme, "float32"))
    ops = placed(data, graph)
    assert types(ops) == {"FLOAT32"}
    assert {op.kernel for op in ops} - {None} == {kernel}
    assert 0 < error(flat, data) < most
    assert len(data) < len(flat)


@pytest.mark.parametrize("border", ["int8", "uint8", "float32"])
def test_int8(flat: bytes, graph: Graph, border: str) -> None:
    data = made(flat, graph, asked("int8", border))
    inside = [op for op in placed(data, graph) if op.op not in ("QUANTIZE", "DEQUANTIZE")]
    assert types(tuple(inside)) == {"INT8"}
    assert {op.kernel for op in inside} - {None} == {"INT8"}
    assert {op.bias for op in inside} - {None} == {"INT32"}
    assert_per_channel(data)
    assert error(flat, data) < 0.03


@pytest.mark.parametrize("border", ["int16", "float32"])
def test_int16x8(flat: bytes, graph: Graph, border: str) -> None:
    data = made(flat, graph, asked("int16x8", border))
    inside = [op for op in placed(data, graph) if op.op not in ("QUANTIZE", "DEQUANTIZE")]
    assert types(tuple(inside)) == {"INT16"}
    assert {op.bias for op in inside} - {None} == {"INT64"}
    assert_per_channel(data)
    assert error(flat, data) < error(flat, made(flat, graph, asked("int8", "int8")))


def assert_per_channel(data: bytes) -> None:
    """Every kernel has as many scales as output channels."""
    from ai_edge_litert.interpreter import Interpreter

    details = Interpreter(model_content=data).get_tensor_details()
    kernels = [d for d in details if d["dtype"] is np.int8 and len(d["shape"]) == 4 and d["shape"][0] != 1]
    assert kernels
    for detail in kernels:
        quantization = detail["quantization_parameters"]
        assert len(quantization["scales"]) == detail["shape"][quantization["quantized_dimension"]]
    with pytest.raises(AssertionError):
        assert kernels == []


@pytest.mark.parametrize("scheme", ["int8", "int16x8"])
@pytest.mark.parametrize("border", ["own", "float32"])
@pytest.mark.parametrize("rows", [("a",), ("a_b",), ("last",), ("map", "c")])
def test_float_rows_are_float_and_no_others(
    flat: bytes, graph: Graph, scheme: str, border: str, rows: tuple[str, ...]
) -> None:
    own = {"int8": "int8", "int16x8": "int16"}[scheme]
    data = made(flat, graph, asked(scheme, own if border == "own" else border, rows))
    floats = {row for op in placed(data, graph) if op.kernel == "FLOAT32" for row in op.rows}
    assert floats == set(rows)
    with pytest.raises(ClaimError, match="floats at row"):
        check(data, Claim(graph, scheme, own if border == "own" else border), ["map", "last"])
    assert error(flat, data) < 0.03


def test_rows_of_16_bits(flat: bytes, graph: Graph) -> None:
    data = made(flat, graph, asked("int8", "int8", ("c",), ("a", "last")))
    ops = [op for op in placed(data, graph) if op.kernel is not None]
    assert {op.rows[0] for op in ops if "INT16" in op.reads} == {"a", "last"}
    assert {op.rows[0] for op in ops if "FLOAT32" in op.reads} == {"c"}
    with pytest.raises(ClaimError, match=r"^not int8: CONV_2D handles int16 at row `a`$"):
        check(data, Claim(graph, "int8", "int8", ("c",), ("last",)), ["map", "last"])


def test_a_row_that_is_not_what_it_was_to_be(flat: bytes, graph: Graph) -> None:
    data = made(flat, graph, asked("int8", "int8"))
    with pytest.raises(ClaimError, match=r"^row `c` is not float, as it should be$"):
        check(data, Claim(graph, "int8", "int8", ("c",)), ["map", "last"])
    with pytest.raises(ClaimError, match=r"^row `c` is not of 16 bits, as it should be$"):
        check(data, Claim(graph, "int8", "int8", (), ("c",)), ["map", "last"])


def test_a_hybrid_op_is_no_int8(flat: bytes, graph: Graph) -> None:
    data = made(flat, graph, asked("dynamic", "float32"))
    with pytest.raises(ClaimError, match=r"^not int8: CONV_2D is hybrid, 8-bit weights on floats at row `a`$"):
        check(data, Claim(graph, "int8", "float32"), ["map", "last"])


def test_an_op_that_is_newer_than_the_runtime(flat: bytes, graph: Graph) -> None:
    data = made(flat, graph, asked("int8", "int8"))
    contents(data, Claim(graph, "int8", "int8", min_runtime="2.4.0"), ["map", "last"])
    with pytest.raises(
        ClaimError, match=r"^TensorFlow Lite 1.13.1 cannot run it: \w+ version \d is there since .* at row `"
    ):
        contents(data, Claim(graph, "int8", "int8", min_runtime="1.13.1"), ["map", "last"])


def test_both_engines_agree_on_the_same_ranges(flat: bytes, graph: Graph) -> None:
    """ai-edge-quantizer in 8 bits, which no target takes, against TensorFlow: a step apart in one value of 20."""
    known = ranges(flat, IMAGES[:12])
    ours = integers(flat, known, (), "int8")
    theirs = mixed(flat, "int8", known, (), ())
    from archspec.quantize.borders import bordered

    both = [bordered(data, "int8", known, outputs_of(flat)) for data in (ours, theirs)]
    answers = [run_tflite(data, IMAGES[12:])["last"] for data in both]
    step = 0.5 * (answers[0].max() - answers[0].min()) / 255
    assert (np.abs(answers[0] - answers[1]) < 2 * step).mean() > 0.95


def test_int8_is_what_the_converter_makes_of_its_own_calibration(graph: Graph) -> None:
    """TensorFlow's documented way, on the same images: the same ops, and answers that are hardly ever steps apart."""
    model = lower(graph)
    module = freeze(model, ["map", "last"])
    documented = convert_ranged(module, "int8", lambda: (image[None] for image in IMAGES[:12]))
    data = convert(model, ["map", "last"])
    ours = artifact(data, graph, asked("int8", "int8"), lambda: ranges(data, IMAGES[:12]))
    found, wanted = (run_tflite(one, IMAGES[12:]) for one in (ours, documented))
    for name in ("map", "last"):
        assert (np.abs(found[name] - wanted[name]) < np.ptp(wanted[name]) / 100).mean() > 0.99
    assert [op.op for op in placed(ours, graph)] == [op.op for op in placed(documented, graph)]


@pytest.mark.parametrize(
    ("activation", "scheme", "op"),
    [("elu", "int8", "ELU"), ("hard_swish", "int16x8", "HARD_SWISH"), ("leaky_relu", "int16x8", "LEAKY_RELU")],
)
def test_an_op_without_an_integer_kernel_is_refused_and_can_be_float(activation: str, scheme: str, op: str) -> None:
    graph = graph_of(activation)
    flat = flat_of(graph)
    border = {"int8": "int8", "int16x8": "int16"}[scheme]
    with pytest.raises(
        ClaimError, match=rf"^not {scheme}: {op} handles floats at row `a`; name the row under float_rows"
    ):
        made(flat, graph, asked(scheme, border))
    made(flat, graph, asked(scheme, border, ("a",)))


def test_a_row_without_an_op_of_its_own(flat: bytes, graph: Graph) -> None:
    from archspec.artifact import ArtifactError

    with pytest.raises(ArtifactError, match="row `nowhere` has no op of its own in the file"):
        tensors_of(flat, graph, ["nowhere"])


def test_swish_keeps_the_names_of_outputs() -> None:
    graph = graph_of("swish")
    assert set(run_tflite(flat_of(graph), IMAGES[:1])) == {"map", "last"}


def test_steps_are_those_of_numpy() -> None:
    for name, (low, high) in STEPS.items():
        assert (np.iinfo(name.lower()).min, np.iinfo(name.lower()).max) == (low, high)
    assert tf.as_dtype("int8") == tf.int8


# the command

TARGETS = """\
targets:
  x86_64:      {quantize: float16}
  arm64-v8a:   {quantize: int8, float_rows: [last], io: uint8, budget: {kilobytes: 100}}
  armeabi-v7a: {quantize: int16x8, io: float32, outputs: [last], min_runtime: "2.4.0"}
"""


def run(folder: Path, *options: str, targets: str = TARGETS) -> Ran:
    (folder / "mixed.yaml").write_text(SPEC.replace("ACTIVATION", "relu") + targets)
    return start("build", "mixed.yaml", *options, folder=folder).clean()


def test_a_build_of_other_schemes_says_what_it_made_and_repeats(tmp_path: Path) -> None:
    assert run(tmp_path).code == 0
    found = {entry["abi"]: entry for entry in manifest(tmp_path / "build" / "mixed")["artifacts"]}
    # DEPTH_TO_SPACE asks for 2.1 and in int8 for 2.5, ADD in 16 bits for 2.4
    keys = ("scheme", "io", "float_rows", "int16_rows", "engine", "min_runtime", "float_layers")
    assert {abi: tuple(entry[key] for key in keys) for abi, entry in found.items()} == {
        "x86_64": ("float16", "float32", [], [], "ai-edge-quantizer", "2.1.0", 0),
        "arm64-v8a": ("int8", "uint8", ["last"], [], "tensorflow", "2.5.0", 1),
        "armeabi-v7a": ("int16x8", "float32", [], [], "ai-edge-quantizer", "2.4.0", 0),
    }
    assert [info["name"] for info in found["armeabi-v7a"]["outputs"]] == ["last"]
    assert all(entry["peak_ram_bytes"] > 0 and entry["macs"] > 0 for entry in found.values())
    first = {name: sha for name, sha in files(tmp_path / "build").items() if name.endswith(".tflite")}
    assert run(tmp_path, "--out", "again").code == 0
    assert first == {name: sha for name, sha in files(tmp_path / "again").items() if name.endswith(".tflite")}


def test_the_report_and_the_fallback(tmp_path: Path) -> None:
    targets = "targets: {x86_64: {quantize: none}, arm64-v8a: {quantize: int8}}\n"
    told = run(tmp_path, "--quant-report", "--json", targets=targets)
    report = json.loads(told.out)
    assert not (tmp_path / "build").exists(), "a report builds nothing"
    rows = {entry["row"]: entry for entry in report["rows"]}
    assert set(rows) == {"a", "a_b", "c", "sum", "map", "tail", "last"}
    assert [e["alone"] for e in report["rows"]] == sorted((e["alone"] for e in report["rows"]), reverse=True)
    assert 0 < min(entry["left"] for entry in rows.values()) < report["error"]
    most = 0.8 * report["error"]
    built = run(tmp_path, "--fallback", str(most), targets=targets)
    entry = next(e for e in manifest(tmp_path / "build" / "mixed")["artifacts"] if e["scheme"] == "int8")
    assert entry["float_rows"]
    assert f"arm64-v8a: {{float_rows: [{', '.join(entry['float_rows'])}]}}" in built.err


@pytest.mark.parametrize(
    ("options", "targets", "said"),
    [
        (["--quant-report", "--fallback", "1"], TARGETS, "--quant-report builds nothing, --fallback does"),
        (["--target", "x86_64"], TARGETS, "--target goes with --quant-report or --fallback"),
        (["--quant-report"], TARGETS, "the targets differ: name one of arm64-v8a, armeabi-v7a by --target"),
        (["--quant-report", "--target", "x86_64"], TARGETS, "--target x86_64: none of int8 or int16x8"),
        (["--quant-report"], "targets: {x86_64: {quantize: none}}\n", "no target is int8 or int16x8"),
    ],
)
def test_what_cannot_be_ranked(tmp_path: Path, options: list[str], targets: str, said: str) -> None:
    ran = run(tmp_path, *options, targets=targets)
    assert ran.code == 2
    assert said in ran.err


def test_a_target_over_its_budget_fails_alone(tmp_path: Path) -> None:
    targets = "targets: {x86_64: {quantize: int8}, arm64-v8a: {quantize: int8, budget: {kilobytes: 1, macs: 5}}}\n"
    ran = run(tmp_path, targets=targets)
    assert ran.code == 1
    assert "error: arm64-v8a (int8): over budget: kilobytes " in ran.err
    made: dict[str, Any] = manifest(tmp_path / "build" / "mixed")
    assert [entry["abi"] for entry in made["artifacts"]] == ["x86_64"]
    assert [entry["abi"] for entry in made["failed"]] == ["arm64-v8a"]
    assert not (tmp_path / "build" / "mixed" / "arm64-v8a").exists()


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights that were trained with fake quantization, ranges and all."""
    graph = graph_of()
    path = tmp_path_factory.mktemp("trained") / "mixed.weights.h5"
    trained_model(graph, images(graph)).save_weights(path)
    return path


def test_trained_ranges_need_no_pictures(tmp_path: Path, trained: Path) -> None:
    targets = "targets: {x86_64: {quantize: int8}, arm64-v8a: {quantize: int16x8}}\n"
    ran = run(tmp_path, "--weights", str(trained), "--no-passes", targets=targets)
    assert ran.code == 0, ran.err
    assert "warning" not in ran.err
    found = {e["scheme"]: e for e in manifest(tmp_path / "build" / "mixed")["artifacts"]}
    assert found["int8"]["calibration"]["source"] == "trained ranges"
    assert found["int8"]["inputs"][0]["scale"] == pytest.approx(2 / 255)
    assert found["int16x8"]["calibration"]["source"] == "8 generated photos"


def test_trained_ranges_and_float_rows_do_not_go(tmp_path: Path, trained: Path) -> None:
    ran = run(tmp_path, "--weights", str(trained), targets="targets: {x86_64: {quantize: int8, float_rows: [last]}}\n")
    assert ran.code == 1
    assert "the weights were trained for int8 in all rows: float_rows and int16_rows do not go" in ran.err
