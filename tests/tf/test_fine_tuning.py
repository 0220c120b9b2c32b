"""Training from the weights of another network: rows that fit begin with them, `fresh` ones anew."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from command import call
from numpy.typing import NDArray
from trainings import PLAIN, spec

WIDE = PLAIN.replace("c1}\n- Conv: {depth: 4,", "c1}\n- Conv: {depth: 6,")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a run of the network."""
    return trained(tmp_path_factory.mktemp("first"), PLAIN)


def trained(folder: Path, net: str, *options: str | Path, **recipe: object) -> Path:
    path = spec(folder, net, steps=1, batch=3, **recipe)
    ran = call("train", path, "--runs", folder / "runs", *options, folder=folder)
    assert ran.code == 0, ran.err
    return folder / "runs" / "little" / "last.weights.h5"


def kernels(path: Path) -> dict[str, NDArray[np.float32]]:
    """By layer."""
    with h5py.File(path) as file:
        return {name: group["vars/0"][()] for name, group in file["layers"].items() if "0" in group["vars"]}


def refused(folder: Path, net: str, *options: str | Path, **recipe: object) -> str:
    ran = call("train", spec(folder, net, steps=1, batch=3, **recipe), *options, folder=folder)
    assert ran.code != 0
    return ran.err


def test_rows_that_differ_begin_anew_and_the_others_with_the_file(weights: Path, tmp_path: Path) -> None:
    before = kernels(weights)
    after = kernels(trained(tmp_path, WIDE, "--weights", weights, fresh="[c2, fuse]", freeze="[c1]"))
    assert sorted(map(np.shape, after.values())) == sorted([(3, 3, 3, 4), (3, 3, 4, 6), (1, 1, 6, 1)])
    first = [value for value in after.values() if value.shape == (3, 3, 3, 4)]
    wanted = [value for value in before.values() if value.shape == (3, 3, 3, 4)]
    np.testing.assert_array_equal(first, wanted)


def test_a_fresh_row_leaves_what_the_file_has_for_it(weights: Path, tmp_path: Path) -> None:
    before = kernels(weights)
    recipe = {"schedule": "{warmup: 1000000000}", "seed": 5}
    kept = kernels(trained(tmp_path, PLAIN, "--weights", weights, **recipe))
    (tmp_path / "other").mkdir()
    after = kernels(trained(tmp_path / "other", PLAIN, "--weights", weights, fresh="[c2]", **recipe))
    for name, value in before.items():
        np.testing.assert_allclose(kept[name], value, rtol=1e-6)
        assert np.allclose(after[name], value, rtol=1e-6) == (value.shape != (3, 3, 4, 4))


def test_layers_that_the_network_has_not_are_left_in_the_file(weights: Path, tmp_path: Path) -> None:
    before = kernels(weights)
    short = "\n".join(line for line in PLAIN.splitlines() if "c2" not in line) + "\n"
    after = kernels(trained(tmp_path, short, "--weights", weights, fresh="[fuse]", freeze="[c1]"))
    first = [value for value in after.values() if value.shape == (3, 3, 3, 4)]
    wanted = [value for value in before.values() if value.shape == (3, 3, 3, 4)]
    assert len(after) == 2
    np.testing.assert_array_equal(first, wanted)


def test_rows_that_do_not_fit_and_are_not_fresh_are_named(weights: Path, tmp_path: Path) -> None:
    said = refused(tmp_path, WIDE, "--weights", weights, fresh="[c2]")
    assert "fuse" in said, said
    assert "c2" not in said.split("note:")[0], said
    assert "which `archspec import` gives them" in said
    said = refused(tmp_path, WIDE, "--weights", weights)
    assert "rows under `train.fresh`" in said


def test_fresh_rows_without_a_file_are_refused_before_anything_is_made(tmp_path: Path) -> None:
    said = refused(tmp_path, PLAIN, fresh="[c2]")
    assert "add --weights FILE" in said
    assert not (tmp_path / "runs").exists()
