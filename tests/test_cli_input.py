"""What the command line is given besides good specs: no specs, odd names, broken modules, wrong arguments."""

import json
import os
import re
import sys
from pathlib import Path

import pytest
from command import BAD, GOOD, Ran, call, start, write

# sample, predict, build, import: as far as they go without TensorFlow


def test_sample(tmp_path: Path) -> None:
    photo = tmp_path / "new folder" / "photo.jpg"
    assert call("sample", photo).clean() == Ran(0, f"{photo}\n", "")
    first = photo.read_bytes()
    assert first.startswith(b"\xff\xd8")
    assert call("sample", photo, "--seed", "1").code == 0
    assert photo.read_bytes() != first
    assert call("sample", photo, "--seed", "-1").clean().code == 2


@pytest.mark.parametrize(("path", "named"), [(".", "."), ("file/photo.jpg", "file")])
def test_sample_refuses(tmp_path: Path, path: str, named: str) -> None:
    (tmp_path / "file").write_text("")
    ran = call("sample", path, folder=tmp_path).clean()
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith(f"error: {named}: ")


@pytest.mark.parametrize("content", [None, b"", b"TFL3", bytes(range(256)) * 8])
def test_predict_refuses_what_is_no_artifact(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "model.tflite").write_bytes(content)
    ran = call("predict", "model.tflite", "photo.jpg", folder=tmp_path).clean()
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("error: ")
    assert ran.err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["build", "bad.yaml"], 1, "error[unknown-option]"),
        (["build", "absent.yaml"], 1, "error[unreadable-file]"),
        (["build", "good.yaml", "--variant", "a"], 1, "error[unknown-variant]"),
        (["build", "good.yaml", "--weights", "absent"], 2, "error: absent: no such file or directory"),
        (["build", "good.yaml", "--calibrate", "absent"], 2, "error: absent: No such file or directory"),
        (["import", "absent", "good.yaml"], 2, "Usage: archspec import"),
        (["import", "absent", "good.yaml", "-o", "t.npz"], 2, "error: t.npz: the name must end in .weights.h5"),
        (["import", "absent", "good.yaml", "-o", "none/t.weights.h5"], 2, "error: none: no such folder"),
        (["import", "absent", "bad.yaml", "-o", "t.weights.h5"], 1, "error[unknown-option]"),
    ],
)
def test_build_and_import_refuse_at_once(tmp_path: Path, arguments: list[str], code: int, message: str) -> None:
    write(tmp_path, GOOD, "good.yaml")
    write(tmp_path, BAD, "bad.yaml")
    ran = call(*arguments, folder=tmp_path).clean()
    assert (ran.code, ran.out) == (code, "")
    assert ran.err.startswith(message)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bad.yaml", "good.yaml"]


# whatever is given


@pytest.mark.parametrize("name", ["check", "params", "show"])
@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("absent.yaml", "unreadable-file"),
        ("folder", "unreadable-file"),
        ("empty.yaml", "empty-spec"),
        ("binary.yaml", "not-utf8"),
        ("control.yaml", "invalid-yaml"),
        ("photo.yaml", "not-utf8"),
    ],
)
def test_what_is_no_spec(tmp_path: Path, name: str, path: str, error: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "empty.yaml").write_bytes(b"")
    (tmp_path / "binary.yaml").write_bytes(bytes(range(256)))
    (tmp_path / "control.yaml").write_bytes(b"\0\1\2")
    (tmp_path / "photo.yaml").write_bytes(b"\xff\xd8\xff\xe0" * 9)
    ran = call(name, path, folder=tmp_path).clean()
    found, silent = (ran.out, ran.err) if name == "check" else (ran.err, ran.out)
    assert (ran.code, silent) == (1, "")
    assert found.startswith(f"error[{error}]: ")
    assert f"--> {path}:" in found


@pytest.mark.parametrize("name", ["my own spec.yaml", "näme.yaml", "--help.yaml"])
def test_odd_names(tmp_path: Path, name: str) -> None:
    write(tmp_path, GOOD, name)
    assert call("check", "--", name, folder=tmp_path) == Ran(0, "1 spec, 1 network: all good\n", "")
    (got,) = json.loads(call("params", "--json", "--", name, folder=tmp_path).out)
    assert got["spec"] == name


def test_a_name_that_is_no_text(tmp_path: Path) -> None:
    path = os.fsdecode(os.fsencode(tmp_path) + b"/\xff.yaml")
    Path(path).write_text(BAD)
    ran = start("check", path, "--format", "concise").clean()
    assert ran.code == 1
    assert re.fullmatch(r".*/[?\ufffd]\.yaml:5:10: error\[unknown-option\]: no option `depht` .*\n", ran.out)


@pytest.mark.parametrize(
    ("module", "text", "message"),
    [
        ("absent", None, "cannot load blocks from `absent`: ModuleNotFoundError: No module named 'absent'"),
        ("mine.py", "", "--blocks mine.py: name the module, as in `--blocks mine`"),
        ("mine", "1 / 0", "cannot load blocks from `mine`: ZeroDivisionError: division by zero"),
        ("mine", "def f(:", "cannot load blocks from `mine`: SyntaxError: "),
        ("mine", "raise SystemExit(0)", "cannot load blocks from `mine`: it ends the program"),
        ("mine", "import archspec.blocks as b\n@b.block\ndef small(net, x): 'A.'\n", "block `small`: the name must be"),
    ],
)
@pytest.mark.parametrize("name", ["check", "schema"])
def test_blocks_that_cannot_be_loaded(tmp_path: Path, name: str, module: str, text: str | None, message: str) -> None:
    write(tmp_path, GOOD)
    if text is not None:
        (tmp_path / "mine.py").write_text(text)
    arguments = ["test.yaml"] if name == "check" else []
    try:
        ran = call(name, *arguments, "--blocks", module, folder=tmp_path).clean()
    finally:
        sys.path[:] = [path for path in sys.path if path != str(tmp_path)]
        sys.modules.pop("mine", None)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith(f"error: {message}")
    assert ran.err.count("\n") == 1


def test_what_a_module_of_blocks_prints_stays_out_of_the_output(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    (tmp_path / "talks.py").write_text("print('hello')")
    ran = start("params", "test.yaml", "--json", "--blocks", "talks", folder=tmp_path)
    assert (ran.code, ran.err) == (0, "hello\n")
    assert len(json.loads(ran.out)) == 1


@pytest.mark.parametrize("arguments", [[], ["checks"], ["check"], ["show", "a", "b"], ["--version-of-all"]])
def test_usage(arguments: list[str]) -> None:
    ran = call(*arguments).clean()
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("Usage: archspec")


def test_clean_notices_a_traceback_and_a_strange_code() -> None:
    for ran in (Ran(1, "", "Traceback (most recent call last):"), Ran(-9, "", ""), Ran(0, "", "error: no")):
        with pytest.raises(AssertionError):
            ran.clean()
