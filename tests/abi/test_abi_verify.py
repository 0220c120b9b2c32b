"""`archspec verify` on a made-up build: files that were built elsewhere, answers of a made-up emulator."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command import call

from archspec.abi import AbiError, golden, setup, verify
from archspec.abi.run import HOST, Answers, Place, host, run
from archspec.artifact import inspect_tflite

CONTRACT = {"size": [32, 48, 3], "range": [0, 1], "mean": None, "std": None, "color": "rgb", "resize": "stretch"}
Change = Callable[[Answers], Answers]


@pytest.fixture
def built(tmp_path: Path, tflite: Path) -> Path:
    """A folder as `archspec build` leaves it: `edges` in int8 for both ARM ABIs."""
    entries = []
    for abi in ("arm64-v8a", "armeabi-v7a"):
        (tmp_path / abi).mkdir()
        shutil.copy(tflite / "edges_int8.tflite", tmp_path / abi / "model.tflite")
        facts = inspect_tflite((tmp_path / abi / "model.tflite").read_bytes())
        assert facts.inputs[0].dtype == "int8"
        file = f"{abi}/model.tflite"
        entries.append({"abi": abi, "file": file, "scheme": "int8", "input": CONTRACT, "sha256": facts.sha256})
    (tmp_path / "manifest.json").write_text(json.dumps({"model": "edges", "artifacts": entries}))
    return tmp_path


@pytest.fixture(scope="module")
def here(tflite: Path) -> dict[str, Answers]:
    """What this machine answers to golden images, by kernels."""
    file = tflite / "edges_int8.tflite"
    facts = inspect_tflite(file.read_bytes())
    fed = golden.as_fed(golden.make_images(CONTRACT), facts.inputs[0])
    return {kernels: run(host(kernels), file, fed, facts.outputs) for kernels in HOST}


@pytest.fixture
def arm(
    here: dict[str, Answers], monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Change | AbiError]:
    """Makes emulated CPUs answer as this machine does by XNNPACK, changed by what is put in here under a CPU's name."""
    cache = tmp_path_factory.mktemp("abi")
    record = {"recipe": setup.recipe(), "runtimes": {}, "packages": ["qemu-user 1:7.2"]}
    (cache / setup.RECORD).write_text(json.dumps(record))
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache.parent))
    monkeypatch.setattr(setup, "default_cache", lambda: cache)
    changes: dict[str, Change | AbiError] = {}

    def fake(place: Place, model: Path, fed: Any, outputs: Any) -> Answers:
        if place.cpu == "x86_64":
            return here[place.kernels]
        change = changes.get(place.cpu)
        if isinstance(change, AbiError):
            raise change
        return change(here["XNNPACK"]) if change else here["XNNPACK"]

    monkeypatch.setattr(verify, "run", fake)
    return changes


def off_by(lsb: int) -> Change:
    """One value of one output changed by so many steps, inwards."""

    def change(answers: Answers) -> Answers:
        one = answers["side"].copy()
        one.flat[5] += lsb if one.flat[5] < 0 else -lsb
        return {**answers, "side": one}

    return change


def verified(folder: Path) -> Any:
    return json.loads((folder / "manifest.json").read_text())["verified"]


def test_good(built: Path, arm: dict[str, Change | AbiError]) -> None:
    before = json.loads((built / "manifest.json").read_text())
    ran = call("verify", built, "--json").clean()
    assert ran.code == 0, ran.err
    told = json.loads(ran.out)
    assert [(r["abi"], r["cpu"]) for r in told if r["cpu"] != "x86_64"] == [
        ("arm64-v8a", "cortex-a53"),
        ("arm64-v8a", "cortex-a76"),
        ("armeabi-v7a", "cortex-a7"),
    ]
    assert [r["kernels"] for r in told if r["cpu"] == "x86_64"] == 2 * ["XNNPACK", "builtin", "reference"]
    assert all(r["good"] for r in told)
    written = json.loads((built / "manifest.json").read_text())
    assert written.pop("verified")["results"] == told
    assert written == before
    assert verified(built)["good"] is True
    assert f"stored {built / golden.NAME}" in ran.err


def test_golden_answers_are_replayed(built: Path, arm: dict[str, Change | AbiError]) -> None:
    assert call("verify", built).clean().code == 0
    stored = (built / golden.NAME).read_bytes()
    ran = call("verify", built).clean()
    assert ran.code == 0
    assert "stored" not in ran.err
    assert (built / golden.NAME).read_bytes() == stored
    arrays = golden.read(built / golden.NAME)
    key = next(name for name in arrays if name.endswith(".fuse"))
    arrays[key] = arrays[key].copy()
    arrays[key].flat[0] ^= 1
    (built / golden.NAME).write_bytes(golden.packed(arrays))
    ran = call("verify", built).clean()
    assert ran.code == 1
    assert "error: arm64-v8a (int8) on x86_64, XNNPACK kernels: out of bounds" in ran.err


@pytest.mark.parametrize(
    ("cpu", "lsb", "options", "code"),
    [
        ("cortex-a53", 1, (), 1),  # XNNPACK is exact
        ("cortex-a53", 1, ("--max-lsb", "9"), 1),
        ("cortex-a7", 2, (), 0),
        ("cortex-a7", 9, (), 1),
        ("cortex-a7", 9, ("--max-lsb", "9"), 0),
        ("cortex-a7", 1, ("--max-lsb", "0"), 1),
        ("cortex-a15", 9, (), 0),  # is not run unasked
        ("cortex-a15", 9, ("--cpu", "cortex-a15"), 1),
    ],
)
def test_bounds(
    built: Path, arm: dict[str, Change | AbiError], cpu: str, lsb: int, options: tuple[str, ...], code: int
) -> None:
    arm[cpu] = off_by(lsb)
    ran = call("verify", built, *options).clean()
    assert ran.code == code, ran.out
    assert (f"on {cpu}" in ran.err.replace("images on", "")) == bool(code)
    assert verified(built)["good"] is not bool(code)


def test_measured_difference(built: Path, arm: dict[str, Change | AbiError]) -> None:
    arm["cortex-a7"] = off_by(2)
    told = json.loads(call("verify", built, "--json").out)
    (one,) = [r for r in told if r["cpu"] == "cortex-a7"]
    values = 3 * 2 * 32 * 48  # images, outputs, pixels
    assert one["difference"]["max_lsb"] == 2
    assert one["difference"]["identical"] == pytest.approx(1 - 1 / values, abs=1e-12)


def test_crash_is_told_and_others_go_on(built: Path, arm: dict[str, Change | AbiError]) -> None:
    arm["cortex-a53"] = AbiError("the process aborted (SIGSEGV)")
    ran = call("verify", built).clean()
    assert ran.code == 1
    assert "error: arm64-v8a (int8) on cortex-a53, XNNPACK kernels: the process aborted (SIGSEGV)" in ran.err
    assert "failed" in ran.out
    assert [r["good"] for r in verified(built)["results"]].count(False) == 1


def test_nothing_set_up(built: Path, tmp_path: Path) -> None:
    ran = call("verify", built, "--cache", tmp_path / "none").clean()
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == (
        f"error: nothing is set up in {tmp_path / 'none'} to run ARM code; `archspec setup-abi` does it\n"
    )
    assert not (built / golden.NAME).exists()


def test_changed_file(built: Path, arm: dict[str, Change | AbiError]) -> None:
    with (built / "armeabi-v7a" / "model.tflite").open("ab") as file:
        file.write(b"\0")
    ran = call("verify", built).clean()
    assert ran.code == 1
    assert "armeabi-v7a/model.tflite is not the file that was built" in ran.err


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"model": "m", "artifacts": 3}', '{"model": "m", "artifacts": [{}]}']
)
def test_no_manifest_of_a_build(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.json").write_text(text)
    ran = call("verify", tmp_path).clean()
    assert (ran.code, ran.out) == (1, "")
    assert "is no manifest of a build" in ran.err


def test_no_build(tmp_path: Path) -> None:
    ran = call("verify", tmp_path).clean()
    assert ran.code == 1
    assert "name a folder that `archspec build` has made" in ran.err


def test_build_without_artifacts(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text('{"model": "m", "artifacts": []}')
    ran = call("verify", tmp_path).clean()
    assert (ran.code, ran.err) == (1, f"error: {tmp_path}: the build holds no artifact\n")


def test_unknown_cpu(tmp_path: Path) -> None:
    ran = call("verify", tmp_path, "--cpu", "max").clean()
    assert ran.code == 2
    assert ran.err.startswith("error: --cpu max: none of cortex-a7, ")


def test_result_of_nothing_is_not_good() -> None:
    result = verify.Result("arm64-v8a", "int8", "cortex-a53", "XNNPACK", None, None, None, 0, "crashed")
    assert not result.good
