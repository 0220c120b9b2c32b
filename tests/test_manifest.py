"""Digests and versions of the manifest; what it says of real builds is tested with them."""

import hashlib
import json
from importlib import metadata
from pathlib import Path

import pytest

from archspec import manifest
from archspec.manifest import weights_at


def sha256(*parts: bytes) -> str:
    return hashlib.sha256(b"".join(parts)).hexdigest()


def test_a_file_of_weights_by_its_bytes(tmp_path: Path) -> None:
    data = bytes(range(256)) * 10_000  # more than is read at a time
    (tmp_path / "w.h5").write_bytes(data)
    found = weights_at(tmp_path / "w.h5")
    assert (found.path, found.sha256) == (str(tmp_path / "w.h5"), sha256(data))


@pytest.mark.parametrize("name", ["", ".index", ".data-00001-of-00002"])
def test_a_checkpoint_by_all_its_files_however_it_is_named(tmp_path: Path, name: str) -> None:
    prefix = "model[1].ckpt-7"  # brackets mean something to glob
    for suffix in ("index", "data-00000-of-00002", "data-00001-of-00002", "meta"):
        (tmp_path / f"{prefix}.{suffix}").write_text(suffix)
    (tmp_path / "model1.ckpt-7.data-00000-of-00002").write_text("another's")
    wanted = sha256(b"data-00000-of-00002", b"data-00001-of-00002", b"index")
    assert weights_at(tmp_path / f"{prefix}{name}").sha256 == wanted


@pytest.mark.parametrize("name", ["absent", "absent.h5", "."])
def test_weights_that_are_not_there(tmp_path: Path, name: str) -> None:
    with pytest.raises(OSError, match=r"No such file|Is a directory"):
        weights_at(tmp_path / name)


def test_versions_of_what_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(name: str) -> str:
        if name in ("tensorflow", manifest.DISTRIBUTION):
            raise metadata.PackageNotFoundError(name)
        return f"{len(name)}.0"

    monkeypatch.setattr(metadata, "version", version)
    found = manifest.versions()
    assert found.pop(manifest.DISTRIBUTION) == "not installed"
    assert found == {
        name: f"{len(name)}.0" for name in ("tensorflow-cpu", "keras", "ai-edge-litert", "numpy", "pillow")
    }


def test_text_is_json_that_others_can_read() -> None:
    assert json.loads(manifest.text({"model": "größe", "max": 1e-9})) == {"model": "größe", "max": 1e-9}
    with pytest.raises(ValueError, match="JSON compliant"):
        manifest.text({"max": float("nan")})
