"""TensorFlow checkpoints, TF1's and TF-Slim's by name, read as plain arrays."""

import re

from archspec.weights.errors import WeightsError
from archspec.weights.units import Array

# Slots of optimizers and shadows of weights, as tf.train and TF-Slim name them below the weight's own name.
SLOT = re.compile(
    r"/(Adam(_\d+)?|Adagrad|AdagradDA|Momentum|RMSProp(_\d+)?|Ftrl(_\d+)?|Adadelta(_\d+)?|ExponentialMovingAverage"
    r"|\.OPTIMIZER_SLOT/.*)$"
)
COUNTER = re.compile(r"(^|/)(global_step|beta[12]_power|save_counter)$|^(optimizer|_optimizer)/")
OBJECT = "/.ATTRIBUTES/VARIABLE_VALUE"  # what tf.train.Checkpoint appends to every variable


def read_checkpoint(prefix: str) -> tuple[dict[str, Array], tuple[str, ...]]:
    """All weights of a checkpoint by name, and the names of what was left out: slots, counters, texts.

    Raises WeightsError for a checkpoint that TensorFlow cannot read. TensorFlow logs to the process's stderr from
    C++, past any setting; a caller that minds runs this in a process of its own.
    """
    import tensorflow as tf

    tensors: dict[str, Array] = {}
    skipped: list[str] = []
    try:
        reader = tf.train.load_checkpoint(prefix)
        types = reader.get_variable_to_dtype_map()
        for stored in sorted(types):
            name = stored.removesuffix(OBJECT)
            if types[stored] == tf.string or SLOT.search(name) or COUNTER.search(name):
                skipped.append(name)
            else:
                tensors[name] = reader.get_tensor(stored)
    except (tf.errors.OpError, RuntimeError, ValueError, IndexError) as error:
        first = str(error).strip().splitlines()[0]
        raise WeightsError(f"{prefix}: damaged or foreign TensorFlow checkpoint: {first}") from error
    return tensors, tuple(skipped)
