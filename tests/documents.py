"""Runs what documents show: fenced blocks of commands with their output, of YAML and of Python."""

import re
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from command import ROOT, Ran, start

NOT_OURS = ("cd", "make", "pip")
NEED_TENSORFLOW = ("build", "import", "predict", "eval")
WRITES = ("sample",)


class Fence(NamedTuple):
    """A fenced block: its language, its text, and where it begins."""

    language: str
    text: str
    place: str


class Shown(NamedTuple):
    """A command as a document shows it, what it is said to print, and the folder the block has gone to."""

    words: list[str]
    output: list[str]
    place: str
    folder: Path

    @property
    def paths(self) -> list[Path]:
        """The folders that the command's PYTHONPATH= names."""
        found = [word.partition("=")[2] for word in self.words if word.startswith("PYTHONPATH=")]
        return [self.folder / path for path in found]

    @property
    def command(self) -> list[str]:
        """The words without what is set for the command alone."""
        first = next(i for i, word in enumerate(self.words) if not re.match(r"\w+=", word))
        return self.words[first:]


def fences(path: Path, language: str) -> list[Fence]:
    """The fenced blocks of a Markdown file in a language. A block without a language is an error."""
    text = path.read_text(encoding="utf-8")
    found = []
    for match in re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        place = f"{path.name}:{text.count(chr(10), 0, match.start()) + 1}"
        assert match[1], f"{place}: a block says its language"
        found.append(Fence(match[1], match[2], place))
    return [fence for fence in found if fence.language == language]


def shown(fence: Fence) -> Iterator[Shown]:
    """The commands of a console block; a `$ cd` holds for the rest of the block."""
    folder = ROOT
    commands: list[tuple[str, list[str]]] = []
    for line in fence.text.splitlines():
        if line.startswith("$ "):
            commands.append((line[2:], []))
        else:
            assert commands, f"{fence.place}: output without a command"
            commands[-1][1].append(line)
    for command, output in commands:
        one = Shown(shlex.split(command), output, fence.place, folder)
        assert one.command[0] in ("archspec", *NOT_OURS), f"{fence.place}: {command}"
        if one.command[0] == "cd":
            folder = folder / one.command[1]
        yield one


def runnable(paths: Sequence[Path]) -> list[Shown]:
    """The commands of documents that can be run here in a moment and that write no file."""
    every = [one for path in paths for fence in fences(path, "console") for one in shown(fence)]
    ours = [one for one in every if one.command[0] == "archspec"]
    return [one for one in ours if one.command[1] not in NEED_TENSORFLOW + WRITES]


def run(one: Shown) -> Ran:
    """Run a command where its block is, with the modules it names."""
    return start(*one.command[1:], folder=one.folder, paths=one.paths)


def same(output: Sequence[str], got: Sequence[str]) -> bool:
    """Whether these are the lines that a document shows, where a line of three dots stands for any lines."""
    if not output:
        return not got
    if output[0] == "...":
        return any(same(output[1:], got[i:]) for i in range(len(got) + 1))
    return bool(got) and output[0] == got[0] and same(output[1:], got[1:])
