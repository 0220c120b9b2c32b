"""Training: where examples come from, what a task asks of a network, and what a run leaves behind. No TensorFlow."""


class TrainError(Exception):
    """A run that cannot begin or go on; says why."""
