"""YAML in: what the language takes, what it refuses and where it says so, and how fast."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from little import assert_finds, findings, pointed_at, spec

from archspec import render
from archspec.analysis import document
from archspec.diagnostics import Source, SpecError
from archspec.source import DEEPEST, LARGEST_FILE, MOST_FINDINGS, Map, Scalar, Seq, parse, plain, read_source

MEBIBYTE = 1 << 20


def value(text: str) -> Any:
    """The plain value that YAML text stands for."""
    return plain(parse(Source("s", text)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("12", 12), ("-3", -3), ("+3", 3), ("007", 7), ("0", 0),
        ("1.5", 1.5), (".5", 0.5), ("2.", 2.0), ("1e-3", 0.001), ("-1E2", -100.0),
        ("true", True), ("False", False), ("null", None), ("~", None),
        ("yes", "yes"), ("off", "off"), ("1_000", "1_000"), ("1:30", "1:30"), ("0x10", "0x10"), ("0o7", "0o7"),
        (".nan", ".nan"), (".inf", ".inf"), ("1e400", "1e400"), ("2001-01-01", "2001-01-01"),
        ("'12'", "12"), ('"true"', "true"), ("9" * 18, 10**18 - 1), ("9" * 19, "9" * 19), ("1" * 5000, "1" * 5000),
    ],
)  # fmt: skip
def test_scalars_follow_yaml_1_2(text: str, expected: object) -> None:
    got = value(f"- {text}")[0]
    assert (type(got), got) == (type(expected), expected)


def test_tree_knows_where_everything_is() -> None:
    text = "ä: 😀\nb: [1, {c: x}]\n"
    root = parse(Source("s", text))
    assert isinstance(root, Map)
    b = root.get("b")
    assert isinstance(b, Seq)
    inner = b.items[1]
    assert isinstance(inner, Map)
    places = [root.entries[0][0], root.entries[0][1], root.key("b"), b, b.items[0], inner, inner.get("c")]
    assert [text[n.span.start : n.span.end] for n in places if n] == ["ä", "😀", "b", "[1, {c: x}]", "1", "{c: x}", "x"]
    assert root.get("d") is None
    assert root.key("d") is None


def test_reading_starts_in_the_middle() -> None:
    source = Source("s", "key=[1, 2]")
    root = parse(source, 4)
    assert plain(root) == [1, 2]
    assert pointed_text(root) == "[1, 2]"


def pointed_text(node: Map | Seq | Scalar) -> str:
    return node.span.source.text[node.span.start : node.span.end]


GOOD = spec("Conv: {depth: 8}")
REFUSED: dict[str, tuple[str, list[tuple[str, str]]]] = {
    "doubled key": (spec("Conv: {depth: 8, depth: 9}"), [("duplicate-key", "depth")]),
    "doubled key, quoted": (spec('Conv: {depth: 8, "depth": 9}'), [("duplicate-key", '"depth"')]),
    "doubled head": (GOOD + "model: n\n", [("duplicate-key", "model")]),
    "anchor": (spec("Conv: &a {depth: 8}"), [("anchor", "&a")]),
    "anchor of a block": (spec("Conv: &a\n    depth: 8"), [("anchor", "&a")]),
    "anchor behind a tag": (spec("Conv: !t &a {depth: 8}"), [("tag", "!t"), ("anchor", "&a")]),
    "alias": (spec("Conv: *a"), [("anchor", "*a")]),
    "alias as key": (spec("*a : {depth: 8}"), [("anchor", "*a")]),
    "merge key": (spec("Conv: {<<: {depth: 8}}"), [("merge-key", "<<")]),
    "tag": (spec("Conv: {depth: !!int 8}"), [("tag", "!!int")]),
    "python tag": (spec("Conv: {depth: !!python/name:os.system x}"), [("tag", "!!python/name:os.system")]),
    "two documents": (GOOD + "---\na: 1\n", [("several-documents", "---")]),
    "two documents by an end": (GOOD + "...\na: 1\n", [("invalid-yaml", "")]),
    "key of a list": (spec("Conv: {[a]: 8}"), [("invalid-key", "[a]")]),
    "key of nothing": (spec("Conv: {~: 8}"), [("invalid-key", "~")]),
    "nothing": ("", [("empty-spec", "")]),
    "a comment": ("# x\n", [("empty-spec", "")]),
    "empty document": ("---\n---\n", [("several-documents", "---")]),
    "control character": (spec("Conv: {depth: 8\x01}"), [("invalid-yaml", "\x01")]),
    "lone surrogate": (spec("Conv: {depth: \udcff}"), [("not-utf8", "\udcff")]),
    "deep": ("[" * 30 + "]" * 30, [("nesting-too-deep", "[")]),
    "a mebibyte of [": ("[" * MEBIBYTE, [("nesting-too-deep", "[")]),
    "a mebibyte of {": ("{a: " * (MEBIBYTE // 4), [("nesting-too-deep", "{")]),
    "a mebibyte of dashes": ("- " * (MEBIBYTE // 2), [("nesting-too-deep", "")]),
    "a mebibyte of one word": ("a" * MEBIBYTE, [("wrong-type", "a" * MEBIBYTE)]),
    "huge repeat": (spec("Conv: {depth: 8, repeat: 149497088}"), [("out-of-range", "149497088")]),
    "size 0": (spec("Conv: {depth: 0}"), [("out-of-range", "0")]),
    "size 65537": (spec("Conv: {depth: 65537}"), [("out-of-range", "65537")]),
    "huge integer": (spec("Conv: {depth: " + "9" * 4000 + "}"), [("wrong-type", "9" * 4000)]),
    "integer of 18 digits": (spec("Conv: {depth: " + "9" * 18 + "}"), [("out-of-range", "9" * 18)]),
    "not a number": (spec("Conv: {depth: .nan}"), [("wrong-type", ".nan")]),
    "infinite": (spec("Conv: {depth: 8, l2: .inf}"), [("wrong-type", ".inf")]),
    "infinite by exponent": (spec("Conv: {depth: 8, l2: 1e999}"), [("wrong-type", "1e999")]),
    "underscore": (spec("Conv: {depth: 1_000}"), [("wrong-type", "1_000")]),
    "sexagesimal": (spec("Conv: {depth: 1:30}"), [("wrong-type", "1:30")]),
    "float": (spec("Conv: {depth: 8.0}"), [("wrong-type", "8.0")]),
    "word for truth": (spec("Conv: {depth: 8, norm: yes}"), [("wrong-type", "yes")]),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str) -> None:
    text, expected = REFUSED[case]
    assert_finds(text, *expected)


def best_of_three(work: Callable[[], object]) -> float:
    """Seconds of processor time that the fastest of three runs takes: other work on the machine does not count."""
    times = []
    for _ in range(3):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


@pytest.mark.parametrize("case", REFUSED)
def test_refused_in_a_tenth_of_a_second(case: str) -> None:
    text, _ = REFUSED[case]
    assert best_of_three(lambda: render.text(findings(text))) < 0.1


def test_bound_of_time_can_be_missed() -> None:
    def work() -> None:
        end = time.process_time() + 0.11
        while time.process_time() < end:
            pass

    assert best_of_three(work) > 0.1


def refused_file(path: Path) -> tuple[str, str, str]:
    """Code, message and readable text of a file that `read_source` refuses."""
    with pytest.raises(SpecError) as caught:
        read_source(path)
    (found,) = caught.value.diagnostics
    assert found.span.source.name == str(path)
    return found.code, found.message, found.span.source.text


@pytest.mark.parametrize(
    ("data", "readable", "byte"),
    [
        (b"model: caf\xe9", "model: caf", "0xe9"),
        (b"\xff\xfea\x00", "", "0xff"),
        (b"\xef\xbb\xbf\xc3\xa4\xff", "ä", "0xff"),
        (b"ok\n\xc3\xa4\xc3", "ok\nä", "0xc3"),
    ],
)
def test_file_that_is_not_utf8(tmp_path: Path, data: bytes, readable: str, byte: str) -> None:
    (tmp_path / "s.yaml").write_bytes(data)
    assert refused_file(tmp_path / "s.yaml") == ("not-utf8", f"the file is not UTF-8: byte {byte}", readable)


def test_file_that_is_too_large(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_bytes(b"#" * LARGEST_FILE)
    assert len(read_source(tmp_path / "s.yaml").text) == LARGEST_FILE
    (tmp_path / "t.yaml").write_bytes(b"#" * (LARGEST_FILE + 1))
    assert refused_file(tmp_path / "t.yaml") == ("file-too-large", "the file is larger than 1024 KiB", "")


def test_endless_file_is_not_read_to_its_end() -> None:
    assert best_of_three(lambda: refused_file(Path("/dev/zero"))) < 0.1


def test_file_that_cannot_be_read(tmp_path: Path) -> None:
    assert refused_file(tmp_path / "none.yaml")[:2] == (
        "unreadable-file",
        "cannot read the file: no such file or directory",
    )
    assert refused_file(tmp_path)[:2] == ("unreadable-file", "cannot read the file: is a directory")


def test_byte_order_mark_and_windows_lines_change_nothing(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_bytes(b"\xef\xbb\xbf" + spec("Conv: {dpth: 8}").replace("\n", "\r\n").encode())
    with pytest.raises(SpecError) as caught:
        list(networks_of(read_source(tmp_path / "s.yaml")))
    (found,) = caught.value.diagnostics
    assert pointed_at(found) == "dpth"
    assert found.span.source.position(found.span.start) == (5, 10)
    assert "5 | - Conv: {dpth: 8}\n" in render.text([found])


def networks_of(source: Source) -> list[object]:
    from archspec.analysis import network

    return [network(document(source))]


def test_depth_that_is_just_allowed() -> None:
    assert value("[" * (DEEPEST - 1) + "]" * (DEEPEST - 1))
    with pytest.raises(SpecError):
        value("[" * DEEPEST + "]" * DEEPEST)


NUMBERS = ", ".join(f"a{i}: 1" for i in range(80_000))
LARGE: dict[str, tuple[str, str, int]] = {
    "doubled keys": ("a: 1\n" * (MEBIBYTE // 5), "key `a` stands twice", MOST_FINDINGS),
    "unknown keys": (GOOD + f"scale: {{{NUMBERS}}}", "no key `a0` in `scale`", MOST_FINDINGS),
    "unknown options": (spec(f"Conv: {{{NUMBERS}}}"), "no option `a0` in block `Conv`", MOST_FINDINGS),
    "unknown blocks": (spec(*["Conf"] * 19_000), "no block `Conf`", MOST_FINDINGS),
    "blocks in a row": (GOOD + f"- {{{NUMBERS}}}", "a row is one block, not 80000 keys", 1),
    "values": (GOOD + f"let: {{{NUMBERS}}}", "`let` must hold at most 1000, not 80000", 1),
    "variants": (GOOD + f"variants: {{{NUMBERS}}}", "`variants` must hold at most 1000, not 80000", 1),
    "rows": (spec(*["Flatten"] * 90_000), "`layers` must hold at most 20000, not 90000", 1),
    "list": (
        GOOD.replace("[32, 32, 3]", "[" + "1, " * 300_000 + "1]"),
        "`size` must be [height, width, channels], or one number for a square, "
        "not `[1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,...`",
        1,
    ),
}


@pytest.mark.parametrize("case", LARGE)
def test_a_mebibyte_of_one_mistake_takes_seconds_at_most(case: str) -> None:
    text, message, count = LARGE[case]
    assert len(text) > MEBIBYTE // 12
    start = time.process_time()
    found = findings(text)
    assert time.process_time() - start < 10
    assert len(found) == count
    assert found[0].message == message
