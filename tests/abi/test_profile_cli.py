"""`archspec profile` on the command line: times on this machine, and errors."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest
from command import call

from archspec.abi import setup
from archspec.abi.profile import abi_of
from archspec.abi.rows import entry_of
from archspec.abi.timing import nodes

ROWS = ["c1", "c1_side", "c2", "up", "lines"]
CONTRACT = {"size": [32, 48, 3], "range": [0, 1], "mean": None, "std": None, "color": "rgb", "resize": "stretch"}


@pytest.fixture
def built(tmp_path: Path, tflite: Path) -> Path:
    """A file in a folder as `archspec build` leaves it."""
    file = tmp_path / "armeabi-v7a" / "model.tflite"
    file.parent.mkdir()
    shutil.copy(tflite / "branches_int8.tflite", file)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    entry = {"abi": "arm64-v8a", "file": "armeabi-v7a/model.tflite", "sha256": digest, "rows": ROWS, "input": CONTRACT}
    (tmp_path / "manifest.json").write_text(json.dumps({"artifacts": [{"file": "other"}, entry]}))
    return file


def test_entry_of_a_manifest(built: Path, tflite: Path) -> None:
    entry = entry_of(built)
    assert entry is not None
    assert entry["rows"] == ROWS
    assert abi_of(built) == "arm64-v8a"
    built.write_bytes((tflite / "branches_float.tflite").read_bytes())
    assert entry_of(built) is None  # another file than was built
    assert abi_of(built) == "armeabi-v7a"  # by its folder
    assert entry_of(tflite / "branches_float.tflite") is None
    assert abi_of(tflite / "branches_float.tflite") == "x86_64"


# --- this machine


def test_summary_of_litert() -> None:
    summary = """\
============ Run Order ============
             [node type]    [start]    [first]   [avg ms]        [%]     [cdf%]   [mem KB] [times called]   [Name]
  Delegate/Fully Connected (NC, QS8, QC8W) GEMM      0.000      0.003      0.013    62.500%   100.000%      0.000   5   [Delegate]:2
             SOFTMAX      0.000      0.002      1.001    11.538%   100.000%      0.000              5   [Builtin]:2

============ Top by Computation Time ============
             SOFTMAX      0.000      0.002      1.001    11.538%   100.000%      0.000              5   [Builtin]:2
"""  # noqa: E501
    assert nodes(summary) == [("Delegate/Fully Connected (NC, QS8, QC8W) GEMM", 0.013), ("SOFTMAX", 1.001)]


def test_profile_of_this_machine(built: Path) -> None:
    ran = call("profile", built, "--abi", "x86_64", "--reps", "3", "--by", "row", "--json").clean()
    assert ran.code == 0, ran.err
    made = json.loads(ran.out)
    assert [op["row"] for op in made["ops"]] == ["c1", "c1_side", "c2", "c2", "up", "up", "lines", "lines"]
    assert [group["name"] for group in made["groups"]] == ROWS
    (column,) = made["columns"]
    kernels = [" ".join(kind for kind, _ in cost["nodes"]) for cost in column["ops"]]
    assert "DWConv" in kernels[2]
    assert "Deconvolution" in kernels[4]
    assert all(cost["ms"] >= 0 for cost in column["ops"])
    assert column["whole"]["ms"] > 0
    types = {kind for cost in column["ops"] for kind, _ in cost["nodes"]}
    assert {kind for kind, _ in column["whole"]["nodes"]} <= types  # the parts run by the kernels of the whole


def test_table_of_a_file_without_a_manifest(tflite: Path) -> None:
    ran = call("profile", tflite / "branches_float.tflite", "--reps", "1", "--by", "node").clean()
    assert ran.code == 0, ran.err
    head, _, *body = ran.out.splitlines()
    assert head.split()[:3] == ["#", "op", "layer"]
    assert body[2].split()[:3] == ["2", "DEPTHWISE_CONV_2D", "c2_depthwise"]
    assert "Convolution (NHWC, F32) DWConv" in body[2]


# --- errors


def test_not_set_up(built: Path, tmp_path: Path) -> None:
    ran = call("profile", built, "--cache", tmp_path / "none").clean()
    said = f"error: nothing is set up in {tmp_path / 'none'} to run ARM code; `archspec setup-abi` does it\n"
    assert (ran.code, ran.out, ran.err) == (1, "", said)
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / setup.RECORD).write_text(json.dumps({"recipe": "of last year"}))
    ran = call("profile", built, "--cache", tmp_path / "old").clean()
    said = (
        f"error: another version of archspec set up {tmp_path / 'old'} to run ARM code; `archspec setup-abi` does it\n"
    )
    assert (ran.code, ran.out, ran.err) == (1, "", said)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--abi", "mips"], 2, "--abi mips: none of arm64-v8a, armeabi-v7a, x86_64"),
        (["--cpu", "max"], 2, "--cpu max: none of cortex-a7, cortex-a15, cortex-a53, cortex-a72, cortex-a76"),
    ],
)
def test_unknown_places(built: Path, arguments: list[str], code: int, said: str) -> None:
    ran = call("profile", built, *arguments).clean()
    assert (ran.code, ran.out, ran.err) == (code, "", f"error: {said}\n")


def test_files_that_are_none(tmp_path: Path, tflite: Path) -> None:
    broken = tmp_path / "broken.tflite"
    broken.write_bytes((tflite / "branches_float.tflite").read_bytes()[:1000])
    for file, why in (
        (tmp_path / "no.tflite", "no such file or directory"),
        (broken, "the .tflite file is broken or cut short"),
        (tflite / "loop_float.tflite", "the file has 3 subgraphs; only one can be cut"),
    ):
        ran = call("profile", file).clean()
        assert (ran.code, ran.out, ran.err) == (1, "", f"error: {file}: {why}\n")
