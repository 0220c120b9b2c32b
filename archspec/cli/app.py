"""The typer application that the commands register themselves on, and where each of them is."""

from importlib import import_module

import typer

MODULES = {
    "inspect": ("check", "params"),
    "show": ("show",),
    "compare": ("diff",),
    "reference": ("blocks", "schema"),
    "make": ("import", "predict", "sample"),
    "build": ("build",),
    "evaluate": ("eval",),
    "train": ("train", "job"),
    "abi": ("setup-abi", "verify"),
    "profile": ("profile",),
}

app = typer.Typer(
    name="archspec",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback()
def archspec() -> None:
    """A compiler for convolutional networks written as YAML layer tables."""


def load(name: str = "") -> None:
    """Register the command `name` with its neighbours, or every command if there is none of that name.

    typer takes as long to read the options of all commands as `check` takes to read a spec.
    """
    chosen = [module for module, names in MODULES.items() if name in names]
    for module in chosen or MODULES:
        import_module(f"archspec.cli.{module}")
