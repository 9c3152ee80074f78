"""Targets of refinement as modules: the functions of `friedel.targets` for tensors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from friedel.errors import ParameterError, ReflectionsError


class _Target(torch.nn.Module):
    """Data of the reflections that are used, in buffers that follow the module's device."""

    def __init__(self, observed: Any, use: Any, **values: Any) -> None:
        super().__init__()
        observed = torch.as_tensor(np.array(observed, np.float64))
        if observed.ndim != 1:
            raise ReflectionsError(f"the data have shape {tuple(observed.shape)}, expected (n,)")
        chosen = ~observed.isnan()
        if use is not None:
            use = torch.as_tensor(np.array(use))
            if use.shape != observed.shape or use.dtype != torch.bool:
                raise ReflectionsError(f"`use` must be a boolean array of length {len(observed)}")
            chosen = chosen & use
        self.n = len(observed)
        rows = torch.nonzero(chosen)[:, 0]
        self.register_buffer("rows", rows)
        self.register_buffer("observed", observed[rows])
        for name, value in values.items():
            array = torch.as_tensor(np.array(value))
            if array.shape not in ((), observed.shape):
                raise ReflectionsError(
                    f"{name} has shape {tuple(array.shape)}, expected a number or {self.n}: one "
                    "per reflection"
                )
            self.register_buffer(name, array.expand(self.n)[rows].clone())

    def amplitudes(self, f: torch.Tensor, scale: torch.Tensor | float) -> torch.Tensor:
        """(..., m) scaled amplitudes of the reflections that are used."""
        if f.shape[-1:] != (self.n,):
            raise ReflectionsError(
                f"F has shape {tuple(f.shape)} and the data ({self.n},), expected (..., {self.n})"
            )
        if isinstance(scale, torch.Tensor) and scale.ndim:
            scale = scale[..., self.rows]
        return scale * f[..., self.rows].abs()


class LeastSquares(_Target):
    """T = sum ((f_obs - scale abs(F)) / sigma)^2; see :func:`friedel.targets.least_squares`.

    Parameters
    ----------
    f_obs
        (n,) amplitudes; those that are NaN are excluded.
    sigma
        A number, or (n,) standard deviations.
    use
        (n,) bool: the reflections to use, such as all but the free ones.

    Raises
    ------
    ReflectionsError
        For arrays that do not fit together.
    ParameterError
        For a sigma that is not positive where there is an observation.
    """

    observed: torch.Tensor
    sigma: torch.Tensor

    def __init__(self, f_obs: Any, sigma: Any = 1.0, *, use: Any = None) -> None:
        super().__init__(f_obs, use, sigma=np.asarray(sigma, np.float64))
        if not bool((self.sigma > 0).all()):
            raise ParameterError("sigma must be positive wherever there is an observation")

    def forward(self, f: torch.Tensor, scale: torch.Tensor | float = 1.0) -> torch.Tensor:
        """(...,) the target of F (..., n), complex structure factors or amplitudes."""
        x = self.amplitudes(f, scale)
        return (((self.observed - x) / self.sigma) ** 2).sum(-1)


class MaximumLikelihood(_Target):
    """T = -sum ln p(f_obs; F), the amplitude likelihood of an incomplete, erroneous model.

    See :func:`friedel.targets.maximum_likelihood`.

    Parameters
    ----------
    f_obs
        (n,) amplitudes; those that are NaN are excluded.
    alpha, beta
        Fraction of F that is correct and variance of the error, numbers or (n,).
    centric
        (n,) bool.
    epsilon, sigma
        Numbers or (n,).
    use
        (n,) bool: the reflections to use.

    Raises
    ------
    ReflectionsError
        For arrays that do not fit together.
    ParameterError
        When some variance is not positive.
    """

    observed: torch.Tensor
    alpha: torch.Tensor
    variance: torch.Tensor
    centric: torch.Tensor
    constant: torch.Tensor

    def __init__(
        self,
        f_obs: Any,
        alpha: Any,
        beta: Any,
        *,
        centric: Any,
        epsilon: Any = 1.0,
        sigma: Any = 0.0,
        use: Any = None,
    ) -> None:
        centric = np.asarray(centric, bool)
        alpha, beta, epsilon, sigma = (
            np.asarray(x, np.float64) for x in (alpha, beta, epsilon, sigma)
        )
        variance = epsilon * beta + np.where(centric, 1.0, 2.0) * sigma**2
        super().__init__(f_obs, use, alpha=alpha, variance=variance, centric=centric)
        if not bool((self.variance > 0).all()):
            raise ParameterError("maximum likelihood needs beta > 0 for each reflection")
        self.observed = self.observed.clamp(min=0.0)
        share = torch.where(self.centric, 0.5, 1.0)
        logs = torch.log(2.0 * self.observed.clamp(min=torch.finfo(torch.float64).tiny))
        constant = torch.where(
            self.centric, torch.full_like(logs, 0.5 * math.log(0.5 * math.pi)), -logs
        )
        self.register_buffer("constant", constant + share * torch.log(self.variance))

    def forward(self, f: torch.Tensor, scale: torch.Tensor | float = 1.0) -> torch.Tensor:
        """(...,) the target of F (..., n), complex structure factors or amplitudes."""
        x = self.alpha * self.amplitudes(f, scale)
        o, v = self.observed, self.variance
        share = torch.where(self.centric, 0.5, 1.0).to(o.dtype)
        argument = o * x / v
        log_bessel = torch.log(torch.special.i0e(2.0 * argument))
        log_cosh = torch.nn.functional.softplus(-2.0 * argument.abs()) - math.log(2.0)
        square = (o - x.abs()) ** 2 / v
        value = share * square - torch.where(self.centric, log_cosh, log_bessel)
        return (value + self.constant).sum(-1)
