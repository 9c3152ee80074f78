"""Groups of atoms whose scale or B is off, by a fit to F_obs that changes no model.

Each group g contributes k_g exp(-dB_g stol2) F_g to F_calc. All k and dB of a division of the
atoms are fitted together, by least squares of intensities. A factor and a B common to all groups
are those of the whole model, and not determined: one group is the reference of its division.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np

from friedel.errors import ParameterError
from friedel.fmodel.adjoint import FixedMaskModel
from friedel.fmodel.scaled import ScaledModel
from friedel.maps.table import Table
from friedel.model.arrays import frozen
from friedel.model.atom_names import AtomNames
from friedel.model.atoms import Atoms
from friedel.scaling.parameters import quadratic_terms, symmetric_tensors

CURVE_TERMS = 5
"""Terms of the curve in stol2 that multiplies F_model beside a tensor, so that errors of its scale
are not taken for those of groups."""

SHELLS, SMALLEST_SHELL = 10, 100
"""Number of resolution shells, and of reflections in one at least; each has its own variance."""

ROUNDS = 3
"""Number of fits, each with weights from the one before."""

LARGE = 0.5
"""Number of atoms of a group that can be the reference, as a share of the largest."""

STEPS = 12
"""Largest number of Gauss-Newton steps; a dB of 10 Å^2 is not linear at 2 Å."""

CONVERGED = 1e-4
"""Gain of a step, as a share of the mean square residual, below which the fit has converged."""

SOLVENT_PRIOR = 1.0, 100.0
"""Standard deviations of the logarithm of the solvent's scale, and of its B (Å^2)."""

UNDETERMINED = 1e-9
"""Eigenvalue, as a share of the largest, of a combination of parameters without effect."""


@dataclass(frozen=True, eq=False, repr=False)
class GroupScales(Table):
    """Scale and B of groups of atoms relative to a reference group, by a fit to F_obs.

    Attributes
    ----------
    group
        (n,) names of the groups.
    n_atoms
        (n,) numbers of atoms.
    b
        (n,) mean B (of anisotropic atoms the equivalent one), Å^2.
    k, k_su
        (n,) factor by which F_calc of the group should be multiplied, relative to that of the
        reference, and its standard uncertainty; 0.8 for atoms whose occupancies should be 0.8
        times what they are.
    db, db_su
        (n,) what should be added to B, less that of the reference, and its standard uncertainty,
        Å^2.
    reference
        (n,) name of the group that the row is compared with. Its own row has 1, 0, and NaN as
        standard uncertainties.
    """

    STYLES: ClassVar[dict[str, str]] = {
        "b": ".1f", "k": ".3f", "k_su": ".3f", "db": ".2f", "db_su": ".2f",
    }  # fmt: skip

    group: np.ndarray
    n_atoms: np.ndarray
    b: np.ndarray
    k: np.ndarray
    k_su: np.ndarray
    db: np.ndarray
    db_su: np.ndarray
    reference: np.ndarray

    def __post_init__(self) -> None:
        for name in self.columns():
            object.__setattr__(self, name, frozen(np.array(getattr(self, name))))

    def __len__(self) -> int:
        return len(self.group)

    def __repr__(self) -> str:
        return f"<friedel.GroupScales {len(self)} groups>"

    def columns(self) -> dict[str, np.ndarray]:
        """Columns by name: group, n_atoms, b, k, k_su, db, db_su, reference."""
        names = ("group", "n_atoms", "b", "k", "k_su", "db", "db_su", "reference")
        return {name: getattr(self, name) for name in names}


def group_scales(
    model: ScaledModel, selections: Mapping[str, str | np.ndarray] | None = None
) -> GroupScales:
    """Scale and B of groups of atoms; see :meth:`friedel.FittedModel.groups`."""
    n = len(model.atoms)
    if selections is None:
        divisions = _usual_divisions(model.atom_names)
    else:
        divisions = [_division(model, selections, n)]
    rows: list[dict[str, Any]] = []
    for groups in divisions:
        known = {row["group"] for row in rows}  # water and ligands stand in several divisions
        rows += [row for row in _rows(model, groups) if row["group"] not in known]
    if not rows:
        raise ParameterError("all atoms are in one group: there is nothing to compare it with")
    columns: dict[str, Any] = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    return GroupScales(**columns)


def _division(
    model: ScaledModel, selections: Mapping[str, str | np.ndarray], n: int
) -> dict[str, np.ndarray]:
    """(n,) bool for each group of the user, and for the others."""
    groups, covered = {}, np.zeros(n, int)
    for name, selection in selections.items():
        chosen = model._setup.source_of_atoms.chosen(selection, n, f"group {name!r}")
        groups[name], covered = chosen, covered + chosen
    if (covered > 1).any():
        raise ParameterError(f"{int((covered > 1).sum())} atoms are in two groups")
    if (covered == 0).any():
        groups["others"] = covered == 0
    return groups


def _usual_divisions(names: AtomNames | None) -> list[dict[str, np.ndarray]]:
    """Main chain, side chains, water and ligands; the chains of polymers, if there are several."""
    from friedel.readers.atom_names import parts_of_atoms

    if names is None:
        raise ParameterError(
            "the groups are unknown: give the file of a macromolecule or its gemmi.Structure, or "
            "groups of your own"
        )
    parts = parts_of_atoms(names)
    order = [part for part in ("main chain", "side chains", "ligands", "water") if part in parts]
    divisions = [{part: parts == part for part in order}]
    of_polymers = np.isin(parts, ("main chain", "side chains"))
    chains = np.array(names.chain)
    polymers = list(dict.fromkeys(chains[of_polymers].tolist()))
    if len(polymers) > 1:
        by_chain = {f"chain {name}": of_polymers & (chains == name) for name in polymers}
        rest = {part: parts == part for part in order if part in ("ligands", "water")}
        divisions.append(by_chain | rest)
    return divisions


def _rows(model: ScaledModel, groups: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
    groups = {name: chosen for name, chosen in groups.items() if chosen.any()}
    if len(groups) < 2:
        return []
    names, n_atoms = list(groups), np.array([chosen.sum() for chosen in groups.values()])
    fit = _Fit(model, list(groups.values()))
    log_k, db, covariance = fit.result()
    at_mean = log_k - db * fit.mean_stol2
    reference = _weighted_median(at_mean, np.where(n_atoms >= LARGE * n_atoms.max(), n_atoms, 0))
    m, b = len(names), _mean_b(model.atoms)
    rows = []
    for i, name in enumerate(names):
        of_log_k, of_db = np.zeros((2, 2 * m))
        of_log_k[i] += 1.0
        of_log_k[reference] -= 1.0
        of_db[m + i] += 1.0
        of_db[m + reference] -= 1.0
        k = float(np.exp(log_k[i] - log_k[reference]))
        is_own = i == reference
        rows.append(
            {
                "group": name,
                "n_atoms": int(n_atoms[i]),
                "b": float(b[groups[name]].mean()),
                "k": k,
                "k_su": np.nan if is_own else k * float(np.sqrt(of_log_k @ covariance @ of_log_k)),
                "db": float(db[i] - db[reference]),
                "db_su": np.nan if is_own else float(np.sqrt(of_db @ covariance @ of_db)),
                "reference": names[reference],
            }
        )
    return rows


def _mean_b(atoms: Atoms) -> np.ndarray:
    return np.where(atoms.is_aniso, atoms.b_eigenvalues.mean(axis=1), atoms.b_iso)


def _weighted_median(values: np.ndarray, weights: np.ndarray) -> int:
    """Index of the value at which half of the weight is reached."""
    order = np.argsort(values, kind="stable")
    order = order[weights[order] > 0]
    total = np.cumsum(weights[order])
    return int(order[np.searchsorted(total, 0.5 * total[-1])])


class _Fit:
    """Least squares of intensities by log k and dB of groups, and by scales of the whole.

    The model is s^2 (abs(F)^2 + beta), with a scale s and beta of each resolution shell: what the
    atoms lack adds intensity to weak reflections, which otherwise enlarges k of some groups.
    """

    def __init__(self, model: ScaledModel, groups: list[np.ndarray]) -> None:
        used = model.usable & ~model.free & ~model.rejected
        stol2 = model.f_obs.stol2[used]
        self._n, self._stol2, self.mean_stol2 = len(groups), stol2, float(stol2.mean())
        self._intensities = model.f_obs.values[used] ** 2
        self._domains = [
            (fraction, *_contributions(function, exist, model.atoms, groups, used))
            for fraction, function, exist in _domains(model)
        ]
        low, high = stol2.min(), stol2.max()
        x = 2.0 * (stol2 - low) / max(high - low, 1e-12) - 1.0
        curve = np.polynomial.chebyshev.chebvander(x, CURVE_TERMS - 1)
        quadratic = quadratic_terms(model.crystal, model.f_obs.hkl[used])
        self._curve = np.hstack([curve, quadratic @ symmetric_tensors(model.crystal).T])
        n_shells = min(SHELLS, 1 + len(stol2) // SMALLEST_SHELL)
        rank = np.argsort(np.argsort(stol2))
        self._shell = rank * n_shells // len(stol2)
        self._mean = np.bincount(self._shell, self._intensities) / np.bincount(self._shell)
        m = self._curve.shape[1]
        ends = np.cumsum([0, self._n, self._n, m, 2, n_shells])
        self._log_k, self._db, self._scale, self._solvent, self._beta = (
            slice(*pair) for pair in pairwise(ends.tolist())
        )
        self._n_parameters = int(ends[-1])
        self._weight = self._weights(np.zeros(self._n_parameters))

    def _weights(self, p: np.ndarray) -> np.ndarray:
        """(n,) 1 / sigma of the intensities, for a variance of amplitudes of each shell."""
        expected = self._expected(p)[0]
        residual = np.sqrt(self._intensities) - np.sqrt(expected)
        variance = np.bincount(self._shell, residual**2) / np.bincount(self._shell)
        variance = np.maximum(variance, 1e-12 * self._mean)[self._shell]
        return 1.0 / np.sqrt(4.0 * expected * variance + 2.0 * variance**2)

    def _expected(self, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(n,) intensities, and (n, m) their derivatives by all parameters."""
        stol2 = self._stol2
        factors = np.exp(p[self._log_k] - np.outer(stol2, p[self._db])).T
        scale = np.exp(2.0 * (self._curve @ p[self._scale]))
        log_solvent, b_solvent = p[self._solvent]
        of_solvent = np.exp(log_solvent - stol2 * b_solvent)
        squares, slopes = np.zeros(len(stol2)), np.zeros((len(p), len(stol2)))
        for fraction, f_groups, f_solvent in self._domains:
            each, solvent = factors * f_groups, of_solvent * f_solvent
            total = each.sum(axis=0) + solvent
            squares += fraction * np.abs(total) ** 2
            along = 2.0 * fraction * scale * (np.conj(total) * each).real
            slopes[self._log_k] += along
            slopes[self._db] -= stol2 * along
            along = 2.0 * fraction * scale * (np.conj(total) * solvent).real
            slopes[self._solvent] += np.array([along, -stol2 * along])
        of_shell = self._shell == np.arange(len(self._mean))[:, None]
        slopes[self._beta] = of_shell * (scale * self._mean[self._shell])
        beta = (p[self._beta] * self._mean)[self._shell]
        expected = scale * np.maximum(squares + beta, 1e-3 * squares)
        slopes[self._scale] = 2.0 * self._curve.T * expected
        return expected, slopes.T

    @np.errstate(over="ignore", invalid="ignore")  # such a step is made shorter
    def _residuals(self, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(n + 2,) weighted residuals and prior, and (n + 2, m) derivatives of what is subtracted.

        The prior is for a solvent that has hardly any effect.
        """
        expected, slopes = self._expected(p)
        prior = np.zeros((2, len(p)))
        prior[:, self._solvent] = np.diag(1.0 / np.array(SOLVENT_PRIOR))
        residual = np.concatenate([self._weight * (self._intensities - expected), -prior @ p])
        return residual, np.concatenate([self._weight[:, None] * slopes, prior])

    def result(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(m,) log k and (m,) dB of the groups, and (2m, 2m) their covariance.

        Only differences between groups are determined.
        """
        p = np.zeros(self._n_parameters)
        for _ in range(ROUNDS):
            p, covariance = self._minimised(p)
            self._weight = self._weights(p)
        n = self._n
        return p[self._log_k], p[self._db], covariance[: 2 * n, : 2 * n]

    def _minimised(self, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The parameters of least squares with the present weights, and their covariance."""
        residual, slopes = self._residuals(p)
        free = max(len(residual) - len(p), 1)
        for _ in range(STEPS):
            step, inverse, gain = _least_squares(slopes, residual)
            square = float(residual @ residual)
            if gain < CONVERGED * square / free:
                break
            for _ in range(STEPS):
                tried, slopes = self._residuals(p + step)
                if tried @ tried < square:  # false for NaN
                    p, residual = p + step, tried
                    break
                step = 0.5 * step
            else:
                break
        return p, inverse * float(residual @ residual) / free


def _least_squares(
    slopes: np.ndarray, residual: np.ndarray
) -> tuple[np.ndarray, np.ndarray, float]:
    """The shortest solution, the inverse of the normal matrix, and what the sum of squares gains.

    Combinations of parameters that have no effect are left at 0.
    """
    lengths = np.sqrt((slopes**2).sum(axis=0))
    slopes = slopes / np.where(lengths > 0.0, lengths, 1.0)
    values, vectors = np.linalg.eigh(slopes.T @ slopes)
    kept = values > UNDETERMINED * values[-1]
    vectors = vectors[:, kept] / np.where(lengths > 0.0, lengths, 1.0)[:, None]
    along = (vectors.T @ (lengths * (slopes.T @ residual))) / values[kept]
    gain = float((along**2 * values[kept]).sum())
    return vectors @ along, (vectors / values[kept]) @ vectors.T, gain


def _domains(model: ScaledModel) -> list[tuple[float, FixedMaskModel, np.ndarray | None]]:
    """Fraction, F_model and mates of the domains of a twin; of the crystal without twinning."""
    first, fractions = model.with_fixed_mask, list(model.twins.values())
    if not fractions:
        return [(1.0, first, None)]
    laws = [domain.law for domain in model._outcome.twins]
    twinned = model._setup.components.twinned(first, laws)
    found: list[tuple[float, FixedMaskModel, np.ndarray | None]] = [
        (max(1.0 - sum(fractions), 0.0), first, None)
    ]
    for fraction, other, exist in zip(fractions, twinned.others, twinned.exist, strict=True):
        assert isinstance(other, FixedMaskModel)
        found.append((fraction, other, exist))
    return found


def _contributions(
    function: FixedMaskModel,
    exist: np.ndarray | None,
    atoms: Atoms,
    groups: list[np.ndarray],
    used: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """(m, n) F_model of each group alone, and (n,) that of the solvent, at the reflections used."""

    def at_used(values: np.ndarray) -> np.ndarray:
        if exist is not None:
            spread = np.zeros(len(exist), values.dtype)
            spread[exist] = values
            values = spread
        return values[used]

    calculator = function.calculator
    f_solvent = function.scaled(np.zeros(len(calculator.hkl), complex))
    f_groups = []
    for chosen in groups:
        alone = atoms.replace(occ=np.where(chosen, atoms.occ, 0.0))
        f_groups.append(at_used(function.scaled(calculator.forward(alone)) - f_solvent))
    return np.array(f_groups), at_used(f_solvent)
