"""Instructions counted on emulated CPUs: their classes, their repetition, and a runtime that crashes."""

import ctypes
import json
from dataclasses import astuple
from pathlib import Path
from typing import Any

import pytest
from command import call

from archspec.abi import AbiError
from archspec.abi.count import Instructions
from archspec.abi.cpus import CPUS
from archspec.abi.profile import amount, minstructions, profile
from archspec.abi.setup import PLUGIN

pytestmark = pytest.mark.slow

SIMD, MEMORY, BRANCH, OTHER = range(4)

# What an assembler (LLVM 22) makes of these, with the class by the definition in icount.c.
A64 = {
    "add x0, x1, x2": (0x8B020020, OTHER),
    "madd x0, x1, x2, x3": (0x9B020C20, OTHER),
    "cmp w0, #1": (0x7100041F, OTHER),
    "csel x0, x1, x2, eq": (0x9A820020, OTHER),
    "mrs x0, tpidr_el0": (0xD53BD040, OTHER),
    "svc #0": (0xD4000001, OTHER),
    "nop": (0xD503201F, OTHER),
    "dmb ish": (0xD5033BBF, OTHER),
    "ldr x0, [x1]": (0xF9400020, MEMORY),
    "stp x29, x30, [sp, #-16]!": (0xA9BF7BFD, MEMORY),
    "ldp q0, q1, [x0]": (0xAD400400, MEMORY),
    "ld1 {v0.16b}, [x0], #16": (0x4CDF7000, MEMORY),
    "prfm pldl1keep, [x0]": (0xF9800000, MEMORY),
    "ldxr w0, [x1]": (0x885F7C20, MEMORY),
    "fmla v0.4s, v1.4s, v2.s[0]": (0x4F821020, SIMD),
    "sdot v0.4s, v1.16b, v2.4b[0]": (0x4F82E020, SIMD),
    "fadd s0, s1, s2": (0x1E222820, SIMD),
    "fmov w0, s0": (0x1E260000, SIMD),
    "dup v0.4s, w0": (0x4E040C00, SIMD),
    "b #8": (0x14000002, BRANCH),
    "bl #8": (0x94000002, BRANCH),
    "b.ne #8": (0x54000041, BRANCH),
    "cbz x0, #8": (0xB4000040, BRANCH),
    "tbnz w0, #3, #8": (0x37180040, BRANCH),
    "blr x8": (0xD63F0100, BRANCH),
    "ret": (0xD65F03C0, BRANCH),
}
A32 = {
    "add r0, r1, r2": (0xE0810002, OTHER),
    "mul r0, r1, r2": (0xE0000291, OTHER),
    "smlabb r0, r1, r2, r3": (0xE1003281, OTHER),
    "uxtb r0, r1": (0xE6EF0071, OTHER),
    "movw r0, #1": (0xE3000001, OTHER),
    "mrc p15, #0, r0, c13, c0, #3": (0xEE1D0F70, OTHER),
    "svc #0": (0xEF000000, OTHER),
    "dmb ish": (0xF57FF05B, OTHER),
    "ldr r0, [r1, r2]": (0xE7910002, MEMORY),
    "ldrh r0, [r1]": (0xE1D100B0, MEMORY),
    "ldrd r0, r1, [r2]": (0xE1C200D0, MEMORY),
    "ldrex r0, [r1]": (0xE1910F9F, MEMORY),
    "pop {r4, pc}": (0xE8BD8010, MEMORY),
    "pld [r0]": (0xF5D0F000, MEMORY),
    "vldr s0, [r0]": (0xED900A00, MEMORY),
    "vld1.32 {d0, d1}, [r0]!": (0xF4200A8D, MEMORY),
    "vmla.f32 q0, q1, q2": (0xF2020D54, SIMD),
    "vfma.f32 s0, s1, s2": (0xEEA00A81, SIMD),
    "vmov r0, r1, d0": (0xEC510B10, SIMD),
    "vmrs APSR_nzcv, fpscr": (0xEEF1FA10, SIMD),
    "b #8": (0xEA000002, BRANCH),
    "bne #8": (0x1A000002, BRANCH),
    "blx #8": (0xFA000002, BRANCH),
    "bx lr": (0xE12FFF1E, BRANCH),
    "mov pc, lr": (0xE1A0F00E, BRANCH),
}
T32 = {
    "adds r0, r1, r2": (0x1888, OTHER),
    "mov r0, r8": (0x4640, OTHER),
    "it eq": (0xBF08, OTHER),
    "add sp, #8": (0xB002, OTHER),
    "svc #0": (0xDF00, OTHER),
    "ldr r0, [r1]": (0x6808, MEMORY),
    "ldr r0, [pc, #4]": (0x4801, MEMORY),
    "push {r4, lr}": (0xB510, MEMORY),
    "pop {r4, pc}": (0xBD10, MEMORY),
    "ldm r0!, {r1, r2}": (0xC806, MEMORY),
    "bx lr": (0x4770, BRANCH),
    "mov pc, lr": (0x46F7, BRANCH),
    "cbz r0, #8": (0xB120, BRANCH),
    "bne #8": (0xD104, BRANCH),
    "b #8": (0xE004, BRANCH),
    "add.w r0, r1, r2": (0xEB010002, OTHER),
    "movw r0, #1": (0xF2400001, OTHER),
    "sdiv r0, r1, r2": (0xFB91F0F2, OTHER),
    "smlabb r0, r1, r2, r3": (0xFB113002, OTHER),
    "mrc p15, #0, r0, c13, c0, #3": (0xEE1D0F70, OTHER),
    "dmb ish": (0xF3BF8F5B, OTHER),
    "ldr.w r0, [r1, #1024]": (0xF8D10400, MEMORY),
    "strd r0, r1, [r2]": (0xE9C20100, MEMORY),
    "tbb [pc, r0]": (0xE8DFF000, MEMORY),
    "pld [r0]": (0xF890F000, MEMORY),
    "vldr s0, [r0]": (0xED900A00, MEMORY),
    "vld1.32 {d0, d1}, [r0]!": (0xF9200A8D, MEMORY),
    "vmla.f32 q0, q1, q2": (0xEF020D54, SIMD),
    "vmul.f32 q0, q1, q2": (0xFF020D54, SIMD),
    "vmov r0, r1, d0": (0xEC510B10, SIMD),
    "vfma.f32 s0, s1, s2": (0xEEA00A81, SIMD),
    "bl #8": (0xF000F804, BRANCH),
    "bne.w #1000": (0xF04081F4, BRANCH),
    "b.w #8": (0xF000B804, BRANCH),
}


@pytest.fixture(scope="module")
def plugin(cache: Path) -> Any:
    """The counter as a library of this machine's, which it is."""
    return ctypes.CDLL(str(cache / PLUGIN))


@pytest.mark.parametrize(("mode", "words"), [("a64", A64), ("a32", A32), ("t32", T32)])
def test_classes(plugin: Any, mode: str, words: dict[str, tuple[int, int]]) -> None:
    ask = getattr(plugin, f"class_{mode}")
    got = {text: ask(word, word > 0xFFFF) if mode == "t32" else ask(word) for text, (word, _) in words.items()}
    assert got == {text: wanted for text, (_, wanted) in words.items()}


@pytest.mark.parametrize("name", ["branches_float", "branches_half", "branches_int8"])
def test_counts(tflite: Path, cache: Path, name: str) -> None:
    """They repeat to the last instruction, and the ops by themselves are the whole but for the calls.

    Measured: LiteRT takes 6,900 instructions to be called; TensorFlow Lite so few that they are lost.
    """
    places = [CPUS["cortex-a7"], CPUS["cortex-a53"]]
    file = tflite / f"{name}.tflite"
    made = profile(file, places, cache, say=lambda line: None)
    assert made == profile(file, places, cache, say=lambda line: None)
    for cpu, column in zip(places, made.columns, strict=True):
        assert isinstance(column.whole, Instructions)
        assert min(astuple(column.whole)) > 0
        assert column.whole.total / 1e6 == minstructions(file, cpu, cache)
    assert made.columns[0].total == pytest.approx(amount(made.columns[0].whole), rel=0.005)
    extra = made.columns[1].total * 1e6 - (amount(made.columns[1].whole) or 0) * 1e6
    assert 4000 < extra / (len(made.ops) - 1) < 10_000


def test_dot_products_take_fewer_instructions(tflite: Path, cache: Path) -> None:
    """A cortex-a76 has them and a cortex-a53 has not. Measured: 0.22 to 0.40 million."""
    file = tflite / "wide_dynamic.tflite"
    with_them, without = (minstructions(file, CPUS[name], cache) for name in ("cortex-a76", "cortex-a53"))
    assert with_them < 0.7 * without


def test_vectors_are_counted(tflite: Path, cache: Path) -> None:
    """A 3×3 convolution of 3 channels to 8 has to multiply 27 times for each value, four at a time at most."""
    made = profile(tflite / "branches_float.tflite", [CPUS["cortex-a53"]], cache, say=lambda line: None)
    conv = made.columns[0].ops[0]
    assert isinstance(conv, Instructions)
    assert conv.simd >= 32 * 48 * 8 * 3 * 3 * 3 / 4


def test_crash_of_one_op(tflite: Path, cache: Path) -> None:
    """The op is named, the others are counted. TensorFlow Lite 2.17.1 crashes there; see docs/abi.md."""
    file = tflite / "classes_int8.tflite"
    ran = call("profile", file, "--abi", "armeabi-v7a", "--abi", "arm64-v8a", "--cache", cache, "--json").clean()
    assert ran.code == 1
    errors = [line for line in ran.err.splitlines() if line.startswith("error")]
    assert errors[0].startswith("error: the whole on cortex-a7: the process aborted (SIGSEGV)")
    assert "FULLY_CONNECTED" in errors[1]
    assert "on cortex-a7: the process aborted (SIGSEGV)" in errors[1]
    assert len(errors) == 2
    v7, v8 = json.loads(ran.out)["columns"]
    assert sum(isinstance(cost, str) for cost in v7["ops"]) == 1
    assert all(cost["simd"] >= 0 for cost in v8["ops"])
    with pytest.raises(AbiError, match="cortex-a7: the process aborted"):
        minstructions(file, CPUS["cortex-a7"], cache)


def test_table(tflite: Path, cache: Path) -> None:
    file = tflite / "branches_int8.tflite"
    ran = call("profile", file, "--cpu", "cortex-a15", "--cpu", "cortex-a72", "--cache", cache).clean()
    assert ran.code == 0, ran.err
    head, _, *body = ran.out.splitlines()
    classes = ["share", "simd", "memory", "branch"]
    assert head.split() == ["op", "count", "cortex-a15", "M", *classes, "cortex-a72", "M", *classes]
    assert body[7].split()[:2] == ["sum", "8"]
    assert ran.out.count("100.0 %") == 2
