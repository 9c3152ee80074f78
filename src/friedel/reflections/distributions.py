"""Distributions of residuals, as negative logarithms with their derivatives.

Targets of refinement and of scaling share these.
"""

import numpy as np

HUBER_CORNER = 1.345
"""Where Huber's loss turns linear: 95 % efficiency for normal errors [Holland1977]."""


def huber_loss(residuals: np.ndarray, corner: float) -> tuple[np.ndarray, np.ndarray]:
    """r^2 / 2, beyond the corner linear in abs(r), and its derivative; (n,) each [Holland1977]."""
    slope = np.clip(residuals, -corner, corner)
    return slope * (residuals - 0.5 * slope), slope
