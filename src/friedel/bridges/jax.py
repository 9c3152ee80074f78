"""JAX: structure factors as a differentiable function.

::

    calculator = friedel.Calculator.from_model("model.pdb", d_min=2.0)
    f_of = structure_factor_function(calculator)
    jax.grad(lambda xyz: ((abs(f_of(xyz)) - f_obs) ** 2).sum())(xyz)

JAX calls the engine back on the host, under `jit` as well, and `vmap` passes whole batches. Only
first-order reverse-mode derivatives are defined.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from friedel.bridges.batches import TRAILING, Batch, batch_shape, common_batch_shape, reduced
from friedel.errors import MissingDependencyError
from friedel.structure_factors.calculator import Calculator

try:
    import jax
    import jax.numpy as jnp
except ImportError as error:
    raise MissingDependencyError.of("friedel.bridges.jax", "jax") from error


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
    n_hkl = len(calculator.hkl)

    def on_host(xyz: Any, b_iso: Any, u_aniso: Any, occ: Any, *, dtype: Any) -> np.ndarray:
        given = dict(zip(TRAILING, (xyz, b_iso, u_aniso, occ), strict=True))
        return Batch.from_parameters(calculator, given).forward(threads).astype(dtype)

    def gradients_on_host(w: Any, *parameters: Any) -> tuple[np.ndarray | None, ...]:
        batch = Batch.from_parameters(calculator, dict(zip(TRAILING, parameters, strict=True)))
        w = np.broadcast_to(np.asarray(w, np.complex128), (*batch.shape, n_hkl))
        found = batch.adjoint(w, threads)
        return tuple(
            None if x is None else reduced(found[name], np.shape(x)).astype(np.asarray(x).dtype)
            for name, x in zip(TRAILING, parameters, strict=True)
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
        common_batch_shape(len(calculator.atoms), shapes)
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
