"""Files on another machine: through ssh to this one, and through stand-ins for an ARM machine and for a phone."""

import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import call
from loopback import server
from made_build import CONTRACT, PIXELS, made

from archspec.abi import AbiError, golden, remote
from archspec.abi.batch import Work, run_each
from archspec.abi.cpus import CPUS
from archspec.abi.remote import Shell, connected
from archspec.abi.run import emulated, host, run
from archspec.artifact import inspect_tflite

HERE = "#!/bin/sh\n"
LEFT = "archspec.*"  # folders that are left behind


def program(folder: Path, text: str, name: str = "reach") -> Path:
    """A command that stands in for ssh: it gets a line for a shell as its last argument."""
    file = folder / name
    file.write_text(HERE + text)
    file.chmod(file.stat().st_mode | stat.S_IXUSR)
    return file


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where folders of other machines are made, which are this one."""
    (tmp_path / "there").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "there"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path / "there"


def arm(folder: Path, cache: Path, cpu: str) -> Path:
    """Stands in for the shell of an ARM machine: whatever is started there by its loader runs under the emulator."""
    place = emulated(CPUS[cpu], cache)
    machine = "aarch64" if CPUS[cpu].abi == "arm64-v8a" else "armv7l"
    emulator = " ".join(place.command[:-2])  # without the program and the runtime of the cache
    loader = remote.LOADERS[CPUS[cpu].abi]
    text = f"""line=$(printf %s "$1" | sed 's|uname -m|echo {machine}|; s|\\./{loader}|{emulator} ./{loader}|')
exec sh -c "$line"
"""
    return program(folder, text)


def work(tflite: Path, name: str) -> tuple[Path, Any, Any]:
    file = tflite / f"{name}.tflite"
    facts = inspect_tflite(file.read_bytes())
    return file, golden.as_fed(golden.in_model_units(PIXELS, CONTRACT), facts.inputs[0]), facts.outputs


def nothing(line: str) -> None:
    """Is told what is going on."""


# --- without emulator or server


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("echo 'ssh: connect to host pi port 22: Connection refused' >&2; exit 255", "Connection refused"),
        ("exit 3", "the process ended with code 3"),
        ("echo Welcome", "it answers otherwise than a shell"),
    ],
)
def test_machine_that_cannot_be_reached(tmp_path: Path, text: str, said: str) -> None:
    shell = Shell((str(program(tmp_path, text)),))
    with pytest.raises(AbiError, match=f"no way to `{shell.name}`: .*{said}"):
        shell.need("uname -m")


def test_no_such_command() -> None:
    with pytest.raises(AbiError, match="cannot start `/no/such/ssh host`: No such file"):
        Shell(("/no/such/ssh", "host")).need("uname -m")


def test_machine_that_does_not_answer(tmp_path: Path) -> None:
    with pytest.raises(AbiError, match="gave no answer in 1 seconds"):
        Shell((str(program(tmp_path, "exec sleep 30")),)).ask("uname -m", time=1)


def test_line_and_how_it_ended(tmp_path: Path) -> None:
    shell = Shell((str(program(tmp_path, 'exec sh -c "$1"')),))
    assert shell.ask("printf 'a\\0b'") == (b"a\0b", None)
    assert shell.ask("echo why >&2; exit 3") == (b"", "the process ended with code 3: why")
    assert str(shell.ask("sh -c 'kill -SEGV $$'")[1]).startswith("the process aborted (SIGSEGV)")
    assert shell.ask("cat", b"given") == (b"given", None)
    with pytest.raises(AbiError, match="cannot do its part: the process ended with code 7"):
        shell.need("exit 7")


def test_files_there_and_back(tmp_path: Path) -> None:
    shell = Shell((str(program(tmp_path, 'exec sh -c "$1"')),))
    there, back = tmp_path / "a", tmp_path / "b"
    there.mkdir()
    back.mkdir()
    data = np.arange(70000, dtype=np.uint32).tobytes()
    (tmp_path / "file").write_bytes(data)
    shell.put({"0.in": tmp_path / "file", "1.in": tmp_path / "file"}, str(there))
    assert (there / "0.in").read_bytes() == (there / "1.in").read_bytes() == data
    assert shell.get(["1.in"], str(there), back)["1.in"].read_bytes() == data


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            """line=$(printf %s "$1" | sed 's/tar -xf -/tar -xf - \\&\\& echo >> a/'); exec sh -c "$line\"""",
            "as it was",
        ),
        ("""line=$(printf %s "$1" | sed 's/tar -xf -/exit 2/'); exec sh -c "$line\"""", "cannot do its part"),
    ],
)
def test_file_that_does_not_arrive_whole(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "file").write_text("content")
    with pytest.raises(AbiError, match=said):
        Shell((str(program(tmp_path, text)),)).put({"a": tmp_path / "file"}, str(tmp_path / "there"))


@pytest.mark.parametrize(
    ("runner", "said"),
    [
        ("", "no command"),
        ("ssh 'host", "No closing quotation"),
        ("/no/such/ssh host", "cannot start `/no/such/ssh host`"),
    ],
)
def test_runner_that_is_none(
    runner: str, said: str, tmp_path: Path, tflite: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    monkeypatch.setattr(remote, "require", nothing)
    folder = made(tmp_path, tflite, {"x86_64": ("edges_float", "none")})
    ran = call("verify", folder, "--runner", runner).clean()
    assert (ran.code, ran.out) == (1, "")
    assert said in ran.err
    assert "verified" not in json.loads((folder / "manifest.json").read_text())


def test_machine_of_no_abi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "require", nothing)
    reach = program(tmp_path, """exec sh -c "$(printf %s "$1" | sed 's/uname -m/echo riscv64/')\"""")
    with (
        pytest.raises(AbiError, match=r"is 'riscv64'; there are programs for aarch64"),
        connected(str(reach), tmp_path, nothing),
    ):
        pass


@pytest.mark.parametrize("name", ["/", "/tmp", "/tmp/archspec.x; rm -rf y", "archspec.x", ""])
def test_odd_folder_is_not_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(remote, "require", nothing)
    log = tmp_path / "log"
    text = f"""printf '%s\\n' "$1" >> {log}
case "$1" in *mktemp*) echo '{name}';; *uname*) echo x86_64;; esac
printf '\\narchspec-ended 0\\n'
"""
    with pytest.raises(AbiError, match="odd name"), connected(str(program(tmp_path, text)), tmp_path, nothing):
        pass
    assert "rm " not in log.read_text()


# --- with what setup-abi fetches


@pytest.mark.slow
@pytest.mark.parametrize("cpu", ["cortex-a53", "cortex-a7"])
def test_arm_machine(tflite: Path, cache: Path, tmp_path: Path, room: Path, cpu: str) -> None:
    """The loader, the libraries and the program that are copied answer as the emulated CPU does by itself."""
    file, fed, outputs = work(tflite, "edges_int8")
    told: list[str] = []
    with connected(str(arm(tmp_path, cache, cpu)), cache, told.append) as (abi, place):
        assert abi == CPUS[cpu].abi
        assert (place.cpu, place.kernels) == (
            "remote aarch64" if cpu == "cortex-a53" else "remote armv7l",
            emulated(CPUS[cpu], cache).kernels,
        )
        got = run(place, file, fed, outputs)
        assert len(list(room.glob(LEFT))) == 1
        each = run_each(place, [Work(file, (fed[0],), outputs), Work(file, (fed[1],), outputs)])
    assert list(room.glob(LEFT)) == []
    wanted = run(emulated(CPUS[cpu], cache), file, fed, outputs)
    for name, answer in wanted.items():
        assert np.array_equal(got[name], answer)
        for i, one in enumerate(each):
            assert not isinstance(one, str)
            assert np.array_equal(one[name], answer[i][None])
    assert told[0].startswith("copying ")


@pytest.mark.slow
def test_crash_there(tflite: Path, cache: Path, tmp_path: Path, room: Path) -> None:
    """TensorFlow Lite 2.17.1 crashes at an int8 FULLY_CONNECTED without a bias; what was before it has its answers."""
    file, fed, outputs = work(tflite, "edges_int8")
    bad, other, bad_outputs = work(tflite, "classes_int8")
    with connected(str(arm(tmp_path, cache, "cortex-a7")), cache, nothing) as (_, place):
        works = [Work(file, (fed[0],), outputs), Work(bad, (other[0],), bad_outputs), Work(file, (fed[1],), outputs)]
        first, second, third = run_each(place, works)
        with pytest.raises(AbiError, match="SIGSEGV"):
            run(place, bad, other, bad_outputs)
    assert isinstance(second, str)
    assert "SIGSEGV" in second
    assert not isinstance(first, str)
    assert not isinstance(third, str)
    assert list(room.glob(LEFT)) == []


@pytest.fixture
def phone(tmp_path: Path, room: Path) -> Path:
    """Stands in for adb and a phone: an old one, that keeps exit codes to itself and ends lines with CR and LF."""
    text = f"""
command=$1
line=$(printf %s "$2" | sed 's|/data/local/tmp|{room}|g')
case "$command" in
shell) sh -c "$line" 2>&1 | sed 's/$/\\r/'; exit 0;;
push | pull) cp "$2" "$3"; echo "1 file";;
*) exit 1;;
esac
"""
    (tmp_path / "bin").mkdir()
    return program(tmp_path / "bin", text, "adb")


@pytest.mark.slow
def test_phone(tflite: Path, cache: Path, room: Path, phone: Path) -> None:
    file, fed, outputs = work(tflite, "edges_int8")
    with connected(f"{phone} shell", cache, nothing) as (abi, place):
        assert abi == "x86_64"
        got = run(place, file, fed, outputs)
    wanted = run(host("XNNPACK"), file, fed, outputs)
    assert all(np.array_equal(got[name], answer) for name, answer in wanted.items())
    assert list(room.glob(LEFT)) == []


@pytest.fixture(scope="module")
def ssh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with server(tmp_path_factory.mktemp("ssh")) as command:
        yield command


@pytest.mark.slow
def test_verify_by_ssh(ssh: str, tflite: Path, cache: Path, tmp_path: Path) -> None:
    before = set(Path("/tmp").glob(LEFT))
    folder = made(tmp_path, tflite, {"x86_64": ("edges_int8", "int8")})
    ran = call("verify", folder, "--runner", ssh, "--cache", cache, "--json").clean()
    assert ran.code == 0, ran.err
    (one,) = [r for r in json.loads(ran.out) if r["cpu"] == "remote x86_64"]
    assert (one["kernels"], one["good"], one["difference"]["identical"]) == ("XNNPACK", True, 1)
    written = (folder / "manifest.json").read_text()
    assert "remote x86_64" in written
    assert "127.0.0.1" not in written
    assert set(Path("/tmp").glob(LEFT)) == before


@pytest.mark.slow
def test_ssh_that_is_refused(ssh: str, tflite: Path, cache: Path, tmp_path: Path) -> None:
    folder = made(tmp_path, tflite, {"x86_64": ("edges_int8", "int8")})
    ran = call("verify", folder, "--runner", ssh.replace("root@", "nobody@"), "--cache", cache).clean()
    assert ran.code == 1
    assert "Permission denied" in ran.err


@pytest.mark.slow
def test_no_artifact_for_that_machine(ssh: str, tflite: Path, cache: Path, tmp_path: Path) -> None:
    folder = made(tmp_path, tflite, {"arm64-v8a": ("edges_int8", "int8")})
    ran = call("verify", folder, "--runner", ssh, "--cache", cache).clean()
    assert ran.code == 1
    assert "the build holds no artifact for x86_64, which is what remote x86_64 runs" in ran.err
