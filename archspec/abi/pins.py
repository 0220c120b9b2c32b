"""What is fetched to run ARM code: exact versions, sizes and digests."""

from __future__ import annotations

from dataclasses import dataclass

QEMU = "7.2"  # the release whose CPUs and whose fall-through to the host's /proc and /sys were measured
PACKAGES = ("qemu-user", "libstdc++6", "libstdc++6-armhf-cross", "libstdc++6-arm64-cross")
"""Debian 12's; apt adds what they need, C libraries included, and checks all of it by the distribution's signature."""

PACKAGES_SIZE = 34  # MB, ten of them lists of packages

COUNTER = "icount.c"  # a plugin of the emulator, compiled for it
X86_TARGET, X86_CPU = "x86_64-linux-gnu.2.31", "x86_64"  # of the counter, and of the program for other x86-64 machines
X86_SOURCE = "runner_litert.c"


@dataclass(frozen=True)
class Wheel:
    """A wheel of the Python package index: `size` and `sha256` of the file; `member` is the file that is used of it."""

    project: str
    version: str
    platform: str
    size: int
    sha256: str
    member: str


@dataclass(frozen=True)
class Runtime:
    """A C library that runs .tflite files on an ABI, and the small program that drives it.

    `target` is the compiler's name of the ABI, with the oldest C library to link to, `cpu` the least CPU;
    `gnu` is Debian's name of it. `named`: whether the program knows outputs by their signature's names.
    """

    version: str
    kernels: str
    wheel: Wheel
    source: str
    target: str
    cpu: str
    gnu: str
    emulator: str
    named: bool


ZIG = Wheel(
    "ziglang",
    "0.17.1",
    "manylinux_2_12_x86_64",
    101_083_562,
    "ea6cc5d87b033cf0aedfbc8f9549a908cae6c50ac31f1698188fa48a74524b54",
    "ziglang/zig",
)
"""A cross compiler for the two programs and the counter; it is removed afterwards."""

RUNTIMES = {
    "armeabi-v7a": Runtime(
        version="TensorFlow Lite 2.17.1",
        kernels="builtin",
        wheel=Wheel(
            "pymicro-wakeword",
            "2.5.0",
            "manylinux_2_35_armv7l",
            1_838_144,
            "af92b862fe0488fba7422b9819b1a8c88781b2f90fb3e4b7f1dcfd1d90a6b69b",
            "pymicro_wakeword/lib/libtensorflowlite_c.so",
        ),
        source="runner_tflite.c",
        target="arm-linux-gnueabihf.2.31",
        cpu="cortex_a7",
        gnu="arm-linux-gnueabihf",
        emulator="qemu-arm",
        named=False,
    ),
    "arm64-v8a": Runtime(
        version="LiteRT 2.3.0",
        kernels="XNNPACK",
        wheel=Wheel(
            "ai-edge-litert",
            "2.3.0",
            "manylinux_2_27_aarch64",
            14_379_387,
            "853fc608f96da87bd5f3458465dfb9abbf18d5ae6b94eceacead407146f175ae",
            "ai_edge_litert/libLiteRt.so",
        ),
        source="runner_litert.c",
        target="aarch64-linux-gnu.2.31",
        cpu="cortex_a53",
        gnu="aarch64-linux-gnu",
        emulator="qemu-aarch64",
        named=True,
    ),
}
