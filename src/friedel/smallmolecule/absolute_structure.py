"""Absolute structure: the Flack parameter by a fit and by quotients of Bijvoet pairs, Hooft's y.

x is the fraction of the inverted structure in an inversion twin [Flack1983]:
F^2_model(h) = k^2 ((1 - x) |F(h)|^2 + x |F(-h)|^2).
"""

from dataclasses import dataclass

import numpy as np

from friedel.model.arrays import frozen
from friedel.model.crystal import Crystal
from friedel.reflections.bijvoet import pair_positions
from friedel.reflections.merging import representatives
from friedel.reflections.reflections import as_keys
from friedel.smallmolecule.intensities import (
    DISTINCT,
    FittedIntensities,
    IntensityModel,
    fit_scales,
)
from friedel.smallmolecule.parameter import Parameter

STRONG = 3.0
"""Least F^2 / sigma(F^2) of both reflections of a selected pair [Parsons2013]."""
LARGEST = 2.0
"""Largest observed difference of a selected pair, in units of the largest calculated difference of
all pairs [Parsons2013]."""


@dataclass(frozen=True, eq=False, repr=False)
class AbsoluteStructure:
    """The Flack parameter and the Bijvoet pairs that it comes from.

    Attributes
    ----------
    by_fit
        Flack's x by least squares against all F^2: k, x and SHELX's extinction parameter if it is
        refined are varied; the atoms and the fractions of other twin domains are held. None where
        an inversion twin is fitted together with other domains.
    by_quotients
        x by Parsons' method [Parsons2013]: Q_obs = (1 - 2x) Q_calc by weighted least squares over
        the selected pairs, with Q = (F^2(h) - F^2(-h)) / (F^2(h) + F^2(-h)). The uncertainty
        is scaled by the goodness of fit of the line. None for fewer than two selected pairs.
    by_differences
        Hooft's y [Hooft2008] with a Gaussian likelihood: D_obs = (1 - 2y) D_calc of all pairs
        whose observed difference is not too large, with D = F^2(h) - F^2(-h) on the scale of the
        structure as given.
    hkl
        (n, 3) one reflection h of each pair.
    q_obs, q_sigmas, q_calc
        (n,) Q of the measured F^2, its standard uncertainty, and Q of the structure as given. They
        are NaN where F^2(h) + F^2(-h) is not positive.
    d_obs, d_sigmas, d_calc
        (n,) differences D on the absolute scale, likewise.
    selected
        (n,) bool, pairs that `by_quotients` uses: F^2 > 3 sigma(F^2) of both reflections, and an
        observed difference of at most twice the largest calculated one.
    """

    by_fit: Parameter | None
    by_quotients: Parameter | None
    by_differences: Parameter | None
    hkl: np.ndarray
    q_obs: np.ndarray
    q_sigmas: np.ndarray
    q_calc: np.ndarray
    d_obs: np.ndarray
    d_sigmas: np.ndarray
    d_calc: np.ndarray
    selected: np.ndarray

    def __post_init__(self) -> None:
        names = ("q_obs", "q_sigmas", "q_calc", "d_obs", "d_sigmas", "d_calc")
        for name in ("hkl", *names, "selected"):
            object.__setattr__(self, name, frozen(np.array(getattr(self, name))))

    def __repr__(self) -> str:
        return f"<AbsoluteStructure of {len(self.hkl)} Bijvoet pairs, x = {self.best}>"

    @property
    def best(self) -> Parameter | None:
        """`by_quotients`, or `by_fit` where it is None."""
        return self.by_quotients or self.by_fit

    def to_dict(self) -> dict[str, object]:
        """The numbers for JSON: the three estimates, and how many pairs there are and are used."""
        return {
            "flack_by_fit": self.by_fit,
            "flack_by_quotients": self.by_quotients,
            "hooft_y": self.by_differences,
            "n_pairs": len(self.hkl),
            "n_selected": int(self.selected.sum()),
        }


def has_bijvoet_pairs(
    crystal: Crystal, hkl: np.ndarray, total: np.ndarray, inverted: np.ndarray
) -> bool:
    """Whether there are pairs among unique reflections, and the model has differences.

    Parameters
    ----------
    hkl
        (n, 3).
    total, inverted
        (n,) F^2 of the model and of the inverted model.
    """
    if crystal.is_centric(hkl).all():
        return False
    if np.linalg.norm(total - inverted) <= DISTINCT * np.linalg.norm(total):
        return False
    keys = as_keys(representatives(crystal, hkl, False))
    return len(np.unique(keys)) == len(keys) and len(pair_positions(hkl)[0]) > 0


def absolute_structure(
    hkl: np.ndarray,
    f2: np.ndarray,
    sigmas: np.ndarray,
    total: np.ndarray,
    inverted: np.ndarray,
    by_fit: Parameter | None,
) -> AbsoluteStructure:
    """Flack's x from quotients and Hooft's y from differences of Bijvoet pairs.

    Parameters
    ----------
    hkl
        (n, 3) unique reflections with pairs among them.
    f2, sigmas
        (n,) measured F^2 on the absolute scale, corrected for extinction.
    total, inverted
        (n,) F^2 of the model and of the inverted model.
    by_fit
        x by the fit.
    """
    plus, minus = pair_positions(hkl)
    d_obs, d_calc = f2[plus] - f2[minus], total[plus] - inverted[plus]
    d_sigmas = np.hypot(sigmas[plus], sigmas[minus])
    s_obs, s_calc = f2[plus] + f2[minus], total[plus] + inverted[plus]
    usable = (s_obs > 0.0) & (s_calc > 0.0)
    divisor = np.where(usable, s_obs, np.nan)
    q_obs, q_calc = d_obs / divisor, d_calc / np.where(usable, s_calc, np.nan)
    # of the quotient (a - b) / (a + b)
    q_sigmas = 2.0 * np.hypot(f2[minus] * sigmas[plus], f2[plus] * sigmas[minus]) / divisor**2
    inlier = np.abs(d_obs) <= LARGEST * np.abs(d_calc).max()
    strong = (f2[plus] > STRONG * sigmas[plus]) & (f2[minus] > STRONG * sigmas[minus])
    selected = usable & inlier & strong
    by_quotients = by_differences = None
    if selected.sum() > 1 and q_calc[selected].any():
        slope = _slope(q_obs[selected], q_sigmas[selected], q_calc[selected], scaled=True)
        by_quotients = _from_slope(slope)
    if d_calc[inlier].any():
        slope = _slope(d_obs[inlier], d_sigmas[inlier], d_calc[inlier], scaled=False)
        by_differences = _from_slope(slope)
    return AbsoluteStructure(
        by_fit=by_fit,
        by_quotients=by_quotients,
        by_differences=by_differences,
        hkl=hkl[plus],
        q_obs=q_obs,
        q_sigmas=q_sigmas,
        q_calc=q_calc,
        d_obs=d_obs,
        d_sigmas=d_sigmas,
        d_calc=d_calc,
        selected=selected,
    )


def fitted_inversion(
    model: IntensityModel,
    fitted: FittedIntensities,
    inverted: np.ndarray,
    f2: np.ndarray,
    sigmas: np.ndarray,
    weights: tuple[float, ...],
    n_parameters: int,
    *,
    stol2: np.ndarray | float = 0.0,
    wavelength: float = 0.0,
) -> Parameter:
    """Flack's x by a fit of k, x and the extinction parameter, if `model` refines it.

    Parameters
    ----------
    model, fitted
        Model without inverted domains, and its fit.
    inverted
        (n,) F^2 of the inverted model, with the fitted fractions of its domains.
    f2, sigmas
        (n,) measured F^2.
    weights
        Parameters a and b of the weights, or a to f.
    n_parameters
        Number of parameters of the whole refinement, without x.
    stol2, wavelength
        (n,) 1/Å^2 and Å, for weights with c, d and e.
    """
    _, x, fractions = model.split(fitted.parameters)
    twin = IntensityModel(
        np.stack([fractions @ model.domains, inverted]),
        model.extinction_per_x,
        model.refines_extinction,
        model.held_extinction,
    )
    found = fit_scales(twin, f2, sigmas, weights, x, stol2=stol2, wavelength=wavelength)
    freedom = len(f2) - n_parameters - 1
    residual = float(found.weights @ (f2 - found.f2_model) ** 2)
    variance = found.covariance[-1, -1] * residual / freedom if freedom > 0 else np.nan
    return Parameter(float(found.parameters[-1]), float(np.sqrt(variance)))


def _slope(
    observed: np.ndarray, sigmas: np.ndarray, calculated: np.ndarray, *, scaled: bool
) -> Parameter:
    """Slope of a line through the origin; its uncertainty times the goodness of fit if `scaled`."""
    weights = sigmas**-2
    curvature = float(weights @ calculated**2)
    slope = float(weights @ (observed * calculated)) / curvature
    variance = 1.0 / curvature
    if scaled:
        variance *= float(weights @ (observed - slope * calculated) ** 2) / (len(observed) - 1)
    return Parameter(slope, float(np.sqrt(variance)))


def _from_slope(slope: Parameter) -> Parameter:
    """The fraction x of a slope 1 - 2x."""
    return Parameter(0.5 * (1.0 - slope.value), 0.5 * slope.su)
