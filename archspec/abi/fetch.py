"""Fetches Debian packages and wheels from where this machine is configured to get them, without root."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from archspec.abi import AbiError
from archspec.abi.pins import PACKAGES, QEMU, Wheel

TIME = 900  # seconds that a download may take


def packages(folder: Path) -> list[Path]:
    """The .deb files of `PACKAGES` and of all they need, in `folder`; apt's state lies there too. Raises AbiError."""
    for tool in ("apt-get", "dpkg-deb"):
        if shutil.which(tool) is None:
            raise AbiError(f"no {tool} here: the emulator and the C libraries are Debian 12's packages")
    apt = private_apt(folder)
    updated = _run([*apt, "update"])  # may fail for a source that is not Debian's; what follows says if it matters
    fetched = _run([*apt, "-y", "--download-only", "--no-install-recommends", "install", *PACKAGES])
    if fetched.returncode:
        raise AbiError(f"cannot fetch Debian's packages: {complaint(fetched.stdout, updated.stdout)}")
    found = sorted((folder / "cache" / "archives").glob("*.deb"))
    version = next((deb.name.split("_")[1] for deb in found if deb.name.startswith("qemu-user_")), "none")
    if not version.removeprefix("1%3a").startswith(QEMU):
        raise AbiError(f"this system's qemu-user is {version.replace('%3a', ':')}, not the {QEMU} of Debian 12")
    return found


def private_apt(folder: Path) -> list[str]:
    """The command of an apt whose state lies in `folder`, and to which nothing is installed."""
    for part in ("lists/partial", "cache/archives/partial"):
        (folder / part).mkdir(parents=True)
    (folder / "status").touch()  # nothing is installed, as apt sees it, so that it fetches all
    settings = {
        "Dir::State": folder,
        "Dir::State::lists": folder / "lists",
        "Dir::State::status": folder / "status",
        "Dir::Cache": folder / "cache",
        "APT::Sandbox::User": "root",  # apt's own user cannot write to a private folder
        "Acquire::Languages": "none",
        "Acquire::Retries": 2,
        "Debug::NoLocking": 1,
    }
    return ["apt-get", "-q", *(word for key, value in settings.items() for word in ("-o", f"{key}={value}"))]


def unpack(package: Path, folder: Path) -> None:
    """Put the files of a .deb below `folder`. Raises AbiError."""
    ran = _run(["dpkg-deb", "-x", str(package), str(folder)])
    if ran.returncode:
        raise AbiError(f"cannot unpack {package.name}: {complaint(ran.stdout)}")


def wheel(wanted: Wheel, folder: Path) -> Path:
    """A wheel's file, in `folder`, with its digest checked. Raises AbiError."""
    name = f"{wanted.project} {wanted.version}"
    pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--disable-pip-version-check"]
    options = ["--platform", wanted.platform, "--python-version", "3.11", "--dest", str(folder)]
    ran = _run([*pip, *options, f"{wanted.project}=={wanted.version}"])
    files = sorted(folder.glob(f"{wanted.project.replace('-', '_')}-{wanted.version}-*.whl"))
    if ran.returncode or not files:
        raise AbiError(f"cannot fetch {name}: {complaint(ran.stdout)}")
    check(files[0], wanted.sha256)
    return files[0]


def check(file: Path, sha256: str) -> None:
    """Raise AbiError where a file's digest is another."""
    with file.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != sha256:
        raise AbiError(f"{file.name} has the SHA-256 {found}, not {sha256}: it is not the file that was pinned")


def complaint(*logs: str) -> str:
    """The first line of a tool's output that tells of an error, else the last line."""
    lines = [line.strip() for log in logs for line in log.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith(("E: ", "ERROR: ", "dpkg-deb: error", "error: "))]
    return (errors or lines[-1:] or ["it says nothing"])[0]


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "LC_ALL": "C"}
    try:
        return subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            errors="replace", env=environment, timeout=TIME,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise AbiError(f"{command[0]} did not come to an end in {TIME} seconds") from error
