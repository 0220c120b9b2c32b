"""Runs files on another machine, through a command that hands a line to its shell: `ssh user@host`, `adb shell`.

What it takes is copied to a folder of its own there: the program, the runtime, and the loader and C libraries of the
cache, as these machines have others or, as Android, none. The loader is started by name. A static program could not
load the runtime, which is a shared library that wants its C library. The folder is removed at the end.
"""

from __future__ import annotations

import hashlib
import io
import re
import shlex
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from archspec.abi import AbiError
from archspec.abi.pins import RUNTIMES
from archspec.abi.run import TIME, Place
from archspec.abi.setup import LIBRARIES, require
from archspec.process import in_words

SOON = 60  # seconds that a machine may take to answer
X86 = "x86_64"
ABIS = {"aarch64": "arm64-v8a", "armv7l": "armeabi-v7a", "armv8l": "armeabi-v7a", X86: X86}
"""What `uname -m` says there, and the ABI."""

LOADERS = {"arm64-v8a": "ld-linux-aarch64.so.1", "armeabi-v7a": "ld-linux-armhf.so.3", X86: "ld-linux-x86-64.so.2"}
NEEDED = ("libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0", "librt.so.1", "libgcc_s.so.1", "libstdc++.so.6")
"""What runtimes and program ask the loader for."""

OUT = "out"
ENDS = ("tflite", "in", OUT)  # of the names that the files get there

ENDED = re.compile(rb"\narchspec-ended (\d+)\s*$")  # adb of older Androids keeps the exit code to itself

Say = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class Shell:
    """The shell of another machine, behind a command that takes a line for it as its last argument."""

    command: tuple[str, ...]

    @property
    def name(self) -> str:
        return shlex.join(self.command)

    @property
    def adb(self) -> tuple[str, ...] | None:
        """adb without its `shell`. It copies by commands of its own: older ones change bytes that come through."""
        is_adb = Path(self.command[0]).name == "adb" and self.command[-1] == "shell"
        return self.command[:-1] if is_adb else None

    def ask(self, line: str, given: bytes = b"", time: int = SOON) -> tuple[bytes, str | None]:
        """What a line prints there, and why it failed. Raises AbiError where it did not come to its end."""
        whole = f"({line}); printf '\\narchspec-ended %d\\n' $?"
        ran = _run((*self.command, f"sh -c {shlex.quote(whole)}"), given, time, self.name)  # the user's may be csh
        ended = ENDED.search(ran.stdout)
        words = ran.stderr.decode(errors="replace").strip().splitlines()
        if not ended:
            why = words[-1] if words else in_words(ran.returncode) or "it answers otherwise than a shell"
            raise AbiError(f"no way to `{self.name}`: {why}")
        code = int(ended[1])
        how = in_words(128 - code if code > 128 else code)
        return ran.stdout[: ended.start()], f"{how}: {words[-1]}" if how and words else how

    def need(self, line: str, given: bytes = b"", time: int = SOON) -> str:
        """What a line prints there. Raises AbiError where it fails."""
        said, how = self.ask(line, given, time)
        if how:
            raise AbiError(f"`{self.name}` cannot do its part: {how}")
        return said.decode(errors="replace").strip()

    def put(self, files: Mapping[str, Path], folder: str) -> None:
        """Copy files into a folder that is there, under other names. Raises AbiError where they do not arrive whole."""
        if self.adb:
            for name, file in files.items():
                _copied(_run((*self.adb, "push", str(file), f"{folder}/{name}"), b"", TIME, self.name), self.name)
        else:
            self.need(f"cd {folder} && tar -xf -", _archive(files), TIME)
        self._check(files, folder)

    def get(self, names: Sequence[str], folder: str, here: Path) -> dict[str, Path]:
        """Fetch files into a folder of this machine. Raises AbiError where they do not arrive whole."""
        if self.adb:
            for name in names:
                _copied(
                    _run((*self.adb, "pull", f"{folder}/{name}", str(here / name)), b"", TIME, self.name), self.name
                )
        else:
            archive, how = self.ask(f"cd {folder} && tar -cf - {' '.join(names)}", time=TIME)
            if how:
                raise AbiError(f"`{self.name}` cannot give its answers: {how}")
            _extract(archive, names, here, self.name)
        files = {name: here / name for name in names}
        self._check(files, folder)
        return files

    def _check(self, files: Mapping[str, Path], folder: str) -> None:
        lines = self.need(f"cd {folder} && sha256sum {' '.join(files)}").splitlines()
        told = {name.strip(" *"): digest for digest, _, name in (line.partition(" ") for line in lines)}
        for name, file in files.items():
            if told.get(name) != hashlib.sha256(file.read_bytes()).hexdigest():
                raise AbiError(f"{name} did not get through `{self.name}` as it was")


@contextmanager
def connected(runner: str, cache: Path, say: Say) -> Iterator[tuple[str, Place]]:
    """The ABI of another machine, and that machine as a place to run files at. Raises AbiError, OSError.

    `runner` is a command as in a shell; the machine is Linux, with `uname`, `mktemp`, `tar` and `sha256sum`.
    """
    try:
        shell = Shell(tuple(shlex.split(runner)))
    except ValueError as error:
        raise AbiError(f"--runner {runner}: {error}") from error
    if not shell.command:
        raise AbiError("--runner: no command")
    require(cache)
    machine = shell.need("uname -m")
    if machine not in ABIS:
        raise AbiError(f"`{shell.name}` is {machine!r}; there are programs for {', '.join(ABIS)}")
    abi = ABIS[machine]
    base = "/data/local/tmp" if shell.adb else '"${TMPDIR:-/tmp}"'
    folder = shell.need(f"mktemp -d {base}/archspec.XXXXXX")
    if not re.fullmatch(r"/[\w./-]*/archspec\.\w+", folder):  # it goes into lines for the shell, rm among them
        raise AbiError(f"`{shell.name}` made a folder of an odd name: {folder!r}")
    try:
        files = _files(abi, cache)
        say(f"copying {sum(f.stat().st_size for f in files.values()) / 1e6:.1f} MB to {folder} of {shell.name}")
        shell.put(files, folder)
        shell.need(f"cd {folder} && chmod 755 runner {LOADERS[abi]}")
        yield abi, _place(shell, folder, machine)
    finally:
        try:
            shell.need(f"rm -rf {folder}")
        except AbiError as error:
            say(f"warning: {folder} is left behind: {error}")


def _files(abi: str, cache: Path) -> dict[str, Path]:
    """What a machine needs, by the name it gets there."""
    if abi == X86:
        folders, runtime = [cache / "debian" / path for path in LIBRARIES], _own_runtime()
    else:
        folders = [cache / "debian" / "usr" / RUNTIMES[abi].gnu / "lib"]
        runtime = cache / "runtimes" / f"{abi}.so"
    libraries = {name: next(f for folder in folders if (f := folder / name).exists()) for name in NEEDED}
    loader = {LOADERS[abi]: folders[0] / LOADERS[abi]}
    return {"runner": cache / "runners" / abi, "runtime.so": runtime, **loader, **libraries}


def _own_runtime() -> Path:
    """LiteRT of this machine, whose interface the program knows. Raises AbiError."""
    wanted, spec = RUNTIMES["arm64-v8a"].version, find_spec("ai_edge_litert")
    found = f"LiteRT {metadata.version('ai-edge-litert')}"
    if found != wanted or spec is None or not spec.submodule_search_locations:
        raise AbiError(f"on x86_64 files are run by {wanted}; here is {found}")
    return Path(spec.submodule_search_locations[0]) / "libLiteRt.so"


def _place(shell: Shell, folder: str, machine: str) -> Place:
    abi = ABIS[machine]
    kernels, named = (RUNTIMES[abi].kernels, RUNTIMES[abi].named) if abi in RUNTIMES else ("XNNPACK", True)
    command = (f"./{LOADERS[abi]}", "--library-path", ".", "./runner", "./runtime.so")

    def go(whole: Sequence[str], here: Path) -> tuple[str, str | None]:
        names = {f"{i}.{ENDS[i % 3]}": Path(file) for i, file in enumerate(whole[len(command) :])}
        run = f"{folder}/run"
        shell.need(f"rm -rf {run} && mkdir {run}")
        shell.put({name: file for name, file in names.items() if not name.endswith(OUT)}, run)
        line = " ".join((*command, *(f"run/{name}" for name in names)))
        said, how = shell.ask(f"cd {folder} && {line}", time=TIME)
        made = [name for name in shell.need(f"ls {run}").split() if name.endswith(OUT)]
        with tempfile.TemporaryDirectory(dir=here) as fetched:
            for name, file in shell.get(made, run, Path(fetched)).items() if made else ():
                file.rename(names[name])
        return said.decode(errors="replace").replace("\r\n", "\n"), how

    return Place(f"remote {machine}", kernels, command, named, go)


def _run(command: Sequence[str], given: bytes, time: int, name: str) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(command, input=given, capture_output=True, timeout=time)
    except subprocess.TimeoutExpired as error:
        raise AbiError(f"`{name}` gave no answer in {time} seconds") from error
    except OSError as error:
        raise AbiError(f"cannot start `{name}`: {error.strerror}") from error


def _copied(ran: subprocess.CompletedProcess[bytes], name: str) -> None:
    if ran.returncode:
        said = (ran.stderr or ran.stdout).decode(errors="replace").strip().splitlines()
        raise AbiError(f"`{name}` cannot copy: {said[-1] if said else in_words(ran.returncode)}")


def _archive(files: Mapping[str, Path]) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, file in files.items():
            entry = tarfile.TarInfo(name)
            content = file.read_bytes()
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return data.getvalue()


def _extract(archive: bytes, names: Sequence[str], here: Path, who: str) -> None:
    try:
        with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
            for name in names:
                content = opened.extractfile(name)
                (here / name).write_bytes(content.read() if content else b"")
    except (tarfile.TarError, KeyError, EOFError) as error:
        raise AbiError(f"answers did not get through `{who}` as they were: {error}") from error
