"""YAML text to a located tree: plain values beside the spans they came from. The only import of yaml.

The language is a small part of YAML: mappings, lists and scalars, one document. What lets a file say one thing
in two ways (anchors, merge keys, tags, doubled keys) is refused. Scalars follow YAML 1.2's core schema, so `yes`
is a word and `1_000` is not a number.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from archspec.diagnostics import Code, Diagnostic, Label, Source, Span, SpecError

LARGEST_FILE = 1 << 20  # bytes
DEEPEST = 20  # levels of nesting
MOST_FINDINGS = 100  # looking for more ends here
LONGEST_NUMBER = 18  # digits: fits a signed 64-bit integer

_DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INT = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]{1,3})?")
_WORDS: dict[str, bool | None] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip

Value = None | bool | int | float | str


class Scalar(NamedTuple):
    """A value; `origin` is where a value that was named elsewhere (`let`) is written."""

    span: Span
    value: Value
    origin: Label | None = None


class Seq(NamedTuple):
    span: Span
    items: tuple[Node, ...]


class Map(NamedTuple):
    span: Span
    entries: tuple[tuple[Scalar, Node], ...]

    def get(self, key: str) -> Node | None:
        for name, value in self.entries:
            if name.value == key:
                return value
        return None

    def key(self, key: str) -> Scalar | None:
        return next((name for name, _ in self.entries if name.value == key), None)


Node = Scalar | Seq | Map


def plain(node: Node) -> Any:
    """The tree as Python's own dicts, lists and scalars."""
    if isinstance(node, Scalar):
        return node.value
    if isinstance(node, Seq):
        return [plain(item) for item in node.items]
    return {key.value: plain(value) for key, value in node.entries}


def text_of(data: Any) -> str:
    """Plain values as YAML; a mapping or a list of scalars stands on one line."""
    made: str = yaml.dump(data, Dumper=_DUMPER, sort_keys=False, allow_unicode=True, default_flow_style=None, width=120)
    return made


def read_source(path: Path) -> Source:
    """Read a spec's file. Raises SpecError where it cannot be read, is too large or is not UTF-8."""
    empty = Source(str(path), "")
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_FILE + 1)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise SpecError([Diagnostic("unreadable-file", f"cannot read the file: {reason}", Span(empty, 0, 0))]) from None
    if len(data) > LARGEST_FILE:
        message = f"the file is larger than {LARGEST_FILE // 1024} KiB"
        raise SpecError([Diagnostic("file-too-large", message, Span(empty, 0, 0))])
    try:
        return Source(str(path), data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        good = error.object[: error.start].decode()
        source = Source(str(path), good)
        message = f"the file is not UTF-8: byte 0x{error.object[error.start]:02x}"
        here = Span(source, len(good), len(good))
        raise SpecError([Diagnostic("not-utf8", message, here, help="save it as UTF-8")]) from None


def parse(source: Source, start: int = 0) -> Node:
    """Parse one YAML document, from character `start` on. Raises SpecError with every construct that is refused."""
    found: list[Diagnostic] = []
    root = None
    try:
        source.text.encode()
        root = _document(source, " " * start + source.text[start:], found)
    except _StopError:
        pass
    except UnicodeEncodeError as error:
        found.append(Diagnostic("not-utf8", "the text is not UTF-8", Span(source, error.start, error.end)))
    except (yaml.MarkedYAMLError, yaml.reader.ReaderError) as error:
        found.append(_invalid(source, error))
    if root is None and not found:
        help = "begin with `archspec: 1`, the version of the language"
        found.append(Diagnostic("empty-spec", "there is no spec in the file", Span(source, 0, 0), help=help))
    if found or root is None:
        raise SpecError(found)
    return root


def _invalid(source: Source, error: Any) -> Diagnostic:
    if isinstance(error, yaml.reader.ReaderError):
        at = max(source.text.find(chr(error.character)), 0)  # its own position counts bytes and a byte order mark
        return Diagnostic("invalid-yaml", f"invalid YAML: {error.reason}", Span(source, at, at + 1))
    mark = error.problem_mark or error.context_mark
    at = min(mark.index, len(source.text))
    others: tuple[Label, ...] = ()
    if error.context and error.context_mark and error.context_mark.index < at:
        others = (Label(Span(source, error.context_mark.index, error.context_mark.index), error.context),)
    tab = source.text[at : at + 1] == "\t"
    help = "indent by spaces: YAML takes no tabs" if tab else ""
    problem = error.problem or error.context
    return Diagnostic("invalid-yaml", f"invalid YAML: {problem}", Span(source, at, at), others=others, help=help)


def with_origin(node: Node, span: Span, origin: Label) -> Node:
    """A named value at the place that uses it."""
    if isinstance(node, Scalar):
        return node._replace(span=span, origin=origin)
    if isinstance(node, Seq):
        return Seq(span, tuple(with_origin(item, span, origin) for item in node.items))
    return node


class _StopError(Exception):
    """Nothing after this point can be trusted."""


def _document(source: Source, text: str, found: list[Diagnostic]) -> Node | None:
    events = yaml.parse(text, Loader=_LOADER)
    root: Node | None = None
    documents = 0
    for event in events:
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                help = "write each spec into a file of its own"
                found.append(Diagnostic("several-documents", "a spec is one document", _span(source, event), help=help))
                raise _StopError
            root = _node(source, next(events), events, found, 1)
    return root


def _span(source: Source, event: Any) -> Span:
    start, end = event.start_mark.index, event.end_mark.index
    return Span(source, start, max(start, end))


def _node(source: Source, event: Any, events: Iterator[Any], found: list[Diagnostic], depth: int) -> Node:
    span = _span(source, event)
    if len(found) >= MOST_FINDINGS:
        raise _StopError
    if isinstance(event, yaml.AliasEvent):
        found.append(_refused("anchor", span, "*"))
        return Scalar(span, None)
    if event.anchor is not None:
        found.append(_refused("anchor", span, "&"))
    if event.tag is not None:
        found.append(_refused("tag", span, "!"))
    if isinstance(event, yaml.ScalarEvent):
        return Scalar(span, _scalar(event.value) if event.style is None or event.style == "" else event.value)
    if depth >= DEEPEST:
        found.append(Diagnostic("nesting-too-deep", f"nested deeper than {DEEPEST} levels", span))
        raise _StopError
    if isinstance(event, yaml.SequenceStartEvent):
        return _sequence(source, span, events, found, depth)
    return _mapping(source, span, events, found, depth)


_HELP: dict[Code, str] = {"anchor": "name the value under `let`", "tag": "write the value without it"}


def _refused(code: Code, span: Span, mark: str) -> Diagnostic:
    """An anchor, alias or tag, which stands somewhere in front of its value."""
    at = max(span.source.text.find(mark, span.start, span.end), span.start)
    end = re.compile(r"[^\s,\[\]{}]*").match(span.source.text, at).end()  # type: ignore[union-attr]  # it matches nothing, too
    message = f"an {code} is not part of the language" if code == "anchor" else "a tag is not part of the language"
    word = _cut(span.source.text[at:end])
    return Diagnostic(code, f"{message}: `{word}`", Span(span.source, at, end), help=_HELP[code])


def _sequence(source: Source, span: Span, events: Iterator[Any], found: list[Diagnostic], depth: int) -> Seq:
    items = []
    for event in events:
        if isinstance(event, yaml.SequenceEndEvent):
            span = Span(source, span.start, _span(source, event).end)
            break
        items.append(_node(source, event, events, found, depth + 1))
    return Seq(span, tuple(items))


def _mapping(source: Source, span: Span, events: Iterator[Any], found: list[Diagnostic], depth: int) -> Map:
    entries: dict[str, tuple[Scalar, Node]] = {}
    for event in events:
        if isinstance(event, yaml.MappingEndEvent):
            span = Span(source, span.start, _span(source, event).end)
            break
        key = _node(source, event, events, found, depth + 1)
        value = _node(source, next(events), events, found, depth + 1)
        if isinstance(event, yaml.AliasEvent):
            continue  # reported
        if not isinstance(key, Scalar) or key.value is None:
            found.append(Diagnostic("invalid-key", "a key must be one word", key.span))
            continue
        name = event.value  # as written: the key `1` and the key `1.0` are two words
        if name == "<<":
            help = "write options that rows share under `defaults`"
            found.append(Diagnostic("merge-key", "a merge key is not part of the language: `<<`", key.span, help=help))
        elif name in entries:
            first = Label(entries[name][0].span, "first here")
            message = f"key `{_cut(name)}` stands twice"
            found.append(Diagnostic("duplicate-key", message, key.span, others=(first,), help="drop one of the two"))
        else:
            entries[name] = (Scalar(key.span, name), value)
    return Map(span, tuple(entries.values()))


def _scalar(text: str) -> Value:
    if text in _WORDS:
        return _WORDS[text]
    if len(text) <= LONGEST_NUMBER and _INT.fullmatch(text):
        return int(text)
    if len(text) <= 2 * LONGEST_NUMBER and _FLOAT.fullmatch(text) and not _INT.fullmatch(text):
        number = float(text)
        return number if abs(number) < float("inf") else text
    return text


def _cut(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."
