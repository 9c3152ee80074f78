"""Agreement of two sets of structure factors of the same reflections."""

import math
from dataclasses import dataclass

import numpy as np

from friedel.errors import ReflectionsError
from friedel.reflections.reflections import Reflections

N_ERROR_SHELLS = 10


@dataclass(frozen=True)
class Agreement:
    """Differences of structure factors, or of amplitudes if one set has no phases.

    Attributes
    ----------
    n
        Number of reflections compared.
    rmse, max_difference
        Root of the mean squared, and largest, abs(F - F_expected), in the units of F.
    relative_rmse
        `rmse` divided by the rms of F_expected.
    worst_shell
        The largest `relative_rmse` of ten resolution shells of equal volume.
    r
        sum abs(abs(F) - abs(F_expected)) / sum abs(F_expected).
    cc
        Correlation of the maps, Re sum F conj(F_expected) / sqrt(sum abs(F)^2 sum
        abs(F_expected)^2), or of the amplitudes without phases; it does not depend on a scale.
    power_ratio
        sum abs(F)^2 / sum abs(F_expected)^2.
    mean_phase_difference
        Mean absolute difference in degrees; NaN without phases.
    """

    n: int
    rmse: float
    max_difference: float
    relative_rmse: float
    worst_shell: float
    r: float
    cc: float
    power_ratio: float
    mean_phase_difference: float

    def __str__(self) -> str:
        lines = [
            f"RMSE {self.rmse:.3e}  ({self.relative_rmse:.3e} of rms |F|)",
            f"worst of ten resolution shells {self.worst_shell:.3e}",
            f"max |dF| {self.max_difference:.3e}",
            f"R {self.r:.3e}",
            f"CC {self.cc:.6f}",
            f"sum F^2 ratio {self.power_ratio:.6f}",
        ]
        if np.isfinite(self.mean_phase_difference):
            lines.append(f"<|dPhi|> {self.mean_phase_difference:.4f} degrees")
        return "\n".join(f"  {line}" for line in lines)


def agreement(found: Reflections, expected: "np.ndarray | Reflections") -> Agreement:
    """Compare structure factors with expected values as they are: no scale is fitted.

    Parameters
    ----------
    found
        Calculated values.
    expected
        Those of the same reflections, or (n,) complex structure factors or real amplitudes in the
        same order.

    Raises
    ------
    ReflectionsError
        When there is not one value for each reflection, the indices or their order differ, or
        there is nothing to compare.

    Examples
    --------
    >>> exact = friedel.fcalc("model.pdb", hkl=f.hkl, method="direct")  # doctest: +SKIP
    >>> print(friedel.agreement(f, exact))  # doctest: +SKIP
    """
    if isinstance(expected, Reflections) and not np.array_equal(found.hkl, expected.hkl):
        raise ReflectionsError(f"got other indices to compare with than those of {len(found)} F")
    values = expected.values if isinstance(expected, Reflections) else np.asarray(expected)
    if values.shape != (len(found),) or not len(found):
        raise ReflectionsError(f"got {values.shape} values to compare with {len(found)} of F")
    if not np.abs(values).any():
        raise ReflectionsError("there is nothing to compare with: all values are zero")
    has_phases = np.iscomplexobj(values) and np.iscomplexobj(found.values)
    if not has_phases:
        found = Reflections(found.crystal, found.hkl, found.amplitudes)
        values = np.abs(values)
    difference, size = np.abs(found.values - values), np.abs(values)
    rmse, rms = (float(np.sqrt((x**2).mean())) for x in (difference, size))
    turn, cc = np.full(1, np.nan), correlation(size, found.amplitudes)
    if has_phases:
        powers = float((size**2).sum() * (found.amplitudes**2).sum())
        cc = float(np.vdot(values, found.values).real) / math.sqrt(powers) if powers else np.nan
        present = (size > 0) & (found.amplitudes > 0)
        turn = np.angle(found.values[present] / values[present], deg=True)
    return Agreement(
        n=len(found),
        rmse=rmse,
        max_difference=float(difference.max()),
        relative_rmse=rmse / rms,
        worst_shell=worst_shell_error(found, values),
        r=float(r_factor(size, found.amplitudes)),
        cc=cc,
        power_ratio=float((found.amplitudes**2).sum() / (size**2).sum()),
        mean_phase_difference=float(np.abs(turn).mean()) if len(turn) else np.nan,
    )


def correlation(first: np.ndarray, second: np.ndarray) -> float:
    """The correlation coefficient of two real arrays; NaN if one of them does not vary."""
    if len(first) < 2 or first.std() == 0.0 or second.std() == 0.0:
        return float("nan")
    return float(np.corrcoef(first, second)[0, 1])


def r_factor(f_obs: np.ndarray, f_model: np.ndarray) -> float:
    """The R-factor sum |F_obs - |F_model|| / sum F_obs; NaN without reflections."""
    total = float(np.sum(f_obs))
    return float(np.abs(f_obs - np.abs(f_model)).sum()) / total if total > 0 else float("nan")


def weighted_r2(observed: np.ndarray, model: np.ndarray, weights: np.ndarray) -> float:
    """wR2, the root of sum w (I - I_model)^2 / sum w I^2.

    Parameters
    ----------
    observed, model, weights
        (n,) intensities of any sign, those of the model on their scale, and weights w.
    """
    return weighted_norm(observed - model, weights) / weighted_norm(observed, weights)


def weighted_norm(values: np.ndarray, weights: np.ndarray) -> float:
    """The root of sum w x^2, of which the squares do not overflow."""
    scaled = np.sqrt(weights) * values
    largest = float(np.abs(scaled).max(initial=0.0))
    return largest * math.sqrt(float(((scaled / largest) ** 2).sum())) if largest else 0.0


def worst_shell_error(found: Reflections, exact: np.ndarray) -> float:
    """Relative rms error in the worst of ten resolution shells of equal volume.

    Parameters
    ----------
    exact
        (n,) complex exact values.
    """
    s3 = found.stol2**1.5
    edges = np.linspace(0.0, s3.max() * (1.0 + 1e-9), N_ERROR_SHELLS + 1)
    shell = np.clip(np.digitize(s3, edges) - 1, 0, N_ERROR_SHELLS - 1)
    difference, power = (
        np.bincount(shell, np.abs(x) ** 2, minlength=N_ERROR_SHELLS)
        for x in (found.values - exact, exact)
    )
    used = power > 0
    return float(np.sqrt((difference[used] / power[used]).max()))
