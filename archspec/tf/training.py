"""A training run inside its process: from a job to weights, with a state that it can go on from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from archspec.graph import Graph
from archspec.jobs import TrainJob
from archspec.tf import optimizers, state
from archspec.tf.board import Board
from archspec.tf.diagnosis import first_bad_row
from archspec.tf.keep import EndedError, Run, Tell, evaluate, picture, save
from archspec.tf.step import Trained, averages, make_agree, make_step
from archspec.tf.train_graph import lower_for_training
from archspec.train import TrainError
from archspec.train.cluster import check_parts
from archspec.train.feed import IMAGE, Feed
from archspec.train.order import positions
from archspec.train.run import STATE, Log, result_of
from archspec.train.schedule import rate_at
from archspec.train.tasks import Task

TOLD = 0.2  # seconds between two steps that are told of
AHEAD = 4  # batches that are made while the network is busy


def settle(devices: int, workers: int) -> Any:
    """Make TensorFlow's arithmetic repeat, and give the strategy for this process's devices or for several workers.

    Grappler orders depthwise gradients differently from run to run; without it they are equal to the bit.
    """
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    if workers > 1:
        return tf.distribute.MultiWorkerMirroredStrategy()  # which reads TF_CONFIG
    if devices == 1:
        return tf.distribute.get_strategy()
    if len(tf.config.list_physical_devices("GPU")) < devices:
        (cpu,) = tf.config.list_physical_devices("CPU")
        parts = [tf.config.LogicalDeviceConfiguration()] * devices
        tf.config.set_logical_device_configuration(cpu, parts)
        names = [f"CPU:{i}" for i in range(devices)]
        return tf.distribute.MirroredStrategy(names, cross_device_ops=tf.distribute.ReductionToOneDevice())
    return tf.distribute.MirroredStrategy([f"GPU:{i}" for i in range(devices)])


def start(
    job: TrainJob,
    graph: Graph,
    task: Task,
    feed: Feed,
    measured: Feed,
    weights: Mapping[str, Any],
    tell: Tell,
    ended: Callable[[], bool],
) -> Run:
    """The run before its first step, or where its state stands. Raises TrainError, StateError."""
    train = graph.head.train
    assert train is not None
    tell("joining", key="")
    strategy = settle(job.devices, job.workers)
    tell("joined", key="")
    check_parts(train.batch, strategy.num_replicas_in_sync)
    keras.utils.set_random_seed(train.seed)
    with strategy.scope():
        keras.config.set_dtype_policy("mixed_bfloat16" if train.precision == "bfloat16" else "float32")
        model = lower_for_training(graph, train.quantize_after is not None, train.quantize_after or 0)
        for name, values in weights.items():
            model.get_layer(name).set_weights(values)
        optimizers.freeze(model, graph, train.freeze)
        groups = optimizers.groups(model, graph, train)
        variables = [v for group in groups for v in group.variables]
        trained = Trained(model, task, train, groups, averages(variables) if train.ema else (), strategy)
    run = Run(job, graph, train, task, feed, measured, tell, ended, trained)
    if job.resume and (run.folder / STATE).exists():
        facts = state.restore(run.folder / STATE, run.groups)
        run.step, run.best, run.result = facts["step"], facts["best"], facts["result"]
    if job.workers > 1 and not make_agree(strategy)(tf.constant(run.step)):
        raise TrainError(f"{run.folder}: not all workers see the same state there; they have to share that folder")
    return run


def go(run: Run) -> dict[str, float]:
    """Take all steps that are left, and measure at the end. The state is saved where `run.ended` says to end before.

    Of several workers the first alone measures and writes; the others wait for it, and have no result.
    Raises TrainError, ExampleError, TaskError.
    """
    if run.result is None:
        log = Log(run.folder, run.step) if run.chief else None
        run.board = Board(run.folder) if log else None
        try:
            _go_on(run, log)
            run.result = evaluate(run, log, final=True) if log else {}
        except EndedError:
            save(run, log)
            return {}
        save(run, log)
    if run.job.workers > 1:
        _wait_for_end(run)
    return run.result


def _wait_for_end(run: Run) -> None:
    """Keep a worker until the first one has saved the run's end: who leaves earlier looks dead to the others.

    Who leaves then may look dead too, to those that have its last message still to come. The state in the folder that
    all share tells whether that matters. Raises tf.errors.OpError where it does.
    """
    try:
        make_agree(run.trained.strategy)(tf.constant(0))
    except tf.errors.OpError:
        if result_of(run.folder) is None:
            raise


def _go_on(run: Run, log: Log | None) -> None:
    train, step = run.train, make_step(run.trained, run.train.batch)
    told = monotonic()
    for fed in _batches(run):
        if log and _due(run):  # behind the state of the step before, so that who goes on from there measures it too
            evaluate(run, log, final=False)
        rate = rate_at(train, run.step, run.steps, len(run.feed.source))
        for group in run.trained.groups:
            group.optimizer.learning_rate.assign(rate * group.factor)
        loss, good = step(fed, tf.constant(run.step, tf.int64))
        loss = float(loss)
        if not good:
            raise TrainError(_what_broke(run, loss))
        run.step += 1
        last = run.step == run.steps
        if log:
            log.step(run.step, loss, rate)
        if monotonic() - told >= TOLD or last:
            told = monotonic()
            run.tell("step", key="", step=run.step, steps=run.steps, loss=loss, rate=rate, batch=run.train.batch)
        if log and train.picture_every and run.step % train.picture_every == 0:
            picture(run)
        if run.ended():
            raise EndedError
        if run.step % train.save_every == 0 or last:
            save(run, log)


def _due(run: Run) -> bool:
    """Whether the network is to be measured before the run goes on; at its end it is by itself."""
    every = run.train.evaluate_every or max(run.steps // 10, 1)
    return 0 < run.step < run.steps and run.step % every == 0


def _batches(run: Run) -> Iterator[Any]:
    """The batches from the run's step on, this process's part of them, as its devices take them."""
    train, job = run.train, run.job
    part = positions(0, train.batch, job.worker, job.workers)
    first = run.feed.at(part.start)
    names = sorted(first)
    types = [tf.as_dtype(first[name].dtype) for name in names]

    def make(number: Any) -> list[Any]:
        step, place = divmod(int(number), len(part))
        fed = run.feed.at(positions(step, train.batch, job.worker, job.workers)[place])
        return [fed[name] for name in names]

    def shaped(*values: Any) -> dict[str, Any]:
        return {n: tf.ensure_shape(v, first[n].shape) for n, v in zip(names, values, strict=True)}

    data = tf.data.Dataset.range(run.step * len(part), run.steps * len(part))
    data = data.map(lambda n: shaped(*tf.numpy_function(make, [n], types)), num_parallel_calls=2, deterministic=True)
    data = data.batch(len(part), drop_remainder=True).prefetch(AHEAD)
    if run.trained.strategy.num_replicas_in_sync == 1:
        yield from data
        return
    local = run.trained.strategy.num_replicas_in_sync // job.workers
    for fed in data:
        yield run.trained.strategy.experimental_distribute_values_from_function(_Parts(fed, local))


@dataclass(frozen=True)
class _Parts:
    """A batch in as many parts as this process has devices; called for each of them."""

    fed: Mapping[str, Any]
    count: int

    def __call__(self, context: Any) -> Any:
        i = context.replica_id_in_sync_group % self.count
        return {name: tf.split(value, self.count)[i] for name, value in self.fed.items()}


def _what_broke(run: Run, loss: float) -> str:
    """Step, examples, and the row where the first activation is not finite."""
    if not run.chief:
        make_agree(run.trained.strategy)(tf.constant(0))  # the first worker says it, and ends all
    whole = positions(run.step, run.train.batch, 0, 1)
    images = np.stack([run.feed.at(position)[IMAGE] for position in whole])
    row = first_bad_row(run.graph, run.trained.model, images)
    where = f"; the first values that are not finite come from row `{row}`" if row else ""
    what = "the loss is" if not np.isfinite(loss) else "a gradient is"
    return f"{what} not finite at step {run.step + 1}{where}; the batch: {', '.join(run.feed.files(whole))}"
