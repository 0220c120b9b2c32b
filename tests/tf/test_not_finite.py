"""Runs whose numbers leave the range of floats: they stop, and say where."""

import re
from pathlib import Path

import numpy as np
import pytest
from trainings import PLAIN, spec, training


def ends(*arguments: str | Path, folder: Path) -> str:
    """How a run ends that cannot go on."""
    with training(*arguments, folder=folder) as process:
        out, err = process.communicate(timeout=120)
    assert (process.returncode, out) == (1, ""), err
    return err.splitlines()[-1]


@pytest.fixture(scope="module")
def poked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of the network, those of row c2 so large that its sums are infinite."""
    folder = tmp_path_factory.mktemp("poked")
    from safetensors.numpy import save_file

    dice = np.random.default_rng(0)
    shapes = {"c1_conv": (3, 3, 3, 4), "c2_conv": (3, 3, 4, 4), "fuse_conv": (1, 1, 4, 1)}
    arrays = {f"{name}.kernel": dice.normal(0, 0.1, shape).astype(np.float32) for name, shape in shapes.items()}
    arrays |= {f"{name}.bias": np.zeros(shape[-1], np.float32) for name, shape in shapes.items()}
    arrays["c2_conv.kernel"][:] = 3e38
    save_file(arrays, folder / "poked.safetensors")
    return folder / "poked.safetensors"


@pytest.mark.parametrize("workers", ["1", "2"])
def test_the_row_of_a_weight_is_named(workers: str, tmp_path: Path, poked: Path) -> None:
    path = spec(tmp_path, PLAIN.replace("activation: tanh", "activation: relu"), batch=4, steps=8)
    said = ends(path, "--weights", poked, "--workers", workers, folder=tmp_path)
    form = (
        r"error: (the loss|a gradient) is not finite at step 1; "
        r"the first values that are not finite come from row `c2`; the batch: (document \d+, ){3}document \d+"
    )
    assert re.fullmatch(form, said), said
    assert len(set(re.findall(r"document \d+", said))) == 4, "all examples of the batch, whoever had them"
    assert not (tmp_path / "runs" / "little" / "state.safetensors").exists(), "what is broken is not kept"


def test_a_learning_rate_that_is_too_large(tmp_path: Path) -> None:
    """With a penalty of 10 / 2 times the squares, a rate of 1 multiplies weights by -9 at every step."""
    net = PLAIN.replace("activation: tanh", "activation: none").replace("learning_rate: 0.5", "learning_rate: 1")
    said = ends(spec(tmp_path, net, batch=4, steps=60, save_every=1, l2=10), folder=tmp_path)
    found = re.search(r"not finite at step (\d+); the first values that are not finite come from row `(c2|fuse)`", said)
    assert found, said
    assert 1 < int(found[1]) < 30  # 9 ** 20 squared is 1.5e38, and the network's own gradients grow faster
    rows = (tmp_path / "runs" / "little" / "steps.csv").read_text().splitlines()
    assert rows[-1].split(",")[0] == str(int(found[1]) - 1), "the log ends where the numbers do"
    assert all(np.isfinite(float(row.split(",")[1])) for row in rows[1:])
