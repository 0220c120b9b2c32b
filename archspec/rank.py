"""Which rows of a build's target quantization harms: asks a worker, and keeps rows in float where that is asked for."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import log10
from pathlib import Path
from typing import Any

from archspec import jobs
from archspec.order import Order, Say, save_images
from archspec.process import answer
from archspec.quantize.report import Rank
from archspec.spec import CALIBRATED


class TargetError(Exception):
    """A target that cannot be ranked; says what to name."""


@dataclass(frozen=True)
class Ranking:
    """The rows of a conversion by the error they add, the file's own error, and the rows to be kept in float.

    `float_rows` is None where none were asked for.
    """

    abis: tuple[str, ...]
    error: float
    ranks: tuple[Rank, ...]
    float_rows: tuple[str, ...] | None


def chosen(order: Order, abi: str | None) -> list[jobs.Conversion]:
    """The conversions that are ranked: that of the target `abi` or all into integers, with their like for another ABI.

    Conversions are alike that differ in the form for a runtime only; the first of them is tried for all. Raises
    TargetError.
    """
    integer = [c for c in order.conversions if c.scheme in CALIBRATED]
    found = [c for c in integer if abi in (None, *c.abis)]
    alike = {_but_for_form(c) for c in found}
    if len(alike) == 1:
        return [c for c in integer if _but_for_form(c) in alike]
    if abi is not None:
        raise TargetError(f"--target {abi}: none of int8 or int16x8")
    if not found:
        raise TargetError("no target is int8 or int16x8")
    raise TargetError(f"the targets differ: name one of {', '.join(a for c in found for a in c.abis)} by --target")


def _but_for_form(conversion: jobs.Conversion) -> jobs.Conversion:
    return replace(conversion, key="", abis=(), form="")


def rank(order: Order, abi: str | None, most: float | None, say: Say) -> tuple[Ranking, Order]:
    """The ranking, and the order with the float rows in it that an error of at most `most` takes.

    Raises TargetError, JobError, OSError.
    """
    alike = chosen(order, abi)
    abis = tuple(abi for one in alike for abi in one.abis)
    say(f"ranking rows for {', '.join(abis)} ({alike[0].scheme})")
    weights = order.weights.path if order.weights else None
    with tempfile.TemporaryDirectory(prefix="archspec-") as scratch:
        save_images(order, Path(scratch))
        made = answer(jobs.RankJob(jobs.BuildJob(order.source, (alike[0],), scratch, weights, False), most))
    kept = made.get("float_rows")
    ranks = tuple(Rank(**entry) for entry in made["ranks"])
    found = Ranking(abis, made["error"], ranks, None if kept is None else tuple(kept))
    if found.float_rows is None:
        return found, order
    floats = {one: replace(one, float_rows=(*one.float_rows, *found.float_rows)) for one in alike}
    return found, replace(order, conversions=tuple(floats.get(c, c) for c in order.conversions))


def decibels(error: float) -> float | None:
    """The signal-to-noise ratio of a relative error; None where there is no error, or no signal."""
    return -20 * log10(error) if 0 < error < float("inf") else None


def ready(ranking: Ranking) -> Mapping[str, Any]:
    """For JSON; an infinite error is None."""

    def number(error: float) -> float | None:
        return error if error < float("inf") else None

    return {
        "targets": list(ranking.abis),
        "error": number(ranking.error),
        "rows": [{"row": r.row, "alone": number(r.alone), "left": number(r.left)} for r in ranking.ranks],
        "float_rows": None if ranking.float_rows is None else list(ranking.float_rows),
    }
