"""`archspec verify` on a made-up build: files that were built elsewhere, answers of a made-up emulator."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import call
from made_build import CONTRACT, PIXELS, floats, made
from tampered import install, inwards

from archspec.abi import AbiError, golden, setup, verify
from archspec.abi.compare import Bound
from archspec.abi.run import HOST, Answers, Place, host, run
from archspec.artifact import inspect_tflite

Change = Callable[[Answers], Answers]
FILES = {"arm64-v8a": ("edges_int8", "int8"), "armeabi-v7a": ("edges_int8", "int8")}


@pytest.fixture
def built(tmp_path: Path, tflite: Path) -> Path:
    """A folder as `archspec build` leaves it: `edges` in int8 for both ARM ABIs."""
    return made(tmp_path, tflite, FILES)


@pytest.fixture(scope="module")
def here(tflite: Path) -> dict[str, Answers]:
    """What this machine answers to golden images, by kernels."""
    file = tflite / "edges_int8.tflite"
    facts = inspect_tflite(file.read_bytes())
    fed = golden.as_fed(golden.in_model_units(PIXELS, CONTRACT), facts.inputs[0])
    return {kernels: run(host(kernels), file, fed, facts.outputs) for kernels in HOST}


@pytest.fixture
def arm(
    here: dict[str, Answers], monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Change | AbiError]:
    """Makes emulated CPUs answer as this machine does by XNNPACK, changed by what is put in here under a CPU's name.

    Ops by themselves are run here. `reference` stands for those kernels of this machine.
    """
    cache = tmp_path_factory.mktemp("abi")
    record = {"recipe": setup.recipe(), "runtimes": {}, "packages": ["qemu-user 1:7.2"]}
    (cache / setup.RECORD).write_text(json.dumps(record))
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache.parent))
    monkeypatch.setattr(setup, "default_cache", lambda: cache)
    changes: dict[str, Change | AbiError] = {}

    def fake(place: Place, model: Path, fed: Any, outputs: Any) -> Answers:
        own = place.cpu == "x86_64"
        change = changes.get(place.kernels if own else place.cpu)
        if isinstance(change, AbiError):
            raise change
        answers = here[place.kernels if own else "XNNPACK"]
        return change(answers) if change else answers

    monkeypatch.setattr(verify, "run", fake)
    install(monkeypatch, {})
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


def test_distance_from_the_float_model(
    built: Path, arm: dict[str, Change | AbiError], here: dict[str, Answers]
) -> None:
    told = json.loads(call("verify", built, "--json").clean().out)
    (one,) = [r for r in told if r["cpu"] == "cortex-a53"]
    outputs = inspect_tflite((built / "arm64-v8a" / "model.tflite").read_bytes()).outputs
    far = []
    for info in outputs:
        assert info.scale is not None
        assert info.zero_point is not None
        values = (here["XNNPACK"][info.name].astype(float) - info.zero_point) * info.scale
        far.append(np.abs(values[:, 0] - floats(PIXELS)[info.name]))
    assert one["from_float"]["max"] == pytest.approx(max(one.max() for one in far))
    assert one["from_float"]["mean"] == pytest.approx(max(one.mean() for one in far))
    assert 0 < one["from_float"]["mean_lsb"] < 1


def test_ops_are_held_where_bits_cannot_be(
    built: Path, arm: dict[str, Change | AbiError], monkeypatch: pytest.MonkeyPatch
) -> None:
    told = json.loads(call("verify", built, "--json").clean().out)
    with_ops = {r["cpu"]: r["ops"] for r in told if r["ops"]}
    assert set(with_ops) == {"cortex-a7"}
    assert with_ops["cortex-a7"]["ops"] == 2
    install(monkeypatch, {"": lambda value: inwards(inwards(value))})
    ran = call("verify", built).clean()
    assert ran.code == 1
    assert "error: armeabi-v7a (int8) on cortex-a7, builtin kernels: CONV_2D of row fuse: 2 LSB\n" in ran.err
    assert "  2 ops by themselves are at most 2 LSB off, CONV_2D of row " in ran.out
    assert verified(built)["good"] is False


def test_kernels_that_only_measure_may_fail(built: Path, arm: dict[str, Change | AbiError]) -> None:
    arm["reference"] = AbiError("the process ended with code 1")
    ran = call("verify", built, "--json").clean()
    assert ran.code == 0, ran.err
    assert "not measured by the reference kernels of this machine" in ran.err
    assert {r["kernels"] for r in json.loads(ran.out)} == {"XNNPACK", "builtin"}


def test_kernels_that_decide_may_not(built: Path, arm: dict[str, Change | AbiError]) -> None:
    arm["XNNPACK"] = AbiError("the process aborted (SIGABRT)")
    ran = call("verify", built).clean()
    assert ran.code == 1
    assert ran.err.endswith("error: arm64-v8a (int8) on this machine: the process aborted (SIGABRT)\n")


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
    said = [line for line in ran.err.splitlines() if line.startswith("error")]
    assert [f"on {cpu}" in line for line in said] == [True] * code
    assert verified(built)["good"] is not bool(code)


def test_measured_difference(built: Path, arm: dict[str, Change | AbiError]) -> None:
    arm["cortex-a7"] = off_by(2)
    told = json.loads(call("verify", built, "--json").out)
    (one,) = [r for r in told if r["cpu"] == "cortex-a7"]
    values = 2 * 2 * 32 * 48  # images, outputs, pixels
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
    assert "verified" not in json.loads((built / "manifest.json").read_text())


@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        (lambda folder: (folder / golden.NAME).unlink(), "golden.npz is missing, the images that are to be replayed"),
        (lambda folder: (folder / golden.NAME).write_bytes(golden.packed({})), "golden.npz is not of this build"),
    ],
)
def test_no_golden_images(built: Path, break_it: Callable[[Path], None], said: str) -> None:
    break_it(built)
    ran = call("verify", built).clean()
    assert (ran.code, ran.out) == (1, "")
    assert said in ran.err
    assert "build again" in ran.err


def test_manifest_of_an_older_version(built: Path) -> None:
    written = json.loads((built / "manifest.json").read_text())
    del written["golden"]
    (built / "manifest.json").write_text(json.dumps(written))
    ran = call("verify", built).clean()
    assert ran.code == 1
    assert "names no golden images" in ran.err


def test_changed_file(built: Path, arm: dict[str, Change | AbiError]) -> None:
    with (built / "armeabi-v7a" / "model.tflite").open("ab") as file:
        file.write(b"\0")
    ran = call("verify", built).clean()
    assert ran.code == 1
    assert "armeabi-v7a/model.tflite is not the file that was built" in ran.err


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"model": "m", "artifacts": 3}', '{"model": "m", "artifacts": [{}], "golden": GOLDEN}']
)
def test_no_manifest_of_a_build(built: Path, tmp_path: Path, text: str) -> None:
    entry = json.loads((built / "manifest.json").read_text())["golden"]
    (built / "manifest.json").write_text(text.replace("GOLDEN", json.dumps(entry)))
    ran = call("verify", built).clean()
    assert (ran.code, ran.out) == (1, "")
    assert "is no manifest of a build" in ran.err


def test_no_build(tmp_path: Path) -> None:
    ran = call("verify", tmp_path).clean()
    assert ran.code == 1
    assert "name a folder that `archspec build` has made" in ran.err


def test_build_without_artifacts(tmp_path: Path, tflite: Path) -> None:
    ran = call("verify", made(tmp_path, tflite, {})).clean()
    assert (ran.code, ran.err) == (1, f"error: {tmp_path}: the build holds no artifact\n")


def test_unknown_cpu(tmp_path: Path) -> None:
    ran = call("verify", tmp_path, "--cpu", "max").clean()
    assert ran.code == 2
    assert ran.err.startswith("error: --cpu max: none of cortex-a7, ")


def test_result_of_nothing_is_not_good() -> None:
    result = verify.Result(
        "arm64-v8a", "int8", "cortex-a53", "XNNPACK", None, None, None, None, None, None, (), "crashed"
    )
    assert not result.good
    assert not replace(result, bound=Bound(9, 1)).good
