"""Fitted parameters with their standard uncertainties."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Parameter:
    """A value and its standard uncertainty, which is 0 if it was not refined."""

    value: float
    su: float

    def __str__(self) -> str:
        """Value and uncertainty as in CIF: 0.0823(17)."""
        if not (self.su > 0 and math.isfinite(self.su)):
            return f"{self.value:.4g}"
        digits = max(0, math.ceil(math.log10(1.95 / self.su)))  # 2 to 19 in the brackets
        return f"{self.value:.{digits}f}({round(self.su * 10**digits)})"
