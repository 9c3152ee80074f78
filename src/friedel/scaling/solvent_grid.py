"""Starts of a fit with flat solvent: a coarse grid over k_sol and B_sol.

The target of a fit with solvent has several minima: at high resolution a weak, sharp solvent
resembles a dense, diffuse one, and a density above that of the atoms resembles one below it. So a
descent from one average solvent can end far from the best [Afonine2013]. The misfit at the nodes of
a coarse grid shows the minima. Given the solvent, k_overall and B follow at each node from a linear
fit to the logarithms of the amplitudes, as in :mod:`friedel.scaling.quick_start`.
"""

from collections.abc import Collection
from dataclasses import replace
from typing import Any

import numpy as np

from friedel.scaling.data import ScalingData
from friedel.scaling.parameters import ScaleParameters, as_floats
from friedel.scaling.quick_start import without_outliers

DENSITIES = (0.0, 0.15, 0.4, 0.65, 0.8, 0.93, 1.07, 1.2, 1.5, 2.0)
"""k_sol at the nodes, relative to the density at which solvent and atoms match. They are close
together there, as the sign of F_total at low resolution changes."""

B_SOLS = (5.0, 20.0, 50.0, 110.0, 250.0)
"""B_sol at the nodes, Å^2; from one to the next the solvent at 5 Å falls by a similar amount."""

HALVINGS = 2
"""Number of further grids of 3 x 3 nodes around the best, each with half the spacing."""

MOST_REFLECTIONS = 500
"""Number of reflections from which the nodes are judged: a few parameters need no more."""

NODES_AT_A_TIME = 25
"""Number of nodes per block, so that arrays stay in the cache."""

RIDGE = 1e-10
"""Relative weight at which components of B that the data do not determine are zero."""


def solvent_start(
    data: ScalingData,
    near: ScaleParameters,
    fixed: Collection[str] = (),
    weights: np.ndarray | None = None,
    k_sol_min: float = 0.0,
) -> ScaleParameters:
    """The start at the best node of the grid; `near` itself where the solvent is not fitted.

    Parameters
    ----------
    near
        Values of the parameters that are not searched.
    fixed
        Names of fixed parameters; a fixed k_sol or B_sol has one node only.
    weights
        (n,) factors of the residuals, or None for 1.
    k_sol_min
        Least k_sol; where it is negative the grid has negative densities, too.
    """
    if not data.has_solvent or {"k_sol", "b_sol"} <= set(fixed) or near.solvent_curve:
        return near
    chosen = few_reflections(data.stol2)
    data = data.select(chosen)
    data = replace(data, f_obs=without_outliers(data.f_obs))
    weights = None if weights is None else weights[chosen]
    k_sols = data.matching_density * np.array(DENSITIES)
    if k_sol_min < 0.0:
        k_sols = np.concatenate([-k_sols[:0:-1], k_sols])
    axes = [
        np.array([near.k_sol]) if "k_sol" in fixed else np.maximum(k_sols, k_sol_min),
        np.array([near.b_sol]) if "b_sol" in fixed else np.array(B_SOLS),
    ]
    nodes = _Nodes(data, near, fixed, weights)
    for _ in range(HALVINGS + 1):
        at = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2)
        misfits, scales = nodes.misfits(at)
        best = int(np.argmin(np.where(np.isfinite(misfits), misfits, np.inf)))
        axes = [_around(axis, value) for axis, value in zip(axes, at[best], strict=True)]
    k_overall, *b = scales[best]
    found: dict[str, Any] = {
        "k_overall": float(np.exp(k_overall)),
        "b_overall": as_floats(b @ data.b_basis),
        "k_sol": float(at[best, 0]),
        "b_sol": float(at[best, 1]),
    }
    return replace(near, **{name: value for name, value in found.items() if name not in fixed})


def _around(nodes: np.ndarray, value: float) -> np.ndarray:
    """The value, and the middles between it and the nodes next to it."""
    i = int(np.argmin(np.abs(nodes - value)))
    return np.unique(0.5 * (value + nodes[max(i - 1, 0) : i + 2]))


def few_reflections(stol2: np.ndarray) -> np.ndarray:
    """Indices of all reflections, or of some: half of them at lowest resolution, others evenly."""
    if len(stol2) <= MOST_REFLECTIONS:
        return np.arange(len(stol2))
    order = np.argsort(stol2)
    if (np.diff(stol2[order]) == 0.0).any():  # a stable sort takes five times as long
        order = np.argsort(stol2, kind="stable")
    half = MOST_REFLECTIONS // 2
    rest = np.linspace(half, len(stol2) - 1, MOST_REFLECTIONS - half).astype(int)
    return np.sort(order[np.concatenate([np.arange(half), rest])])


class _Nodes:
    """Linear fits of k_overall and B at some nodes (k_sol, B_sol)."""

    def __init__(
        self,
        data: ScalingData,
        near: ScaleParameters,
        fixed: Collection[str],
        weights: np.ndarray | None,
    ) -> None:
        self._data = data
        self._free = np.repeat(
            [name not in fixed for name in ("k_overall", "b_overall")], [1, len(data.b_basis)]
        )
        self._known = np.array([np.log(near.k_overall), *data.b_components(near.b_overall)])
        self._rows = np.concatenate([np.ones((1, len(data))), -data.exponents])
        self._fitted = self._rows[self._free]
        p = len(self._fitted)
        self._pairs = (self._fitted[:, None] * self._fitted).reshape(p * p, -1).T.copy()
        self._size = 1.0 if weights is None else np.abs(weights)
        least = 1e-9 * float(data.f_obs.max(initial=0.0)) + 1e-300
        is_known = ~self._free
        self._log_f_obs = np.log(np.maximum(data.f_obs, least))
        self._log_f_obs -= self._known[is_known] @ self._rows[is_known]

    @np.errstate(over="ignore", invalid="ignore")
    def misfits(self, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(m,) sums of absolute residuals at nodes (m, 2), log k_overall and B (m, 1 + p) there."""
        data, size, p = self._data, self._size, len(self._fitted)
        calc, mixed, mask = data.products()[:3]
        misfits, scales = np.empty(len(at)), np.tile(self._known, (len(at), 1))
        for first in range(0, len(at), NODES_AT_A_TIME):
            some = slice(first, first + NODES_AT_A_TIME)
            k_sol, b_sol = at[some].T[:, :, None]
            solvent = k_sol * np.exp(-b_sol * data.stol2)
            unscaled = np.sqrt(np.maximum((mask * solvent + 2.0 * mixed) * solvent + calc, 0.0))
            logs = self._log_f_obs - np.log(np.maximum(unscaled, 1e-9 * unscaled.max() + 1e-300))
            importance = data.f_obs * unscaled * size * size  # as in fit_isotropic_b
            normal = (importance @ self._pairs).reshape(-1, p, p)
            normal += RIDGE * np.trace(normal, axis1=1, axis2=2)[:, None, None] * np.eye(p)
            right = ((importance * logs) @ self._fitted.T)[..., None]
            scales[some, self._free] = np.linalg.solve(normal, right)[..., 0]
            residuals = np.exp(scales[some] @ self._rows) * unscaled - data.f_obs
            misfits[some] = (np.abs(residuals) * size).sum(axis=1)
        return misfits, scales
