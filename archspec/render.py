"""Diagnostics as text: for people, for one-line logs, for programs (json, sarif) and for GitHub's annotations."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from archspec.diagnostics import Diagnostic, Label, Span

WIDEST_LINE = 160  # columns of source shown; a longer line is cut around its span


def text(diagnostics: Sequence[Diagnostic]) -> str:
    """For people: headline, place, the source's lines with the spans underlined, help."""
    return "\n".join(_block(d) for d in diagnostics)


def concise(diagnostics: Sequence[Diagnostic]) -> str:
    """One line a diagnostic: file:line:column: error[code]: message."""
    return "".join(f"{_place(d.span)}: error[{d.code}]: {d.message}\n" for d in diagnostics)


def github(diagnostics: Sequence[Diagnostic]) -> str:
    """GitHub's workflow commands, which it shows beside the changed lines."""
    lines = []
    for d in diagnostics:
        r = _region(d.span)
        where = (
            f"file={_escape(_visible(d.span.source.name), ',:')},line={r['startLine']},endLine={r['endLine']}"
            f",col={r['startColumn']},endColumn={r['endColumn']},title={_escape(d.code, ',:')}"
        )
        message = d.message if not d.help else f"{d.message} ({d.help})"
        lines.append(f"::error {where}::{_escape(message)}\n")
    return "".join(lines)


def as_json(diagnostics: Sequence[Diagnostic]) -> str:
    """A JSON list: code, message, file, line, column, end_line, end_column, label, help, others."""
    return _dumped([_record(d) for d in diagnostics])


def sarif(diagnostics: Sequence[Diagnostic]) -> str:
    """SARIF 2.1.0, what code-scanning services read."""
    rules = sorted({d.code for d in diagnostics})
    log = {
        "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": {"name": "archspec", "rules": [{"id": code} for code in rules]}},
                "columnKind": "unicodeCodePoints",
                "results": [_result(d, rules) for d in diagnostics],
            }
        ],
    }
    return _dumped(log)


def _dumped(value: object) -> str:
    """JSON in which only what UTF-8 cannot hold is escaped."""
    made = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
    return made.encode("utf-8", "backslashreplace").decode()


FORMATS: Mapping[str, Callable[[Sequence[Diagnostic]], str]] = {
    "text": text,
    "concise": concise,
    "json": as_json,
    "sarif": sarif,
    "github": github,
}


def _place(span: Span) -> str:
    line, column = span.source.position(span.start)
    return f"{_visible(span.source.name)}:{line}:{column}"


def _region(span: Span) -> dict[str, int]:
    line, column = span.source.position(span.start)
    end_line, end_column = span.source.position(span.end)
    return {"startLine": line, "startColumn": column, "endLine": end_line, "endColumn": end_column}


def _record(d: Diagnostic) -> dict[str, Any]:
    return {
        "code": d.code,
        "message": d.message,
        **_located(d.span),
        "label": d.label,
        "help": d.help,
        "others": [{**_located(o.span), "text": o.text} for o in d.others],
    }


def _located(span: Span) -> dict[str, Any]:
    r = _region(span)
    return {
        "file": span.source.name,
        "line": r["startLine"],
        "column": r["startColumn"],
        "end_line": r["endLine"],
        "end_column": r["endColumn"],
    }


def _result(d: Diagnostic, rules: Sequence[str]) -> dict[str, Any]:
    result: dict[str, Any] = {
        "ruleId": d.code,
        "ruleIndex": rules.index(d.code),
        "level": "error",
        "message": {"text": d.message if not d.help else f"{d.message}; {d.help}"},
        "locations": [_location(d.span)],
    }
    if d.others:
        result["relatedLocations"] = [{**_location(o.span), "message": {"text": o.text}} for o in d.others]
    return result


def _location(span: Span) -> dict[str, Any]:
    from urllib.parse import quote  # here, since `check` need not pay for it

    # a file's name is bytes, and those that are no UTF-8 came here as surrogates (PEP 383)
    uri = quote(span.source.name.encode("utf-8", "surrogateescape"), safe="/")
    return {"physicalLocation": {"artifactLocation": {"uri": uri}, "region": _region(span)}}


def _escape(value: str, more: str = "") -> str:
    for char in "%\r\n" + more:
        value = value.replace(char, f"%{ord(char):02X}")
    return value


def _block(d: Diagnostic) -> str:
    labels = [(Label(d.span, d.label), "^"), *((o, "-") for o in d.others)]
    numbers = [o.span.source.position(o.span.start)[0] for o, _ in labels]
    gutter = " " * len(str(max(numbers)))
    out = [f"error[{d.code}]: {d.message}", f"{gutter}--> {_place(d.span)}"]
    sources = dict.fromkeys(o.span.source for o, _ in labels)
    for source in sources:
        here = sorted(((o, mark) for o, mark in labels if o.span.source is source), key=lambda p: p[0].span.start)
        if source is not d.span.source:
            out.append(f"{gutter}::: {_place(here[0][0].span)}")
        if source.text:
            out += _excerpt(here, gutter)
    if d.help:
        out += [*([f"{gutter} |"] if d.span.source.text else []), f"{gutter} = help: {d.help}"]
    return "\n".join(out) + "\n"


def _excerpt(labels: Sequence[tuple[Label, str]], gutter: str) -> list[str]:
    out = [f"{gutter} |"]
    previous = 0
    for label, mark in labels:
        span = label.span
        number, column = span.source.position(span.start)
        end_number, end_column = span.source.position(span.end)
        line = span.source.line(number)
        if previous and number > previous + 1:
            out.append("...")
        end = end_column if end_number == number else len(line) + 1
        shown, first, width = _cut(line, column - 1, max(end - column, 1))
        if number != previous:
            out.append(f"{number:>{len(gutter)}} | {shown}".rstrip())
        out.append(f"{gutter} | {' ' * first}{mark * width} {label.text}".rstrip())
        previous = number
    return out


def _cut(line: str, start: int, length: int) -> tuple[str, int, int]:
    """The line as shown, and where in columns its span stands and how wide it is."""
    left = 0 if start + length <= WIDEST_LINE else max(start - 40, 0)
    window = line[left : left + WIDEST_LINE]
    before = "..." if left else ""
    after = "..." if left + WIDEST_LINE < len(line) else ""
    inside = window[start - left : start - left + length]
    first = len(before) + _columns(window[: start - left])
    return before + _visible(window) + after, first, max(_columns(inside), 1)


def _visible(line: str) -> str:
    return "".join("  " if c == "\t" else c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line)


def _columns(line: str) -> int:
    """Columns a terminal gives to the visible form of `line`."""
    if line.isascii() and "\t" not in line:
        return len(line)
    return sum(
        2 if c == "\t" or unicodedata.east_asian_width(c) in "WF" else not unicodedata.combining(c) for c in line
    )
