"""Budgets of targets, on costs that are known."""

from pathlib import Path
from typing import Any

import pytest

from archspec import budget
from archspec.abi import AbiError
from archspec.budget import exceeded
from archspec.spec import Budget

FACTS = {"bytes": 2_500, "peak_ram_bytes": 64_000, "macs": 1_000_000}


def over(allowed: Budget, abi: str = "arm64-v8a") -> list[str]:
    return exceeded(allowed, abi, Path("x.tflite"), FACTS, {})


def test_what_is_within_its_budget() -> None:
    assert over(Budget()) == []
    assert over(Budget(kilobytes=2.5, peak_ram_kilobytes=64, macs=1_000_000)) == []


def test_every_part_that_is_over_is_told() -> None:
    assert over(Budget(kilobytes=2, peak_ram_kilobytes=32, macs=999_999)) == [
        "kilobytes 2.5 instead of 2, 25 % more",
        "peak_ram_kilobytes 64 instead of 32, 2.0 times as much",
        "macs 1,000,000 instead of 999,999, 0.0001 % more",
    ]


def test_instructions_are_counted_where_they_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def counted(abi: str, file: Path, contract: Any) -> float:
        return 12.5

    monkeypatch.setattr(budget, "_instructions", counted)
    assert over(Budget(minstructions=12.5)) == []
    assert over(Budget(minstructions=10)) == ["minstructions 12.5 instead of 10, 25 % more"]


def test_what_cannot_be_counted_is_no_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    assert over(Budget(minstructions=10), "x86_64") == ["minstructions cannot be counted: x86_64 is not emulated"]

    def absent(abi: str, file: Path, contract: Any) -> float:
        raise AbiError("no emulator: archspec setup-abi")

    monkeypatch.setattr(budget, "_instructions", absent)
    assert over(Budget(minstructions=10, kilobytes=1)) == [
        "kilobytes 2.5 instead of 1, 2.5 times as much",
        "minstructions cannot be counted: no emulator: archspec setup-abi",
    ]
