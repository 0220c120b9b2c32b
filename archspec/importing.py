"""Foreign weights to a Keras .weights.h5 of a spec's network."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from archspec import jobs
from archspec.files import reason, write_whole
from archspec.process import JobError, answer
from archspec.weights import WeightsError, parse_map


def import_weights(network: jobs.Network, source: str, out: Path, maps: Sequence[str]) -> str:
    """Match the tensors of `source` to a network, write them to `out`, and report what went where.

    Raises JobError where they do not match without a doubt, OSError where `out` cannot be written.
    """
    try:
        for text in maps:
            parse_map(text)  # before a process is started for it
        with tempfile.TemporaryDirectory(prefix="archspec-") as scratch:
            made = Path(scratch) / "imported.weights.h5"
            told = answer(jobs.ImportJob(network, source, str(made), tuple(maps)))
            data = made.read_bytes()
    except WeightsError as error:
        raise JobError(str(error)) from error
    except OSError as error:
        raise JobError(f"cannot work in {tempfile.gettempdir()}: {reason(error)}") from error
    write_whole(out, data)
    return str(told["report"])
