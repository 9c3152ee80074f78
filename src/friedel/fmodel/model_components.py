"""Structure factors of a model before scaling: F_calc of its atoms and F_mask of its solvent."""

from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from friedel.errors import ParameterError
from friedel.fmodel.adjoint import FixedMaskModel, MovingMaskModel, TwinnedModel
from friedel.fmodel.twinning import TwinDomain
from friedel.model.arrays import frozen
from friedel.model.atoms import Atoms
from friedel.model.crystal import Crystal
from friedel.model.riding_hydrogens import RidingHydrogens
from friedel.model.twin_laws import TwinLaw
from friedel.notes import Note
from friedel.scaling import ScalingData
from friedel.solvent.flat_mask import MaskParameters
from friedel.solvent.masked_solvent import MaskedSolvent, checked_mask
from friedel.structure_factors.calculator import Calculator
from friedel.structure_factors.options import CalculationOptions
from friedel.structure_factors.with_hydrogens import AnyCalculator, CalculatorWithHydrogens

if TYPE_CHECKING:
    from friedel.fmodel.missing_density import MissingDensity


class UnscaledModel:
    """F_calc and F_mask of one model at some reflections.

    Parameters
    ----------
    crystal, atoms
        The model; one asymmetric unit.
    hkl
        (n, 3) reflections.
    options
        How F_calc is calculated.
    masked
        The masked solvent, or None.
    babinet
        Whether solvent is by Babinet's principle: F_mask = -F_calc.
    riding
        Hydrogens that ride on the atoms, or None. They exclude no solvent.
    """

    def __init__(
        self,
        crystal: Crystal,
        atoms: Atoms,
        hkl: np.ndarray,
        options: CalculationOptions,
        masked: MaskedSolvent | None,
        babinet: bool,
        riding: RidingHydrogens | None = None,
    ) -> None:
        self.crystal, self.atoms, self.hkl = crystal, atoms, hkl
        self.masked, self.babinet = masked, babinet
        self._options, self.riding = options, riding
        self.missing: MissingDensity | None = None
        self.of_atoms = self._of_atoms_at(hkl)

    def _of_atoms_at(self, hkl: np.ndarray) -> Calculator:
        factors = self._options.factors(self.atoms.scatterers)
        return Calculator(self.crystal, self.atoms, hkl, factors, self._options)

    def _calculator_at(self, hkl: np.ndarray) -> AnyCalculator:
        return self._with_riding(self._of_atoms_at(hkl))

    def _with_riding(self, of_atoms: Calculator) -> AnyCalculator:
        if self.riding is None:
            return of_atoms
        factors = self._options.factors(("H",))
        return CalculatorWithHydrogens(of_atoms, self.riding, factors)

    @cached_property
    def calculator(self) -> AnyCalculator:
        """Calculator of F_calc."""
        return self._with_riding(self.of_atoms)

    @cached_property
    def f_atoms(self) -> np.ndarray:
        """(n,) complex structure factors of the atoms without riding hydrogens."""
        return frozen(self.of_atoms.forward())

    @cached_property
    def f_calc(self) -> np.ndarray:
        """(n,) complex F_calc of the atoms, with riding hydrogens."""
        if not isinstance(self.calculator, CalculatorWithHydrogens):
            return self.f_atoms
        return frozen(self.f_atoms + self.calculator.of_hydrogens.forward())

    @property
    def f_mask(self) -> np.ndarray | None:
        """(n,) complex structure factors that k_sol multiplies; None without solvent."""
        if self.babinet:
            return -self.f_calc
        return None if self.masked is None else self.masked.f_mask

    @property
    def has_solvent(self) -> bool:
        """Whether F_mask is not None."""
        f_mask = self.f_mask
        return f_mask is not None and bool(f_mask.any())

    def with_mask(self, masked: MaskedSolvent | None) -> "UnscaledModel":
        """The same model with another masked solvent."""
        other = copy(self)
        other.masked = masked
        return other

    def with_riding(self, riding: RidingHydrogens | None) -> "UnscaledModel":
        """The same model with other riding hydrogens, or with none."""
        other = copy(self)
        other.riding = riding
        for name in ("calculator", "f_calc"):
            vars(other).pop(name, None)
        return other

    def without(self, chosen: np.ndarray, masked: MaskedSolvent | None) -> "UnscaledModel":
        """The model without some atoms, (n,) bool, with the masked solvent of the others.

        Hydrogens that ride on these atoms, or whose position depends on them, are left out too.
        """
        riding = self.riding
        if riding is not None:
            riding = riding.renumbered(np.where(chosen, -1, np.cumsum(~chosen) - 1))
        return UnscaledModel(
            self.crystal,
            self.atoms.select(~chosen),
            self.hkl,
            self._options,
            masked,
            self.babinet,
            riding if riding else None,
        )

    def with_missing(self, missing: "MissingDensity | None") -> "UnscaledModel":
        """The same model with density that it lacks, or without."""
        other = copy(self)
        other.missing = missing
        return other

    @property
    def f_missing(self) -> np.ndarray | None:
        """(n,) complex structure factors of added density, on the scale of F_calc; or None."""
        return None if self.missing is None else self.missing.values

    @property
    def is_by_atom(self) -> bool:
        """Whether atoms have form factors of their own."""
        return self._options.is_by_atom

    def scaling_data(
        self, f_obs: np.ndarray, chosen: np.ndarray, i_obs: np.ndarray | None = None
    ) -> ScalingData:
        """Data for the fit of scales: the reflections `chosen` (n,) of `f_obs`, `i_obs` (n,)."""
        part: Any = slice(None) if chosen.all() else chosen
        f_layer = None if self.masked is None else self.masked.f_layer
        f_mask = self.f_mask
        f_calc = self.f_calc if self.f_missing is None else self.f_calc + self.f_missing
        return ScalingData(
            self.crystal,
            self.hkl[part],
            np.asarray(f_obs[part], np.float64),
            f_calc[part],
            None if f_mask is None else f_mask[part],
            None if f_layer is None else f_layer[part],
            i_obs=None if i_obs is None else i_obs[part],
        )

    def at(self, hkl: np.ndarray) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
        """F_calc, F_mask and F_layer of other reflections (m, 3); None without solvent or layer."""
        f_calc = self._calculator_at(hkl).forward()
        if self.babinet:
            return f_calc, -f_calc, None
        return f_calc, *((None, None) if self.masked is None else self.masked.at(hkl))

    def reaches(self, hkl: np.ndarray) -> np.ndarray:
        """(m,) bool: whether F of other reflections (m, 3) can be calculated.

        Form factors given for each reflection are those of the data alone, and a grid of a given
        mask may be too coarse.
        """
        if self._options.is_by_atom:
            return np.zeros(len(hkl), bool)
        if self.masked is None or self.masked.can_be_finer:
            return np.ones(len(hkl), bool)
        return (2 * np.abs(hkl) < self.masked.shape).all(axis=1)

    def twin_domain(self, law: TwinLaw) -> TwinDomain:
        """The domain by a law: F of the mates, zero for reflections without a mate."""
        hkl, exist = law.mates(self.crystal, self.hkl)
        if not exist.any():
            raise ParameterError(
                f"no reflections of the two domains overlap by the twin law {law.name}"
            )
        f_calc = _spread(self._calculator_at(hkl).forward(), exist)
        notes = [*law.notes_on_mates(exist)]
        if not law.keeps_equivalents(self.crystal):
            text = (
                f"the twin law {law.name} takes equivalent reflections to different ones: F_obs "
                "merged by the symmetry of one domain are means of unequal values"
            )
            notes.append(Note(text, "warning"))
        if self.babinet:
            return TwinDomain(law, (f_calc, -f_calc, None), tuple(notes))
        f_mask, f_layer = (None, None) if self.masked is None else self.masked.at(hkl)
        f_mask = None if f_mask is None else _spread(f_mask, exist)
        f_layer = None if f_layer is None else _spread(f_layer, exist)
        return TwinDomain(law, (f_calc, f_mask, f_layer), tuple(notes))

    def twinned(
        self, first: FixedMaskModel | MovingMaskModel, laws: Sequence[TwinLaw]
    ) -> TwinnedModel:
        """Amplitudes of a twin with derivatives, from F_model of the first domain."""
        others, exist = zip(*(self._mate_model(first, law) for law in laws), strict=True)
        return TwinnedModel(first, others, exist)

    def _mate_model(
        self, first: FixedMaskModel | MovingMaskModel, law: TwinLaw
    ) -> tuple[FixedMaskModel | MovingMaskModel, np.ndarray]:
        """F_model of the mates of some reflections, and (n,) bool: which reflections have one."""
        mates, exist = law.mates(self.crystal, self.hkl)
        at = self.hkl[exist]
        changed: dict[str, Any] = {"calculator": self._calculator_at(mates), "scaled_at": at}
        if isinstance(first, MovingMaskModel):
            assert self.masked is not None
            mask, nearer = replace(self.masked, hkl=mates).moving
            changed |= {"mask": mask, "nearer": None if first.nearer is None else nearer}
        elif first.f_mask is not None and self.masked is not None:
            f_mask, f_layer = self.masked.at(mates)
            changed |= {"f_mask": f_mask, "f_layer": None if first.f_layer is None else f_layer}
        if self.missing is not None:
            changed["f_missing"] = self.missing.of_mates[law.name][exist]
        return replace(first, **changed), exist


def _spread(values: np.ndarray, exist: np.ndarray) -> np.ndarray:
    """(n,) values (m,) where they exist, zero elsewhere."""
    if exist.all():
        return values
    found = np.zeros(len(exist), values.dtype)
    found[exist] = values
    return found


def masked_solvent(
    crystal: Crystal,
    atoms: Atoms,
    hkl: np.ndarray,
    options: CalculationOptions,
    radii: str | MaskParameters,
    given: Any,
    d_mask: float | None,
    *,
    has_layer: bool,
    is_smooth: bool,
) -> MaskedSolvent:
    """The solvent outside the atoms, or in a mask that is given, checked for its memory."""
    if not isinstance(radii, MaskParameters):
        radii = MaskParameters.for_radii(radii)
    mask = checked_mask(given, crystal, hkl)
    threads, force = options.n_threads, options.force
    found = MaskedSolvent(
        crystal, atoms, hkl, radii, mask, d_mask, has_layer, is_smooth, threads, force
    )
    found.check()
    return found
