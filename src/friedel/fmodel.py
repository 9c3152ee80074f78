"""FModel: a model and its data; solvent and scales fitted, R-factors, map coefficients."""

import dataclasses
import warnings
from dataclasses import dataclass
from functools import cached_property
from os import PathLike
from typing import Any

import numpy as np

from friedel import fourier
from friedel.atoms import Atoms
from friedel.calculator import Calculator
from friedel.crystal import Crystal, checked_d_min
from friedel.errors import (
    CellError,
    FriedelError,
    FriedelWarning,
    ParameterError,
    ReflectionsError,
    ResolutionError,
    SymmetryError,
)
from friedel.grid import grid_shape
from friedel.mask import MaskParameters, mask_spacing, solvent_fraction, solvent_mask
from friedel.reflections import Reflections
from friedel.scaling import (
    MEAN_K_SOL,
    ScaleParameters,
    ScalingData,
    ScalingFit,
    fit,
    fit_isotropic_b,
    r_factor,
)

SOLVENTS = ("flat", "none")

SOLVENT_DENSITIES = {
    "xray": (MEAN_K_SOL, "electrons/A^3"),
    "electron": (0.10, "A/A^3"),
    "mott-bethe": (0.10, "A/A^3"),
    "neutron": (0.64, "fm/A^3"),
}
"""Where k_sol starts, and its unit. For electrons this is water, for neutrons heavy water:
0.0334 molecules/A^3 times the forward scattering of one."""

DENSEST_SOLVENT = 0.6
"""electrons/A^3; concentrated salts reach about 0.45. More is a sign that something is wrong."""

COARSE_D_MAX = 8.0
"""Without reflections of larger spacing (A) nothing tells the solvent from the overall scale."""

SMALL_FREE_SET = 200
"""Fewer free reflections than this make R_free a rough figure, worth a note."""

NOTED_CELL_DIFFERENCE = 1e-3
"""Relative difference of two cells that is worth a note."""


@dataclass(frozen=True)
class Shell:
    """One resolution shell of :meth:`FModel.table`.

    Attributes
    ----------
    d_max, d_min
        Limits, A.
    n, n_free
        Reflections used, those of the free set included, and those of the free set.
    completeness
        Fraction of the unique reflections possible in the shell that are used.
    r_work, r_free
        R-factors; NaN where there is no reflection of the kind.
    k_overall
        Mean of the overall scale, anisotropy included.
    k_mask
        Mean of k_sol exp(-B_sol stol2), the scale of F_mask relative to F_calc; 0 without solvent.
    mean_f_obs, mean_f_model, mean_f_calc
        Mean amplitudes; F_calc (atoms alone) is not on the scale of the others.
    """

    d_max: float
    d_min: float
    n: int
    n_free: int
    completeness: float
    r_work: float
    r_free: float
    k_overall: float
    k_mask: float
    mean_f_obs: float
    mean_f_model: float
    mean_f_calc: float


class FModel:
    """Structure factors of a model, with bulk solvent, on the scale of observed amplitudes.

    F_model = k_overall exp(-s^T B s / 4) (F_calc + k_sol exp(-B_sol stol2) F_mask), fitted
    to F_obs by :func:`friedel.scaling.fit` [Jiang1994] [Fokine2002] [Afonine2013].

    Parameters
    ----------
    model
        Path, gemmi object or pair (crystal, atoms); see :func:`friedel.as_model`.
    data
        Path, with columns as in ``"data.mtz:FP,SIGFP"`` or without, gemmi object or
        `Reflections`; see :func:`friedel.as_reflections`.
    source
        ``"xray"``, ``"electron"``, ``"neutron"`` or ``"mott-bethe"``.
    solvent
        ``"flat"`` for a mask of constant density, ``"none"`` for atoms alone.
    target
        What the fit minimises; see :func:`friedel.scaling.fit`.
    radii
        Set of atomic radii for the mask, ``"refmac"``, ``"cctbx"`` or ``"vdw"``, or
        `MaskParameters`.
    d_min
        A; reflections beyond are left out. By default all are used.
    rtol, method
        Accuracy of F_calc and how to calculate it; see :class:`friedel.Calculator`.
    use_free
        Whether to leave the data's free set out of the fit, so that R_free is honest. With
        False all reflections are fitted to and there is no R_free.
    **options
        Passed to :meth:`friedel.Calculator.from_model`.

    Notes
    -----
    Everything is calculated in the model's unit cell; that of the data must be similar and
    have the same symmetry operations. Reflections with F_obs <= 0 or sigma <= 0 are in
    `f_obs`, but in neither the fit nor the R-factors.

    Raises
    ------
    CellError, SymmetryError
        When the cells differ by more than 2 %, or the operations differ.
    ReflectionsError
        When the data are no amplitudes, or none of them can be used.
    FriedelError
        Of other kinds, for input that cannot be read or options that are unknown.

    Examples
    --------
    >>> fmodel = friedel.FModel("model.pdb", "data.mtz").fit()  # doctest: +SKIP
    >>> print(fmodel.summary())  # doctest: +SKIP
    """

    def __init__(
        self,
        model: Any,
        data: Any,
        *,
        source: str = "xray",
        solvent: str = "flat",
        target: str = "ls",
        radii: str | MaskParameters = "refmac",
        d_min: float | None = None,
        rtol: float = 1e-4,
        method: str = "auto",
        use_free: bool = True,
        **options: Any,
    ) -> None:
        if source not in SOLVENT_DENSITIES:
            raise ParameterError(
                f"unknown source {source!r}: expected one of {', '.join(SOLVENT_DENSITIES)}"
            )
        if solvent not in SOLVENTS:
            raise ParameterError(
                f"unknown solvent {solvent!r}: expected one of {', '.join(SOLVENTS)}"
            )
        self.source, self.solvent, self.target, self.use_free = source, solvent, target, use_free
        self._mask_parameters = (
            radii if isinstance(radii, MaskParameters) else MaskParameters.for_radii(radii)
        )
        strict_ncs = options.pop("strict_ncs", True)
        self.crystal, self.atoms, self.name, notes = _read_model(model, strict_ncs)
        observed = _read_data(data)
        notes += _compare_crystals(self.crystal, observed.crystal)
        self.f_obs = _within(dataclasses.replace(observed, crystal=self.crystal), d_min)
        self.usable, left_out = _usable(self.f_obs)
        self.free, about_free = _free_set(self.f_obs, self.usable, use_free)
        self._calculator = Calculator.from_model(
            (self.crystal, self.atoms),
            hkl=self.f_obs.hkl,
            source=source,
            rtol=rtol,
            method=method,
            **options,
        )
        self._notes = notes + self._calculator.factors.notes + left_out + about_free
        self._fit: ScalingFit | None = None

    def __repr__(self) -> str:
        text = f"<friedel.FModel {self.name}, {len(self.f_obs)} reflections"
        if self._fit is None:
            return f"{text}, not fitted>"
        free = "" if self.r_free is None else f", R_free {self.r_free:.4f}"
        return f"{text}, R_work {self.r_work:.4f}{free}>"

    @cached_property
    def f_calc(self) -> Reflections:
        """Structure factors of the atoms, on their own scale."""
        return self._reflections("FC", self._calculator.forward())

    @cached_property
    def _mask(self) -> np.ndarray | None:
        if self.solvent == "none":
            return None
        d_min = float(self.f_obs.d_spacing.min())
        shape = grid_shape(self.crystal, mask_spacing(d_min))
        with warnings.catch_warnings():
            # of masks that are empty or full, which the notes tell
            warnings.simplefilter("ignore", FriedelWarning)
            return solvent_mask(self.crystal, self.atoms, shape, self._mask_parameters)

    @property
    def solvent_fraction(self) -> float | None:
        """Fraction of the cell that the mask takes as solvent; None when there is no mask."""
        return None if self._mask is None else solvent_fraction(self._mask)

    @cached_property
    def f_mask(self) -> Reflections | None:
        """Structure factors of the mask (1 in the solvent, 0 elsewhere); None without solvent."""
        if self._mask is None:
            return None
        hkl = self.f_obs.hkl
        # A mask without a boundary scatters nothing; its transform is but rounding
        values = (
            fourier.structure_factors(self._mask, self.crystal, hkl, symmetry_sum=False)
            if self._mask.min() < self._mask.max()
            else np.zeros(len(hkl), np.complex128)
        )
        return self._reflections("FMASK", values)

    @cached_property
    def f_model(self) -> Reflections:
        """F_model at all reflections of `f_obs`, complex, on the scale of F_obs."""
        f_mask = None if self.f_mask is None else self.f_mask.values
        values = self.scales.f_total(self.crystal, self.f_obs.hkl, self.f_calc.values, f_mask)
        return self._reflections("FMODEL", values)

    def _reflections(self, label: str, values: np.ndarray) -> Reflections:
        return Reflections(
            self.crystal, self.f_obs.hkl, values, label=label, description=f"{label} of {self.name}"
        )

    def fit(self) -> "FModel":
        """Fit the scales and the solvent to F_obs; returns the object itself.

        Raises
        ------
        ReflectionsError
            When there are not more reflections than parameters.
        """
        chosen = self.usable & ~self.free
        data = ScalingData(
            self.crystal,
            self.f_obs.hkl[chosen],
            np.asarray(self.f_obs.values[chosen], np.float64),
            self.f_calc.values[chosen],
            None if self.f_mask is None else self.f_mask.values[chosen],
        )
        average = ScaleParameters(k_sol=SOLVENT_DENSITIES[self.source][0])
        self._fit = fit(
            data,
            target=self.target,
            start=fit_isotropic_b(data, average),
            k_sol_min=-np.inf if self.source == "neutron" else 0.0,
        )
        self.__dict__.pop("f_model", None)
        return self

    @property
    def result(self) -> ScalingFit:
        """The outcome of the fit: value of the target, number of parameters, convergence."""
        if self._fit is None:
            raise FriedelError("the scales are not fitted yet: call fit() first")
        return self._fit

    @property
    def scales(self) -> ScaleParameters:
        """The fitted k_overall, b_overall, k_sol, b_sol."""
        return self.result.parameters

    @property
    def r_all(self) -> float:
        """R-factor of all reflections used."""
        return self._r_factor(self.usable)

    @property
    def r_work(self) -> float:
        """R-factor of the reflections that were fitted to."""
        return self._r_factor(self.usable & ~self.free)

    @property
    def r_free(self) -> float | None:
        """R-factor of the free set, left out of the fit; None when there is no such set."""
        free = self.usable & self.free
        return self._r_factor(free) if free.any() else None

    def _r_factor(self, chosen: np.ndarray) -> float:
        return r_factor(self.f_obs.values[chosen], self.f_model.values[chosen])

    @property
    def has_solvent(self) -> bool:
        """Whether the fit included solvent."""
        return self.f_mask is not None and bool(self.f_mask.values.any())

    @property
    def notes(self) -> tuple[str, ...]:
        """What was decided on the user's behalf, and what looks doubtful."""
        notes = self._notes
        if self._fit is not None:
            notes += self._fit.notes + self._doubts()
        return notes

    def _doubts(self) -> tuple[str, ...]:
        doubts = []
        if not self.result.converged:
            doubts.append(f"the fit did not converge: {self.result.stats['message']}")
        if self.solvent_fraction == 1.0:
            doubts.append("no atom is in the mask: all of the cell counts as solvent")
        if self.has_solvent and self.source == "xray" and self.scales.k_sol > DENSEST_SOLVENT:
            doubts.append(
                f"k_sol = {self.scales.k_sol:.2f} electrons/A^3 is denser than any solvent "
                "(water 0.33); it makes up for something else at low resolution"
            )
        d_max = float(self.f_obs.d_spacing[self.usable].max())
        if self.has_solvent and d_max < COARSE_D_MAX:
            doubts.append(f"no data beyond {d_max:.1f} A: the solvent is poorly determined")
        return tuple(doubts)

    def table(self, n_shells: int = 10) -> list[Shell]:
        """Statistics by resolution shell, low resolution first, about equal numbers in each.

        Parameters
        ----------
        n_shells
            How many; fewer when there would be less than 20 reflections in each.

        Raises
        ------
        ParameterError
            When `n_shells` is less than 1.
        """
        if n_shells < 1:
            raise ParameterError(f"got {n_shells} resolution shells, expected at least 1")
        used = np.flatnonzero(self.usable)
        used = used[np.argsort(self.f_obs.stol2[used], kind="stable")]
        shells = np.array_split(used, max(1, min(n_shells, len(used) // 20)))
        first = np.array([self.f_obs.stol2[shell[0]] for shell in shells])
        edges = np.append(first, self.f_obs.stol2[used[-1]])
        possible = self._count_possible(edges)
        return [self._shell(shell, edges[i : i + 2], possible[i]) for i, shell in enumerate(shells)]

    def _count_possible(self, edges: np.ndarray) -> np.ndarray:
        """(m,) unique reflections between edges (m + 1,) in stol2."""
        d_max, d_min = 0.5 / np.sqrt(edges[[0, -1]])
        possible = self.crystal.unique_reflections(d_min, d_max * (1.0 + 1e-9))
        inner = np.digitize(self.crystal.stol2(possible), edges[1:-1] * (1.0 - 1e-12))
        return np.bincount(inner, minlength=len(edges) - 1)

    def _shell(self, chosen: np.ndarray, edges: np.ndarray, possible: int) -> Shell:
        hkl, f_obs = self.f_obs.hkl[chosen], self.f_obs.values[chosen]
        f_model, free = np.abs(self.f_model.values[chosen]), self.free[chosen]
        k_mask = self.scales.solvent_scale(self.crystal.stol2(hkl)) if self.has_solvent else 0.0
        n_unique = len(np.unique(self.crystal.to_asu(hkl)[0], axis=0))
        return Shell(
            d_max=float(0.5 / np.sqrt(edges[0])),
            d_min=float(0.5 / np.sqrt(edges[1])),
            n=len(chosen),
            n_free=int(free.sum()),
            completeness=n_unique / max(int(possible), n_unique),
            r_work=r_factor(f_obs[~free], f_model[~free]),
            r_free=r_factor(f_obs[free], f_model[free]),
            k_overall=float(self.scales.overall_scale(self.crystal, hkl).mean()),
            k_mask=float(np.mean(k_mask)),
            mean_f_obs=float(f_obs.mean()),
            mean_f_model=float(f_model.mean()),
            mean_f_calc=float(np.abs(self.f_calc.values[chosen]).mean()),
        )

    def summary(self, n_shells: int = 10) -> str:
        """The result as text: R-factors, parameters, the table by shell, the notes."""
        blocks = ["\n".join(self._heading()), _table_text(self.table(n_shells))]
        if self.notes:
            blocks.append("\n".join(f"  note: {note}" for note in self.notes))
        return "\n\n".join(blocks)

    def _heading(self) -> list[str]:
        d, n_used = self.f_obs.d_spacing[self.usable], int(self.usable.sum())
        n_free = int((self.usable & self.free).sum())
        b = " ".join(f"{x + 0.0:.2f}" for x in np.round(self.scales.b_overall, 2))
        lines = [
            f"{self.name} against {self.f_obs.description or self.f_obs.label}",
            f"  crystal    {self.crystal.name or f'{self.crystal.n_operations} operations'}, "
            + " ".join(f"{x:g}" for x in self.crystal.cell),
            f"  data       {n_used} reflections used, {d.max():.2f} - {d.min():.2f} A",
            f"  R_work     {self.r_work:.4f}   {n_used - n_free} reflections, "
            f"{self.result.n_parameters} parameters fitted, target {self.target}",
        ]
        if self.r_free is not None:
            lines.append(
                f"  R_free     {self.r_free:.4f}   {n_free} reflections left out of the fit"
            )
        lines += [
            f"  k_overall  {self.scales.k_overall:.4g}",
            f"  B_overall  {self.scales.b_iso:.2f} A^2; 11 22 33 12 13 23: {b}",
            f"  solvent    {self._solvent_text()}",
        ]
        return lines

    def _solvent_text(self) -> str:
        if self.solvent_fraction is None:
            return "none"
        volume = f"{self.solvent_fraction:.1%} of the cell ({self._mask_parameters.radii} radii)"
        if not self.has_solvent:
            return volume
        unit = SOLVENT_DENSITIES[self.source][1]
        return f"k_sol {self.scales.k_sol:.3f} {unit}, B_sol {self.scales.b_sol:.1f} A^2; {volume}"

    def map_coefficients(self) -> tuple[Reflections, Reflections]:
        """Coefficients of the 2Fo-Fc-like and of the difference map, with m = D = 1.

        On the scale of F_obs, with the phases of F_model: 2 F_obs - F_model for acentric and
        F_obs for centric reflections, and F_obs - F_model for both [Read1986]. NaN where F_obs
        cannot be used.

        Returns
        -------
        fwt, delfwt
            Complex.
        """
        f_model = self.f_model.values
        f_obs = np.where(self.usable, self.f_obs.values, np.nan)
        amplitude = np.abs(f_model)
        unit = np.exp(1j * np.angle(f_model))
        centric = self.crystal.is_centric(self.f_obs.hkl)
        fwt = np.where(centric, f_obs, 2.0 * f_obs - amplitude) * unit
        return (
            self._reflections("FWT", fwt),
            self._reflections("DELFWT", (f_obs - amplitude) * unit),
        )

    def to_mtz(self, path: str | PathLike[str], *, overwrite: bool = False) -> None:
        """Write observed and calculated columns to an MTZ file.

        FP, SIGFP, FREE (0 is the free set, as in CCP4) as observed; FC/PHIC and
        FMASK/PHIMASK on their own scale; FMODEL/PHIFMODEL, FWT/PHWT and DELFWT/PHDELWT on the
        scale of FP; see :meth:`map_coefficients`. The cell is the model's.

        Raises
        ------
        OutputError
            When the file exists and `overwrite` is false, or cannot be written.
        """
        from friedel.io.writers import write_mtz

        columns = dataclasses.replace(self.f_obs, label="FP").columns() | self.f_calc.columns()
        if self.f_mask is not None:
            columns |= {"FMASK": self.f_mask.amplitudes, "PHIMASK": self.f_mask.phases}
        for reflections in (self.f_model, *self.map_coefficients()):
            columns |= reflections.columns()
        write_mtz(path, self.crystal, self.f_obs.hkl, columns, overwrite=overwrite)


def _read_model(model: Any, strict_ncs: bool) -> tuple[Crystal, Atoms, str, tuple[str, ...]]:
    """Arrays pass without touching the readers, so that this runs where gemmi is absent."""
    if isinstance(model, tuple) and [type(x) for x in model] == [Crystal, Atoms]:
        return *model, "model", ()
    from friedel.io.models import as_model

    read = as_model(model, strict_ncs=strict_ncs)
    return read.crystal, read.atoms, read.name or "model", read.notes


def _read_data(data: Any) -> Reflections:
    if not isinstance(data, Reflections):
        from friedel.io.data import as_reflections

        data = as_reflections(data)
    if np.iscomplexobj(data.values):
        raise ReflectionsError(
            f"observed data {data.label} are complex structure factors, expected real amplitudes"
        )
    return data


def _compare_crystals(model: Crystal, data: Crystal) -> tuple[str, ...]:
    """Notes on small differences.

    Raises
    ------
    CellError, SymmetryError
        For those that are not small.
    """
    cells = ["(" + ", ".join(f"{x:g}" for x in crystal.cell) + ")" for crystal in (model, data)]
    if not model.is_similar(data):
        raise CellError(f"the cell of the model {cells[0]} is not that of the data {cells[1]}")
    if not model.has_same_symmetry(data):
        names = [c.name or f"{c.n_operations} operations" for c in (model, data)]
        raise SymmetryError(
            f"the symmetry of the model ({names[0]}) is not that of the data ({names[1]})"
        )
    if model.is_similar(data, NOTED_CELL_DIFFERENCE):
        return ()
    return (f"the cell of the model {cells[0]} is used; that of the data is {cells[1]}",)


def _within(data: Reflections, d_min: float | None) -> Reflections:
    if d_min is None:
        return data
    limit = checked_d_min(d_min)
    inside = data.d_spacing >= limit * (1.0 - 1e-9)
    if not inside.any():
        finest = float(data.d_spacing.min(initial=np.inf))
        raise ResolutionError(
            f"no reflections with d >= {limit:g} A: the data reach to {finest:.2f} A"
        )
    return data.select(inside)


def _usable(data: Reflections) -> tuple[np.ndarray, tuple[str, ...]]:
    """(n,) bool: to be fitted to or counted in R; and notes on how many are not, and why."""
    sigmas = np.ones(len(data)) if data.sigmas is None else data.sigmas
    # one reason each, the first that applies
    reasons = {
        "missing": ~(np.isfinite(data.values) & np.isfinite(sigmas)),
        "absent by symmetry": data.crystal.is_absent(data.hkl) | ~data.hkl.any(axis=1),
        "with F <= 0": data.values <= 0,
        "with sigma <= 0": sigmas <= 0,
    }
    usable = np.ones(len(data), bool)
    notes = []
    for reason, applies in reasons.items():
        if (usable & applies).any():
            notes.append(f"{int((usable & applies).sum())} reflections {reason} are not used")
        usable &= ~applies
    if not usable.any():
        raise ReflectionsError(f"no usable reflections among {len(data)}: {'; '.join(notes)}")
    return usable, tuple(notes)


def _free_set(
    data: Reflections, usable: np.ndarray, use_free: bool
) -> tuple[np.ndarray, tuple[str, ...]]:
    """(n,) bool: left out of the fit; and notes."""
    nothing = np.zeros(len(data), bool)
    if data.free is None:
        return nothing, ("no free set: R_work is of all reflections and there is no R_free",)
    if not use_free:
        return nothing, ("the free set is fitted to as well, as was asked: there is no R_free",)
    free = data.free.astype(bool)
    n_free, n_work = int((usable & free).sum()), int((usable & ~free).sum())
    if not (n_free and n_work):
        return nothing, (f"the free set has {n_free} of the reflections and is not used",)
    if n_free < SMALL_FREE_SET:
        return free, (f"R_free rests on only {n_free} reflections",)
    return free, ()


def _table_text(shells: list[Shell]) -> str:
    lines = [
        "     d range, A       n  compl.  R_work  R_free  n_free  k_overall  k_mask"
        "     <Fobs>   <Fmodel>"
    ]
    for s in shells:
        r_free = "     -" if np.isnan(s.r_free) else f"{s.r_free:6.3f}"
        lines.append(
            f"  {s.d_max:6.2f} - {s.d_min:5.2f} {s.n:7d}  {s.completeness:6.1%} {s.r_work:7.3f}"
            f"  {r_free} {s.n_free:7d}  {s.k_overall:9.3g}  {s.k_mask:6.3f}"
            f" {s.mean_f_obs:10.4g} {s.mean_f_model:10.4g}"
        )
    return "\n".join(lines)
