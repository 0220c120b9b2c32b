"""`import archspec` gives what it lists, and loads nothing before it is asked."""

import subprocess
import sys
from importlib import import_module

import pytest
from networks import SPECS

import archspec


@pytest.mark.parametrize("name", [n for n in archspec.__all__ if n != "lower"])
def test_every_name_is_there(name: str) -> None:
    homes = [home for home, names in archspec._HOMES.items() if name in names]
    assert len(homes) == 1
    assert getattr(archspec, name) is getattr(import_module(homes[0]), name)


def test_the_list_is_whole() -> None:
    assert (
        sorted(name for names in archspec._HOMES.values() for name in names)
        == archspec.__all__
        == sorted(archspec.__all__)
    )


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nothing"):
        _ = archspec.nothing


def test_a_program_counts_a_network() -> None:
    counted = archspec.network(archspec.open_spec(SPECS / "mobilenet_v2_hed.yaml")).cost
    assert (counted.params, counted.macs) == (293_973, 139_644_928)


def test_the_door_is_light() -> None:
    code = "import archspec, sys; sys.exit(any(m.startswith('archspec.') or m == 'yaml' for m in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0
