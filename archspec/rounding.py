"""Rounding of depths."""


def divisible(wanted: float, divisor: int, least: int = 1) -> int:
    """The multiple of `divisor` nearest to a depth: at least the divisor and `least`, never under 0.9 of the wanted.

    Source: Slim's `_make_divisible` (nets/mobilenet/mobilenet.py); keras.applications' `_depth` and `round_filters`.
    """
    rounded = max(divisor, least, int(wanted + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * wanted else rounded
