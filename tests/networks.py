"""Networks of specs for tests: the shipped ones with their variants, and texts."""

from pathlib import Path

from archspec.analysis import Network, document, network, open_spec
from archspec.diagnostics import Source
from archspec.overlay import assignment
from archspec.source import read_source

SPECS = Path(__file__).resolve().parent.parent / "specs"


def shipped() -> list[tuple[str, str | None]]:
    """Every shipped spec with None for its own network, and with each of its variants."""
    found: list[tuple[str, str | None]] = []
    for path in sorted(SPECS.glob("*.yaml")):
        found += [(path.stem, None), *((path.stem, variant) for variant in open_spec(path).variants)]
    return found


def spec(name: str, variant: str | None = None, **overrides: object) -> Network:
    """A shipped spec's network; overrides as `input__size=97`, with `__` for the dot."""
    changes = [assignment("--set", f"{key.replace('__', '.')}={value}") for key, value in overrides.items()]
    return network(document(read_source(SPECS / f"{name}.yaml"), changes), variant)


def table(rows: str, size: str = "[9, 7, 3]", head: str = "") -> Network:
    """The network of a table of rows, one a line, on an image of `size`."""
    lines = "\n".join(f"- {row.strip()}" for row in rows.strip().splitlines())
    text = f"archspec: 1\nmodel: test\ninput: {{size: {size}, range: [0, 1]}}\n{head}\nlayers:\n{lines}\n"
    return network(document(Source("test.yaml", text)))
