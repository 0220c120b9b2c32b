"""A server of OpenSSH on this machine's loopback, with keys, a port and a table of users of its own."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from archspec.abi import fetch

PLACES = f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin"
USERS = "root:x:0:0:root:/root:/bin/sh\nsshd:x:105:65534::/run/sshd:/usr/sbin/nologin\n"
SECRETS = "root:*:20000::::::\n"  # no password, and not locked
LOCAL = "127.0.0.1"

# sshd wants a user and a folder of its own, which a machine has once the package is installed; here only sshd sees them
START = """
mount --bind {0}/users /etc/passwd && mount --bind {0}/secrets /etc/shadow && mount -t tmpfs none /run &&
mkdir -m 755 /run/sshd && exec {1} -D -e -f {0}/config
"""

CONFIG = """
ListenAddress {local}
Port {port}
HostKey {folder}/host
AuthorizedKeysFile {folder}/user.pub
PidFile none
StrictModes no
UsePAM no
PermitRootLogin yes
PasswordAuthentication no
"""


def sshd_of(folder: Path) -> tuple[Path, Path]:
    """The server's program, and a folder of libraries it needs: the machine's, else fetched as setup-abi fetches."""
    if found := shutil.which("sshd", path=PLACES):
        return Path(found), folder
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        pytest.skip("no sshd here, and no apt-get and dpkg-deb to fetch it")
    apt = [*fetch.private_apt(folder / "apt"), "-o", "Dir::State::status=/var/lib/dpkg/status"]
    for command in (["update"], ["-y", "--download-only", "--no-install-recommends", "install", "openssh-server"]):
        subprocess.run([*apt, *command], capture_output=True, stdin=subprocess.DEVNULL, timeout=300)
    for package in (folder / "apt" / "cache" / "archives").glob("*.deb"):
        fetch.unpack(package, folder / "unpacked")
    program = folder / "unpacked" / "usr" / "sbin" / "sshd"
    if not program.is_file():
        pytest.skip("no sshd here, and its package cannot be fetched")
    return program, folder / "unpacked" / "usr" / "lib" / "x86_64-linux-gnu"


def keys(folder: Path) -> None:
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True, timeout=60)


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """The command that reaches this machine by ssh, for `--runner`. Skips where no server can be run, saying why."""
    for tool in ("ssh", "ssh-keygen", "unshare", "mount"):
        if shutil.which(tool) is None:
            pytest.skip(f"no {tool} here")
    if os.getuid() != 0 or subprocess.run(["unshare", "-mpf", "true"], capture_output=True, timeout=60).returncode:
        pytest.skip("sshd needs a root user who may make namespaces")
    program, libraries = sshd_of(folder)
    keys(folder)
    with socket.socket() as free:
        free.bind((LOCAL, 0))
        port = free.getsockname()[1]
    (folder / "users").write_text(USERS)
    (folder / "secrets").write_text(SECRETS)
    (folder / "config").write_text(CONFIG.format(local=LOCAL, port=port, folder=folder))
    with (folder / "log").open("wb") as log:
        running = subprocess.Popen(
            ["unshare", "-mpf", "sh", "-c", START.format(folder, program)], stdin=subprocess.DEVNULL, stdout=log,
            stderr=log, env={**os.environ, "LD_LIBRARY_PATH": str(libraries)},
        )  # fmt: skip
        try:
            _await(running, port, folder / "log")
            options = ("StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "BatchMode=yes", "LogLevel=ERROR")
            yield f"ssh -p {port} -i '{folder}/user' {' '.join(f'-o {o}' for o in options)} root@{LOCAL}"
        finally:
            # sshd, the one child; its own end with it, as it is the first in a namespace of processes
            for child in Path(f"/proc/{running.pid}/task/{running.pid}/children").read_text().split():
                os.kill(int(child), signal.SIGTERM)
            running.wait(10)


def _await(running: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    for _ in range(100):
        if running.poll() is not None:
            pytest.skip(f"sshd cannot be run here: {log.read_text(errors='replace')[-300:]}")
        with socket.socket() as probe:
            if probe.connect_ex((LOCAL, port)) == 0:
                return
        time.sleep(0.1)
    pytest.skip("sshd does not listen after 10 seconds")
