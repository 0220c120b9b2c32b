"""Why a target could not be built, in one line: what helps of a converter's message and of a worker's log."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from archspec.graph import Graph

LONGEST = 300  # characters of a reason
LAST = 20  # lines of a log among which the reason for a process's end is looked for
BOLD = re.compile(r"\x1b\[1m(.*?)\x1b\[0m", re.DOTALL)  # Keras sets a layer's own message so
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
CHATTER = re.compile(r"[IW]\d{4} |WARNING: All log messages")  # absl's, with what oneDNN says of round-off errors
TELLING = re.compile(r"error|fatal|fail|check|assert|abort|terminat|exception", re.IGNORECASE)


@dataclass(frozen=True)
class Failure:
    """A target that could not be built: the reason, and the row where it can be known."""

    abis: tuple[str, ...]
    scheme: str
    reason: str
    row: str | None


def report(failures: Sequence[Failure]) -> list[str]:
    """A line for each failure, as people read it."""
    return [f"{', '.join(f.abis)} ({f.scheme}){f', row `{f.row}`' if f.row else ''}: {f.reason}" for f in failures]


def essence(message: str) -> str:
    """What a message `Type: text` comes down to: Keras and MLIR wrap pages around a line."""
    kind = re.match(r"[A-Za-z_][\w.]*(?=: )", message)
    prefix = f"{kind[0]}: " if kind else ""
    bold = BOLD.findall(message)
    plain = COLOUR.sub("", message)
    if bold:
        return _line(prefix + bold[-1])
    errors = [e for e in re.findall(r"\berror: (.+)", plain) if not e.startswith("failed while converting")]
    if errors:
        return _line(prefix + errors[0])
    lines = [line.strip() for line in plain.splitlines() if line.strip()]
    if lines and lines[0].endswith("in user code:"):
        return _line(lines[-1])
    return _line(lines[0] if lines else "")


def last_words(log: str) -> str:
    """The last line of a dead process's log that tells of something bad; empty where none does."""
    lines = [line.strip() for line in COLOUR.sub("", log).splitlines() if line.strip()][-LAST:]
    telling = [line for line in lines if TELLING.search(line) and not CHATTER.match(line)]
    return _line(telling[-1].rpartition(" error: ")[2]) if telling else ""


def _line(text: str) -> str:
    line = " ".join(COLOUR.sub("", text).split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 4]} ..."


def row_named_in(text: str, graph: Graph) -> str | None:
    """The row whose layer a text names: of a line that tells an error, else the last one.

    Converter and runtime name an op by its path, `net_1/c1_conv_1/Relu`, Keras a layer as `'c1_conv' (of type Conv2D)`;
    what a file fails to be is said of a row (claims.py).
    """
    model = re.sub(r"\W", "_", graph.head.model)
    layer = re.compile(rf"(?<![\w./]){re.escape(model)}(?:_\d+)?/(\w+)|'(\w+)[\w.]*' \(of type |\brow `([^`]+)`")
    rows = {node.name: row.name for row, node in graph.row_of()}
    last = None
    for line in text.splitlines():
        for path, quoted, said in layer.findall(line):
            # TensorFlow numbers the layers that it traces
            row = said or rows.get(quoted) or rows.get(re.sub(r"_\d+$", "", path)) or rows.get(path)
            if row and "error: " in line:
                return row
            last = row or last
    return last
