"""Writes docs/zoo.md from the specs: `make zoo`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from archspec.analysis import networks, open_spec
from archspec.diagnostics import SpecError
from archspec.ops import show

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "zoo.md"
HEADER = """# The zoo

Every spec in `specs/`, with its sources and exact counts. Parameters are what Keras's `count_params()` says, trainable
ones stand beside them; MACs are multiplies of convolutions and dense layers at batch 1 (the conventions stand in
`archspec/cost.py`). This page is written by `make zoo`; a test fails when it is stale.
"""


def page() -> str:
    """The whole page. Raises SpecError where a spec is wrong."""
    specs = sorted((ROOT / "specs").glob("*.yaml"))
    return HEADER + "".join(section for path in specs for section in _section(path))


def _section(path: Path) -> Iterator[str]:
    text = path.read_text(encoding="utf-8")
    opening = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        opening.append(line.removeprefix("#").strip())
    yield f"\n## [{path.stem}](../specs/{path.name})\n\n" + "\n".join(opening) + "\n\n"
    yield "| variant | input | parameters | trainable | MACs |\n|---|---|---:|---:|---:|\n"
    for network in networks(open_spec(path)):
        if isinstance(network, SpecError):
            raise network
        counted, size = network.cost, show(network.graph.input_shape)
        numbers = " | ".join(f"{n:,}" for n in (counted.params, counted.trainable, counted.macs))
        yield f"| {network.variant or ''} | {size} | {numbers} |\n"


if __name__ == "__main__":
    from archspec.files import write_whole

    write_whole(PAGE, page())
