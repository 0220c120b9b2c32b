import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from command import ROOT, Ran, start
from documents import Shown, fences, run, runnable, same

EXAMPLES = ROOT / "docs" / "examples"
PAGE = ROOT / "docs" / "own_blocks.md"
FINE = Ran(0, "1 spec, 1 network: all good\n", "")
USES = "archspec: 1\nmodel: mine\ninput: {size: [8, 8, 3], range: [0, 1]}\nlayers:\n- Mine: {depth: 4}\n"
MODULE = '''
from archspec import ops
from archspec.blocks import block
from archspec.graph import Net, Tensor
from archspec.kinds import Depth

@block
def Mine(net: Net, x: Tensor, *, depth: Depth) -> Tensor:
    """A block of my own."""
    %s
'''

Write = Callable[[str], Path]


@pytest.fixture
def mine(tmp_path: Path) -> Write:
    """Writes the module `mine` whose block has this body, with a spec that uses it, and gives their folder."""

    def write(body: str) -> Path:
        (tmp_path / "mine.py").write_text(MODULE % body)
        (tmp_path / "test.yaml").write_text(USES)
        return tmp_path

    return write


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A folder that holds own_blocks as an installed package would: the module and its entry point."""
    site = tmp_path / "site"
    metadata = site / "own_blocks-1.0.dist-info"
    metadata.mkdir(parents=True)
    shutil.copy(EXAMPLES / "own_blocks.py", site)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: own_blocks\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[archspec.blocks]\nghost = own_blocks\n")
    return site


@pytest.mark.parametrize("one", runnable([PAGE]), ids=lambda one: " ".join(one.words))
def test_page_prints_what_is_shown(one: Shown) -> None:
    ran = run(one).clean()
    assert same(one.output, ran.out.splitlines()), f"{one.place}: it prints\n{ran.out}{ran.err}"


def test_page_shows_the_example() -> None:
    (fence,) = fences(PAGE, "python")
    assert fence.text.splitlines()[-1] in (EXAMPLES / "own_blocks.py").read_text()
    (fence,) = fences(PAGE, "toml")
    assert fence.text == '[project.entry-points."archspec.blocks"]\nghost = "own_blocks"\n'


def test_module_in_the_working_directory() -> None:
    assert start("check", "ghost.yaml", "--blocks", "own_blocks", folder=EXAMPLES) == FINE


def test_module_on_the_path() -> None:
    assert start("check", EXAMPLES / "ghost.yaml", "--blocks", "own_blocks", paths=[EXAMPLES]) == FINE


def test_module_elsewhere_is_not_found() -> None:
    ran = start("check", EXAMPLES / "ghost.yaml", "--blocks", "own_blocks").clean()
    assert ran.code == 2
    assert "No module named 'own_blocks'" in ran.err


def test_entry_point(installed: Path) -> None:
    assert start("check", EXAMPLES / "ghost.yaml", paths=[installed]) == FINE
    out = start("blocks", "GhostModule", paths=[installed]).clean().out
    assert out.startswith("GhostModule\n\nA share of the channels by a convolution")
    assert "GhostModule" in json.dumps(json.loads(start("schema", paths=[installed]).out))


def test_without_the_entry_point_the_block_is_unknown(installed: Path) -> None:
    (installed / "own_blocks-1.0.dist-info" / "entry_points.txt").unlink()
    ran = start("check", EXAMPLES / "ghost.yaml", paths=[installed]).clean()
    assert ran.code == 1
    assert ran.out.startswith("error[unknown-block]: no block `GhostModule`")


def test_entry_point_that_cannot_be_imported(installed: Path) -> None:
    (installed / "own_blocks.py").write_text("1 / 0\n")
    message = "cannot load blocks from `own_blocks`: ZeroDivisionError: division by zero\n"
    assert start("blocks", paths=[installed]) == Ran(2, "", f"error: {message}")
    ran = start("check", "docs/examples/ghost.yaml", paths=[installed]).clean()
    assert (ran.code, ran.err) == (1, "")
    assert ran.out.startswith(f"error[block-failed]: {message} --> docs/examples/ghost.yaml:8:3\n")
    ran = start("check", "specs/mobilenet_v2_hed.yaml", paths=[installed])
    assert ran == FINE, "a spec that needs no block of a package loads none"


def test_counts_of_the_example() -> None:
    """By hand, for a ghost module of k×k on c channels with d of depth and ratio r, m = d / r of its own:
    k·k·c·m + 4·m parameters, then 3·3·m·(r - 1) + 4·m·(r - 1)."""
    (got,) = json.loads(start("params", "ghost.yaml", "--blocks", "own_blocks", "--json", folder=EXAMPLES).out)
    rows = {row["name"]: (row["params"], row["macs"], row["output"]) for row in got["rows"]}
    assert rows["ghost_module_1"] == (16 * 16 + 64 + 9 * 16 + 64, 16 * 16 * (16 * 16 + 9 * 16), [16, 16, 32])
    assert rows["ghost_module_2"] == (9 * 32 * 16 + 64 + 9 * 16 + 64, 8 * 8 * (9 * 32 * 16 + 9 * 16), [8, 8, 32])
    assert rows["last"] == (32 * 16 + 64 + 9 * 48 + 4 * 48, 8 * 8 * (32 * 16 + 9 * 48), [8, 8, 64])


@pytest.mark.parametrize(
    ("body", "error", "message"),
    [
        ("raise ops.ShapeError(f'no {depth} here')", "shape-mismatch", "no 4 here"),
        ("return net.add(ops.Conv(depth, (99, 99), padding='valid'), x)", "shape-mismatch", "a window of 99×99"),
        ("return x.nothing", "block-failed", "block `Mine` failed: AttributeError"),
        ("raise ValueError('a\\nb')", "block-failed", "block `Mine` failed: ValueError: a b"),
        ("pass", "block-failed", "block `Mine` failed: TypeError: it gives NoneType, not a tensor"),
        ("return Mine(net, x, depth=depth)", "block-failed", "block `Mine` failed: RecursionError"),
    ],
)
def test_what_fails_inside_a_block_is_a_finding(mine: Write, body: str, error: str, message: str) -> None:
    folder = mine(body)
    ran = start("check", "test.yaml", "--blocks", "mine", folder=folder).clean()
    assert (ran.code, ran.err) == (1, "")
    assert ran.out.startswith(f"error[{error}]: {message}")
    assert "--> test.yaml:5:3" in ran.out


def test_a_failure_names_the_line_of_the_module(mine: Write) -> None:
    folder = mine("return x.nothing")
    line = (folder / "mine.py").read_text().splitlines().index("    return x.nothing") + 1
    out = start("check", "test.yaml", "--blocks", "mine", folder=folder).out
    assert f"see mine.py, line {line}" in out


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("def Mine", "def mine", "block `mine`: the name must be CamelCase"),
        ('"""A block of my own."""', "", "block `Mine`: a docstring is missing"),
        ("*, depth", "depth", "block `Mine`: option `depth` must be keyword-only"),
        ("depth: Depth", "depth: int", "block `Mine`: option `depth`: not a type of the language"),
        ("def Mine", "def Conv", "block `Conv` is there already, from module archspec.blocks.basic"),
    ],
)
def test_a_broken_rule_is_named(mine: Write, old: str, new: str, message: str) -> None:
    folder = mine("return x")
    module = folder / "mine.py"
    module.write_text(module.read_text().replace(old, new))
    ran = start("check", "test.yaml", "--blocks", "mine", folder=folder).clean()
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith(f"error: {message}")
    assert ran.err.count("\n") == 1
