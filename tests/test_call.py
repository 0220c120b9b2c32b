"""Blocks of a user's own: what they may do, and what archspec says when they fail."""

import sys
from pathlib import Path

import pytest
from diagnostic_pages import blocks_of
from little import assert_finds, built, findings, spec

from archspec import blocks


def test_users_block() -> None:
    with blocks_of("user_blocks"):
        network = built(spec("Thicken: {depth: 4, name: t}", "Halve")).graph
        assert [(node.name, node.shape) for node in network.nodes] == [
            ("t_conv", (32, 32, 4)),
            ("halve_1_half", (32, 32, 2)),
        ]


def test_users_block_with_a_stride_of_another_kind_is_left_alone() -> None:
    with blocks_of("user_blocks"):
        text = spec("Thicken: {stride: [2, 2], repeat: 2}", head="output_stride: 1\n")
        assert_finds(text, ("idle-multiplier", "1"))
        assert built(text.replace("output_stride: 1\n", "")).cost.rows[0].output == (8, 8, 8)


@pytest.mark.parametrize(
    ("row", "message", "place"),
    [
        ("Halve: {parts: 3}", "block `Halve` failed: KeyError: 3", "see user_blocks.py, line 19"),
        (
            "Forgetful",
            "block `Forgetful` failed: TypeError: it gives NoneType, not a tensor",
            "see user_blocks.py, line 22",
        ),
    ],
)
def test_users_block_that_fails(row: str, message: str, place: str) -> None:
    with blocks_of("user_blocks"):
        (found,) = findings(spec("Conv: {depth: 9}", f"{row}", "Conv: {depth: 8}"))
    assert (found.code, found.message, found.help) == ("block-failed", message, place)


def test_users_block_may_refuse_by_shape() -> None:
    with blocks_of("user_blocks"):
        (found,) = findings(spec("Picky"))
    assert (found.code, found.message) == ("shape-mismatch", "this block takes no map at all")


def test_bug_in_a_block_of_ours_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        """Nothing of use."""
        raise ZeroDivisionError("ours")

    monkeypatch.setattr(broken, "__module__", "archspec.blocks.basic")
    monkeypatch.setitem(blocks.BLOCKS, "Flatten", blocks.Block("Flatten", broken, {}, {}, False))  # type: ignore[arg-type]
    with pytest.raises(ZeroDivisionError):
        built(spec("Flatten"))


def test_package_of_blocks_that_cannot_be_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is installed is loaded once a spec names a block that is not there."""
    (tmp_path / "broken_blocks.py").write_text("raise RuntimeError('half installed')\n")
    info = tmp_path / "broken_blocks-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-blocks\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[archspec.blocks]\nmine = broken_blocks\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    assert findings(spec("Conv: {depth: 8}")) == ()
    (found,) = assert_finds(spec("Mine: {depth: 8}"), ("block-failed", "Mine"))
    assert found.message == "cannot load blocks from `broken_blocks`: RuntimeError: half installed"
