"""Imports point down only, and looking at a spec loads no framework."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from archspec import __path__ as package

PACKAGE = Path(package[0])
SPECS = PACKAGE.parent / "specs"

ORDER = """diagnostics render source kinds rounding explain ops graph blocks recipe spec schema read overlay scale
unused options call expand cost detection targets recipes analysis table cli""".split()
"""The front half from the bottom up. A module imports those to its left; what is not named here is above all of it."""

HEAVY = ("tensorflow", "keras", "h5py", "safetensors", "PIL", "ai_edge_litert", "ai_edge_quantizer", "scipy", "cv2")
"""What a module imports inside the functions that need it, if at all."""

FRAMEWORK = ("tensorflow", "keras")
"""What only `archspec.tf` imports."""


def layer(module: str) -> str:
    """The part of the package that a module belongs to: `archspec.ops.free` to `ops`."""
    return module.split(".")[1] if "." in module else ""


def imports(tree: ast.AST, module: str, *, lazy: bool) -> Iterator[str]:
    """The modules that a module imports as it is loaded, or with `lazy` anywhere. Not those for type checkers only."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) and not lazy:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            home = ".".join(module.split(".")[: -node.level]) if node.level else ""
            source = ".".join(filter(None, [home, node.module]))
            yield from ([f"archspec.{alias.name}" for alias in node.names] if source == "archspec" else [source])
        yield from imports(node, module, lazy=lazy)


def violations(sources: dict[str, str]) -> list[str]:
    """Every import of the modules (name -> text) that points up, or at a framework where none may be."""
    found = []
    for module, text in sources.items():
        tree, own = ast.parse(text), layer(module)
        for target in imports(tree, module, lazy=True):
            if own in ORDER and target.startswith("archspec"):
                above = layer(target) not in ORDER or ORDER.index(layer(target)) > ORDER.index(own)
                if above and own != "cli":
                    found.append(f"{module} imports {target}, which is above it")
            if target.split(".")[0] in FRAMEWORK and own != "tf":
                found.append(f"{module} imports {target}, which only archspec.tf may")
        for target in imports(tree, module, lazy=False):
            if own != "tf" and (target.split(".")[0] in HEAVY or f"{target}.".startswith("archspec.tf.")):
                found.append(f"{module} imports {target} as it is loaded")
    return found


def sources() -> dict[str, str]:
    """Module name -> text, of the whole package."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = ("archspec", *path.relative_to(PACKAGE).with_suffix("").parts)
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path.read_text(encoding="utf-8")
    return found


def test_imports_point_down() -> None:
    assert violations(sources()) == []


def test_order_names_what_there_is() -> None:
    assert set(ORDER) <= {layer(module) for module in sources()}


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("archspec.spec", "from archspec.schema import schema"),
        ("archspec.spec", "def f():\n    from archspec.schema import schema"),
        ("archspec.spec", "from archspec import analysis"),
        ("archspec.spec", "import archspec.expand"),
        ("archspec.ops.free", "from archspec.graph import Graph"),
        ("archspec.ops.free", "from ..graph import Graph"),
        ("archspec.cost", "from archspec.tf.lower import lower"),
        ("archspec.cost", "def f():\n    import tensorflow as tf"),
        ("archspec.predict", "import keras.layers"),
        ("archspec.predict", "from archspec.tf import lower"),
        ("archspec.photo", "from PIL import Image"),
        ("archspec.cost", "class C:\n    import h5py"),
    ],
)
def test_import_that_points_up_is_noticed(module: str, line: str) -> None:
    assert violations({module: line}) != []


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("archspec.spec", "from archspec.kinds import Kind"),
        ("archspec.ops.free", "from archspec.ops.base import Op"),
        ("archspec.graph", "if TYPE_CHECKING:\n    from archspec.spec import Head"),
        ("archspec.predict", "def f():\n    from archspec.tf import lower"),
        ("archspec.photo", "def f():\n    from PIL import Image"),
        ("archspec.tf.lower", "import tensorflow as tf"),
        ("archspec.cli.make", "from archspec import predict"),
    ],
)
def test_import_that_points_down_is_fine(module: str, line: str) -> None:
    assert violations({module: line}) == []


CHECK = f"""
import sys
from pathlib import Path
from archspec import analysis, render
for path in Path({str(SPECS)!r}).glob("mobilenet*.yaml"):
    for result in analysis.networks(analysis.open_spec(path)):
        assert isinstance(result, analysis.Network)
"""


def loaded(program: str, *modules: str) -> set[str]:
    """Which of some modules a program has loaded at its end, in a process of its own."""
    end = f"\nprint(*(m for m in {modules!r} if m in sys.modules))"
    ran = subprocess.run(
        [sys.executable, "-c", program + end], capture_output=True, text=True, timeout=60, cwd=PACKAGE.parent
    )
    assert ran.returncode == 0, ran.stderr
    return set(ran.stdout.split())


def test_looking_at_a_spec_loads_no_framework() -> None:
    assert loaded(CHECK, *HEAVY, "numpy", "archspec.tf") == set()


def test_a_loaded_framework_is_noticed() -> None:
    assert loaded(CHECK + "import numpy", *HEAVY, "numpy", "archspec.tf") == {"numpy"}
    with pytest.raises(AssertionError):
        loaded("import no_such_module")
