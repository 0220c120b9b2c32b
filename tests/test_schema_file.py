import json
from pathlib import Path

import pytest
import yaml
from command import ROOT, start
from jsonschema import Draft202012Validator

FILE = ROOT / "schemas" / "archspec.schema.json"


def check_fresh(file: Path) -> None:
    """Fail where a file is not what `archspec schema` prints."""
    made = start("schema").clean().out
    if file.read_text(encoding="utf-8") != made:  # no assert, which would show thousands of lines
        pytest.fail(f"{file.name} is stale: run `make schema`")


def test_schema_file_is_fresh() -> None:
    check_fresh(FILE)


def test_a_stale_file_is_noticed(tmp_path: Path) -> None:
    stale = tmp_path / "stale.json"
    stale.write_text(FILE.read_text(encoding="utf-8").replace("Conv", "Conf", 1))
    with pytest.raises(pytest.fail.Exception, match="run `make schema`"):
        check_fresh(stale)


def test_it_is_a_json_schema_that_any_editor_can_use() -> None:
    """With another YAML reader than archspec's, as an editor has one."""
    schema = json.loads(FILE.read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    for name in ("mobilenet_v1", "mobilenet_v2_hed", "vgg_hed"):
        spec = yaml.safe_load((ROOT / "specs" / f"{name}.yaml").read_text(encoding="utf-8"))
        assert list(validator.iter_errors(spec)) == [], name
    spec["layers"].append({"Conv": {"depht": 4}})
    assert list(validator.iter_errors(spec))
