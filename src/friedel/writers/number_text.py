"""Numbers as text in columns: short, whatever their size."""

import math

FIXED_BELOW = 1e7
"""Numbers from this size on are printed with an exponent: their digits would not fit a column."""


def fixed(value: float, digits: int, sign: str = "") -> str:
    """A number with `digits` decimals, or with an exponent if it is large; ``"-"`` for NaN.

    Parameters
    ----------
    digits
        Number of decimals.
    sign
        ``"+"`` to print the sign of positive numbers, too.
    """
    if math.isnan(value):
        return "-"
    if abs(value) >= FIXED_BELOW:
        return f"{value:{sign}.4g}"
    return f"{value:{sign}.{digits}f}"
