"""Job files: what a scheduler is told so that it trains a network.

The folder that the job works in holds the spec, its data as the spec names it, and `runs`. All workers share it.
Every backend runs `archspec train` with TF_CONFIG where there are several workers, and starts it again where it fails:
the run of the job's name then goes on.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import Any

from archspec.source import text_of
from archspec.train import TrainError
from archspec.train.cluster import VARIABLE, config

FOLDER = "/work"  # inside of a container
PORT = 2222  # Kubeflow's own
TRIES = 3  # starts after the first
NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")


@dataclass(frozen=True)
class Order:
    """What is to be trained: the spec, seen from the job's folder, the run's name, `options` of `archspec train`."""

    spec: str
    name: str
    workers: int
    image: str | None
    options: tuple[str, ...] = ()

    @property
    def command(self) -> list[str]:
        return ["archspec", "train", self.spec, "--name", self.name, "--auto-resume", *self.options]


def job_file(backend: str, order: Order) -> str:
    """The job file of a backend: `kubernetes`, `slurm` or `compose`. Raises TrainError where a name cannot be used."""
    if not NAME.fullmatch(order.name):
        raise TrainError(f"--name {order.name}: up to 63 letters, digits, and between them `_`, `.`, `-`")
    if backend == "slurm":
        return slurm(order)
    return text_of(kubernetes(order) if backend == "kubernetes" else compose(order))


def kubernetes(order: Order) -> dict[str, Any]:
    """A Job (batch/v1) of one worker, a TFJob of Kubeflow's training operator (kubeflow.org/v1) of several.

    The folder is the persistent volume claim of the job's name; several workers on several machines need one that is
    ReadWriteMany.
    """
    name = re.sub(r"[^a-z0-9]+", "-", order.name.lower())  # a DNS label, RFC 1123
    container: dict[str, Any] = {
        "name": "tensorflow",  # the operator looks for it by this name
        "image": order.image,
        "command": order.command,
        "workingDir": FOLDER,
        "volumeMounts": [{"name": "work", "mountPath": FOLDER}],
    }
    volumes = [{"name": "work", "persistentVolumeClaim": {"claimName": name}}]
    head = {"metadata": {"name": name}}
    if order.workers == 1:
        pod = {"restartPolicy": "Never", "containers": [container], "volumes": volumes}
        spec: dict[str, Any] = {"backoffLimit": TRIES, "template": {"spec": pod}}
        return {"apiVersion": "batch/v1", "kind": "Job", **head, "spec": spec}
    container["ports"] = [{"name": "tfjob-port", "containerPort": PORT}]
    replicas = {
        "replicas": order.workers,
        "restartPolicy": "OnFailure",
        "template": {"spec": {"containers": [container], "volumes": volumes}},
    }
    policy = {"backoffLimit": TRIES * order.workers, "cleanPodPolicy": "Running"}
    spec = {"runPolicy": policy, "tfReplicaSpecs": {"Worker": replicas}}
    return {"apiVersion": "kubeflow.org/v1", "kind": "TFJob", **head, "spec": spec}


def compose(order: Order) -> dict[str, Any]:
    """A Compose file, to be used in the folder: one service for each worker."""
    hosts = [f"worker-{i}" for i in range(order.workers)]
    services = {}
    for i, host in enumerate(hosts):
        service: dict[str, Any] = {
            "image": order.image,
            # a `$` would name a variable
            "command": [word.replace("$", "$$") for word in order.command],
            "working_dir": FOLDER,
            "volumes": [{"type": "bind", "source": ".", "target": FOLDER}],
            "restart": f"on-failure:{TRIES}",
        }
        if order.workers > 1:
            service["environment"] = {VARIABLE: config([f"{h}:{PORT}" for h in hosts], i)}
        services[host] = service
    return {"services": services}


def slurm(order: Order) -> str:
    """A script for sbatch: one worker a node, in the folder that it is submitted from.

    With an image every worker runs in it by Apptainer.
    """
    command = shlex.join(order.command)
    if order.image is not None:
        command = f'apptainer exec --bind "$PWD" --pwd "$PWD" {shlex.quote(f"docker://{order.image}")} {command}'
    several = SEVERAL if order.workers > 1 else ""
    return SCRIPT.format(name=order.name, nodes=order.workers, several=several, command=command, tries=TRIES)


SCRIPT = """\
#!/bin/bash
#SBATCH --job-name={name}
#SBATCH --nodes={nodes}
#SBATCH --ntasks-per-node=1
#SBATCH --output={name}-%j.log
set -eu
cd "$SLURM_SUBMIT_DIR"

worker() {{
{several}  exec {command}
}}
export -f worker  # the script itself is on the first node only

for try in $(seq 0 {tries}); do
  if [ "$try" -gt 0 ]; then
    echo "start $try after the first" >&2
  fi
  if srun --kill-on-bad-exit=1 bash -euc worker; then
    exit 0
  fi
done
exit 1
"""

SEVERAL = """\
  # jobs that share a node have ports of their own
  port=$((20000 + SLURM_JOB_ID % 10000))
  hosts=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | sed "s/.*/\\"&:$port\\"/" | paste -sd, -)
  task="{\\"type\\": \\"worker\\", \\"index\\": $SLURM_PROCID}"
  export TF_CONFIG="{\\"cluster\\": {\\"worker\\": [$hosts]}, \\"task\\": $task}"
"""
