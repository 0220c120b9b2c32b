"""docs/zoo.md is what `make zoo` writes."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("zoo_page", ROOT / "docs" / "zoo.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def assert_fresh(page: str) -> None:
    assert page == generator().page(), "docs/zoo.md is stale: run `make zoo`"


def test_the_page_is_fresh() -> None:
    assert_fresh((ROOT / "docs" / "zoo.md").read_text(encoding="utf-8"))


def test_a_changed_figure_is_noticed() -> None:
    stale = (ROOT / "docs" / "zoo.md").read_text(encoding="utf-8").replace("4,253,864", "4,253,865")
    with pytest.raises(AssertionError, match="make zoo"):
        assert_fresh(stale)


def test_every_spec_opens_with_its_source() -> None:
    for path in sorted((ROOT / "specs").glob("*.yaml")):
        opening = path.read_text(encoding="utf-8").split("archspec: 1")[0]
        assert "arXiv" in opening or "http" in opening, path
