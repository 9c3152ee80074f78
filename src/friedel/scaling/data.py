"""The data of a fit: observed amplitudes, and structure factors of atoms and solvent."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from friedel.errors import ReflectionsError
from friedel.kernels.reciprocal.scaling import products, unscaled_amplitudes
from friedel.model.arrays import checked_hkl, frozen_copy
from friedel.model.crystal import Crystal
from friedel.reflections.agreement import r_factor as r_factor  # held here in 0.1.0
from friedel.scaling.parameters import (
    UNIT_TENSOR,
    ScaleParameters,
    harmonic_rows,
    quadratic_rows,
    symmetric_tensors,
)

N_OUTSIDE_CURVES = 20
"""Number of reflections at either end of the resolution range for which curves are constant. Tuned
as :data:`friedel.scaling.choice.EQUIVALENCE_LIMIT` was."""


LEAST_DENSITY = 0.2
"""Least matching density, relative to the root mean squares of F_calc and F_mask: for neutrons the
density of the atoms can be nearly zero."""

MOST = 1e70
"""Largest amplitude. Sums of fourth powers, in fits to intensities, must be finite."""

COLUMNS = ("f_obs", "i_obs", "f_calc", "f_mask", "f_layer")
"""Arrays of :class:`ScalingData`; twin mates have the last three."""


@dataclass(frozen=True, eq=False)
class ScalingData:
    """The data that the parameters are fitted to.

    Parameters
    ----------
    crystal
        Cell and symmetry.
    hkl
        (n, 3) reflections.
    f_obs
        (n,) observed amplitudes.
    f_calc
        (n,) complex structure factors of the atoms.
    f_mask
        (n,) complex transform of the solvent mask, or None for no solvent.
    f_layer
        (n,) complex transform of a layer of solvent with a different density, or None.
    twin
        F_calc, F_mask and F_layer of the reflections of the k further twin domains that overlap
        with these, (k, n) each, or (n,) for one; the latter two may be None. None without twinning.
    i_obs
        (n,) observed intensities, of any sign, for a target of intensities; by default F_obs^2.

    Raises
    ------
    ReflectionsError
        For arrays that do not fit together, values that are not finite, or amplitudes beyond
        :data:`MOST` or below its inverse.
    """

    crystal: Crystal
    hkl: np.ndarray
    f_obs: np.ndarray
    f_calc: np.ndarray
    f_mask: np.ndarray | None = None
    f_layer: np.ndarray | None = None
    twin: tuple[np.ndarray, np.ndarray | None, np.ndarray | None] | None = None
    i_obs: np.ndarray | None = None

    def __post_init__(self) -> None:
        hkl = frozen_copy(checked_hkl(self.hkl))
        object.__setattr__(self, "hkl", hkl)

        def column(name: str, values: np.ndarray | None, *k: int) -> np.ndarray | None:
            if values is None:
                return None
            return frozen_copy(values, None, (*k, len(hkl)), name=name, error=ReflectionsError)

        named = {name: column(name, getattr(self, name)) for name in COLUMNS}
        for name, values in named.items():
            object.__setattr__(self, name, values)
        if self.twin is not None:
            arrays = [None if f is None else np.atleast_2d(f) for f in self.twin]
            k = 0 if arrays[0] is None else len(arrays[0])
            names = [f"{name} of twin mates" for name in COLUMNS[2:]]
            of_mates = {
                name: column(name, values, k) for name, values in zip(names, arrays, strict=True)
            }
            object.__setattr__(self, "twin", tuple(of_mates.values()))
            named |= of_mates
        for name, values in named.items():
            if values is not None:
                _check_size(name, values)
        if not np.any(self.f_calc):
            raise ReflectionsError("F_calc is zero for all reflections: it cannot be scaled")
        for name in ("f_obs", "f_calc"):
            largest = float(np.abs(getattr(self, name)).max(initial=0.0))
            if 0.0 < largest < 1.0 / MOST:
                raise ReflectionsError(
                    f"{name} is at most {largest:.1e}, expected more than {1.0 / MOST:.0e} for some"
                )

    def __len__(self) -> int:
        return len(self.hkl)

    def select(self, chosen: np.ndarray) -> "ScalingData":
        """The reflections chosen by a boolean mask or by indices."""

        def of(values: np.ndarray | None) -> Any:
            return None if values is None else values[..., chosen]

        arrays: dict[str, Any] = {name: of(getattr(self, name)) for name in COLUMNS}
        twin = None if self.twin is None else tuple(of(values) for values in self.twin)
        part = replace(self, **arrays, hkl=self.hkl[chosen], twin=twin)
        vars(part)["b_basis"] = self.b_basis  # of the same crystal
        return part

    def observed(self, of_intensities: bool) -> np.ndarray:
        """(n,) what a target compares with the model: F_obs, or intensities."""
        if not of_intensities:
            return self.f_obs
        return self.f_obs**2 if self.i_obs is None else self.i_obs

    @property
    def n_twins(self) -> int:
        """k, the number of twin domains besides the first."""
        return 0 if self.twin is None else len(self.twin[0])

    @cached_property
    def has_solvent(self) -> bool:
        """Whether there is a mask that is not empty."""
        return self.f_mask is not None and bool(np.any(self.f_mask))

    @cached_property
    def has_layer(self) -> bool:
        """Whether there is solvent and a layer that is not empty."""
        return self.has_solvent and self.f_layer is not None and bool(np.any(self.f_layer))

    @cached_property
    def matching_density(self) -> float:
        """The density (k_sol) of a solvent that matches the atoms; infinite without solvent.

        F_mask is, at low resolution, minus the transform of the volume of the atoms. The regression
        of F_calc on -F_mask is their mean density, and needs no data of low resolution.
        """
        if not self.has_solvent:
            return np.inf
        mixed, mask = (float(row.sum()) for row in self._products[1:3])
        return max(abs(mixed) / mask, LEAST_DENSITY * self.ratio_to_mask)

    @cached_property
    def ratio_to_mask(self) -> float:
        """Root mean square of F_calc over that of F_mask; infinite without solvent."""
        if not self.has_solvent:
            return np.inf
        return float(np.sqrt(self._products[0].sum() / self._products[2].sum()))

    @cached_property
    def stol2(self) -> np.ndarray:
        """(n,) (sin theta / lambda)^2, 1/Å^2; as :meth:`Crystal.stol2`, compiled."""
        return quadratic_rows(self.crystal, self.hkl, UNIT_TENSOR)[0]

    @property
    def curve_range(self) -> tuple[float, float]:
        """The 1/d (1/Å) between which curves vary: some reflections are outside of either."""
        n_beyond = min(N_OUTSIDE_CURVES, len(self) // 50)
        at = [n_beyond, len(self) - 1 - n_beyond]
        low, high = 2.0 * np.sqrt(np.partition(self.stol2, at)[at])
        return float(low), float(high)

    @cached_property
    def b_basis(self) -> np.ndarray:
        """(m, 6) tensors that the symmetry allows, see :func:`symmetric_tensors`."""
        return symmetric_tensors(self.crystal)

    @cached_property
    def exponents(self) -> np.ndarray:
        """(m, n) s^T B s / 4 for the tensors of `b_basis`."""
        return quadratic_rows(self.crystal, self.hkl, self.b_basis)

    @cached_property
    def harmonics(self) -> np.ndarray:
        """(m - 1, n) :func:`harmonic_rows` of the anisotropic tensors of `b_basis`."""
        return harmonic_rows(self.crystal, self.hkl, self.b_basis[1:], self.stol2)

    def b_components(self, b_overall: Sequence[float]) -> np.ndarray:
        """(m,) projections of a tensor (6,) on those of `b_basis`."""
        in_full_tensor = np.array([1, 1, 1, 2, 2, 2])
        return self.b_basis @ (in_full_tensor * np.array(b_overall))

    @cached_property
    def _products(self) -> np.ndarray:
        """(6, n) products of this crystal without the twin; see :meth:`products`."""
        return _products_of(self.f_calc, self.f_mask, self.f_layer)

    @cached_property
    def twin_difference(self) -> np.ndarray:
        """(k, 6, n) products of the mates in each twin domain minus those of the reflections."""
        differences = np.empty((self.n_twins, *self._products.shape))
        if self.twin is not None:
            f_calc, *solvent = self.twin
            for i, difference in enumerate(differences):
                f_mask, f_layer = (None if f is None else f[i] for f in solvent)
                np.subtract(_products_of(f_calc[i], f_mask, f_layer), self._products, difference)
        return differences

    def products(self, twin_fractions: Sequence[float] = ()) -> np.ndarray:
        """(6, n) CC, CM, MM, CL, ML, LL: real parts of products of F_calc, F_mask, F_layer.

        Amplitudes depend on phases only through these. Twinning adds intensities, and so the
        products.
        """
        total = self._products
        # without twin domains, fractions have no effect
        for fraction, difference in zip(twin_fractions, self.twin_difference, strict=False):
            if fraction != 0.0:
                total = total + fraction * difference
        return total

    def unscaled_amplitudes(
        self,
        solvent_scale: np.ndarray,
        k_layer: float = 0.0,
        twin_fractions: Sequence[float] = (),
    ) -> np.ndarray:
        """(n,) |F_calc + solvent_scale (F_mask + k_layer F_layer)|, including twin domains."""
        amplitudes = np.empty(len(self))
        products = self.products(twin_fractions)
        unscaled_amplitudes(products, np.asarray(solvent_scale), k_layer, amplitudes)
        return amplitudes

    def amplitudes(self, parameters: ScaleParameters) -> np.ndarray:
        """(n,) |F_total| with these parameters; for twins the root of the mean |F_total|^2."""
        solvent = parameters.solvent_scale(self.stol2)
        unscaled = self.unscaled_amplitudes(solvent, parameters.k_layer, parameters.twin_fractions)
        return parameters.overall_scale(self.crystal, self.hkl) * unscaled

    def residuals(
        self, parameters: ScaleParameters, weights: np.ndarray | None = None
    ) -> np.ndarray:
        """(n,) |F_total| - F_obs with these parameters, times weights (n,)."""
        residuals = self.amplitudes(parameters) - self.f_obs
        return residuals if weights is None else residuals * weights


def _check_size(name: str, values: np.ndarray) -> None:
    """Reject values that are not finite, or whose fourth powers could overflow."""
    parts = values.view(np.float64) if np.iscomplexobj(values) else values
    largest = max(float(parts.max(initial=0.0)), -float(parts.min(initial=0.0)))
    if not np.isfinite(largest):
        raise ReflectionsError(f"{name} has values that are not finite")
    most = MOST * MOST if name == "i_obs" else MOST
    if largest > most:
        raise ReflectionsError(f"{name} has values of {largest:.1e}, expected at most {most:.0e}")


def _products_of(
    f_calc: np.ndarray, f_mask: np.ndarray | None, f_layer: np.ndarray | None
) -> np.ndarray:
    c, m, y = (np.zeros_like(f_calc) if f is None else f for f in (f_calc, f_mask, f_layer))
    found = np.empty((6, len(f_calc)))
    products(c, m, y, found)
    return found
