"""Job files against the published schemas of what reads them."""

import copy
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from command import ROOT, call, write
from referencing import Registry
from referencing.jsonschema import DRAFT7

from archspec.train import TrainError
from archspec.train.cluster import Place, config, place_in
from archspec.train.jobfile import Order, job_file

DATA = ROOT / "tests" / "data"
NET = """archspec: 1
model: my_net
input: {size: [32, 32, 3], range: [0, 1]}
layers:
- Logits: {depth: 1}
train: {task: edges, batch: 4}
variants:
  large: {input: {size: [64, 64, 3]}}
"""
ORDER = Order("specs/a b.yaml", "my_net.1", 2, "registry.example/archspec:1", ("--set=train.batch=8", "--set=x=$y"))


def strict(schema: Any) -> Any:
    """A schema that refuses fields which it does not name, as Kubernetes does when it is asked to be strict."""
    if isinstance(schema, list):
        return [strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: strict(part) for key, part in schema.items()}
    if isinstance(schema.get("properties"), dict) and "additionalProperties" not in schema:
        made["additionalProperties"] = False
    return made


def invalid(name: str, data: Any) -> list[str]:
    """What a schema of tests/data says against something."""
    schemas = {path.name: json.loads(path.read_text()) for path in DATA.glob("*.json") if "sarif" not in path.name}
    if name != "compose-spec.json":
        schemas = {key: strict(schema) for key, schema in schemas.items()}
    resources = [(key, DRAFT7.create_resource(s)) for key, s in schemas.items()]
    validator = jsonschema.Draft7Validator(schemas[name], registry=Registry().with_resources(resources))
    return [error.message for error in validator.iter_errors(data)]


def made(backend: str, **changes: Any) -> Any:
    return yaml.safe_load(job_file(backend, replace(ORDER, **changes)))


CASES = [("tfjob-v1.json", "kubernetes", 2), ("kubernetes-job-1.37.0.json", "kubernetes", 1),
         ("compose-spec.json", "compose", 1), ("compose-spec.json", "compose", 3)]  # fmt: skip


@pytest.mark.parametrize(("schema", "backend", "workers"), CASES)
def test_files_keep_to_the_published_schema(schema: str, backend: str, workers: int) -> None:
    assert invalid(schema, made(backend, workers=workers)) == []


def parts(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths to every mapping in some data whose keys are names that a schema knows."""
    inner = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    own = [path] if isinstance(data, dict) and path[-1:] not in [("environment",), ("tfReplicaSpecs",)] else []
    return own + [found for key, value in inner for found in parts(value, (*path, key))]


@pytest.mark.parametrize(("schema", "backend", "workers"), CASES)
def test_a_field_that_is_not_known_is_noticed_anywhere(schema: str, backend: str, workers: int) -> None:
    data = made(backend, workers=workers)
    paths = [path for path in parts(data) if path not in [("metadata",)] or "tfjob" not in schema]
    paths = [path for path in paths if path != ("services",)]  # whose keys are names that a user gives
    assert len(paths) >= 3
    for path in paths:
        spoiled = copy.deepcopy(data)
        place = spoiled
        for key in path:
            place = place[key]
        place["noSuchField"] = 1
        assert invalid(schema, spoiled) != [], path


@pytest.mark.parametrize("change", ["replicas", "containers", "restartPolicy"])
def test_a_wrong_type_is_noticed(change: str) -> None:
    data = made("kubernetes")
    worker = data["spec"]["tfReplicaSpecs"]["Worker"]
    (worker["template"]["spec"] if change == "containers" else worker)[change] = {"a": 1}
    assert invalid("tfjob-v1.json", data) != []


def test_what_the_operator_looks_for() -> None:
    """Kubeflow sets TF_CONFIG in the container `tensorflow`, by its port `tfjob-port`."""
    worker = made("kubernetes")["spec"]["tfReplicaSpecs"]["Worker"]
    (container,) = worker["template"]["spec"]["containers"]
    assert (worker["replicas"], worker["restartPolicy"]) == (2, "OnFailure")
    assert (container["name"], container["ports"]) == ("tensorflow", [{"name": "tfjob-port", "containerPort": 2222}])
    assert container["command"] == ORDER.command
    assert made("kubernetes")["metadata"]["name"] == "my-net-1"


def test_one_worker_needs_no_tf_config() -> None:
    assert "environment" not in made("compose", workers=1)["services"]["worker-0"]
    assert "TF_CONFIG" not in job_file("slurm", Order("a.yaml", "a", 1, None))


def test_services_find_each_other() -> None:
    services = made("compose", workers=3)["services"]
    for i, (host, service) in enumerate(services.items()):
        told = service["environment"]["TF_CONFIG"]
        assert place_in(told) == Place(i, 3)
        assert json.loads(told)["cluster"]["worker"] == [f"{name}:2222" for name in services]
        assert host == f"worker-{i}"
        assert service["command"][-1] == "--set=x=$$y"  # Compose makes one of two


FAKE = {
    "scontrol": 'test "$*" = "show hostnames n[1-2]" && printf "n1\\nn2\\n"',
    "srun": 'shift; for id in 1 0; do SLURM_PROCID=$id "$@" || exit 1; done',
    "archspec": 'printf "%s|" "$TF_CONFIG" "$PWD" "$@" >> "$LOG"; echo >> "$LOG"; test ! -e "$FAIL" || exit 1',
    "apptainer": 'printf "%s|" "$@" >> "$LOG"; echo >> "$LOG"',
}


@pytest.fixture
def slurm(tmp_path: Path) -> Callable[..., tuple[int, list[list[str]]]]:
    """Runs a Slurm script where `srun` runs its tasks one after the other; the exit code and what tasks were called."""
    (tmp_path / "bin").mkdir()
    for name, script in FAKE.items():
        (tmp_path / "bin" / name).write_text(f"#!/bin/bash\n{script}\n")
        (tmp_path / "bin" / name).chmod(0o755)

    def run(script: str, fail: str = "/nowhere") -> tuple[int, list[list[str]]]:
        (tmp_path / "job.sh").write_text(script)
        (tmp_path / "here there").mkdir(exist_ok=True)
        variables = {
            "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "LOG": str(tmp_path / "log"), "FAIL": fail,
            "SLURM_SUBMIT_DIR": str(tmp_path / "here there"), "SLURM_JOB_NODELIST": "n[1-2]", "SLURM_JOB_ID": "123456",
            "SLURM_PROCID": "0",
        }  # fmt: skip
        code = subprocess.run(["bash", str(tmp_path / "job.sh")], env=variables, timeout=30).returncode
        return code, [line.split("|")[:-1] for line in (tmp_path / "log").read_text().splitlines()]

    return run


def test_slurm_gives_every_task_its_place(slurm: Any, tmp_path: Path) -> None:
    code, calls = slurm(job_file("slurm", replace(ORDER, image=None)))
    assert code == 0
    assert [place_in(call[0]) for call in calls] == [Place(1, 2), Place(0, 2)]
    assert json.loads(calls[0][0])["cluster"] == {"worker": ["n1:23456", "n2:23456"]}
    for called in calls:
        assert called[1] == str(tmp_path / "here there")
        assert called[2:] == ORDER.command[1:]


def test_slurm_starts_what_failed_again(slurm: Any, tmp_path: Path) -> None:
    (tmp_path / "fail").touch()
    code, calls = slurm(job_file("slurm", Order("a.yaml", "a", 2, None)), str(tmp_path / "fail"))
    assert (code, len(calls)) == (1, 4), "the first task of four starts"


def test_slurm_with_an_image(slurm: Any, tmp_path: Path) -> None:
    code, calls = slurm(job_file("slurm", ORDER))
    folder = str(tmp_path / "here there")
    assert code == 0
    assert calls[0] == ["exec", "--bind", folder, "--pwd", folder, f"docker://{ORDER.image}", *ORDER.command]


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("image", [None, "an image"])
def test_slurm_scripts_are_well_formed(workers: int, image: str | None, tmp_path: Path) -> None:
    script = tmp_path / "job.sh"
    script.write_text(job_file("slurm", Order("a b.yaml", "a", workers, image)))
    assert subprocess.run(["bash", "-n", script], capture_output=True).stderr == b""
    lines = script.read_text().splitlines()
    assert f"#SBATCH --nodes={workers}" in lines
    assert lines[1].startswith("#SBATCH"), "sbatch reads no such line behind the first command"
    if shellcheck := shutil.which("shellcheck"):
        checked = subprocess.run([shellcheck, script], capture_output=True, text=True)
        assert checked.stdout == ""


@pytest.mark.parametrize("name", ["-a", "a/b", "a b", "", "a" * 64, "ä", "a\n"])
def test_names_that_no_scheduler_takes(name: str) -> None:
    with pytest.raises(TrainError, match=r"^--name"):
        job_file("slurm", Order("a.yaml", name, 1, None))


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (config(["a:1", "b:1", "c:1"], 2), Place(2, 3)),
        ('{"cluster": {"chief": ["a:1"], "worker": ["b:1"]}, "task": {"type": "chief", "index": 0}}', Place(0, 2)),
        ('{"cluster": {"chief": ["a:1"], "worker": ["b:1"]}, "task": {"type": "worker", "index": 0}}', Place(1, 2)),
        ('{"cluster": {"worker": ["b:1"], "ps": []}, "task": {"type": "worker", "index": "0"}, "environment": "cloud"}',
         Place(0, 1)),
    ],
)  # fmt: skip
def test_place_in_a_cluster(text: str, place: Place) -> None:
    assert place_in(text) == place


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "not of the form"),
        ("[]", "not of the form"),
        ('{"cluster": [], "task": {"type": "worker", "index": 0}}', "not of the form"),
        ('{"cluster": {"worker": ["a:1"]}}', "not of the form"),
        (config(["a:1"], 1), "no worker 1"),
        (config(["a:1"], -1), "no worker -1"),
        ('{"cluster": {"worker": ["a:1"]}, "task": {"type": "chief", "index": 0}}', "no chief 0"),
        ('{"cluster": {"worker": ["a:1"], "ps": ["b:1"]}, "task": {"type": "worker", "index": 0}}', "a `ps`"),
        ('{"cluster": {"worker": ["a:1"]}, "task": {"type": "evaluator", "index": 0}}', "an? `evaluator`"),
    ],
)
def test_clusters_that_cannot_be(text: str, said: str) -> None:
    with pytest.raises(TrainError, match=said):
        place_in(text)


def test_the_command_prints_a_job(tmp_path: Path) -> None:
    write(tmp_path, NET, "a.yaml")
    ran = call("job", "a.yaml", "--backend", "kubernetes", "--workers", "2", "--image", "i", folder=tmp_path).clean()
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == job_file("kubernetes", Order("a.yaml", "my_net", 2, "i"))
    ran = call(
        "job", "a.yaml", "--backend=slurm", "--workers=8", "--variant=large", "--set=train.batch=8", "--name=x",
        folder=tmp_path,
    )  # fmt: skip
    assert ran.out == job_file("slurm", Order("a.yaml", "x", 8, None, ("--variant=large", "--set=train.batch=8")))


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--backend=pbs"], 2, "--backend pbs: one of kubernetes, slurm, compose"),
        (["--backend=compose"], 2, "--backend compose takes an --image"),
        (["--backend=slurm", "--workers=3"], 1, "`batch: 4` cannot be parted among 3: choose a multiple of 3"),
        (["--backend=slurm", "--name=a b"], 1, "--name a b: up to 63 letters, digits, and between them `_`, `.`, `-`"),
    ],
)  # fmt: skip
def test_jobs_that_cannot_be(arguments: list[str], code: int, said: str, tmp_path: Path) -> None:
    write(tmp_path, NET, "a.yaml")
    ran = call("job", "a.yaml", *arguments, folder=tmp_path).clean()
    assert (ran.code, ran.out, ran.err) == (code, "", f"error: {said}\n")


def test_specs_that_a_job_cannot_train(tmp_path: Path) -> None:
    spec = write(tmp_path, NET.replace("train: {task: edges, batch: 4}\n", ""), "a.yaml")
    ran = call("job", spec, "--backend=slurm", folder=tmp_path).clean()
    assert ran.err == f"error: {spec}: the job finds the spec below its folder, so name it from here\n"
    ran = call("job", "a.yaml", "--backend=slurm", folder=tmp_path).clean()
    assert (ran.code, ran.err) == (1, "error: a.yaml: no `train` section\n")
