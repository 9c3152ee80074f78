"""What the scale is fitted to: amplitudes, and structure factors of atoms and solvent."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from friedel.crystal import Crystal
from friedel.errors import ReflectionsError
from friedel.scaling.parameters import ScaleParameters, quadratic_terms, symmetric_tensors


@dataclass(frozen=True, eq=False)
class ScalingData:
    """What the parameters are fitted to.

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
        (n,) complex transform of a layer of solvent with a density of its own, or None.

    Raises
    ------
    ReflectionsError
        For arrays that do not fit together, or values that are not finite.
    """

    crystal: Crystal
    hkl: np.ndarray
    f_obs: np.ndarray
    f_calc: np.ndarray
    f_mask: np.ndarray | None = None
    f_layer: np.ndarray | None = None

    def __post_init__(self) -> None:
        for name in ("f_obs", "f_calc", "f_mask", "f_layer"):
            values = getattr(self, name)
            if values is None:
                continue
            if np.shape(values) != (len(self.hkl),):
                raise ReflectionsError(
                    f"{name} has shape {np.shape(values)}, expected ({len(self.hkl)},)"
                )
            if not np.isfinite(values).all():
                raise ReflectionsError(f"{name} has values that are not finite")
        if not np.any(self.f_calc):
            raise ReflectionsError("F_calc is zero for all reflections: there is nothing to scale")

    def __len__(self) -> int:
        return len(self.hkl)

    def select(self, chosen: np.ndarray) -> "ScalingData":
        """The reflections chosen by a boolean mask or by indices."""
        arrays: dict[str, Any] = {
            name: None if (values := getattr(self, name)) is None else values[chosen]
            for name in ("hkl", "f_obs", "f_calc", "f_mask", "f_layer")
        }
        return replace(self, **arrays)

    @property
    def has_solvent(self) -> bool:
        """Whether there is a mask, and it is not empty."""
        return self.f_mask is not None and bool(np.any(self.f_mask))

    @property
    def has_layer(self) -> bool:
        """Whether there is solvent and a layer that is not empty."""
        return self.has_solvent and self.f_layer is not None and bool(np.any(self.f_layer))

    @cached_property
    def stol2(self) -> np.ndarray:
        """(n,) (sin theta / lambda)^2, 1/A^2."""
        return self.crystal.stol2(self.hkl)

    @property
    def curve_range(self) -> tuple[float, float]:
        """Least and greatest 1/d, 1/A."""
        return float(2.0 * np.sqrt(self.stol2.min())), float(2.0 * np.sqrt(self.stol2.max()))

    @cached_property
    def b_basis(self) -> np.ndarray:
        """(m, 6) tensors that the symmetry allows, see :func:`symmetric_tensors`."""
        return symmetric_tensors(self.crystal)

    @cached_property
    def exponents(self) -> np.ndarray:
        """(n, m) s^T B s / 4 of the tensors of `b_basis`."""
        return quadratic_terms(self.crystal, self.hkl) @ self.b_basis.T

    def b_components(self, b_overall: Sequence[float]) -> np.ndarray:
        """(m,) projections of a tensor (6,) on those of `b_basis`."""
        in_full_tensor = np.array([1, 1, 1, 2, 2, 2])
        return self.b_basis @ (in_full_tensor * np.array(b_overall))

    @cached_property
    def _products(self) -> tuple[np.ndarray, ...]:
        """CC, CM, MM, CL, ML, LL: real parts of the products of F_calc, F_mask, F_layer.

        The phases matter only through these.
        """
        zero = np.zeros(1, np.complex128)
        c = self.f_calc
        m = zero if self.f_mask is None else self.f_mask
        y = zero if self.f_layer is None else self.f_layer
        pairs = ((c, c), (c, m), (m, m), (c, y), (m, y), (y, y))
        return tuple((np.conj(a) * b).real for a, b in pairs)

    def _with_layer(self, k_layer: float) -> tuple[np.ndarray, np.ndarray]:
        """Re(F_calc* S) and |S|^2 of S = F_mask + k_layer F_layer."""
        _, cm, mm, cl, ml, ll = self._products
        if k_layer == 0.0:
            return cm, mm
        return cm + k_layer * cl, mm + k_layer * (2.0 * ml + k_layer * ll)

    def unscaled_amplitudes(self, solvent_scale: np.ndarray, k_layer: float = 0.0) -> np.ndarray:
        """(n,) |F_calc + solvent_scale (F_mask + k_layer F_layer)|."""
        calc2 = self._products[0]
        cross, solvent2 = self._with_layer(k_layer)
        return np.sqrt(
            np.maximum(calc2 + solvent_scale * (2.0 * cross + solvent_scale * solvent2), 0.0)
        )

    def unscaled_slope(self, solvent_scale: np.ndarray, k_layer: float = 0.0) -> np.ndarray:
        """(n,) d :meth:`unscaled_amplitudes` / d solvent_scale; 0 where they vanish."""
        cross, solvent2 = self._with_layer(k_layer)
        return self._over_amplitudes(cross + solvent_scale * solvent2, solvent_scale, k_layer)

    def layer_slope(self, solvent_scale: np.ndarray, k_layer: float) -> np.ndarray:
        """(n,) d :meth:`unscaled_amplitudes` / d k_layer; 0 where they vanish."""
        _, _, _, cl, ml, ll = self._products
        numerator = solvent_scale * (cl + solvent_scale * (ml + k_layer * ll))
        return self._over_amplitudes(numerator, solvent_scale, k_layer)

    def _over_amplitudes(
        self, numerator: np.ndarray, solvent_scale: np.ndarray, k_layer: float
    ) -> np.ndarray:
        amplitudes = self.unscaled_amplitudes(solvent_scale, k_layer)
        return np.divide(numerator, amplitudes, out=np.zeros_like(amplitudes), where=amplitudes > 0)

    def amplitudes(self, parameters: ScaleParameters) -> np.ndarray:
        """(n,) |F_total| with these parameters."""
        solvent = parameters.solvent_scale(self.stol2)
        unscaled = self.unscaled_amplitudes(solvent, parameters.k_layer)
        return parameters.overall_scale(self.crystal, self.hkl) * unscaled


def r_factor(f_obs: np.ndarray, f_model: np.ndarray) -> float:
    """Sum |F_obs - |F_model|| / sum F_obs; NaN without reflections."""
    total = float(np.sum(f_obs))
    return float(np.abs(f_obs - np.abs(f_model)).sum()) / total if total > 0 else float("nan")
