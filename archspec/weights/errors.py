"""The one error of the weights import."""


class WeightsError(Exception):
    """A source that cannot be read, or that does not fit the network without a doubt.

    The message is one finding a line; every finding names the row, the tensor or the file it is about.
    """
