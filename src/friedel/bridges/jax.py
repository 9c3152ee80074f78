"""JAX: structure factors as a differentiable function.

::

    calculator = friedel.Calculator.from_model("model.pdb", d_min=2.0)
    f_of = structure_factor_function(calculator)
    jax.grad(lambda xyz: ((abs(f_of(xyz)) - f_obs) ** 2).sum())(xyz)

JAX calls the engine back on the host, under `jit` as well, and `vmap` passes whole batches. Only
first-order reverse-mode derivatives are defined.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from friedel.bridges.batches import TRAILING, Batch, batch_shape, common_batch_shape, reduced
from friedel.bridges.scale_terms import (
    Function,
    ScaleTerms,
    f_model,
    function_of,
    parts_of,
    root,
    square,
    values_of,
)
from friedel.errors import MissingDependencyError
from friedel.fmodel.adjoint import MovingMaskModel, TwinnedModel
from friedel.model.atoms import Atoms
from friedel.solvent.smooth_mask import SmoothMask
from friedel.structure_factors.calculator import Calculator
from friedel.structure_factors.with_hydrogens import AnyCalculator, CalculatorWithHydrogens

try:
    import jax
    import jax.numpy as jnp
except ImportError as error:
    raise MissingDependencyError.of("friedel.bridges.jax", "jax") from error


class _OnHost(Protocol):
    """A calculation of values at reflections from parameters of atoms, on the host."""

    n_hkl: int

    def forward(self, parameters: Sequence[Any]) -> np.ndarray:
        """(..., n_hkl) complex values."""

    def adjoint(self, w: np.ndarray, parameters: Sequence[Any]) -> list[np.ndarray | None]:
        """Derivatives by the parameters, None for those that are None."""


class _Calculation:
    """Structure factors of a calculator."""

    def __init__(self, calculator: Calculator, threads: int) -> None:
        self._calculator, self._threads = calculator, threads
        self.n_hkl = len(calculator.hkl)

    def forward(self, parameters: Sequence[Any]) -> np.ndarray:
        return self._batch(parameters).forward(self._threads)

    def adjoint(self, w: np.ndarray, parameters: Sequence[Any]) -> list[np.ndarray | None]:
        batch = self._batch(parameters)
        found = batch.adjoint(np.broadcast_to(w, (*batch.shape, self.n_hkl)), self._threads)
        return [
            None if x is None else reduced(found[name], np.shape(x))
            for name, x in zip(TRAILING, parameters, strict=True)
        ]

    def _batch(self, parameters: Sequence[Any]) -> Batch:
        return Batch.from_parameters(self._calculator, dict(zip(TRAILING, parameters, strict=True)))


class _Mask:
    """F_mask of a smooth mask; B and U are None."""

    def __init__(self, mask: SmoothMask, atoms: Atoms) -> None:
        self._mask, self._atoms = mask, atoms
        self.n_hkl = len(mask.hkl)

    def forward(self, parameters: Sequence[Any]) -> np.ndarray:
        shape, members = self._members(parameters)
        found = np.array([self._mask.at(atoms).forward() for atoms in members])
        return found.reshape(*shape, self.n_hkl)

    def adjoint(self, w: np.ndarray, parameters: Sequence[Any]) -> list[np.ndarray | None]:
        shape, members = self._members(parameters)
        flat = np.broadcast_to(w, (*shape, self.n_hkl)).reshape(-1, self.n_hkl)
        pairs = zip(members, flat, strict=True)
        every = [self._mask.at(atoms).adjoint(of_member) for atoms, of_member in pairs]
        found = {name: np.array([getattr(g, name) for g in every]) for name in ("xyz", "occ")}
        return [
            None
            if x is None
            else reduced(found[name].reshape(*shape, *found[name].shape[1:]), np.shape(x))
            for name, x in zip(TRAILING, parameters, strict=True)
        ]

    def _members(self, parameters: Sequence[Any]) -> tuple[tuple[int, ...], list[Atoms]]:
        crystal, atoms = self._mask.crystal, self._atoms
        xyz, _, _, occ = parameters
        xyz = atoms.frac @ crystal.orthogonalization.T if xyz is None else np.asarray(xyz)
        occ = atoms.occ if occ is None else np.asarray(occ)
        shapes = {"xyz": xyz.shape, "occ": occ.shape}
        shape = common_batch_shape(len(atoms), shapes)
        frac = xyz.astype(np.float64) @ crystal.fractionalization.T
        frac = np.broadcast_to(frac, (*shape, len(atoms), 3)).reshape(-1, len(atoms), 3)
        occ = np.broadcast_to(occ, (*shape, len(atoms))).reshape(-1, len(atoms))
        pairs = zip(frac, occ, strict=True)
        return shape, [atoms.replace(frac=one, occ=weight) for one, weight in pairs]


def structure_factor_function(
    calculator: Calculator, *, threads: int = 1
) -> Callable[..., jax.Array]:
    """A function of arrays that returns F (..., n_hkl) of a model.

    Parameters
    ----------
    calculator
        Calculator of the model; parameters not given as arrays are taken from its atoms.
    threads
        Members of a batch that are computed at the same time.

    Returns
    -------
    f(xyz=None, b_iso=None, u_aniso=None, occ=None)
        The arguments are (..., n_atoms, 3) Cartesian coordinates (Å), (..., n_atoms) B (Å^2),
        (..., n_atoms, 6) Cartesian U (Å^2) and (..., n_atoms) occupancies. The result is
        complex64, or complex128 when one of them is float64. Shapes that do not fit raise an
        AtomsError, within `jit` when it is traced.
    """
    return _function_of(_Calculation(calculator, threads), len(calculator.atoms))


def fmodel_function(model: Any, *, threads: int = 1) -> Callable[..., jax.Array]:
    """A function of arrays that returns F_model (..., n_hkl) of a fit.

    Parameters
    ----------
    model
        The result of :meth:`friedel.FModel.fit`, or its `with_fixed_mask`, `with_moving_mask`.
    threads
        As for :func:`structure_factor_function`.

    Returns
    -------
    f(scales=None, xyz=None, b_iso=None, u_aniso=None, occ=None)
        `scales` is a dictionary of arrays with the fields of
        :class:`friedel.scaling.ScaleParameters`, without `curve_range`; those that are absent are
        taken from the fit. The others are as for :func:`structure_factor_function`. A smooth mask
        moves with the atoms. For a twin the result are its amplitudes.
    """
    function = function_of(model)
    parts = parts_of(function)
    planned = values_of(parts[0].scales)
    domains = [_domain_function(part, threads) for part in parts]
    exist = function.exist if isinstance(function, TwinnedModel) else []
    rows = [np.flatnonzero(mask) for mask in exist]

    def of_arrays(scales: Mapping[str, Any] | None = None, *args: Any, **kwargs: Any) -> jax.Array:
        values = {name: jnp.asarray(x) for name, x in (planned | dict(scales or {})).items()}
        first, *others = (domain(values, *args, **kwargs) for domain in domains)
        if not isinstance(function, TwinnedModel):
            return first
        fractions = values["twin_fractions"]
        squares = (1.0 - fractions.sum()) * square(first)
        for i, other in enumerate(others):
            squares = squares.at[..., rows[i]].add(fractions[i] * square(other))
        return root(jnp, squares)

    return of_arrays


def _domain_function(model: Function, threads: int) -> Callable[..., jax.Array]:
    """F_model of one domain as a function of its scales and of parameters of atoms."""
    f_calc_of = _f_calc_function(model.calculator, threads)
    atoms, terms = model.calculator.atoms, ScaleTerms.of(model)
    masks = []
    if isinstance(model, MovingMaskModel):
        given = (x for x in (model.mask, model.nearer) if x is not None)
        masks = [_function_of(_Mask(mask, atoms), len(atoms)) for mask in given]

    def of_arrays(
        scales: Mapping[str, Any],
        xyz: Any = None,
        b_iso: Any = None,
        u_aniso: Any = None,
        occ: Any = None,
    ) -> jax.Array:
        f_calc = f_calc_of(xyz, b_iso, u_aniso, occ)
        f_mask, f_layer = terms.f_mask, terms.f_layer
        if masks:
            f_mask, *nearer = (mask(xyz, None, None, occ) for mask in masks)
            f_layer = nearer[0] - f_mask if nearer else None
        found: jax.Array = f_model(jnp, terms, scales, f_calc, f_mask, f_layer)
        return found

    return of_arrays


def _f_calc_function(calculator: AnyCalculator, threads: int) -> Callable[..., jax.Array]:
    """F of atoms, and of hydrogens that ride on them, as a function of parameters of the atoms."""
    if not isinstance(calculator, CalculatorWithHydrogens):
        return structure_factor_function(calculator, threads=threads)
    of_atoms, of_hydrogens = (
        structure_factor_function(each, threads=threads)
        for each in (calculator.of_atoms, calculator.of_hydrogens)
    )

    def of_arrays(*given: Any) -> jax.Array:
        arrays = tuple(None if x is None else jnp.asarray(x) for x in given)
        of_all = of_atoms(*arrays)  # which checks the shapes
        xyz, b_iso, u_aniso, occ = arrays
        parameters = calculator.hydrogen_parameters(
            jnp, (xyz, b_iso, u_aniso, occ), lambda x: _as_type(x, arrays)
        )
        found: jax.Array = of_all + of_hydrogens(*parameters)
        return found

    return of_arrays


def _as_type(constants: np.ndarray, like: tuple[Any, ...]) -> jax.Array:
    """Constants as an array; real numbers get the type of the arrays that are given."""
    if constants.dtype.kind != "f":
        return jnp.asarray(constants)
    return jnp.asarray(constants, jnp.result_type(*(x.dtype for x in like if x is not None)))


def least_squares(f: Any, f_obs: Any, sigma: Any = 1.0, *, scale: Any = 1.0) -> jax.Array:
    """T = sum ((f_obs - scale abs(F)) / sigma)^2 of F (..., n), complex or amplitudes.

    Reflections whose observed value is NaN are excluded.
    """
    used = ~jnp.isnan(f_obs)
    x = scale * root(jnp, square(jnp.asarray(f)))
    z = jnp.where(used, (jnp.where(used, f_obs, 0.0) - x) / sigma, 0.0)
    return (z * z).sum(-1)


def maximum_likelihood(
    f: Any,
    f_obs: Any,
    alpha: Any,
    beta: Any,
    *,
    centric: Any,
    epsilon: Any = 1.0,
    sigma: Any = 0.0,
    scale: Any = 1.0,
) -> jax.Array:
    """T = -sum ln p(f_obs; F) of F (..., n), complex or amplitudes.

    See :func:`friedel.targets.maximum_likelihood`; the variance is not
    checked here. Reflections whose observed value is NaN are excluded.
    """
    used = ~jnp.isnan(f_obs)
    o = jnp.maximum(jnp.where(used, f_obs, 1.0), 0.0)
    x = alpha * scale * root(jnp, square(jnp.asarray(f)))
    v = epsilon * beta + jnp.where(centric, 1.0, 2.0) * jnp.square(sigma)
    share, argument = jnp.where(centric, 0.5, 1.0), o * x / v
    log_bessel = jnp.log(jax.scipy.special.i0e(2.0 * argument))
    log_cosh = jax.nn.softplus(-2.0 * jnp.abs(argument)) - math.log(2.0)
    of_observed = jnp.log(2.0 * jnp.maximum(o, np.finfo(np.float32).tiny))
    constant = jnp.where(centric, 0.5 * math.log(0.5 * math.pi), -of_observed)
    value = share * (jnp.log(v) + (o - jnp.abs(x)) ** 2 / v) + constant
    value = value - jnp.where(centric, log_cosh, log_bessel)
    return jnp.where(used, value, 0.0).sum(-1)


def _function_of(host: _OnHost, n_atoms: int) -> Callable[..., jax.Array]:
    """A calculation on the host as a differentiable function of arrays."""
    n_hkl = host.n_hkl

    def on_host(xyz: Any, b_iso: Any, u_aniso: Any, occ: Any, *, dtype: Any) -> np.ndarray:
        return host.forward((xyz, b_iso, u_aniso, occ)).astype(dtype)

    def gradients_on_host(w: Any, *parameters: Any) -> tuple[np.ndarray | None, ...]:
        found = host.adjoint(np.asarray(w, np.complex128), parameters)
        return tuple(
            None if g is None else g.astype(np.asarray(x).dtype)
            for g, x in zip(found, parameters, strict=True)
        )

    def call(parameters: tuple[Any, ...]) -> jax.Array:
        given = [x for x in parameters if x is not None]
        dtype = jnp.result_type(jnp.complex64, *given) if given else jnp.result_type(complex)
        shapes = (
            batch_shape(name, x.shape)
            for name, x in zip(TRAILING, parameters, strict=True)
            if x is not None
        )
        shape = jax.ShapeDtypeStruct((*np.broadcast_shapes(*shapes), n_hkl), dtype)
        return jax.pure_callback(
            lambda *x: on_host(*x, dtype=dtype), shape, *parameters, vmap_method="expand_dims"
        )

    @jax.custom_vjp
    def differentiable(parameters: tuple[Any, ...]) -> jax.Array:
        return call(parameters)

    def forward(parameters: tuple[Any, ...]) -> tuple[jax.Array, tuple[Any, ...]]:
        return call(parameters), parameters

    def backward(parameters: tuple[Any, ...], cotangent: jax.Array) -> tuple[Any]:
        shapes = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), parameters)
        # JAX's cotangent of a complex number is dT/dRe - i dT/dIm, the conjugate of w
        found = jax.pure_callback(
            gradients_on_host,
            shapes,
            jnp.conj(cotangent),
            *parameters,
            vmap_method="broadcast_all",
        )
        return (found,)

    differentiable.defvjp(forward, backward)

    def function(
        xyz: Any = None, b_iso: Any = None, u_aniso: Any = None, occ: Any = None
    ) -> jax.Array:
        every = [None if x is None else jnp.asarray(x) for x in (xyz, b_iso, u_aniso, occ)]
        given = zip(TRAILING, every, strict=True)
        shapes = {name: tuple(x.shape) for name, x in given if x is not None}
        common_batch_shape(n_atoms, shapes)
        # All batch shapes get the same rank, so that axes that vmap adds in front line up
        ranks = [
            0 if x is None else len(batch_shape(name, x.shape))
            for name, x in zip(TRAILING, every, strict=True)
        ]
        missing = [max(ranks) - rank for rank in ranks]
        return differentiable(
            tuple(
                None if x is None else x.reshape((1,) * n + x.shape)
                for n, x in zip(missing, every, strict=True)
            )
        )

    return function


structure_factors = structure_factor_function
"""Alias: the name of :func:`structure_factor_function` in version 0.1.0."""
