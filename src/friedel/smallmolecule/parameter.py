"""Fitted parameters with their standard uncertainties."""

import math
from dataclasses import dataclass

from friedel.writers.number_text import FIXED_BELOW

MOST_DECIMALS = 15
"""Largest number of decimals that are printed."""


@dataclass(frozen=True)
class Parameter:
    """A value and its standard uncertainty, which is 0 if it was not refined."""

    value: float
    su: float

    def __str__(self) -> str:
        """Value and uncertainty as in CIF: 0.0823(17)."""
        if not (self.su > 0 and math.isfinite(self.su)):
            return f"{self.value:.4g}"
        decimals = math.ceil(math.log10(1.95 / self.su))  # 2 to 19 in the brackets
        digits, largest = max(0, decimals), max(abs(self.value), self.su)
        if digits <= MOST_DECIMALS and largest < FIXED_BELOW:
            return f"{self.value:.{digits}f}({round(self.su * 10**digits)})"
        exponent = math.floor(math.log10(largest))
        digits = max(0, decimals + exponent)
        if digits > MOST_DECIMALS:
            return f"{self.value:.{MOST_DECIMALS}g}"  # more accurate than numbers are stored
        mantissa, su = (x / 10.0**exponent for x in (self.value, self.su))
        return f"{mantissa:.{digits}f}({round(su * 10**digits)})e{exponent:+03d}"
