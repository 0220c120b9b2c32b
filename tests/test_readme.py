import re
import typing
from dataclasses import fields
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
import typer
from command import ROOT, call
from documents import NEED_TENSORFLOW, Shown, fences, run, runnable, same, shown

from archspec import jobs, manifest
from archspec.analysis import network, open_spec
from archspec.calibration import Calibration
from archspec.cli.app import app, load
from archspec.schema import HEAD_OF_VARIANT, schema
from archspec.spec import SECTIONS, Target

README = ROOT / "README.md"
LANGUAGE = ROOT / "docs" / "language.md"
COMMANDS = runnable([README])


def text() -> str:
    return README.read_text(encoding="utf-8")


def section(title: str) -> str:
    """What stands below a heading of the README."""
    parts = re.split(r"^## (.*)$", text(), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))[title]


def in_code(part: str) -> set[str]:
    """The words inside back quotes; fenced blocks are left out."""
    prose = re.sub(r"^```.*?^```$", "", part, flags=re.MULTILINE | re.DOTALL)
    return {word for code in re.findall(r"`([^`]+)`", prose) for word in re.findall(r"[\w.-]+", code)}


def commands() -> dict[str, Any]:
    """The commands that there are, as the command line knows them."""
    load()
    group = typer.main.get_command(app)
    return dict(group.commands)  # type: ignore[attr-defined]


def options(command: Any) -> set[str]:
    """The long names of a command's options."""
    return {name for p in command.params for name in p.opts if name.startswith("--")} - {"--help"}


def described() -> dict[str, set[str]]:
    """The commands of the README's table with the options that stand beside each."""
    rows = re.findall(r"^\| `archspec ([\w-]+)[^`]*` \|.*\|(.*)\|$", section("Command line"), re.MULTILINE)
    return {name: set(re.findall(r"--[\w-]+", cell)) for name, cell in rows}


@pytest.mark.parametrize("one", COMMANDS, ids=lambda one: " ".join(one.words))
def test_command_prints_what_is_shown(one: Shown) -> None:
    ran = run(one).clean()
    assert same(one.output, ran.out.splitlines()), f"{one.place}: it prints\n{ran.out}{ran.err}"


def test_a_changed_byte_is_noticed() -> None:
    assert len(COMMANDS) >= 4, "the README shows hardly a command"
    one = COMMANDS[0]
    lines = run(one).out.splitlines()
    assert same(one.output, lines)
    for i, line in enumerate(lines):
        if line in one.output:
            assert not same(one.output, [*lines[:i], line + " ", *lines[i + 1 :]])
    assert not same(one.output, [*lines, "one more"])
    assert not same([*one.output, "one more"], lines)


def test_dots_stand_for_any_lines() -> None:
    assert same(["a", "...", "d"], ["a", "b", "c", "d"])
    assert same(["...", "a"], ["a"])
    assert not same(["a", "...", "d"], ["a", "b", "c"])
    assert not same(["a"], ["a", "b"])


def test_commands_that_are_not_run_take_the_arguments_shown() -> None:
    every = [one for fence in fences(README, "console") for one in shown(fence) if one.command[0] == "archspec"]
    others = [one for one in every if one not in COMMANDS]
    assert {one.command[1] for one in others} >= {"build", "import", "predict"}
    for one in others:
        assert one.command[1] in (*NEED_TENSORFLOW, "sample")
        assert parses(one), f"{one.place}: {one.words}"
    assert not parses(others[0]._replace(words=[*others[0].words, "--no-such-option"]))


def parses(one: Shown) -> bool:
    """Whether the command line takes these arguments; nothing is run."""
    try:
        commands()[one.command[1]].make_context("archspec", list(one.command[2:]))
    except click.UsageError:
        return False
    return True


def test_spec_is_the_shipped_one(tmp_path: Path) -> None:
    (spec,) = fences(README, "yaml")
    assert spec.text == (ROOT / "specs" / "mobilenet_v2_hed.yaml").read_text(encoding="utf-8")
    copy = tmp_path / "copy.yaml"
    copy.write_text(spec.text)
    assert call("check", copy).clean().code == 0


def test_own_block_is_the_example() -> None:
    (module,) = fences(README, "python")
    example = (ROOT / "docs" / "examples" / "own_blocks.py").read_text(encoding="utf-8")
    assert module.text == example  # which the commands below it run


def test_every_command_and_option_is_described() -> None:
    assert described() == {name: options(command) for name, command in commands().items()}


def test_described_notices_an_option_that_is_not_there() -> None:
    assert all(options(command) for command in commands().values())
    assert "--weights" in described()["build"]
    assert "--weights" not in described()["check"]


def test_every_word_of_the_language_is_named() -> None:
    words = set(schema()["properties"]) | set(HEAD_OF_VARIANT) | {"name", "from", "repeat", "min_depth", "all"}
    for made in (*SECTIONS.values(), Target):
        words |= {field.name for field in fields(made)}
    named = in_code(LANGUAGE.read_text(encoding="utf-8"))
    assert words - named == set()
    assert "strides" not in named


def test_every_format_is_named() -> None:
    named = in_code(section("Command line"))
    for command, option in (("check", "--format"), ("params", "--by")):
        (parameter,) = [p for p in commands()[command].params if option in p.opts]
        assert set(parameter.type.choices) - named == set()


def test_every_choice_is_named() -> None:
    """The words of `padding`, `color`, `resize`, `quantize` and the ABIs."""
    named = in_code(LANGUAGE.read_text(encoding="utf-8"))
    words: set[str] = set(schema()["properties"]["targets"]["properties"])
    for made, names in ((SECTIONS["input"], ("color", "resize")), (Target, ("quantize",))):
        hints = typing.get_type_hints(made, include_extras=True)
        words |= {word for name in names for word in enumerated(hints[name])}
    from archspec.kinds import Padding

    words |= enumerated(Padding)
    assert {"same_even", "crop", "int8", "arm64-v8a"} <= words
    assert words - named == set()


def enumerated(annotation: Any) -> set[str]:
    """The words that a type of the language chooses from."""
    from archspec.kinds import kind_of

    written = kind_of(annotation).schema
    return {word for part in [written, *written.get("anyOf", ())] for word in part.get("enum", ())}


def test_every_key_of_the_manifest_is_named() -> None:
    one = network(open_spec(ROOT / "specs" / "mobilenet_v2_hed.yaml"))
    images = Calibration(np.zeros((1, 256, 256, 3), np.float32), "nothing")
    asked = jobs.Conversion("0", "int8", "int8", None, (), "", "plain")
    artifact = manifest.artifact("arm64-v8a", "model.tflite", asked, one, images, {})
    written = manifest.make(one, jobs.Network("a.yaml", "", None), None, [artifact], [], b"")
    assert (set(written) | set(artifact)) - in_code(section("What build writes")) == set()


def test_links_lead_somewhere() -> None:
    for page in (README, *(ROOT / "docs").glob("*.md")):
        links = re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8"))
        assert [link for link in links if "://" not in link and not (page.parent / link).exists()] == [], page
        assert links or page != README


def test_one_page() -> None:
    assert len(text().splitlines()) < 300
