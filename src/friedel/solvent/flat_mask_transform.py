"""Structure factors of flat masks, from the planes of an asymmetric unit.

Along w the transform of a run of points is the sum of a geometric series, which is known from its
ends: a mask needs neither an array of its points nor a transform of their rows.
"""

from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np

from friedel.density.asymmetric_planes import AsymmetricPlanes, asymmetric_planes
from friedel.density.fourier import SymmetrySum
from friedel.kernels.grid.mask import Runs, transform_runs
from friedel.model.atoms import Atoms
from friedel.model.crystal import Crystal
from friedel.runtime.memory import scratch
from friedel.runtime.threads import in_stretches
from friedel.solvent.flat_mask import TIME_OF_RUN, MaskParameters, solvent_runs


@dataclass(frozen=True, eq=False)
class FlatMasks:
    """What flat masks of a crystal have in common: planes of the grid, and terms of F.

    Parameters
    ----------
    crystal
        Cell and symmetry.
    hkl
        (n, 3) reflections.
    shape
        (nu, nv, nw) of a grid that every operation takes to itself.
    threads
        Number of threads of the transforms.

    Raises
    ------
    ReflectionsError
        At first use, for reflections beyond the Nyquist limit of the grid.
    """

    crystal: Crystal
    hkl: np.ndarray
    shape: tuple[int, int, int]
    threads: int = 1

    @cached_property
    def planes(self) -> AsymmetricPlanes:
        """The planes that are calculated and transformed."""
        return asymmetric_planes(self.crystal, self.shape)

    def of_atoms(self, atoms: Atoms, parameters: MaskParameters) -> Runs:
        """The runs of solvent in the planes."""
        planes = self.planes
        return solvent_runs(self.crystal, atoms, self.shape, parameters, planes.first, planes.last)

    def fraction(self, solvent: Runs) -> float:
        """The fraction of the cell that is solvent."""
        n_points = np.append(0, np.cumsum(solvent.last - solvent.first + 1, dtype=np.int64))
        of_plane = np.diff(n_points[solvent.row_start[:: self.shape[1]]])
        n_images = len(self.planes.rotations) * len(self.crystal.centring_translations)
        n = round(n_images * float(self.planes.weights @ of_plane))
        return n / float(np.prod(self.shape))

    def structure_factors(self, solvent: Runs) -> np.ndarray:
        """(n,) complex128 F; zero for a mask without boundary."""
        n_planes, (_, nv, nw) = len(self.planes.weights), self.shape
        n_points = int((solvent.last - solvent.first + 1).sum())
        if n_points in (0, n_planes * nv * nw):
            return np.zeros(len(self.hkl), np.complex128)  # not rounding errors
        shape = n_planes, nv, self._terms.l_max + 1
        rows = scratch("mask_rows", shape, np.complex64)
        parts, weights = rows.view(np.float32), self.planes.weights
        transform = partial(transform_runs, solvent, weights, self._ends, parts)
        seconds = TIME_OF_RUN * (len(solvent.first) + n_planes * nv)
        in_stretches(transform, len(rows), 1, seconds=seconds)
        return self._terms.of_rows(rows, self.planes.first, self.threads)

    @cached_property
    def _terms(self) -> SymmetrySum:
        of_planes = self.planes.rotations, self.planes.translations
        return SymmetrySum(
            self.crystal, self.hkl, self.shape, operations=of_planes, threads=self.threads
        )

    @cached_property
    def _ends(self) -> np.ndarray:
        """(nw + 1, 2 n_l) terms of the ends of runs; see :func:`transform_runs`."""
        nw, n_l = self.shape[2], self._terms.l_max + 1
        turn = np.exp(-2j * np.pi / nw * np.arange(nw))
        w, l = np.arange(nw + 1), np.arange(1, n_l)
        ends = np.empty((nw + 1, n_l), np.complex128)
        ends[:, 0] = -w
        ends[:, 1:] = turn[np.outer(w, l) % nw] / (1.0 - turn[l])
        return ends.view(np.float64)
