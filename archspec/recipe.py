"""What a spec says of training: its `train` section, as frozen data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from archspec.kinds import (
    Angle,
    Count,
    Factors,
    Flag,
    Numbers,
    PathName,
    Penalty,
    Photos,
    Positive,
    RowNames,
    Share,
    Small,
    Steps,
    Units,
    choice,
)

TASKS = ("edges", "classification", "segmentation", "detection")
OPTIMIZERS = ("sgd", "momentum", "rmsprop", "adam", "adamw")
SOURCES = (
    "documents", "pairs", "masks", "folders", "csv", "coco", "cifar10", "cifar100", "digits", "tfrecord", "tfds",
)  # fmt: skip
SOURCES_OF = {
    "edges": ("documents", "pairs"),
    "classification": ("digits", "folders", "csv", "cifar10", "cifar100", "tfrecord", "tfds"),
    "segmentation": ("documents", "masks"),
    "detection": ("documents", "coco"),
}
"""The sources that know what a task asks; the first is what it takes by itself."""

SCHEDULES = ("constant", "exponential", "piecewise", "cosine")


@dataclass(frozen=True)
class Shares:
    """How often generated photos show a difficulty, as in `archspec.documents.Settings`; None for its own share."""

    negatives: Share | None = None
    partial: Share | None = None
    low_contrast: Share | None = None
    curled: Share | None = None
    occluded: Share | None = None
    cluttered: Share | None = None
    shadowed: Share | None = None
    blurred: Share | None = None
    own: Share | None = None
    rimmed: Share | None = None
    thick: Share | None = None


@dataclass(frozen=True)
class Data:
    """Where examples come from. Without `source` a task takes its own: generated documents, or scikit-learn's digits.

    `path` is the file or folder of a source that has one, `validation` another for the examples that are only
    measured; without it a share `holdout` of the examples is kept for that. `count` is how many documents are
    generated, `backgrounds` and `papers` are folders of pictures for them, `shares` says how often they are difficult;
    with `amodal` their border is an edge even where something lies over it. `name` is a TensorFlow dataset's.
    `broken` says whether an example that cannot be read is told and skipped, or ends the run. `zero_centre` subtracts
    the mean of the training examples, channel by channel, which the run then writes into its input contract.
    """

    source: Annotated[str, choice(*SOURCES)] | None = None
    path: PathName | None = None
    validation: PathName | None = None
    holdout: Share = 0.1
    count: Photos = 4000
    backgrounds: PathName | None = None
    papers: PathName | None = None
    shares: Shares = Shares()
    amodal: Flag = False
    name: PathName | None = None
    broken: Annotated[str, choice("skip", "stop")] = "stop"
    zero_centre: Flag = False


@dataclass(frozen=True)
class Augment:
    """How training examples are varied. All of it off unless it is named.

    `flip` mirrors left and right; `crop` pads so many pixels on each side and cuts the input's size out again;
    `colour` is the largest change of brightness, contrast and saturation, as a share; `rotate` the largest angle in
    degrees; `zoom` the largest change of size, as a share; `mixup` the alpha of Beta(alpha, alpha) (Zhang et al. 2018).
    """

    flip: Flag = False
    crop: Count = 0
    colour: Share = 0.0
    rotate: Angle = 0.0
    zoom: Share = 0.0
    mixup: Penalty = 0.0


@dataclass(frozen=True)
class Loss:
    """What the loss adds to that of the first output.

    `sides` is the weight of every further output: deep supervision of edge maps (Xie and Tu 2015), auxiliary heads of
    a classifier (Szegedy et al. 2014). `balance` is how edges, few among pixels, come to count as much as the rest:
    by weights (Xie and Tu 2015), or by what is added to logits while they are trained (Menon et al. 2021, arXiv
    2007.07314), which learns what an edge is where it matters to F. `activation` is the classifier's. `ignore` is the
    label of pixels that do not count. `negatives` is how many negative boxes are mined for each positive one (Liu et
    al. 2016).
    """

    sides: Penalty = 0.0
    balance: Annotated[str, choice("weights", "logits")] = "weights"
    label_smoothing: Share = 0.0
    activation: Annotated[str, choice("softmax", "sigmoid")] = "softmax"
    ignore: Count = 255
    negatives: Positive = 3.0


@dataclass(frozen=True)
class Schedule:
    """How the learning rate changes: its factor at each step, from 0.

    exponential: `factor` to the power of step / `every`, in whole powers where `staircase`; `every` counts steps,
    `every_epochs` epochs. piecewise: `factors` between the steps `boundaries`. cosine: from 1 to `floor` at the last
    step (Loshchilov and Hutter 2017). `warmup` steps grow linearly from zero to it.
    """

    kind: Annotated[str, choice(*SCHEDULES)] = "constant"
    factor: Small = 0.1
    every: Steps | None = None
    every_epochs: Positive | None = None
    staircase: Flag = False
    boundaries: Numbers = ()
    factors: Numbers = ()
    floor: Share = 0.0
    warmup: Count = 0


@dataclass(frozen=True)
class Train:
    """How the network is trained: the recipe of its source.

    `steps` or `epochs` end it. `momentum` is that of `momentum`, 0.9 unless said, and of `rmsprop`, 0
    unless said; `decay` is the latter's, `epsilon` what an optimizer adds to a root, 1e-7 unless said. `l2` is the
    penalty of every kernel, l2 / 2 times its sum of squares, besides what the rows say; `weight_decay` is AdamW's.
    `ema` is the decay of a moving average of the weights, which is what is measured and kept. `clip_norm` bounds the
    norm of all gradients together. Rows under `freeze` keep their weights, `learning_rates` multiplies those of rows;
    those under `fresh` begin with random ones, whatever file the others come from.
    After `quantize_after` steps weights and activations are quantized in training. `evaluate_every`, `save_every`
    and `picture_every` count steps.
    """

    task: Annotated[str, choice(*TASKS, expects="a task: " + ", ".join(TASKS))]
    data: Data = Data()
    augment: Augment = Augment()
    loss: Loss = Loss()
    optimizer: Annotated[str, choice(*OPTIMIZERS, expects="an optimizer")] = "adam"
    learning_rate: Small = 1e-3
    schedule: Schedule = Schedule()
    momentum: Share | None = None
    decay: Share = 0.9
    epsilon: Positive | None = None
    weight_decay: Penalty = 0.0
    batch: Units = 32
    epochs: Steps | None = None
    steps: Count | None = None
    seed: Count = 0
    l2: Penalty = 0.0
    ema: Share | None = None
    clip_norm: Positive | None = None
    freeze: RowNames = ()
    fresh: RowNames = ()
    learning_rates: Factors = ()
    quantize_after: Count | None = None
    evaluate_every: Steps | None = None
    save_every: Steps = 500
    picture_every: Steps | None = None
    precision: Annotated[str, choice("float32", "bfloat16")] = "float32"
    jit: Flag = False
