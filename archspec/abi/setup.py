"""Puts what running ARM code takes into one folder: emulator, C libraries, runtimes, the programs that drive them.

debian/             the emulators with their own libraries, and the C libraries of the ABIs
roots/CPU/          what a guest sees as /: its C library, and that CPU's files of /proc and /sys
runtimes/ABI.so     the runtime
runners/ABI         the program that drives it; that of x86_64 is for other machines, and runs on their runtime
icount.so           the emulator's plugin that counts instructions
setup.json          the digest of the recipe, and the versions
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from archspec.abi import AbiError, fetch
from archspec.abi.cpus import CPUS, overlay
from archspec.abi.pins import COUNTER, PACKAGES, PACKAGES_SIZE, RUNTIMES, X86_CPU, X86_SOURCE, X86_TARGET, ZIG

RECORD = "setup.json"
PLUGIN = "icount.so"
LIBRARIES = ("lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu")  # of the emulator itself, below debian/
SOURCES = Path(__file__).parent
UNUSED = ("ziglang/lib/libcxx", "ziglang/lib/libc/mingw", "ziglang/lib/libc/musl", "ziglang/lib/libc/wasi")
"""Parts of the compiler for C++ and for other systems, a third of its files."""

Say = Callable[[str], None]


def default_cache() -> Path:
    """Where a user's caches are, by the XDG rules."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base and os.path.isabs(base) else Path.home() / ".cache") / "archspec" / "abi"


def recipe() -> str:
    """A digest of all that decides what a cache holds; the versions of Debian's packages are not among it."""
    parts = [json.dumps([PACKAGES, asdict(ZIG), {abi: asdict(r) for abi, r in RUNTIMES.items()}], sort_keys=True)]
    parts += [(SOURCES / name).read_text() for name in (COUNTER, *(r.source for r in RUNTIMES.values()))]
    parts += [X86_TARGET, X86_CPU, X86_SOURCE]
    parts += [json.dumps(overlay(cpu)) for cpu in CPUS.values()]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def installed(cache: Path) -> dict[str, Any] | None:
    """The record of a cache that is whole and of this recipe, else None."""
    try:
        record = json.loads((cache / RECORD).read_text())
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) and record.get("recipe") == recipe() else None


def require(cache: Path) -> None:
    """Raise AbiError where ARM code cannot be run, or not by this version."""
    if not installed(cache):
        what = "another version of archspec set up" if (cache / RECORD).is_file() else "nothing is set up in"
        raise AbiError(f"{what} {cache} to run ARM code; `archspec setup-abi` does it")


def setup(cache: Path, say: Say) -> bool:
    """Make `cache` whole; False where it was. Raises AbiError, OSError; then it is as it was before."""
    if installed(cache):
        return False
    if os.uname().sysname != "Linux" or os.uname().machine != "x86_64":
        raise AbiError(f"emulation is set up on x86-64 Linux only, not on {os.uname().machine} {os.uname().sysname}")
    if cache.exists() and not (cache / RECORD).is_file() and (not cache.is_dir() or any(cache.iterdir())):
        raise AbiError(f"{cache} is there already, and nothing that this command has made")
    cache.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".archspec-abi-", dir=cache.parent) as scratch:
        made = Path(scratch) / "made"
        made.mkdir()
        try:
            record = _fill(made, Path(scratch), say)
        except zipfile.BadZipFile as error:
            raise AbiError(f"a wheel is broken: {error}") from error
        (made / RECORD).write_text(json.dumps(record, indent=2) + "\n")
        if cache.exists():
            cache.rename(Path(scratch) / "old")
        try:
            made.rename(cache)
        except OSError:
            if not installed(cache):  # else another setup was faster
                raise
    return True


def _fill(made: Path, scratch: Path, say: Say) -> Mapping[str, Any]:
    say(f"fetching {', '.join(PACKAGES)} and what they need from Debian's mirror (about {PACKAGES_SIZE} MB)")
    debs = fetch.packages(scratch / "apt")
    for deb in debs:
        fetch.unpack(deb, made / "debian")
    _prune(made / "debian")
    for folder in ("runtimes", "runners", "roots"):
        (made / folder).mkdir()
    for abi, runtime in RUNTIMES.items():
        say(f"fetching {runtime.version} for {abi} ({runtime.wheel.size / 1e6:.1f} MB)")
        file = fetch.wheel(runtime.wheel, scratch)
        with zipfile.ZipFile(file) as archive:
            (made / "runtimes" / f"{abi}.so").write_bytes(archive.read(runtime.wheel.member))
    say(f"fetching {ZIG.project} {ZIG.version}, a compiler that is removed afterwards ({ZIG.size / 1e6:.1f} MB)")
    with zipfile.ZipFile(fetch.wheel(ZIG, scratch)) as archive:
        archive.extractall(scratch / "zig", [name for name in archive.namelist() if not name.startswith(UNUSED)])
    compiler = scratch / "zig" / ZIG.member
    compiler.chmod(0o755)
    for abi, runtime in RUNTIMES.items():
        options = (*_for(runtime.target, runtime.cpu), "-o", str(made / "runners" / abi), "-ldl")
        _compile(compiler, runtime.source, options, scratch / "compiled")
    options = (*_for(X86_TARGET, X86_CPU), "-o", str(made / "runners" / "x86_64"), "-ldl")
    _compile(compiler, X86_SOURCE, options, scratch / "compiled")
    options = (*_for(X86_TARGET, X86_CPU), "-shared", "-fPIC", "-fvisibility=hidden", "-o", str(made / PLUGIN))
    _compile(compiler, COUNTER, options, scratch / "compiled")
    for cpu in CPUS.values():
        _root(made / "roots" / cpu.name, RUNTIMES[cpu.abi].gnu, overlay(cpu))
    versions = {abi: runtime.version for abi, runtime in RUNTIMES.items()}
    packages = sorted(deb.name.replace("%3a", ":").rsplit("_", 1)[0].replace("_", " ") for deb in debs)
    return {"recipe": recipe(), "runtimes": versions, "packages": packages}


def _prune(debian: Path) -> None:
    """Remove documentation and the emulators of other architectures."""
    for part in ("etc", "usr/share", "usr/libexec"):
        shutil.rmtree(debian / part, ignore_errors=True)
    kept = {runtime.emulator for runtime in RUNTIMES.values()}
    for file in (debian / "usr" / "bin").iterdir():
        if file.name not in kept:
            file.unlink()


def _for(target: str, cpu: str) -> tuple[str, ...]:
    return "-target", target, f"-mcpu={cpu}", "-O2", "-s"


def _compile(compiler: Path, source: str, options: Sequence[str], cache: Path) -> None:
    ran = subprocess.run(
        [compiler, "cc", SOURCES / source, *options], stdin=subprocess.DEVNULL, capture_output=True, text=True,
        env={**os.environ, "ZIG_GLOBAL_CACHE_DIR": str(cache), "ZIG_LOCAL_CACHE_DIR": str(cache)},
    )  # fmt: skip
    if ran.returncode:
        raise AbiError(f"cannot compile {source}: {fetch.complaint(ran.stderr)}")


def _root(root: Path, gnu: str, files: Mapping[str, str]) -> None:
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    (root / "lib").symlink_to(Path("../../debian/usr") / gnu / "lib")
