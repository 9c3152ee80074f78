"""Direct summation: exact structure factors, the reference for tests of all other methods.

:class:`DirectSum` plans once what depends on crystal and reflections, and is called many times
with atoms and form factors. There are three methods: sums along rows of reciprocal space
(:mod:`friedel.kernels.direct.rows`), sums from tables of each atom where atoms are few
(:mod:`friedel.kernels.direct.tables`), and sums by the definition where reflections are few and
scattered. The method with the shortest predicted time is used. All three treat symmetry as
[Bourhis2014]: operations share tables, centring is a factor, centrosymmetric groups need half of
the operations; and atoms of one kind are summed before form factors are applied.

:class:`AsymmetricUnitSum` is for atoms whose form factors depend on the direction of h: it sums
the asymmetric unit in P 1 at all equivalents of each reflection, by the same three methods.

Isotropic atoms in orthogonal cells could also be summed by products of real matrices, hk times
l. With `dgemm` at 36 GFlop/s (one thread), that is estimated to take 31 ms instead of 72 for
5a3h at 1.5 Å and 4.2 instead of 10 for 1dur at 1 Å; whole runs from file to F 64 instead of 105
and 23 instead of 29. It is not implemented: other atoms and cells would gain nothing, and neither
would the adjoint, which needs three such products.
"""

from friedel.direct.asymmetric_unit_sum import AsymmetricUnitSum
from friedel.direct.cost import predicted_seconds
from friedel.direct.direct_sum import DirectSum, direct_structure_factors
from friedel.direct.memory import predicted_bytes

structure_factors = direct_structure_factors
"""The name that 0.1.0 had."""

__all__ = [
    "AsymmetricUnitSum",
    "DirectSum",
    "direct_structure_factors",
    "predicted_bytes",
    "predicted_seconds",
    "structure_factors",
]
