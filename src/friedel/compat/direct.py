"""Direct summation with gemmi's interface: StructureFactorCalculatorX, E and N."""

from typing import Any, ClassVar

import numpy as np

from friedel import direct
from friedel.compat.addends import Addends, addends_by_symbol
from friedel.compat.coefficients import C4322, IT92, NEUTRON92, LiveTable
from friedel.compat.models import KeptAtoms, state_of, symmetry_of
from friedel.compat.printing import PrintsAsGemmi
from friedel.constants import MOTT_BETHE
from friedel.errors import ParameterError
from friedel.gemmi_package import gemmi
from friedel.model.arrays import checked_hkl
from friedel.model.atoms import Atoms, expand_strict_ncs
from friedel.model.elements import element_record
from friedel.scattering.formfactors import scattering_factors


class _StructureFactorCalculator(PrintsAsGemmi):
    """Structure factors by direct summation, in double precision.

    Parameters
    ----------
    cell
        ``gemmi.UnitCell``, whose images are the symmetry, those of strict NCS included; when it
        changes, the following calculations change, as in gemmi. Or anything with a crystal,
        such as ``gemmi.Structure``, which is read here and not again.

    Attributes
    ----------
    addends
        Numbers added to the form factors of elements; gemmi's own can be assigned.
    """

    __slots__ = ("_atoms", "_cell", "_cell_state", "_crystal", "_ncs", "_stol2", "addends")

    _live: ClassVar[LiveTable]
    _source: ClassVar[str]

    def __init__(self, cell: Any) -> None:
        self._cell = cell
        self._read_cell()
        self.addends = Addends()
        self._stol2: np.ndarray | None = None

    def _read_cell(self) -> None:
        self._cell_state = state_of(self._cell) if isinstance(self._cell, gemmi.UnitCell) else None
        self._crystal, self._ncs = symmetry_of(self._cell)
        self._atoms = KeptAtoms(self._crystal)

    def _current_atoms(self) -> KeptAtoms:
        """Reads the cell again if it has changed."""
        if self._cell_state is not None and state_of(self._cell) != self._cell_state:
            self._read_cell()
        return self._atoms

    def calculate_sf_from_model(self, model: Any, hkl: Any) -> Any:
        """F of a ``gemmi.Model``.

        Parameters
        ----------
        hkl
            One reflection, or an (n, 3) array of them.

        Returns
        -------
        complex, or (n,) complex128
            In electrons (X-rays), Å (electrons) or fm (neutrons).

        Raises
        ------
        ElementError
            When an element has no form factor.
        """
        return self._sum(self._current_atoms().of_model(model), hkl)

    def calculate_sf_from_small_structure(self, small: Any, hkl: Any) -> Any:
        """F of a ``gemmi.SmallStructure``, as :meth:`calculate_sf_from_model`.

        Occupancies are used unchanged: on special positions they must be crystallographic.
        """
        return self._sum(self._current_atoms().of_small_structure(small), hkl)

    def calculate_mb_z(self, model: Any, hkl: Any, only_h: bool = False) -> Any:
        """The nuclei's part of the Mott-Bethe formula: sum of -Z exp(2 pi i h.x), with ADPs.

        Parameters
        ----------
        only_h
            Sum over hydrogen (and deuterium) only.
        """
        atoms = self._current_atoms().of_model(model)
        z = np.array([float(element_record(symbol).atomic_number) for symbol in atoms.symbols])
        charge = -np.where(z == 1.0, z, 0.0) if only_h else -z
        return self._sum(atoms, hkl, charge)

    def mott_bethe_factor(self) -> Any:
        """-1 / (2 pi^2 a0 / d^2) at the reflections of the last calculation; -inf at (0, 0, 0).

        Raises
        ------
        ParameterError
            When no structure factor was calculated before.
        """
        if self._stol2 is None:
            raise ParameterError("mott_bethe_factor() needs d: calculate a structure factor first")
        with np.errstate(divide="ignore"):
            factor = -MOTT_BETHE / self._stol2
        return factor if factor.ndim else float(factor)

    def _sum(self, atoms: Atoms, hkl: Any, constants: np.ndarray | None = None) -> Any:
        """F at one reflection or several; with `constants` (n_kinds,) in place of form factors."""
        reflections = checked_hkl(hkl)
        stol2 = self._crystal.stol2(reflections)
        if constants is None:
            sums = self._live.sums(atoms.scatterers)
            f = scattering_factors(
                atoms.scatterers,
                self._source,
                form_factors=sums,
                addends=addends_by_symbol(self.addends),
            ).f(stol2)
        else:
            f = np.repeat(constants[:, None], len(reflections), axis=1)
        atoms = expand_strict_ncs(self._crystal, atoms, self._ncs)
        values = direct.direct_structure_factors(self._crystal, atoms, reflections, f)
        one = np.ndim(hkl) == 1
        self._stol2 = stol2[0] if one else stol2
        return complex(values[0]) if one else values


class StructureFactorCalculatorX(_StructureFactorCalculator):
    """Direct summation for X-rays [ITC1992]; see :class:`_StructureFactorCalculator`."""

    __slots__ = ()

    _live, _source = IT92, "xray"


class StructureFactorCalculatorE(_StructureFactorCalculator):
    """Direct summation for electrons [ITC2011]."""

    __slots__ = ()

    _live, _source = C4322, "electron"


class StructureFactorCalculatorN(_StructureFactorCalculator):
    """Direct summation for neutrons [Sears1992]."""

    __slots__ = ()

    _live, _source = NEUTRON92, "neutron"
