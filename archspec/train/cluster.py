"""The place of a process among those that train one network: TensorFlow's TF_CONFIG."""

from __future__ import annotations

import json
import socket
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from archspec.train import TrainError

VARIABLE = "TF_CONFIG"


@dataclass(frozen=True)
class Place:
    """Number `worker` of `workers` processes; number 0 is the chief."""

    worker: int
    workers: int


def place_in(text: str) -> Place:
    """The place that a TF_CONFIG gives: {"cluster": {"worker": [HOST:PORT, ...]}, "task": {"type", "index"}}.

    A task of the type `chief` is number 0, and workers follow. Raises TrainError.
    """
    try:
        data: Any = json.loads(text)
        cluster, task = data["cluster"], data["task"]
        kind, index = str(task["type"]), int(task["index"])
        chiefs, workers = len(cluster.get("chief", ())), len(cluster.get("worker", ()))
        others = {name for name in cluster if cluster[name]} - {"chief", "worker"}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        example = '{"cluster": {"worker": ["a:2222", "b:2222"]}, "task": {"type": "worker", "index": 0}}'
        raise TrainError(f"{VARIABLE} is not of the form {example}") from error
    if others or kind not in ("chief", "worker"):
        odd = sorted(others or {kind})[0]
        raise TrainError(f"{VARIABLE}: all processes are workers, one may be the chief; there is a `{odd}`")
    if not 0 <= index < {"chief": chiefs, "worker": workers}[kind]:
        raise TrainError(f"{VARIABLE}: the cluster has no {kind} {index}")
    return Place(index + chiefs if kind == "worker" else 0, chiefs + workers)


def config(addresses: Sequence[str], worker: int) -> str:
    """The TF_CONFIG of one worker of those at some addresses, HOST:PORT."""
    return json.dumps({"cluster": {"worker": list(addresses)}, "task": {"type": "worker", "index": worker}})


def local_addresses(count: int) -> list[str]:
    """Addresses of this machine whose ports are free now."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [f"127.0.0.1:{one.getsockname()[1]}" for one in sockets]


def check_parts(batch: int, parts: int) -> None:
    """Raises TrainError where a batch cannot be parted evenly."""
    if batch % parts:
        raise TrainError(f"`batch: {batch}` cannot be parted among {parts}: choose a multiple of {parts}")
