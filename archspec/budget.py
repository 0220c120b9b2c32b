"""What an artifact costs, held against what its target allows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from archspec.abi import AbiError
from archspec.abi.cpus import CPUS
from archspec.spec import Budget

KILOBYTE = 1000  # bytes


def exceeded(budget: Budget, abi: str, file: Path, facts: Mapping[str, Any], contract: Mapping[str, Any]) -> list[str]:
    """Each part of the budget that a file breaks, with numbers, and what cannot be counted that is asked for.

    `facts` are the file's, `contract` is the manifest's `input`. Instructions are counted where a budget asks for
    them, on the first CPU of the ABI's, in the emulator of the user's cache. Raises OSError.
    """
    spent = {
        "kilobytes": facts["bytes"] / KILOBYTE,
        "peak_ram_kilobytes": facts["peak_ram_bytes"] / KILOBYTE,
        "macs": facts["macs"],
    }
    try:
        if budget.minstructions is not None:
            spent["minstructions"] = _instructions(abi, file, contract)
    except AbiError as error:
        return [*_over(budget, spent), f"minstructions cannot be counted: {error}"]
    return list(_over(budget, spent))


def _over(budget: Budget, spent: Mapping[str, float]) -> Iterator[str]:
    for part in fields(budget):
        allowed = getattr(budget, part.name)
        if allowed is not None and spent.get(part.name, 0) > allowed:
            much = spent[part.name]
            yield f"{part.name} {much:,.10g} instead of {allowed:,.10g}, {_more(much / allowed)}"


def _more(ratio: float) -> str:
    return f"{100 * (ratio - 1):.3g} % more" if ratio < 2 else f"{ratio:,.1f} times as much"


def _instructions(abi: str, file: Path, contract: Mapping[str, Any]) -> float:
    from archspec.abi.profile import minstructions
    from archspec.abi.setup import default_cache

    cpu = next((cpu for cpu in CPUS.values() if cpu.abi == abi), None)
    if cpu is None:
        raise AbiError(f"{abi} is not emulated")
    return minstructions(file, cpu, default_cache().absolute(), contract)
