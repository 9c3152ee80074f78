"""FModel: a model and its data; solvent and scales fitted, R-factors, map coefficients."""

import dataclasses
import warnings
from collections.abc import Collection
from functools import cached_property
from os import PathLike
from typing import Any

import numpy as np

from friedel import fourier, scaling
from friedel.calculator import Calculator
from friedel.errors import FriedelError, FriedelWarning, ParameterError, ReflectionsError
from friedel.grid import grid_shape
from friedel.io.models import as_model
from friedel.mask import MaskParameters, mask_spacing, solvent_fraction, solvent_mask
from friedel.observed import compare_crystals, free_set, usable_reflections, within_resolution
from friedel.reflections import Reflections
from friedel.scaling import ScaleParameters, ScalingData, ScalingFit, r_factor
from friedel.shells import Shell, table_text

SOLVENTS = ("flat", "none")

SOLVENT_DENSITIES = {
    "xray": ((scaling.MEAN_K_SOL,), "electrons/A^3"),
    "electron": ((0.05, 0.20), "A/A^3"),
    "mott-bethe": ((0.05, 0.20), "A/A^3"),
    "neutron": ((-0.056, 0.30, 0.64), "fm/A^3"),
}
"""Where k_sol starts, the best fit counting, and its unit. Water has 0.10 A/A^3 for electrons;
for neutrons the outer values are those of light and heavy water."""

DENSEST_SOLVENT = 0.6
"""electrons/A^3; concentrated salts reach about 0.45. More is worth a note, and so are: """
COARSE_D_MAX = 8.0
"""no reflections of larger spacing (A), as nothing tells solvent from overall scale then."""


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
        _check_choice("source", source, SOLVENT_DENSITIES)
        _check_choice("solvent", solvent, SOLVENTS)
        _check_choice("target", target, scaling.LOSSES)
        self.source, self.solvent, self.target, self.use_free = source, solvent, target, use_free
        self._mask_parameters = (
            radii if isinstance(radii, MaskParameters) else MaskParameters.for_radii(radii)
        )
        strict_ncs = options.pop("strict_ncs", True)
        read = as_model(model, strict_ncs=strict_ncs)
        self.crystal, self.atoms, self.name = read.crystal, read.atoms, read.name or "model"
        observed = _read_data(data)
        notes = read.notes + compare_crystals(self.crystal, observed.crystal)
        self.f_obs = within_resolution(dataclasses.replace(observed, crystal=self.crystal), d_min)
        self.usable, left_out = usable_reflections(self.f_obs)
        self.free, about_free = free_set(self.f_obs, self.usable, use_free)
        options |= {"source": source, "rtol": rtol, "method": method}
        self._calculator = Calculator.from_model(
            (self.crystal, self.atoms), hkl=self.f_obs.hkl, **options
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
        values = np.zeros(len(self.f_obs), np.complex128)
        # A mask without a boundary scatters nothing; its transform would be but rounding
        if self._mask.min() < self._mask.max():
            values = fourier.structure_factors(
                self._mask, self.crystal, self.f_obs.hkl, symmetry_sum=False
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

    def fit(self, start: ScaleParameters | None = None, fixed: Collection[str] = ()) -> "FModel":
        """Fit the scales and the solvent to F_obs; returns the object itself.

        Parameters
        ----------
        start, fixed
            Where to start, and which parameters stay there; see :func:`friedel.scaling.fit`.
            By default usual solvents and :func:`friedel.scaling.fit_isotropic_b`.

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
        starts = [start] if start is not None else self._usual_starts(data, fixed)
        k_sol_min = -np.inf if self.source == "neutron" else 0.0
        options: dict[str, Any] = {"target": self.target, "fixed": fixed, "k_sol_min": k_sol_min}
        fits = [scaling.fit(data, start=s, **options) for s in starts]
        self._fit = min(fits, key=lambda fit: fit.value)
        self.__dict__.pop("f_model", None)  # calculated with other scales
        return self

    def _usual_starts(self, data: ScalingData, fixed: Collection[str]) -> list[ScaleParameters]:
        densities = SOLVENT_DENSITIES[self.source][0] if data.has_solvent else (0.0,)
        averages = [ScaleParameters(k_sol=k_sol) for k_sol in densities]
        return [scaling.fit_isotropic_b(data, average, fixed) for average in averages]

    @property
    def result(self) -> ScalingFit:
        """The outcome of the fit: value of the target, number of parameters, convergence."""
        if self._fit is None:
            raise FriedelError("the scales are not fitted yet: call fit() first")
        return self._fit

    @property
    def scales(self) -> ScaleParameters:
        """The fitted k_overall, b_overall, k_sol, b_sol; k_sol is 0 where there is no solvent."""
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
        stol2 = self.f_obs.stol2
        used = np.flatnonzero(self.usable)
        used = used[np.argsort(stol2[used], kind="stable")]
        shells = np.array_split(used, max(1, min(n_shells, len(used) // 20)))
        edges = stol2[[shell[0] for shell in shells] + [used[-1]]]
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
            k_mask=float(self.scales.solvent_scale(self.crystal.stol2(hkl)).mean()),
            mean_f_obs=float(f_obs.mean()),
            mean_f_model=float(f_model.mean()),
            mean_f_calc=float(np.abs(self.f_calc.values[chosen]).mean()),
        )

    def summary(self, n_shells: int = 10) -> str:
        """The result as text: R-factors, parameters, the table by shell, the notes."""
        blocks = ["\n".join(self._heading()), table_text(self.table(n_shells))]
        if self.notes:
            blocks.append("\n".join(f"  note: {note}" for note in self.notes))
        return "\n\n".join(blocks)

    def _heading(self) -> list[str]:
        d, n_free = self.f_obs.d_spacing[self.usable], int((self.usable & self.free).sum())
        group = self.crystal.name or f"{self.crystal.n_operations} operations"
        fitted = f"{self.result.n_parameters} parameters fitted, target {self.target}"
        b = " ".join(f"{x + 0.0:.2f}" for x in np.round(self.scales.b_overall, 2))
        lines = {
            "crystal": f"{group}, {' '.join(f'{x:g}' for x in self.crystal.cell)}",
            "data": f"{len(d)} reflections used, {d.max():.2f} - {d.min():.2f} A",
            "R_work": f"{self.r_work:.4f}   {len(d) - n_free} reflections, {fitted}",
            "R_free": f"{self.r_free or 0:.4f}   {n_free} reflections left out of the fit",
            "k_overall": f"{self.scales.k_overall:.4g}",
            "B_overall": f"{self.scales.b_iso:.2f} A^2; 11 22 33 12 13 23: {b}",
            "solvent": self._solvent_text(),
        }
        if self.r_free is None:
            del lines["R_free"]
        title = f"{self.name} against {self.f_obs.description or self.f_obs.label}"
        return [title, *(f"  {name:10s} {text}" for name, text in lines.items())]

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
        delfwt = (f_obs - amplitude) * unit
        return self._reflections("FWT", fwt), self._reflections("DELFWT", delfwt)

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


def _read_data(data: Any) -> Reflections:
    if not isinstance(data, Reflections):
        from friedel.io.data import as_reflections

        data = as_reflections(data)
    if np.iscomplexobj(data.values):
        raise ReflectionsError(
            f"observed data {data.label} are complex structure factors, expected real amplitudes"
        )
    return data


def _check_choice(name: str, value: str, known: Collection[str]) -> None:
    if value not in known:
        raise ParameterError(f"unknown {name} {value!r}: expected one of {', '.join(known)}")
