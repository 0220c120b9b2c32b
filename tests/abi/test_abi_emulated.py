"""Real builds on emulated ARM CPUs. What that takes is fetched once, unless it is set up already."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import ROOT, call, start

from archspec.abi import AbiError, golden
from archspec.abi.cpus import CPUS
from archspec.abi.run import emulated, run
from archspec.artifact import inspect_tflite

pytestmark = pytest.mark.slow

# Outputs neither in the order of the rows nor in that of the alphabet; one target with an input of its own.
TINY = """\
archspec: 1
model: tiny
input: {size: [32, 48, 3], mean: 127.5, std: 127.5}
layers:
- Conv:         {depth: 8, activation: hard_swish, name: c1}
- DepthSepConv: {depth: 12, stride: 2, name: c2}
- SideOutput:   {from: c1, name: near}
- SideOutput:   {from: c2, upsample: 2, name: far}
- Concat:       {from: [near, far]}
- Logits:       {depth: 1, name: lines}
outputs: [near, lines, far]
variants:
  small: {input: {size: [16, 16, 1]}}
targets:
  arm64-v8a:   {quantize: int8}
  armeabi-v7a: {quantize: none, variant: small}
"""


def built(spec: Path, folder: Path, *options: str) -> Path:
    """The folder of a spec's build."""
    ran = start("build", spec, "--out", folder, *options).clean()
    assert ran.code == 0, ran.err
    (made,) = folder.iterdir()
    return made


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    (folder / "tiny.yaml").write_text(TINY)
    return built(folder / "tiny.yaml", folder / "build")


@pytest.fixture(scope="module")
def edges(tmp_path_factory: pytest.TempPathFactory) -> Path:
    int8 = ("--set", "targets.armeabi-v7a.quantize=int8")
    return built(ROOT / "specs" / "mobilenet_v2_hed.yaml", tmp_path_factory.mktemp("edges"), *int8)


def verify(folder: Path, cache: Path, *options: str) -> dict[str, Any]:
    """The results of a verification in which nothing is out of bounds, by CPU; of this machine the ARM ABI's."""
    ran = call("verify", folder, "--cache", cache, "--json", *options).clean()
    assert ran.code == 0, ran.err
    return {r["cpu"]: r for r in json.loads(ran.out) if r["cpu"] in CPUS}


def xnnpack(file: Path, fed: np.ndarray) -> dict[str, np.ndarray]:
    """What a file answers on this machine, asked of ai-edge-litert and by its signature."""
    from ai_edge_litert.interpreter import Interpreter

    net = Interpreter(str(file)).get_signature_runner()
    (name,) = net.get_input_details()
    told = [net(**{name: image}) for image in fed]
    return {key: np.stack([one[key] for one in told]) for key in told[0]}


def test_tiny_net(tiny: Path, cache: Path) -> None:
    told = verify(tiny, cache)
    assert set(told) == {"cortex-a53", "cortex-a76", "cortex-a7"}
    for cpu in ("cortex-a53", "cortex-a76"):
        assert told[cpu]["difference"]["max_lsb"] == 0
        assert told[cpu]["closest"] == "XNNPACK"
    assert told["cortex-a7"]["difference"]["relative"] < 1e-5  # float32


@pytest.mark.parametrize("cpu", ["cortex-a53", "cortex-a76"])
def test_every_output_is_that_of_its_name(tiny: Path, cache: Path, cpu: str) -> None:
    file = tiny / "arm64-v8a" / "model.tflite"
    facts = inspect_tflite(file.read_bytes())
    images = np.random.default_rng(1).uniform(-1, 1, (2, 32, 48, 3)).astype(np.float32)
    fed = golden.as_fed(images, facts.inputs[0])
    wanted = xnnpack(file, fed)
    got = run(emulated(CPUS[cpu], cache), file, fed, facts.outputs)
    assert set(got) == set(wanted) == {"near", "lines", "far"}
    for name, answer in wanted.items():
        assert len(np.unique(answer)) > 10
        assert np.array_equal(got[name], answer), name
    assert not np.array_equal(got["near"], wanted["far"])


def test_edge_network(edges: Path, cache: Path) -> None:
    """arm64's XNNPACK gives this machine's bits; armeabi-v7a's builtin kernels round elsewhere, which is noticed."""
    ran = call("verify", edges, "--cache", cache, "--cpu", "cortex-a15", "--max-lsb", "0", "--json").clean()
    assert ran.code == 1
    where = "error: armeabi-v7a (int8) on {}, builtin kernels: out of bounds"
    assert [line for line in ran.err.splitlines() if line.startswith("error")] == [
        where.format("cortex-a7"),
        where.format("cortex-a15"),
    ]
    told = {r["cpu"]: r for r in json.loads(ran.out) if r["cpu"] in CPUS}
    exact = {"identical": 1.0, "max_lsb": 0, "mean_lsb": 0, "max_difference": None, "relative": None}
    assert told["cortex-a53"]["difference"] == told["cortex-a76"]["difference"] == exact
    assert 0 < told["cortex-a7"]["difference"]["max_lsb"] <= 3
    assert told["cortex-a7"]["difference"] == told["cortex-a15"]["difference"]
    ops = told["cortex-a7"]["ops"]
    assert ops["ops"] > 50
    assert ops["max_lsb"] <= 1
    assert told["cortex-a53"]["ops"] is None
    rows = {row["row"]: row for row in told["cortex-a7"]["rows"]}
    assert {"c1", "c5", "side1", "side5", "fuse"} <= set(rows)
    assert rows["c1"]["entering"] < rows["c5"]["leaving"]


def test_file_that_the_runtime_refuses(tiny: Path, cache: Path, tmp_path: Path) -> None:
    file = tmp_path / "broken.tflite"
    data = (tiny / "arm64-v8a" / "model.tflite").read_bytes()
    outputs = inspect_tflite(data).outputs
    file.write_bytes(data[: len(data) // 2])
    fed = np.zeros((1, 1, 32, 48, 3), np.int8)
    for name in ("cortex-a7", "cortex-a53"):
        with pytest.raises(AbiError, match="the process"):
            run(emulated(CPUS[name], cache), file, fed, outputs)


def test_crash_on_one_abi_only(tflite: Path, cache: Path) -> None:
    """TensorFlow Lite 2.17.1 crashes on 32-bit ARM at an int8 FULLY_CONNECTED without a bias, and nowhere else."""
    file = tflite / "classes_int8.tflite"
    facts = inspect_tflite(file.read_bytes())
    assert "FULLY_CONNECTED" in {use.op for use in facts.ops}
    fed = np.ones((1, 1, 32, 48, 3), np.int8)
    assert run(emulated(CPUS["cortex-a53"], cache), file, fed, facts.outputs)["logits"].shape == (1, 1, 4)
    with pytest.raises(AbiError, match="SIGSEGV"):
        run(emulated(CPUS["cortex-a7"], cache), file, fed, facts.outputs)


def test_second_setup_does_nothing(cache: Path) -> None:
    ran = call("setup-abi", "--cache", cache).clean()
    assert (ran.code, ran.out, ran.err) == (0, f"{cache}\n", "already set up\n")
