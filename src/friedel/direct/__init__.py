"""Direct summation: exact structure factors, the truth that everything else is tested against.

:class:`DirectSum` plans once what depends on crystal and reflections, and is called many times
with atoms and form factors. There are three ways: along rows of reciprocal space
(:mod:`friedel.kernels.direct.rows`), from tables of each atom where these are few
(:mod:`friedel.kernels.direct.tables`), and by the definition where reflections are few and
scattered. The fastest is taken by predicted time. All three use what [Bourhis2014] does with
symmetry: tables shared by operations, centring as a factor, half of the operations in
centrosymmetric groups; and sums over the atoms of one kind before any form factor.

Isotropic atoms in orthogonal cells could also be summed by products of real matrices, hk times
l. By measured parts of it (`dgemm` at 36 GF, one thread) that would take 31 ms instead of 72 for
5a3h at 1.5 A and 4.2 instead of 10 for 1dur at 1 A; whole runs from file to F 64 instead of 105
and 23 instead of 29. It is left out: other atoms and cells gain nothing, and neither does the
adjoint, which would need three such products.
"""

from friedel.direct.cost import predicted_seconds
from friedel.direct.direct_sum import DirectSum, direct_structure_factors

structure_factors = direct_structure_factors
"""The name that 0.1.0 had."""

__all__ = ["DirectSum", "direct_structure_factors", "predicted_seconds", "structure_factors"]
