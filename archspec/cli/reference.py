"""The commands that explain the language and never load TensorFlow: blocks, schema."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any

import typer

from archspec.blocks import BLOCKS, REQUIRED, Block, Option
from archspec.cli.app import app
from archspec.cli.common import BlocksOption, JsonOption, fail, load_blocks, load_installed_blocks
from archspec.definitions import with_definitions
from archspec.diagnostics import suggestion
from archspec.schema import schema as made_schema
from archspec.table import table


@app.command()
def blocks(
    name: Annotated[str | None, typer.Argument(help="One block, with its options.", show_default=False)] = None,
    as_json: JsonOption = False,
    blocks: BlocksOption = None,
) -> None:
    """List the blocks, or explain one."""
    load_blocks(blocks)
    load_installed_blocks()
    if name is not None and name not in BLOCKS:
        fail(f"no block `{name}`; {suggestion(name, list(BLOCKS))}")
    chosen = [BLOCKS[name]] if name else list(BLOCKS.values())
    if as_json:
        print(json.dumps([_record(block) for block in chosen], indent=2))
    elif name:
        print(_reference(chosen[0]), end="")
    else:
        print(table(("block", "what it is"), [(b.name, b.doc.splitlines()[0]) for b in chosen]), end="")


def _reference(block: Block) -> str:
    """A block's documentation, the table of its options, and the words that options choose from."""
    text = f"{block.name}\n\n{block.doc}\n"
    options = [_option(option) for option in block.options.values()]
    if options:
        lines = [(o["name"], o["default"], o["expects"]) for o in options]
        text += "\n" + table(("option", "default", "expects"), lines)
    words = {o["name"]: ", ".join(o["words"]) for o in options if not _listed(o)}
    if words:
        text += "\n" + table(("option", "one of"), list(words.items()))
    return text


def _listed(option: dict[str, Any]) -> bool:
    """Whether what an option expects names every word that it takes."""
    return all(f"`{word}`" in option["expects"] for word in option["words"])


def _record(block: Block) -> dict[str, Any]:
    options = [_option(option) for option in block.options.values()]
    return {"name": block.name, "doc": block.doc, "reads_several_rows": block.several, "options": options}


def _option(option: Option) -> dict[str, Any]:
    default = "required" if option.default is REQUIRED else option.default
    return {
        "name": option.name,
        "default": list(default) if isinstance(default, tuple) else default,
        "expects": option.kind.expects,
        "words": [word for word in option.kind.schema.get("enum", ()) if isinstance(word, str)],
    }


@app.command()
def schema(blocks: BlocksOption = None) -> None:
    """Print the JSON Schema of a spec, for editors."""
    load_blocks(blocks)
    load_installed_blocks()
    json.dump(with_definitions(made_schema()), sys.stdout, indent=1)
    print()
