"""Scaling and bulk solvent with gemmi's interface: Scaling."""

from dataclasses import replace
from typing import Any

import numpy as np

from friedel import scaling as engine
from friedel.compat.printing import PrintsAsGemmi
from friedel.errors import ParameterError, ReflectionsError
from friedel.gemmi_package import gemmi
from friedel.model.tensors import UPPER, averaged_unit_tensors, rotate_tensors
from friedel.readers.amplitudes import as_reflections
from friedel.readers.symmetry import crystal_from_gemmi
from friedel.reflections.reflections import match


class Scaling(PrintsAsGemmi):
    """Overall, anisotropic and bulk-solvent scale of calculated structure factors.

    Parameters
    ----------
    cell
        ``gemmi.UnitCell``.
    spacegroup
        ``gemmi.SpaceGroup``, or None for P 1.

    Attributes
    ----------
    use_solvent
        Whether to use the mask; set it before :meth:`prepare_points`.
    fix_k_sol, fix_b_sol
        Whether the fit keeps these constant.
    k_overall, k_sol, b_sol
        Parameters in F_total = k_overall exp(-s B s / 4) (F_calc + k_sol exp(-b_sol stol2) F_mask).
    """

    __slots__ = (
        "_b_overall",
        "_crystal",
        "_data",
        "b_sol",
        "cell",
        "fix_b_sol",
        "fix_k_sol",
        "k_overall",
        "k_sol",
        "use_solvent",
    )

    def __init__(self, cell: Any, spacegroup: Any) -> None:
        self.cell = cell
        self._crystal = crystal_from_gemmi(cell, spacegroup)
        self.use_solvent = False
        self.fix_k_sol = False
        self.fix_b_sol = False
        start = engine.ScaleParameters()
        self.k_overall, self.k_sol, self.b_sol = start.k_overall, start.k_sol, start.b_sol
        self._b_overall = start.b_overall
        self._data: engine.ScalingData | None = None

    @property
    def b_overall(self) -> Any:
        """Overall B, Cartesian, Å^2: a ``gemmi.SMat33d``; six numbers are accepted."""
        return gemmi.SMat33d(*self._b_overall)

    @b_overall.setter
    def b_overall(self, value: Any) -> None:
        elements = value.elements_pdb() if hasattr(value, "elements_pdb") else value
        if len(elements) != 6:
            raise ParameterError(f"got b_overall {value!r}, expected B11, B22, B33, B12, B13, B23")
        self._b_overall = tuple(float(x) for x in elements)

    @property
    def parameters(self) -> list[float]:
        """k_overall; k_sol and b_sol if solvent is used; then the free components of B.

        The latter are those of B*, in exp(-hkl B* hkl / 4), along gemmi's symmetry constraints.
        """
        basis = _b_star_basis(self._crystal.primitive_operations[0])
        components = basis @ _to_star(self._crystal.fractionalization, self._b_overall)
        solvent = [self.k_sol, self.b_sol] if self.use_solvent else []
        return [self.k_overall, *solvent, *(float(x) for x in components)]

    @parameters.setter
    def parameters(self, values: Any) -> None:
        basis = _b_star_basis(self._crystal.primitive_operations[0])
        values = [float(x) for x in values]
        first = 3 if self.use_solvent else 1
        if len(values) != first + len(basis):
            raise ParameterError(f"got {len(values)} parameters, expected {first + len(basis)}")
        self.k_overall = values[0]
        if self.use_solvent:
            self.k_sol, self.b_sol = values[1:3]
        b_star = np.array(values[first:]) @ basis
        cartesian = _to_star(self._crystal.orthogonalization, tuple(b_star))
        self._b_overall = tuple(float(x) for x in cartesian)

    def prepare_points(self, calc: Any, obs: Any, mask: Any = None) -> None:
        """Set the data of the fit: reflections that calc and obs (and mask) have in common.

        Parameters
        ----------
        calc, mask
            Complex AsuData on the same reflections.
        obs
            ``gemmi.ValueSigmaAsuData`` or anything else with observed amplitudes.

        Raises
        ------
        ReflectionsError
            When the reflections of calc and mask differ, or calc and obs have none in common.
        """
        observed = as_reflections(obs)
        i, j = match(observed.hkl, calc.miller_array)
        if len(i) == 0:
            raise ReflectionsError("calculated and observed data have no reflection in common")
        values = _complex_values(calc)[j]
        mask_values = self._mask_values(calc, mask)
        self._data = engine.ScalingData(
            self._crystal,
            observed.hkl[i],
            np.asarray(observed.values[i], np.float64),
            values,
            None if mask_values is None else mask_values[j],
        )

    def fit_isotropic_b_approximately(self) -> None:
        """Set k_overall and an isotropic B from a Wilson-like straight line."""
        self._adopt(engine.fit_isotropic_b(self._points(), self._state()))

    def fit_b_star_approximately(self) -> None:
        """Set k_overall and the anisotropic B by linear least squares on logarithms."""
        self._adopt(engine.fit_anisotropic_b(self._points(), self._state()))

    def fit_parameters(self) -> float:
        """Fit all parameters by least squares.

        The best of two fits is kept: one from the present values, and with solvent one from
        :func:`friedel.scaling.start_of_fit`. k_sol can become negative only if it is negative
        before the fit, as suits neutrons.

        Returns
        -------
        float
            Sum of (|F_total| - F_obs)^2.
        """
        fixed = {name for name in ("k_sol", "b_sol") if getattr(self, f"fix_{name}")}
        data, start = self._points(), self._state()
        k_sol_min = -np.inf if start.k_sol < 0.0 and "k_sol" not in fixed else 0.0
        result = engine.fit(data, start=start, fixed=fixed, k_sol_min=k_sol_min)
        if data.has_solvent and fixed != {"k_sol", "b_sol"}:
            searched = engine.start_of_fit(data, start, fixed=fixed, k_sol_min=k_sol_min)
            other = engine.fit(data, start=searched, fixed=fixed, k_sol_min=k_sol_min)
            result = min(result, other, key=lambda found: found.value)
        self._adopt(result.parameters)
        return result.value

    def calculate_r_factor(self) -> float:
        """Sum of | |F_total| - F_obs | over sum of F_obs."""
        data = self._points()
        total = self._state().f_total(self._crystal, data.hkl, data.f_calc, data.f_mask)
        return engine.r_factor(data.f_obs, total)

    def get_overall_scale_factor(self, hkl: Any) -> Any:
        """k_overall exp(-s B s / 4) at one reflection, or at an (n, 3) array of them."""
        scale = self._state().overall_scale(self._crystal, np.atleast_2d(hkl))
        return float(scale[0]) if np.ndim(hkl) == 1 else scale

    def get_solvent_scale(self, stol2: Any) -> Any:
        """k_sol exp(-b_sol stol2), a number or an array."""
        scale = self._state().solvent_scale(stol2)
        return scale if np.ndim(stol2) else float(scale)

    def scale_data(self, asu_data: Any, mask_data: Any = None) -> None:
        """Replace F_calc by F_total in place.

        Raises
        ------
        ReflectionsError
            When solvent is used and mask_data is missing or on other reflections.
        """
        values = _complex_values(asu_data)
        mask = self._mask_values(asu_data, mask_data)
        asu_data.value_array[:] = self._state().f_total(
            self._crystal, np.asarray(asu_data.miller_array), values, mask
        )

    def scale_value(self, hkl: Any, f_value: complex, mask_value: complex) -> complex:
        """F_total of one reflection."""
        mask = np.array([mask_value]) if self.use_solvent else None
        total = self._state().f_total(self._crystal, np.atleast_2d(hkl), np.array([f_value]), mask)
        return complex(total[0])

    def _mask_values(self, calc: Any, mask: Any) -> np.ndarray | None:
        if not self.use_solvent:
            return None
        if mask is None:
            raise ReflectionsError("solvent is used: expected the structure factors of a mask")
        if not np.array_equal(calc.miller_array, mask.miller_array):
            raise ReflectionsError(
                f"F_calc ({len(calc)}) and F_mask ({len(mask)}) are not on the same reflections"
            )
        return _complex_values(mask)

    def _points(self) -> engine.ScalingData:
        if self._data is None:
            raise ReflectionsError("there are no data yet: call prepare_points()")
        if self._data.f_mask is not None and not self.use_solvent:
            return replace(self._data, f_mask=None)
        return self._data

    def _state(self) -> engine.ScaleParameters:
        return engine.ScaleParameters(self.k_overall, self._b_overall, self.k_sol, self.b_sol)

    def _adopt(self, parameters: engine.ScaleParameters) -> None:
        self.k_overall, self.k_sol, self.b_sol = (
            parameters.k_overall,
            parameters.k_sol,
            parameters.b_sol,
        )
        self._b_overall = parameters.b_overall


def _complex_values(asu_data: Any) -> np.ndarray:
    return np.asarray(asu_data.value_array).astype(np.complex128)


def _to_star(axes: np.ndarray, tensor: tuple[float, ...]) -> np.ndarray:
    """(6,) elements of M T M^T: to the basis of the cell, or back with the inverse matrix."""
    return rotate_tensors(np.array([tensor]), axes)[0]


def _b_star_basis(rotations: np.ndarray) -> np.ndarray:
    """(m, 6) unit vectors that span the B* allowed by the symmetry, in reduced echelon form.

    These are gemmi's constraints, such as (2, 2, 0, 1, 0, 0) / 3 of hexagonal crystals.
    """
    projection = averaged_unit_tensors(rotations)[:, *UPPER]
    rank = np.linalg.matrix_rank
    pivots = [i for i in range(6) if rank(projection[:, : i + 1]) > rank(projection[:, :i])]
    _, _, rows = np.linalg.svd(projection)
    spanning = rows[: len(pivots)]
    basis = np.linalg.solve(spanning[:, pivots], spanning)
    return basis / np.linalg.norm(basis, axis=1, keepdims=True)
