import json
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from command import BAD, GOOD, Ran, call, write

from archspec.cli import app

HED = Path("specs/mobilenet_v2_hed.yaml")
V1 = Path("specs/mobilenet_v1.yaml")


def counts(*arguments: str | Path) -> list[dict[str, Any]]:
    """What `params ARGUMENTS --json` gives, which must end well."""
    ran = call("params", *arguments, "--json").clean()
    assert (ran.code, ran.err) == (0, ""), ran
    rows: list[dict[str, Any]] = json.loads(ran.out)
    return rows


# check


def test_check_good(tmp_path: Path) -> None:
    assert call("check", write(tmp_path, GOOD)) == Ran(0, "1 spec, 1 network: all good\n", "")
    two = write(tmp_path, GOOD + "variants: {a: {input: {size: 8}}, b: {input: {size: 9}}}\n", "two.yaml")
    assert call("check", HED, two) == Ran(0, "2 specs, 4 networks: all good\n", "")


def test_check_prints_findings_of_every_file_to_stdout(tmp_path: Path) -> None:
    one, two = write(tmp_path, BAD, "one.yaml"), write(tmp_path, BAD, "two.yaml")
    ran = call("check", one, write(tmp_path, GOOD), two).clean()
    assert (ran.code, ran.err) == (1, "")
    assert ran.out.startswith(f"error[unknown-option]: no option `depht` in block `Conv`\n --> {one}:5:10\n")
    assert ran.out.count("error[") == 2
    assert f"--> {two}:5:10" in ran.out


def test_check_shows_a_finding_of_several_variants_once(tmp_path: Path) -> None:
    text = GOOD + "- Dense: {units: 2}\nvariants: {a: {let: {}}, b: {input: {size: 8}}}\n"
    assert call("check", write(tmp_path, text)).out.count("error[") == 1


@pytest.mark.parametrize(
    ("style", "good", "bad"),
    [
        ("text", "1 spec, 1 network: all good\n", "error[unknown-option]: no option"),
        ("concise", "", "test.yaml:5:10: error[unknown-option]: no option `depht` in block `Conv`\n"),
        ("json", "[]\n", '[\n  {\n    "code": "unknown-option"'),
        ("github", "", "::error file=test.yaml,line=5,endLine=5,col=10,endColumn=15,title=unknown-option::no option"),
    ],
)
def test_check_formats(tmp_path: Path, style: str, good: str, bad: str) -> None:
    write(tmp_path, GOOD)
    assert call("check", "test.yaml", "--format", style, folder=tmp_path) == Ran(0, good, "")
    write(tmp_path, BAD)
    ran = call("check", "test.yaml", "--format", style, folder=tmp_path)
    assert (ran.code, ran.err) == (1, "")
    assert ran.out.startswith(bad)


def test_check_json_and_sarif_are_json(tmp_path: Path) -> None:
    (finding,) = json.loads(call("check", write(tmp_path, BAD), "--format", "json").out)
    assert list(finding) == "code message file line column end_line end_column label help others".split()
    assert (finding["line"], finding["column"], finding["end_column"]) == (5, 10, 15)
    log = json.loads(call("check", write(tmp_path, BAD), "--format", "sarif").out)
    assert log["version"] == "2.1.0"
    assert [r["ruleId"] for r in log["runs"][0]["results"]] == ["unknown-option"]
    assert json.loads(call("check", write(tmp_path, GOOD), "--format", "sarif").out)["runs"][0]["results"] == []


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


def test_params_prints_what_is_good_and_reports_what_is_not(tmp_path: Path) -> None:
    ran = call("params", write(tmp_path, BAD), HED, "--json").clean()
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
    assert "282,633 parameters are trainable" in lines
    assert lines[-2].startswith("outputs: fuse 256×256×1, side1 256×256×1")
    assert lines[-1].startswith("training: edges, ")
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


def test_every_command_is_where_it_is_looked_for() -> None:
    for module, names in app.MODULES.items():
        app.load(names[0])
        found = import_module(f"archspec.cli.{module}")
        made = [c for c in app.app.registered_commands if c.callback and c.callback.__module__ == found.__name__]
        assert tuple(c.name or c.callback.__name__ for c in made if c.callback) == names


def test_show_deployed() -> None:
    lines = call("show", HED, "--deployed").clean().out.splitlines()
    assert lines[0] == "mobilenet_v2_hed, as arm64-v8a is served: input 256×256×3, values 0 to 1"
    assert [line for line in lines if line.startswith("outputs: ")] == ["outputs: fuse 256×256×1"]
    assert [line.split(":")[1] for line in lines if line.startswith("pass: ")] == [
        " batch norms folded",
        " linear tail merged into its branches",
        " thin convolutions in phases",
    ]
    made = json.loads(call("show", HED, "--deployed", "--target", "x86_64", "--json").out)
    assert made["target"] == "x86_64"
    assert made["passes"][0] == "batch norms folded: 49"
    assert {row["name"] for row in made["rows"]} == {row["name"] for row in counts(HED)[0]["rows"]}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--target", "x86_64"], "--target goes with --deployed"),
        (["--deployed", "--target", "mips"], "known are arm64-v8a, armeabi-v7a, x86_64"),
    ],
)
def test_show_refuses(options: list[str], message: str) -> None:
    ran = call("show", HED, *options)
    assert ran.code == 2
    assert message in ran.err
