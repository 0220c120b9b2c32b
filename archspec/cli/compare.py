"""The command that compares: diff."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from archspec.analysis import Network, network
from archspec.cli.app import app
from archspec.cli.common import FINDINGS, BlocksOption, JsonOption, load_blocks, open_document, report
from archspec.diagnostics import SpecError
from archspec.table import table

MARKS = {"same": "", "changed": "~", "added": "+", "removed": "-"}
AT = "SPEC[@VARIANT]"


@app.command()
def diff(
    before: Annotated[str, typer.Argument(metavar=AT, help="A spec, or one of its variants.", show_default=False)],
    after: Annotated[str, typer.Argument(metavar=AT, help="What it is compared with.", show_default=False)],
    as_json: JsonOption = False,
    blocks: BlocksOption = None,
) -> None:
    """Compare two specs or variants: rows, counts, weights that carry over."""
    from archspec.diff import compare

    load_blocks(blocks)
    old, new = _network(before), _network(after)
    difference = compare(old, new)
    if as_json:
        print(json.dumps(_record(difference), indent=2))
        return
    lines = []
    for row in difference.rows:
        costs = [getattr(cost, key, None) for key in ("params", "macs") for cost in (row.before, row.after)]
        lines.append((MARKS[row.kind], row.name, row.block, *costs, row.carried, row.what))
    totals = (old.cost.params, new.cost.params, old.cost.macs, new.cost.macs, difference.carried)
    header = ("", "row", "block", "params", "params after", "MACs", "MACs after", "carry over", "what changed")
    print(table(header, lines, ("", "", "", *totals, "")), end="")
    print(f"weights: {difference.carried:,} values carry over; ", end="")
    print(f"{difference.only_before:,} only before, {difference.only_after:,} only after")


def _network(where: str) -> Network:
    path, _, variant = where.rpartition("@") if "@" in Path(where).name else (where, "", "")
    try:
        return network(open_document(Path(path)), variant or None)
    except SpecError as error:
        report(error.diagnostics)
        raise typer.Exit(FINDINGS) from None


def _record(difference: Any) -> dict[str, Any]:
    def counts(cost: Any) -> dict[str, Any] | None:
        return None if cost is None else {**cost._asdict(), "output": list(cost.output)}

    rows = [{**row._asdict(), "before": counts(row.before), "after": counts(row.after)} for row in difference.rows]
    weights = {key: getattr(difference, key) for key in ("carried", "only_before", "only_after", "layers")}
    return {"rows": rows, "weights": weights}
