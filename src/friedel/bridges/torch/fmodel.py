"""F_model of a fit as a module: structure factors, solvent and scales."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from friedel.bridges.scale_terms import (
    SCALES,
    Function,
    ScaleTerms,
    f_model,
    function_of,
    parts_of,
    root,
    scale_parameters,
    square,
    values_of,
)
from friedel.bridges.torch import operators
from friedel.bridges.torch.masks import MaskEngine
from friedel.bridges.torch.on_device import Connected, OnDevice, checked_device
from friedel.bridges.torch.structure_factors import StructureFactors
from friedel.bridges.torch.with_hydrogens import WithHydrogens
from friedel.device.engine import MAX_BYTES
from friedel.errors import AtomsError
from friedel.fmodel.adjoint import MovingMaskModel, TwinnedModel
from friedel.scaling.parameters import ScaleParameters
from friedel.structure_factors.with_hydrogens import CalculatorWithHydrogens


class FModel(OnDevice):
    """F_model of atoms and scales, as :meth:`friedel.FittedModel.adjoint` differentiates it.

    A smooth mask moves with the atoms (of each member of a batch), any other is fixed. The scales
    are parameters of the module, of float64: those of the fit at first.

    Parameters
    ----------
    model
        The result of :meth:`friedel.FModel.fit`, or its `with_fixed_mask`, `with_moving_mask`.
    together
        Whether the members of a batch are conformers that one crystal has at the same time: F_calc
        is their mean, and one mask is that of all of them, each with its share of the occupancies.
        By default each member is a crystal of its own, with its own mask.
    device, dtype, threads, max_bytes
        As for :class:`StructureFactors`.

    Raises
    ------
    MissingDependencyError, ParameterError, AccuracyError
        As for :class:`StructureFactors`.
    """

    def __init__(
        self,
        model: Any,
        *,
        together: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        threads: int = 1,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        super().__init__()
        self.together = together
        function = function_of(model)
        self._is_twin = isinstance(function, TwinnedModel)
        options: dict[str, Any] = {"device": device, "dtype": dtype, "threads": threads}
        options["max_bytes"] = max_bytes
        domains = [_Domain(part, together, options) for part in parts_of(function)]
        self.domains = torch.nn.ModuleList(domains)
        first = parts_of(function)[0]
        self._template = first.scales
        device = checked_device(device)
        self.scales = torch.nn.ParameterDict(
            {
                name: torch.nn.Parameter(torch.as_tensor(x, dtype=torch.float64, device=device))
                for name, x in values_of(first.scales).items()
            }
        )
        exist = function.exist if isinstance(function, TwinnedModel) else []
        for i, mask in enumerate(exist):
            rows = torch.as_tensor(np.flatnonzero(mask), device=device)
            self.register_buffer(f"_mates_{i}", rows, persistent=False)
        self._n_hkl = len(first.calculator.hkl)

    def forward(
        self,
        xyz: torch.Tensor | None = None,
        b_iso: torch.Tensor | None = None,
        u_aniso: torch.Tensor | None = None,
        occ: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """(..., n_hkl) complex F_model; of a twin, its real amplitudes.

        Of members together it is (n_hkl,). Parameters and errors are those of
        :meth:`StructureFactors.forward`.
        """
        parameters = (xyz, b_iso, u_aniso, occ)
        scales = {name: self.scales[name] for name in SCALES}
        first, *others = (domain(parameters, scales) for domain in self.domains)
        if not self._is_twin:
            found: torch.Tensor = first
            return found
        fractions = scales["twin_fractions"].to(first.real.dtype)
        squares = (1.0 - fractions.sum()) * square(first)
        for i, other in enumerate(others):
            rows = getattr(self, f"_mates_{i}")
            spread = torch.zeros_like(squares).index_add(-1, rows, square(other))
            squares = squares + fractions[i] * spread
        amplitudes: torch.Tensor = root(torch, squares)
        return amplitudes

    def scale_parameters(self) -> ScaleParameters:
        """The present scales, without derivatives.

        Raises
        ------
        ParameterError
            When twin fractions are negative or their sum exceeds 1.
        """
        values = {name: x.detach().cpu().numpy() for name, x in self.scales.items()}
        return scale_parameters(self._template, values)


class _Domain(Connected):
    """F_model of one domain: its reflections, mask and constants of the scale."""

    MADE = ("_masks", "_names", "_engines_of_all", "_terms")

    def __init__(self, model: Function, together: bool, options: dict[str, Any]) -> None:
        f_calc: StructureFactors | WithHydrogens
        if isinstance(model.calculator, CalculatorWithHydrogens):
            f_calc = WithHydrogens(model.calculator, options)
        else:
            f_calc = StructureFactors(model.calculator, **options)
        super().__init__(f_calc.device, options["dtype"])
        self._model, self._together = model, together
        self.f_calc = f_calc
        self._connect()

    def forward(
        self, parameters: operators.Tensors, scales: dict[str, torch.Tensor]
    ) -> torch.Tensor:
        f_calc = self.f_calc(*parameters)
        if self._together:
            if f_calc.ndim != 2:
                raise AtomsError(
                    f"got members in a batch of shape {tuple(f_calc.shape[:-1])}, expected (m,)"
                )
            f_calc = f_calc.mean(0)
        f_mask, f_layer = self._terms.f_mask, self._terms.f_layer
        if self._masks:
            f_mask, *nearer = (self._f_mask(name, parameters) for name in self._names)
            f_layer = nearer[0] - f_mask if nearer else None
        scaled = f_model(torch, self._terms, scales, f_calc, f_mask, f_layer)
        found: torch.Tensor = scaled.to(f_calc.dtype)
        return found

    def _f_mask(self, name: str, parameters: operators.Tensors) -> torch.Tensor:
        xyz, _, _, occ = parameters
        if not self._together:
            return operators.values(name, xyz, None, None, occ)
        atoms = self._model.calculator.atoms
        m = max(len(x) for x in parameters if x is not None and x.ndim)
        n = len(atoms)
        like = {"dtype": torch.float64, "device": self.device}
        if xyz is None:
            crystal = self._model.calculator.crystal
            xyz = torch.as_tensor(atoms.frac @ crystal.orthogonalization.T, **like)
        if occ is None:
            occ = torch.as_tensor(np.array(atoms.occ), **like)
        every = xyz.expand(m, n, 3).reshape(m * n, 3)
        shares = (occ.expand(m, n) / m).reshape(m * n)
        return operators.values(self._name_of_all(name, m), every, None, None, shares)

    def _name_of_all(self, name: str, m: int) -> str:
        """The engine of a mask for the atoms of m members."""
        key = name, m
        if key not in self._engines_of_all:
            model = self._model
            assert isinstance(model, MovingMaskModel)
            mask = model.mask if name == self._names[0] else model.nearer
            assert mask is not None
            every = model.calculator.atoms.select(
                np.tile(np.arange(len(model.calculator.atoms)), m)
            )
            engine = MaskEngine(mask, every, self.device, self._dtype)
            self._engines_of_all[key] = engine, operators.register(engine)
        return self._engines_of_all[key][1]

    def _connect(self) -> None:
        model, device = self._model, self.device
        self._masks = []
        if isinstance(model, MovingMaskModel):
            masks = [x for x in (model.mask, model.nearer) if x is not None]
            atoms = model.calculator.atoms
            self._masks = [MaskEngine(x, atoms, device, self._dtype) for x in masks]
        self._names = [operators.register(engine) for engine in self._masks]
        self._engines_of_all: dict[tuple[str, int], tuple[MaskEngine, str]] = {}
        self._terms = ScaleTerms.of(model).map(lambda x: torch.as_tensor(x.copy(), device=device))
