"""The commands that train a network, here or by a scheduler."""

from __future__ import annotations

import json
import os
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from archspec.analysis import document, network
from archspec.cli.app import app
from archspec.cli.common import (
    FINDINGS,
    USAGE,
    BlocksOption,
    JsonOption,
    SetOption,
    VariantOption,
    asked,
    checked,
    ended_by_signals,
    fail,
    load_blocks,
    need,
    open_document,
    overrides_of,
    report,
    say,
)  # fmt: skip
from archspec.diagnostics import Source, SpecError
from archspec.files import reason

if TYPE_CHECKING:
    from archspec.train.begin import Begun

BACKENDS = ("kubernetes", "slurm", "compose")


@app.command()
def train(
    spec: Annotated[Path | None, typer.Argument(metavar="SPEC", help="A YAML layer table.", show_default=False)] = None,
    variant: VariantOption = None,
    set: SetOption = None,
    weights: Annotated[
        Path | None, typer.Option("--weights", metavar="FILE", help="Begin with these: what `archspec import` reads.")
    ] = None,
    name: Annotated[str | None, typer.Option("--name", metavar="NAME", help="Of the run; else the model's.")] = None,
    runs: Annotated[Path, typer.Option("--runs", metavar="DIR", help="Where the run's folder is put.")] = Path("runs"),
    resume: Annotated[
        Path | None, typer.Option("--resume", metavar="DIR", help="Go on with a run: runs/NAME.", show_default=False)
    ] = None,
    auto_resume: Annotated[
        bool, typer.Option("--auto-resume", help="Go on with the run of that name, if it is there.")
    ] = False,
    workers: Annotated[
        int | None, typer.Option("--workers", metavar="N", min=1, help="Processes on this machine that share batches.")
    ] = None,
    devices: Annotated[
        int | None, typer.Option("--devices", metavar="N", min=1, help="GPUs, or parts of the CPU, that share batches.")
    ] = None,
    as_json: JsonOption = False,
    blocks: BlocksOption = None,
) -> None:
    """Train a network by the recipe of its spec. A run that was ended goes on by --resume."""
    if (spec is None) == (resume is None):
        fail("name a SPEC, or a run by --resume DIR", USAGE)
    if resume is not None and (variant or set or weights or name or auto_resume):
        fail("--resume goes on with the run as it is: no --variant, --set, --weights, --name or --auto-resume", USAGE)
    if auto_resume and name is None:
        fail("--auto-resume takes the run's --name", USAGE)
    if (workers or 1) > 1 and (devices or 1) > 1:
        fail("a process of --workers has one device; drop one of --workers and --devices", USAGE)
    load_blocks(blocks)
    need("tensorflow", "safetensors", "PIL", "cv2", "scipy")
    from archspec.process import JobError
    from archspec.train import TrainError
    from archspec.train.begin import Asked, begin, resumed
    from archspec.train.cluster import VARIABLE, place_in
    from archspec.train.run import SPEC

    folder = resume
    with ended_by_signals():
        try:
            place = place_in(os.environ[VARIABLE]) if os.environ.get(VARIABLE) else None
            if place is not None and (workers or devices or not (name or resume)):
                fail(f"{VARIABLE} says who the workers are: --name the run, no --workers or --devices", USAGE)
            if resume is not None:
                run = resumed(resume, open_document(resume / SPEC).source.text)
            else:
                assert spec is not None
                doc = open_document(spec, overrides_of(set))
                given = Asked(str(weights.absolute()) if weights else None, workers or 1, devices or 1)
                one = network(doc, variant)
                run = begin(doc, one, runs, name, given, auto_resume, place, lambda e: say(f"skipped: {e}"))
            folder = run.folder
            result = _trained(run, place, blocks, workers, devices)
        except SpecError as error:
            report(error.diagnostics)
            raise typer.Exit(FINDINGS) from None
        except (TrainError, JobError) as error:
            fail(str(error))
        except OSError as error:
            fail(f"{error.filename or folder}: {reason(error).lower()}")
        except (KeyboardInterrupt, SystemExit):
            if folder is not None:
                say(f"go on with: archspec train --resume {folder}")
            raise
    if as_json:
        print(json.dumps({"folder": str(folder), **result}, indent=2))
    else:
        print(f"{folder}: " + ", ".join(f"{name} {value:.4f}" for name, value in result.items()))


def _trained(
    run: Begun, place: Any, blocks: list[str] | None, workers: int | None, devices: int | None
) -> dict[str, float]:
    """The last measures of a run that is brought to its end. Raises TrainError, JobError, OSError."""
    from archspec.jobs import TrainJob
    from archspec.train.begin import alone
    from archspec.train.cluster import Place, check_parts
    from archspec.train.run import SPEC, result_of
    from archspec.train.supervise import supervise

    doc = document(Source(str(run.folder / SPEC), run.text))
    recipe = network(doc).graph.head.train
    assert recipe is not None
    own = place or Place(0, 1)
    count, parts = run.asked.workers, run.asked.devices
    if workers or devices or place is not None:
        count, parts = workers or 1, devices or 1
    check_parts(recipe.batch, count * parts * own.workers)
    job = TrainJob(
        asked(doc, None, blocks, None, False), str(run.folder.absolute()), str(run.folder.absolute()),
        run.asked.weights, run.before, own.worker, own.workers, parts,
    )  # fmt: skip
    with alone(run.folder) if own.worker == 0 else nullcontext():
        finished = result_of(run.folder) if run.before else None
        if finished is not None:
            say(f"{run.folder}: the run is finished")
            return finished
        return supervise(job, count, sys.stderr)


@app.command()
def job(
    spec: Annotated[Path, typer.Argument(metavar="SPEC", help="A YAML layer table, below this folder.")],
    backend: Annotated[str, typer.Option("--backend", metavar="NAME", help=f"{', '.join(BACKENDS)}.")],
    workers: Annotated[int, typer.Option("--workers", metavar="N", min=1, help="Processes that share batches.")] = 1,
    image: Annotated[
        str | None, typer.Option("--image", metavar="IMAGE", help="A container's image that has archspec.")
    ] = None,
    name: Annotated[str | None, typer.Option("--name", metavar="NAME", help="Of the run; else the model's.")] = None,
    variant: VariantOption = None,
    set: SetOption = None,
    blocks: BlocksOption = None,
) -> None:
    """Print a job file that trains a network by a scheduler. The job goes on where it stood if it is started again."""
    if backend not in BACKENDS:
        fail(f"--backend {backend}: one of {', '.join(BACKENDS)}", USAGE)
    if image is None and backend != "slurm":
        fail(f"--backend {backend} takes an --image", USAGE)
    if spec.is_absolute() or ".." in spec.parts:
        fail(f"{spec}: the job finds the spec below its folder, so name it from here", USAGE)
    load_blocks(blocks)
    from archspec.train import TrainError
    from archspec.train.cluster import check_parts
    from archspec.train.jobfile import Order, job_file

    one = network(checked(spec, variant, set), variant)
    recipe = one.graph.head.train
    if recipe is None:
        fail(f"{spec}: no `train` section")
    options = [f"--variant={variant}"] if variant else []
    options += [f"--set={text}" for text in set or ()] + [f"--blocks={text}" for text in blocks or ()]
    try:
        check_parts(recipe.batch, workers)
        print(job_file(backend, Order(str(spec), name or one.graph.head.model, workers, image, tuple(options))), end="")
    except TrainError as error:
        fail(str(error))
