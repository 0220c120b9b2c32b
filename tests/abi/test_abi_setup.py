"""Setting up emulation: digests, the files a guest sees, and a folder that is whole or absent. Nothing is fetched."""

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from command import call

from archspec.abi import AbiError, fetch, setup
from archspec.abi.cpus import CPUS, overlay
from archspec.abi.pins import RUNTIMES, ZIG, Wheel

# Primary part numbers of the MIDR in Arm's technical reference manuals.
PARTS = {"cortex-a7": 0xC07, "cortex-a15": 0xC0F, "cortex-a53": 0xD03, "cortex-a72": 0xD08, "cortex-a76": 0xD0B}


def described(name: str) -> dict[str, str]:
    """A CPU's /proc/cpuinfo, taken apart."""
    lines = overlay(CPUS[name])["proc/cpuinfo"].splitlines()
    return dict(line.split("\t: ") for line in lines if line)


@pytest.mark.parametrize("name", CPUS)
def test_cpuinfo(name: str) -> None:
    said = described(name)
    assert int(said["CPU implementer"], 16) == 0x41  # Arm
    assert int(said["CPU part"], 16) == PARTS[name]
    assert said["CPU architecture"] == ("7" if CPUS[name].abi == "armeabi-v7a" else "8")
    assert said["processor"] == "0"


def test_cpuinfo_of_a53() -> None:
    assert overlay(CPUS["cortex-a53"])["proc/cpuinfo"] == (
        "processor\t: 0\nBogoMIPS\t: 38.40\nFeatures\t: fp asimd evtstrm aes pmull sha1 sha2 crc32 cpuid\n"
        "CPU implementer\t: 0x41\nCPU architecture: 8\nCPU variant\t: 0x0\nCPU part\t: 0xd03\nCPU revision\t: 4\n\n"
    ).replace("architecture:", "architecture\t:")


def test_features_that_choose_kernels() -> None:
    assert "asimddp" in described("cortex-a76")["Features"].split()
    assert "asimddp" not in described("cortex-a53")["Features"].split()
    assert {"neon", "vfpv4"} <= set(described("cortex-a7")["Features"].split())


def test_cpus_that_err_are_not_offered() -> None:
    assert not {"max", "cortex-a8", "cortex-a9"} & set(CPUS)


def test_overlay_stays_below_the_root() -> None:
    for cpu in CPUS.values():
        paths = [Path(path) for path in overlay(cpu)]
        assert all(not p.is_absolute() and ".." not in p.parts and p.parts[0] in ("proc", "sys") for p in paths)
        assert overlay(cpu)["sys/devices/system/cpu/present"] == "0\n"  # one core, as in cpuinfo


def test_runner_sources_are_there() -> None:
    for runtime in RUNTIMES.values():
        assert "int main" in (setup.SOURCES / runtime.source).read_text()


def test_digest(tmp_path: Path) -> None:
    file = tmp_path / "a.whl"
    file.write_bytes(b"abc")
    fetch.check(file, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")  # FIPS 180-2, example B.1
    with pytest.raises(AbiError, match=r"a\.whl has the SHA-256 ba7816bf.*not the file that was pinned"):
        fetch.check(file, hashlib.sha256(b"abd").hexdigest())


def fake_pip(content: bytes, code: int = 0, said: str = "") -> Any:
    """Stands in for running a tool: leaves a wheel where pip was told to."""

    def run(command: list[str]) -> subprocess.CompletedProcess[str]:
        assert command[-1] == f"{ZIG.project}=={ZIG.version}"
        if not code:
            folder = Path(command[command.index("--dest") + 1])
            (folder / f"{ZIG.project}-{ZIG.version}-py3-none-any.whl").write_bytes(content)
        return subprocess.CompletedProcess(command, code, said)

    return run


def test_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = replace(ZIG, sha256=hashlib.sha256(b"good").hexdigest())
    monkeypatch.setattr(fetch, "_run", fake_pip(b"good"))
    assert fetch.wheel(wanted, tmp_path).read_bytes() == b"good"
    monkeypatch.setattr(fetch, "_run", fake_pip(b"bad"))
    with pytest.raises(AbiError, match="SHA-256"):
        fetch.wheel(wanted, tmp_path)


def test_wheel_that_cannot_be_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = "WARNING: Retrying\nERROR: No matching distribution found\nERROR: more\n"
    monkeypatch.setattr(fetch, "_run", fake_pip(b"", 1, said))
    with pytest.raises(AbiError, match=r"^cannot fetch ziglang .*: ERROR: No matching distribution found$"):
        fetch.wheel(ZIG, tmp_path)


def fake_apt(*packages: str, code: int = 0) -> Any:
    """Stands in for running apt-get: leaves packages where they are downloaded to."""

    def run(command: list[str]) -> subprocess.CompletedProcess[str]:
        if "install" not in command:
            return subprocess.CompletedProcess(command, 100, "E: The repository of somebody else has no Release file\n")
        (cache,) = [Path(word.partition("=")[2]) for word in command if word.startswith("Dir::Cache=")]
        for name in packages:
            (cache / "archives" / name).touch()
        return subprocess.CompletedProcess(command, code, "E: Unable to fetch some archives\n" if code else "")

    return run


def test_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda tool: f"/usr/bin/{tool}")
    names = ("libc6_2.36-9_amd64.deb", "qemu-user_1%3a7.2+dfsg-7_amd64.deb")
    monkeypatch.setattr(fetch, "_run", fake_apt(*names))
    assert [file.name for file in fetch.packages(tmp_path / "a")] == list(names)
    monkeypatch.setattr(fetch, "_run", fake_apt("qemu-user_1%3a10.0.2+ds-2_amd64.deb"))
    with pytest.raises(AbiError, match=r"qemu-user is 1:10\.0\.2\+ds-2, not the 7\.2 of Debian 12"):
        fetch.packages(tmp_path / "b")
    monkeypatch.setattr(fetch, "_run", fake_apt(code=100))
    with pytest.raises(AbiError, match=r"^cannot fetch Debian's packages: E: Unable to fetch some archives$"):
        fetch.packages(tmp_path / "c")


def test_no_apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda tool: None)
    with pytest.raises(AbiError, match="no apt-get here"):
        fetch.packages(tmp_path / "a")


@pytest.mark.parametrize(
    ("logs", "line"),
    [
        (("Get:1\nE: Unable to locate package qemu-user\n",), "E: Unable to locate package qemu-user"),
        (("Reading\nDone\n", "E: no network\n"), "E: no network"),
        (("one\ntwo\n",), "two"),
        (("",), "it says nothing"),
    ],
)
def test_complaint(logs: tuple[str, ...], line: str) -> None:
    assert fetch.complaint(*logs) == line


# --- the folder


def made(versions: list[int]) -> Any:
    """Stands in for filling a folder; each time it leaves another file."""

    def fill(folder: Path, scratch: Path, say: setup.Say) -> Mapping[str, Any]:
        versions.append(len(versions))
        (folder / "content").write_text(str(versions[-1]))
        return {"recipe": setup.recipe(), "packages": []}

    return fill


def test_second_run_does_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[int] = []
    monkeypatch.setattr(setup, "_fill", made(runs))
    cache = tmp_path / "a" / "abi"
    assert setup.installed(cache) is None
    assert setup.setup(cache, print)
    assert setup.installed(cache) == {"recipe": setup.recipe(), "packages": []}
    assert not setup.setup(cache, print)
    assert runs == [0]
    assert [p.name for p in cache.parent.iterdir()] == ["abi"]


def test_another_recipe_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[int] = []
    monkeypatch.setattr(setup, "_fill", made(runs))
    setup.setup(tmp_path / "abi", print)
    (tmp_path / "abi" / setup.RECORD).write_text(json.dumps({"recipe": "of last year"}))
    (tmp_path / "abi" / "leftover").touch()
    assert setup.setup(tmp_path / "abi", print)
    assert (tmp_path / "abi" / "content").read_text() == "1"
    assert not (tmp_path / "abi" / "leftover").exists()
    assert [p.name for p in tmp_path.iterdir()] == ["abi"]


def test_failure_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setup, "_fill", made([]))
    setup.setup(tmp_path / "abi", print)
    (tmp_path / "abi" / setup.RECORD).write_text(json.dumps({"recipe": "of last year"}))

    def fail(folder: Path, *_: Any) -> None:
        (folder / "half").touch()
        raise AbiError("cannot fetch ziglang: no network")

    monkeypatch.setattr(setup, "_fill", fail)
    for cache in (tmp_path / "abi", tmp_path / "new"):
        ran = call("setup-abi", "--cache", cache).clean()
        assert (ran.code, ran.out, ran.err) == (1, "", "error: cannot fetch ziglang: no network\n")
    assert [p.name for p in tmp_path.iterdir()] == ["abi"]
    assert (tmp_path / "abi" / "content").read_text() == "0"


def test_foreign_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").touch()
    ran = call("setup-abi", "--cache", tmp_path).clean()
    assert ran.code == 1
    assert "nothing that this command has made" in ran.err
    assert [p.name for p in tmp_path.iterdir()] == ["photo.jpg"]


def test_broken_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def packages(folder: Path) -> list[Path]:
        return []

    def wheel(wanted: Wheel, folder: Path) -> Path:
        (folder / "a.whl").write_bytes(b"no archive")
        return folder / "a.whl"

    monkeypatch.setattr(fetch, "packages", packages)
    monkeypatch.setattr(fetch, "wheel", wheel)
    monkeypatch.setattr(setup, "_prune", lambda debian: None)
    with pytest.raises(AbiError, match="a wheel is broken"):
        setup.setup(tmp_path / "abi", lambda line: None)
    assert list(tmp_path.iterdir()) == []


def test_other_machines_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Machine:
        sysname, machine = "Darwin", "arm64"

    monkeypatch.setattr(os, "uname", Machine)
    with pytest.raises(AbiError, match="not on arm64 Darwin"):
        setup.setup(tmp_path / "abi", print)


def test_default_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert setup.default_cache() == Path("/somewhere/archspec/abi")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # the XDG rules have it ignored
    monkeypatch.setenv("HOME", "/home/ann")
    assert setup.default_cache() == Path("/home/ann/.cache/archspec/abi")
