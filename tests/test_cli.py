import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from command import ROOT, Ran, call, command, environment, start

from archspec.cli import app

HED = Path("specs/mobilenet_v2_hed.yaml")
V1 = Path("specs/mobilenet_v1.yaml")
HEAD = "archspec: 1\nmodel: test\ninput: {size: [16, 16, 3], range: [0, 1]}\nlayers:\n"
GOOD = HEAD + "- Conv: {depth: 4, name: c1}\n"
BAD = HEAD + "- Conv: {depht: 4, depth: 4}\n"


@pytest.fixture
def spec(tmp_path: Path) -> Callable[[str], Path]:
    """Writes a spec into a folder of its own and gives its path."""

    def write(text: str, name: str = "test.yaml") -> Path:
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


Write = Callable[..., Path]


def counts(*arguments: str | Path) -> list[dict[str, Any]]:
    """What `params ARGUMENTS --json` gives, which must end well."""
    ran = call("params", *arguments, "--json").clean()
    assert (ran.code, ran.err) == (0, ""), ran
    rows: list[dict[str, Any]] = json.loads(ran.out)
    return rows


# check


def test_check_good(spec: Write) -> None:
    assert call("check", spec(GOOD)) == Ran(0, "1 spec, 1 network: all good\n", "")
    two = spec(GOOD + "variants: {a: {input: {size: 8}}, b: {input: {size: 9}}}\n", "two.yaml")
    assert call("check", HED, two) == Ran(0, "2 specs, 4 networks: all good\n", "")


def test_check_prints_findings_of_every_file_to_stdout(spec: Write) -> None:
    one, two = spec(BAD, "one.yaml"), spec(BAD, "two.yaml")
    ran = call("check", one, spec(GOOD), two).clean()
    assert (ran.code, ran.err) == (1, "")
    assert ran.out.startswith(f"error[unknown-option]: no option `depht` in block `Conv`\n --> {one}:5:10\n")
    assert ran.out.count("error[") == 2
    assert f"--> {two}:5:10" in ran.out


def test_check_shows_a_finding_of_several_variants_once(spec: Write) -> None:
    text = GOOD + "- Dense: {units: 2}\nvariants: {a: {let: {}}, b: {input: {size: 8}}}\n"
    assert call("check", spec(text)).out.count("error[") == 1


@pytest.mark.parametrize(
    ("style", "good", "bad"),
    [
        ("text", "1 spec, 1 network: all good\n", "error[unknown-option]: no option"),
        ("concise", "", "test.yaml:5:10: error[unknown-option]: no option `depht` in block `Conv`\n"),
        ("json", "[]\n", '[\n  {\n    "code": "unknown-option"'),
        ("github", "", "::error file=test.yaml,line=5,endLine=5,col=10,endColumn=15,title=unknown-option::no option"),
    ],
)
def test_check_formats(spec: Write, style: str, good: str, bad: str) -> None:
    folder = spec(GOOD).parent
    assert call("check", "test.yaml", "--format", style, folder=folder) == Ran(0, good, "")
    spec(BAD)
    ran = call("check", "test.yaml", "--format", style, folder=folder)
    assert (ran.code, ran.err) == (1, "")
    assert ran.out.startswith(bad)


def test_check_json_and_sarif_are_json(spec: Write) -> None:
    (finding,) = json.loads(call("check", spec(BAD), "--format", "json").out)
    assert list(finding) == "code message file line column end_line end_column label help others".split()
    assert (finding["line"], finding["column"], finding["end_column"]) == (5, 10, 15)
    log = json.loads(call("check", spec(BAD), "--format", "sarif").out)
    assert log["version"] == "2.1.0"
    assert [r["ruleId"] for r in log["runs"][0]["results"]] == ["unknown-option"]
    assert json.loads(call("check", spec(GOOD), "--format", "sarif").out)["runs"][0]["results"] == []


# params


def test_params_json() -> None:
    (got,) = counts(HED)
    rows = got.pop("rows")
    assert got == {
        "spec": str(HED),
        "model": "mobilenet_v2_hed",
        "variant": None,
        "input": [256, 256, 3],
        "params": 293_973,  # the released checkpoint
        "trainable": 282_633,
        "macs": 139_644_928,
        "activation_bytes": {"int8": 1_228_800, "float32": 4_915_200},
    }
    # three 3×3 kernels of 3×3, four numbers a channel of batch norm; two such windows see 5×5
    assert rows[0] == {
        "name": "conv_1", "block": "Conv", "repeat": 1, "output": [256, 256, 3], "params": 3 * 3 * 3 * 3 + 4 * 3,
        "macs": 256 * 256 * 3 * 3 * 3 * 3, "receptive_field": 3, "stride": 1,
    }  # fmt: skip
    assert [row["name"] for row in rows][-3:] == ["side5", "concat_1", "fuse"]
    assert sum(row["params"] for row in rows) == got["params"]
    assert sum(row["macs"] for row in rows) == got["macs"]


def test_params_table_has_a_line_a_variant_and_a_total() -> None:
    lines = call("params", "specs/vgg_hed.yaml").out.splitlines()
    assert lines[0].split() == "model variant input params trainable MACs peak int8 bytes".split()
    assert [line.split()[:2] for line in lines[2:4]] == [["vgg_hed", "256×256×3"], ["vgg_hed", "nobn"]]
    sizes = [int(line.split()[-4].replace(",", "")) for line in lines[2:4]]
    assert lines[5].split()[:3] == ["2", "networks", f"{sum(sizes):,}"]


def test_params_by_row() -> None:
    lines = call("params", HED, "--by", "row").out.splitlines()
    assert len(lines) == 2 + 15 + 2
    assert lines[3].split() == ["mobilenet_v2_hed", "c1", "Conv", "1", "256×256×6", "186", "10,616,832", "5", "1"]
    assert lines[-1].split()[-2:] == ["293,973", "139,644,928"]


def test_params_variant() -> None:
    (got,) = counts(V1, "--variant", "w0.5")
    assert (got["variant"], got["params"]) == ("w0.5", 1_342_536)


def test_params_sweep_multiplies_out() -> None:
    got = counts(V1, "--sweep", "scale.width=0.5,1", "--sweep", "input.size=128,[160, 192, 3]")
    assert [r["sweep"] for r in got] == [
        {"scale.width": 0.5, "input.size": 128},
        {"scale.width": 0.5, "input.size": [160, 192, 3]},
        {"scale.width": 1, "input.size": 128},
        {"scale.width": 1, "input.size": [160, 192, 3]},
    ]
    # the variants w0.5-r128 and r128 of the spec, whose counts are the paper's
    assert [r["macs"] for r in got][::2] == [49_160_192, 186_400_768]
    assert [r["input"] for r in got][:2] == [[128, 128, 3], [160, 192, 3]]


def test_params_sweep_of_nested_lists() -> None:
    got = counts(V1, "--sweep", "defaults.Conv.padding=same,[[0, 1], [0, 1]]")
    assert [r["sweep"]["defaults.Conv.padding"] for r in got] == ["same", [[0, 1], [0, 1]]]


def test_params_set() -> None:
    (got,) = counts(HED, "--set", "input.size=128")
    assert (got["input"], got["macs"] * 4) == ([128, 128, 3], 139_644_928)


def test_params_outputs() -> None:
    (got,) = counts(HED, "--outputs", "c3,c4")
    assert got["rows"][-1]["name"] == "c4"
    assert got["params"] == sum(row["params"] for row in counts(HED)[0]["rows"][:6])


def test_params_prints_what_is_good_and_reports_what_is_not(spec: Write) -> None:
    ran = call("params", spec(BAD), HED, "--json").clean()
    assert ran.code == 1
    assert [r["model"] for r in json.loads(ran.out)] == ["mobilenet_v2_hed"]
    assert ran.err.startswith("error[unknown-option]")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--variant", "w0.6"], 1, "error[unknown-variant]: no variant `w0.6`"),
        (["--set", "input.size"], 2, "error[malformed-override]: `input.size` is not KEY=VALUE"),
        (["--set", "input.size=wide"], 1, "error[wrong-type]"),
        (["--set", "input.size=[1"], 2, "error[invalid-yaml]"),
        (["--set", "input.sice=3"], 1, "error[unknown-key]"),
        (["--sweep", "input.size"], 2, "error: --sweep input.size: not KEY=V1,V2"),
        (["--sweep", "input.size="], 2, "error: --sweep input.size=: not KEY=V1,V2"),
        (["--sweep", "input.size=128,"], 1, "error[wrong-type]"),
        (["--sweep", "input.size=128,[1"], 2, "error[invalid-yaml]"),
        (["--outputs", "c2,"], 2, "error: --outputs c2,: not ROW,..."),
        (["--outputs", "c9"], 1, "error[unknown-row]"),
        (["--by", "column"], 2, "Usage: archspec params"),
        (["--bye"], 2, "Usage: archspec params"),
    ],
)
def test_params_refuses(arguments: list[str], code: int, message: str) -> None:
    ran = call("params", V1, *arguments).clean()
    assert ran.code == code
    assert ran.err.startswith(message)


# show, blocks, schema


def test_show() -> None:
    lines = call("show", HED).clean().out.splitlines()
    assert lines[0] == "mobilenet_v2_hed: input 256×256×3, values 0 to 1"
    assert lines[1].split()[:4] == ["row", "block", "repeat", "output"]
    assert lines[-3] == "282,633 parameters are trainable"
    assert lines[-1].startswith("outputs: fuse 256×256×1, side1 256×256×1")
    assert call("show", V1, "--variant", "w0.5").out.startswith("mobilenet_v1, variant w0.5: input 224×224×3")


def test_show_json_is_the_record_of_params() -> None:
    assert json.loads(call("show", HED, "--json").out) == counts(HED)[0]
    changed = json.loads(call("show", HED, "--json", "--set", "input.size=64").out)
    assert changed["macs"] * 16 == 139_644_928


def test_blocks_lists_every_block() -> None:
    listed = [line.split()[0] for line in call("blocks").clean().out.splitlines()[2:]]
    assert listed == [block["name"] for block in json.loads(call("blocks", "--json").out)]
    assert {"Conv", "InvertedResidual", "SideOutput", "Concat"} <= set(listed)


def test_blocks_explains_one() -> None:
    out = call("blocks", "InvertedResidual").clean().out
    assert out.startswith("InvertedResidual\n\nExpand by 1×1, filter by depthwise")
    assert "Sandler et al. 2018" in out
    lines = {line.split()[0]: line.split()[1:] for line in out.splitlines() if line}
    assert lines["depth"][:4] == ["required", "a", "number", "of"]
    assert lines["shortcut"] == "identity one of `identity`, `project`, `none`".split()
    assert lines["activation"][:4] == ["none,", "relu,", "relu6,", "leaky_relu,"]


def test_blocks_json() -> None:
    (block,) = json.loads(call("blocks", "InvertedResidual", "--json").out)
    assert list(block) == ["name", "doc", "reads_several_rows", "options"]
    options = {option["name"]: option for option in block["options"]}
    assert options["depth"]["default"] == "required"
    assert options["kernel"]["default"] == [3, 3]
    assert options["shortcut"]["words"] == ["identity", "project", "none"]
    assert options["bias"] == {"name": "bias", "default": None, "expects": "true or false", "words": []}


def test_blocks_suggests() -> None:
    assert call("blocks", "invertedresidual") == Ran(
        1, "", "error: no block `invertedresidual`; did you mean `InvertedResidual`?\n"
    )


def test_schema() -> None:
    schema = json.loads(call("schema").clean().out)
    assert {"archspec", "model", "input", "layers"} == set(schema["required"])


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
def test_build_and_import_refuse_at_once(spec: Write, arguments: list[str], code: int, message: str) -> None:
    folder = spec(GOOD, "good.yaml").parent
    spec(BAD, "bad.yaml")
    ran = call(*arguments, folder=folder).clean()
    assert (ran.code, ran.out) == (code, "")
    assert ran.err.startswith(message)
    assert sorted(p.name for p in folder.iterdir()) == ["bad.yaml", "good.yaml"]


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
def test_odd_names(spec: Write, name: str) -> None:
    folder = spec(GOOD, name).parent
    assert call("check", "--", name, folder=folder) == Ran(0, "1 spec, 1 network: all good\n", "")
    (got,) = json.loads(call("params", "--json", "--", name, folder=folder).out)
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
def test_blocks_that_cannot_be_loaded(spec: Write, name: str, module: str, text: str | None, message: str) -> None:
    folder = spec(GOOD).parent
    if text is not None:
        (folder / "mine.py").write_text(text)
    arguments = ["test.yaml"] if name == "check" else []
    try:
        ran = call(name, *arguments, "--blocks", module, folder=folder).clean()
    finally:
        sys.path[:] = [path for path in sys.path if path != str(folder)]
        sys.modules.pop("mine", None)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith(f"error: {message}")
    assert ran.err.count("\n") == 1


def test_what_a_module_of_blocks_prints_stays_out_of_the_output(spec: Write) -> None:
    folder = spec(GOOD).parent
    (folder / "talks.py").write_text("print('hello')")
    ran = start("params", "test.yaml", "--json", "--blocks", "talks", folder=folder)
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


# streams and signals


def long_spec(rows: int) -> str:
    return HEAD + "- Conv: {depth: 4}\n" * rows


@pytest.mark.parametrize(
    ("arguments", "code"), [(["params", *map(str, [V1, HED])], 0), (["schema"], 0), (["check", "absent.yaml"], 1)]
)
def test_a_reader_that_has_gone(arguments: list[str], code: int) -> None:
    end, pipe = os.pipe()
    os.close(end)
    run = subprocess.run(
        command(*arguments), cwd=ROOT, env=environment(), stdout=pipe, stderr=subprocess.PIPE, text=True, timeout=60
    )
    os.close(pipe)
    assert (run.returncode, run.stderr) == (code, "")


def test_head() -> None:
    line = f"{shlex.join(command('schema'))} | head -1"
    shell = ["bash", "-o", "pipefail", "-c", line]
    run = subprocess.run(shell, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=60)
    assert (run.returncode, run.stdout, run.stderr) == (0, "{\n", "")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here, which is a disk without space")
def test_a_full_disk() -> None:
    with open("/dev/full", "w") as full:
        run = subprocess.run(
            command("blocks"), cwd=ROOT, env=environment(), stdout=full, stderr=subprocess.PIPE, text=True, timeout=60
        )
    assert (run.returncode, run.stderr) == (1, "error: cannot write the output: No space left on device\n")


def test_a_terminal_without_these_letters() -> None:
    env = {**environment(), "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"}
    run = subprocess.run(command("show", HED), cwd=ROOT, env=env, capture_output=True, text=True, timeout=60)
    assert run.returncode == 0
    assert run.stdout.startswith("mobilenet_v2_hed: input 256?256?3")
    assert run.stderr == ""


@pytest.mark.parametrize("working", [False, True], ids=["waiting", "counting"])
def test_interrupt(tmp_path: Path, working: bool) -> None:
    pipe = tmp_path / "spec.yaml"
    os.mkfifo(pipe)
    process = subprocess.Popen(
        command("params", pipe, *[V1] * 300), cwd=ROOT, env=environment(), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    try:
        with pipe.open("w") as stream:  # opens as soon as the command reads its spec
            if working:
                stream.write(long_spec(5000))
            else:
                process.send_signal(signal.SIGINT)
        if working:
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(0.3)
            process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert (process.returncode, out, err) == (130, "", "interrupted\n")


def test_every_command_is_where_it_is_looked_for() -> None:
    for module, names in app.MODULES.items():
        app.load(names[0])
        found = import_module(f"archspec.cli.{module}")
        made = [c for c in app.app.registered_commands if c.callback and c.callback.__module__ == found.__name__]
        assert tuple(c.name or c.callback.__name__ for c in made if c.callback) == names


# no TensorFlow

HEAVY = ("tensorflow", "keras", "h5py", "safetensors", "PIL", "ai_edge_litert", "numpy")
LOADED = """
import contextlib, io, sys
from archspec.cli import main
sys.argv = sys.argv[1:]
with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
    main()
print(*sys.modules, file=sys.stderr)
"""


def heavy_modules(*arguments: str | Path, folder: Path = ROOT) -> list[str]:
    """The large packages that a command loads."""
    run = subprocess.run(
        [sys.executable, "-c", LOADED, "archspec", *map(str, arguments)],
        cwd=folder, env=environment(), capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert "archspec.cli" in run.stderr.split(), run.stderr
    return [name for name in HEAVY if name in run.stderr.split()]


@pytest.mark.parametrize(
    "arguments",
    [["check", HED, "absent"], ["params", HED], ["show", HED], ["diff", HED, V1], ["blocks", "Conv"], ["schema"]],
    ids=str,
)
def test_looking_loads_nothing_heavy(arguments: list[str | Path]) -> None:
    assert heavy_modules(*arguments) == []


def test_heavy_modules_notices_one(tmp_path: Path) -> None:
    (tmp_path / "keras.py").write_text("")
    (tmp_path / "mine.py").write_text("import keras")
    (tmp_path / "test.yaml").write_text(GOOD)
    assert heavy_modules("check", "test.yaml", "--blocks", "mine", folder=tmp_path) == ["keras"]
