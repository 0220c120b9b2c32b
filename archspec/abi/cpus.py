"""The CPUs that are emulated, and what Linux says of them under /proc and /sys.

qemu 7.2 shows a guest the host's own files there, from which the runtimes read features and cache sizes: LiteRT 2.3.0
crashes on an x86 /proc/cpuinfo. Files below the emulator's root come before the host's.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Cpu:
    """An emulated CPU, named as qemu names it. `midr` is its main identification register in qemu; caches in KiB."""

    name: str
    abi: str
    midr: int
    features: str
    l1: int
    l2: int
    standard: bool  # whether `verify` runs it unasked


V7 = "half thumb fastmult vfp edsp neon vfpv3 tls vfpv4 idiva idivt vfpd32 lpae evtstrm"
V8 = "fp asimd evtstrm aes pmull sha1 sha2 crc32 cpuid"
V82 = "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp"

CPUS = {
    cpu.name: cpu
    for cpu in (
        # no Cortex-A8 or A9: the library's float kernels need VFPv4. No `max`: qemu 7.2 errs in its SVE, silently
        Cpu("cortex-a7", "armeabi-v7a", 0x410FC075, V7, 32, 512, True),
        Cpu("cortex-a15", "armeabi-v7a", 0x412FC0F1, V7, 32, 1024, False),
        Cpu("cortex-a53", "arm64-v8a", 0x410FD034, V8, 32, 512, True),
        Cpu("cortex-a72", "arm64-v8a", 0x410FD083, V8, 32, 1024, False),
        Cpu("cortex-a76", "arm64-v8a", 0x414FD0B1, V82, 64, 512, True),  # dot products: other int8 kernels
    )
}


def overlay(cpu: Cpu) -> dict[str, str]:
    """Path below the emulator's root -> text: one core of this CPU, as Linux describes it."""
    base = "sys/devices/system/cpu"
    lists = dict.fromkeys((f"{base}/{name}" for name in ("possible", "present", "online", "kernel_max")), "0\n")
    topology = ("core_siblings_list", "thread_siblings_list", "core_cpus_list", "package_cpus_list")
    lists |= dict.fromkeys((f"{base}/cpu0/topology/{name}" for name in topology), "0\n")
    lists |= dict.fromkeys((f"{base}/cpu0/topology/{name}" for name in ("physical_package_id", "core_id")), "0\n")
    lists |= dict.fromkeys((f"{base}/cpu0/cpufreq/cpuinfo_{end}_freq" for end in ("min", "max")), "1200000\n")
    for i, (level, kind, size) in enumerate(((1, "Data", cpu.l1), (1, "Instruction", cpu.l1), (2, "Unified", cpu.l2))):
        facts = {"level": level, "type": kind, "size": f"{size}K", "coherency_line_size": 64, "shared_cpu_list": 0}
        lists |= {f"{base}/cpu0/cache/index{i}/{name}": f"{value}\n" for name, value in facts.items()}
    return {"proc/cpuinfo": _cpuinfo(cpu), **lists}


def _cpuinfo(cpu: Cpu) -> str:
    facts = {
        "processor": "0",
        "BogoMIPS": "38.40",
        "Features": cpu.features,
        "CPU implementer": f"{cpu.midr >> 24:#04x}",
        "CPU architecture": "7" if cpu.abi == "armeabi-v7a" else "8",
        "CPU variant": f"{cpu.midr >> 20 & 15:#x}",
        "CPU part": f"{cpu.midr >> 4 & 0xFFF:#05x}",
        "CPU revision": f"{cpu.midr & 15}",
    }
    return "".join(f"{name}\t: {value}\n" for name, value in facts.items()) + "\n"
