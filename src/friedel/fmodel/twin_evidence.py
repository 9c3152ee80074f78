"""Whether the data are of a twin: the fraction of a law beside what the model lacks.

Amplitudes of an imperfect model have too many small ones. The intensities of unrelated reflections,
added with a small weight, mend this, so that a fit finds a few per cent of a twin where there is
none. Beside a term for what the model lacks, which is free at each resolution, that gain disappears
and a real twin keeps its fraction.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from friedel.errors import ReflectionsError
from friedel.fmodel.twinning import TwinDomain
from friedel.model.crystal import Crystal
from friedel.model.twin_laws import TwinLaw
from friedel.notes import Note
from friedel.reflections.reflections import Reflections
from friedel.scaling import ScaleParameters, ScalingData

if TYPE_CHECKING:
    from friedel.reflections.twin_statistics import LTest

LEAST_FRACTION = 0.03
"""Fraction beside the incoherent term from which a twin is taken; false ones are below 0.01."""

LEAST_SIGNIFICANCE = 4.0
"""Standard errors by which the fraction must differ from zero: up to ten laws are tried."""

L_TEST_SIGNIFICANCE = 3.0
"""Standard errors by which <abs(L)> must be below 0.5."""

SPREAD_OF_L = 12.0**-0.5
"""Standard deviation of abs(L), which is evenly distributed from 0 to 1 without twinning."""

PAIRS_PER_REFLECTION = 4
"""Rough number of pairs with one intensity: the mean has the error of fewer, separate pairs."""

SHELLS, REFLECTIONS_PER_SHELL = 10, 100
"""Largest number of resolution shells, and least mean number of reflections in one."""

STEPS, TOLERANCE = 30, 1e-5
"""Largest number of steps of the fit of a fraction, and largest change of the last step."""

HALF_WEIGHT = 2.0
"""Residual, in standard deviations, at which the weight of a reflection is one half."""

LEAST_SHARE = 0.01
"""Smallest expected intensity, relative to the mean of its shell."""


@dataclass(frozen=True)
class TwinEvidence:
    """The fraction of a twin law, fitted together with an incoherent term.

    Attributes
    ----------
    law
        The twin law.
    fraction, error
        The fraction, and its standard error.
    """

    law: TwinLaw
    fraction: float
    error: float

    @property
    def is_significant(self) -> bool:
        """Whether the fraction is that of a twin."""
        return self.fraction > max(LEAST_FRACTION, LEAST_SIGNIFICANCE * self.error)


def twin_evidence(
    law: TwinLaw,
    f_obs: np.ndarray,
    expected: np.ndarray,
    shell: np.ndarray,
    first: np.ndarray,
    mate: np.ndarray,
) -> TwinEvidence:
    """The fraction of a law beside an incoherent term.

    F_obs^2 = k ((1 - fraction) I(h) + fraction I(mate) + beta(d) epsilon <I>), where beta is
    constant in each of ten resolution shells. The residuals of amplitudes are weighted so that
    outliers count little.

    Parameters
    ----------
    f_obs
        (n,) amplitudes.
    expected, shell
        (n,) epsilon <I> and the resolution shell; see :func:`expected_intensity`.
    first, mate
        (n,) intensities of the model at the reflections and at their mates, on the scale of the
        data.
    """
    terms = np.zeros((len(f_obs), 2 + int(shell.max()) + 1))
    terms[:, 0], terms[:, 1] = first, mate
    terms[np.arange(len(f_obs)), 2 + shell] = expected
    x = np.array([0.8, 0.1] + [0.1] * (terms.shape[1] - 2))
    for _ in range(STEPS):
        amplitude = np.sqrt(np.maximum(terms @ x, LEAST_SHARE * expected))
        residual = (f_obs - amplitude) / np.sqrt(expected)
        spread = 1.4826 * float(np.median(np.abs(residual))) or 1.0
        weight = 1.0 / (1.0 + (residual / (HALF_WEIGHT * spread)) ** 2)
        slopes = terms / (2.0 * amplitude * np.sqrt(expected))[:, None]
        normal = (slopes * weight[:, None]).T @ slopes
        normal[np.diag_indices_from(normal)] += 1e-12 * np.trace(normal)
        gradient = slopes.T @ (weight * residual)
        # No term is negative: those at zero that would become so stay there
        moves = (x > 0.0) | (gradient > 0.0)
        step = np.zeros(len(x))
        step[moves] = np.linalg.solve(normal[np.ix_(moves, moves)], gradient[moves])
        following = np.maximum(x + step, 0.0)
        change, x = float(np.abs(following - x).max()), following
        if change < TOLERANCE:
            break
    total = float(x[0] + x[1]) or 1.0
    # d fraction / d (x0, x1), for the propagation of errors
    slope = np.array([-x[1], x[0]]) / total**2
    covariance = spread**2 * np.linalg.inv(normal)[:2, :2]
    error = float(np.sqrt(slope @ covariance @ slope))
    return TwinEvidence(law, float(x[1]) / total, error)


def expected_intensity(
    crystal: Crystal, hkl: np.ndarray, f_obs: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(n,) epsilon times the mean F_obs^2 / epsilon of the resolution shell, and the shell."""
    n_shells = int(np.clip(len(hkl) // REFLECTIONS_PER_SHELL, 1, SHELLS))
    shell = np.empty(len(hkl), np.int64)
    order = np.argsort(crystal.stol2(hkl), kind="stable")
    shell[order] = np.arange(len(hkl)) * n_shells // len(hkl)
    epsilon = crystal.epsilon(hkl)
    mean = np.bincount(shell, f_obs**2 / epsilon) / np.bincount(shell)
    return epsilon * mean[shell], shell


def supported_domains(
    tried: Sequence[tuple[TwinDomain, ...]],
    data: ScalingData,
    scales: ScaleParameters,
    f_obs: Reflections,
    chosen: np.ndarray,
) -> tuple[list[tuple[TwinDomain, ...]], tuple[Note, ...]]:
    """Those of possible twins of two domains that the data are of, and a note on those refused.

    Parameters
    ----------
    tried
        The further domain of each.
    data
        The reflections of the fit.
    scales
        Scales fitted without twinning.
    f_obs, chosen
        All (m,) amplitudes, and which of them are those of `data`.
    """
    of_data = data.f_obs, *expected_intensity(data.crystal, data.hkl, data.f_obs)
    first = data.amplitudes(scales) ** 2
    found = []
    for domains in tried:
        f_mate = domains[0].f_total(data.crystal, f_obs.hkl, scales)[chosen]
        evidence = twin_evidence(domains[0].law, *of_data, first, np.abs(f_mate) ** 2)
        if evidence.is_significant:
            found.append((domains, evidence))
    if not found:
        return [], ()
    from friedel.reflections.twin_statistics import l_test  # with scipy, for few crystals only

    try:
        test = l_test(f_obs.select(chosen))
    except ReflectionsError:
        test = None  # no pairs of reflections
    supported = [domains for domains, evidence in found if _finds_twin(test, evidence.fraction)]
    if supported:
        return supported, ()
    return [], tuple(_about_refused(evidence, test) for _, evidence in found)


def _finds_twin(test: "LTest | None", fraction: float) -> bool:
    """Whether the L-test, which needs no law and no model, finds a twin of about this fraction.

    Where molecules are nearly related like the domains of a twin, F of the other domain is as good
    a model as F itself, and errors of the model look like twinning. The L-test is not misled.
    """
    from friedel.reflections.twin_statistics import mean_abs_l

    if test is None:
        return False
    # Noise, and an intensity that is in several pairs, bring the mean nearer to one half
    half_way = 0.5 * (0.5 + mean_abs_l(min(fraction, 0.5)))
    error = SPREAD_OF_L * np.sqrt(PAIRS_PER_REFLECTION / test.n_pairs)
    return bool(test.mean_abs_l < min(half_way, 0.5 - L_TEST_SIGNIFICANCE * error))


def _about_refused(found: TwinEvidence, test: "LTest | None") -> Note:
    from friedel.reflections.twin_statistics import mean_abs_l

    reason = "there are no pairs of reflections for an L-test"
    if test is not None:
        expected = mean_abs_l(min(found.fraction, 0.5))
        reason = f"<|L|> is {test.mean_abs_l:.3f}, of such a twin {expected:.3f}, of none 0.500"
    text = (
        f"not taken as a twin: by {found.law.name} its fraction would be {found.fraction:.3f}, "
        f"but {reason}"
    )
    give = f"give twin={found.law.name!r} (--twin={found.law.name}) to fit it"
    return Note(text, "warning", found.fraction, give=give)
