"""Direct summation: exact structure factors, the truth that everything else is tested against.

:class:`DirectSum` plans once what depends on crystal and reflections, and is called many times
with atoms and form factors. How the sums are made is told in :mod:`friedel.kernels.direct`.
"""

from friedel.direct.cost import predicted_seconds
from friedel.direct.sums import DirectSum, structure_factors

__all__ = ["DirectSum", "predicted_seconds", "structure_factors"]
