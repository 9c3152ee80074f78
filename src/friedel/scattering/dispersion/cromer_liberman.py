"""Calculation of f' and f'' of a free atom by the method of Cromer and Liberman.

Each orbital absorbs photons above its binding energy B with a cross section sigma. The optical
theorem gives f'' and the Kramers-Kronig relation gives f' [Cromer1981]::

    f''(E) = k pi E sigma(E)
    f'(E)  = 2 k P-integral from B to infinity of e^2 sigma(e) / (E^2 - e^2) de

summed over orbitals, plus one number per element that corrects the high-energy limit
[Kissel1990]. The correction of Jensen is left out, as [Brennan1992] and later work advise.
Energies are in keV and cross sections in barn, as in the tables; f' and f'' are in electrons.
"""

from dataclasses import dataclass
from functools import cache
from operator import index

import numpy as np
from numpy.typing import ArrayLike

from friedel.data import table
from friedel.errors import ElementError, EnergyError

Z_MIN, Z_MAX = 3, 92
"""Atomic numbers of the first and last element with tabulated orbitals, Li and U."""

ENERGY_MIN, ENERGY_MAX = 100.0, 1e6
"""Range of photon energies (eV) in which the results resemble those of Chantler."""

PEAK_WIDTH = 0.08
"""Relative distance from an edge within which a peak of the tables makes f' doubtful."""

_PEAK = 2.0
"""Ratio of the tabulated fall of a cross section to the usual one that makes it a peak."""

FloatOrArray = float | np.ndarray

# The rounded units of the original program (27.21 eV, 2.80022e7 barn) are part of the method:
# newer values would shift every published f' and f'' by 5 parts in 100,000.
_INVERSE_ALPHA = 137.036
_HARTREE = 0.02721
_BOHR2 = 28002200.0
_STRENGTH = _INVERSE_ALPHA / (4.0 * np.pi**2) / (_HARTREE * _BOHR2)

_COMMON_ENERGIES = (80.0, 26.7, 8.9, 3.0, 1.0)
_NO_CROSS_SECTION = 1e-9  # barn; the table's zeros mean "not available"

_AT_POLE = 1e-5
"""Relative distance of E^2 from e^2 below which the integrand is replaced by its limit."""

_AT_EDGE = 1e-12
"""Relative distance of E from B below which they count as equal."""

_BLOCK = 1024
"""Number of energies per block, so that temporaries stay in the processor's cache."""

_abscissae, _weights = np.polynomial.legendre.leggauss(5)
_GAUSS_X = (1.0 + _abscissae) / 2.0
_GAUSS_WEIGHT = _weights / 2.0


@dataclass(frozen=True, eq=False)
class _Orbitals:
    """Data of m orbitals for the formulas; the trailing axis of length 1 is that of energies."""

    binding: np.ndarray  # (m, 1) B
    threshold: np.ndarray  # (m, 1) B minus rounding: the orbital absorbs above it
    edge_term: np.ndarray  # (m, 1) B^2 sigma(B), zero where the table has no point at the edge
    node_energy2: np.ndarray  # (5, m, 1) e^2
    node_sigma: np.ndarray  # (5, m, 1)
    node_weight: np.ndarray  # (5, m, 1) quadrature weight times |de/dx|
    knots: np.ndarray  # (8, m, 1) log energies at which the next window takes over
    windows: np.ndarray  # (m, 9, 4) parabolas: centre, value, slope, curvature
    first_orbital: np.ndarray  # index of the first orbital of each element
    correction: np.ndarray  # one number per element, electrons


def cromer_liberman(
    z: int, energy: ArrayLike, *, repaired: bool = False
) -> tuple[FloatOrArray, FloatOrArray]:
    """Amplitudes f' and f'' of one element [Cromer1981], [Cromer1983], [Brennan1992], [Kissel1990].

    Parameters
    ----------
    z
        Atomic number. Below 3 both results are zero: the method has no data for H and He.
    energy
        Photon energy, eV, scalar or of any shape.
    repaired
        Some orbitals are tabulated for a binding energy other than the one stated next to
        them (mostly of Ar, Ba, Ce and Bi to Pa). The published program mixes the two, which
        leaves false resonances: f' of Bi is 0.8 off at Cu K-alpha, that of Ce 200 at 3.9 keV.
        By default this is reproduced; with True each orbital is made consistent.

    Returns
    -------
    (f', f'')
        Amplitudes in electrons: floats for a scalar energy, otherwise float64 arrays of its shape.

    Raises
    ------
    ElementError
        For an atomic number above 92.
    EnergyError
        For an energy that is not a positive finite number.

    Notes
    -----
    The atom is free and its edges are sharp: within some 10 eV of an edge the true values
    depend on the chemistry and should be measured. At an edge itself f' diverges logarithmically;
    there the distance from the edge is taken as 27.21 eV. Cross sections are tabulated
    from 1 to 80 keV and near each edge, and are extrapolated beyond.

    Against the tables of Chantler, 5 to 70 keV and 3 % away from edges, the repaired f' differs by
    0.06 electrons in the median and 0.8 at most, f'' by 6 % at most. Under 3.3 keV the tables
    have a peak of the cross section at the M4 and M5 edges of Pm to Fr that Chantler's do not
    have: up to 7 % above those edges f'' is several times larger and f' off by tens.

    For Z >= 79 above the K edge (over 80.7 keV) the published program fails because it treats the
    pole of the K shell as absent. Here it is treated like all others, in either mode.
    """
    z = index(z)
    energies = as_positive(energy, "energy", "eV")
    if z > Z_MAX:
        raise ElementError(f"got Z = {z}; expected at most {Z_MAX} for Cromer-Liberman")
    if z < Z_MIN:
        zeros = np.zeros_like(energies)
        return as_given(zeros), as_given(zeros.copy())
    orbitals = _orbitals(z, z, repaired)
    flat = energies.ravel() / 1000.0
    result = np.empty((2, flat.size))
    for start in range(0, flat.size, _BLOCK):
        block = slice(start, start + _BLOCK)
        f1, f2 = _orbital_amplitudes(orbitals, flat[block])
        result[0, block] = f1.sum(axis=0) + orbitals.correction[0]
        result[1, block] = f2.sum(axis=0)
    return as_given(result[0].reshape(energies.shape)), as_given(result[1].reshape(energies.shape))


def cromer_liberman_all(energy: float, *, repaired: bool = False) -> np.ndarray:
    """Amplitudes f' and f'' of all elements at one energy, by :func:`cromer_liberman`.

    Parameters
    ----------
    energy
        Photon energy, eV.
    repaired
        The same as for :func:`cromer_liberman`.

    Returns
    -------
    array (93, 2)
        Row Z holds f' and f'' in electrons; rows 0, 1 and 2 are zero.

    Raises
    ------
    EnergyError
        For an energy that is not one positive finite number.
    """
    energies = as_positive(energy, "energy", "eV")
    if energies.ndim:
        raise EnergyError(f"got energies of shape {energies.shape}; expected one number")
    orbitals = _orbitals(Z_MIN, Z_MAX, repaired)
    result = np.zeros((Z_MAX + 1, 2))
    amplitudes = _orbital_amplitudes(orbitals, energies.reshape(1) / 1000.0)
    for column, amplitude in enumerate(amplitudes):
        result[Z_MIN:, column] = np.add.reduceat(amplitude[:, 0], orbitals.first_orbital)
    result[Z_MIN:, 0] += orbitals.correction
    return result


def peaked_edges(z: int) -> np.ndarray:
    """Energies (eV) of edges at which an orbital's tabulated cross section has a narrow peak.

    Above an edge a cross section falls as E^-2.5 or so. In the tables, those of L2 and L3 of Zn to
    Kr and of M4 and M5 of Nd to Fr fall 4 to 11 times as much within 8 %, and those of Chantler's
    do not. Within 8 % of such an edge f' is off by 1 to tens of electrons.
    """
    orbitals = _orbitals(z, z, False)
    ends = np.multiply.outer((1.001, 1.0 + PEAK_WIDTH), orbitals.binding[:, 0])
    at_edge, above = (
        np.array([_cross_sections(orbitals, end[i : i + 1])[0][i, 0] for i in range(len(end))])
        for end in ends
    )
    fall = at_edge / above / (1.0 + PEAK_WIDTH) ** 2.5
    return 1000.0 * orbitals.binding[(fall > _PEAK) & (orbitals.binding[:, 0] > 0.3), 0]


def as_positive(values: ArrayLike, name: str, unit: str) -> np.ndarray:
    """The argument as a float64 array, checked to be positive and finite.

    Raises
    ------
    EnergyError
        When it is not; the message names the first such value.
    """
    try:
        array = np.asarray(values, np.float64)
    except (TypeError, ValueError):
        raise EnergyError(f"got {name} = {values!r}; expected numbers in {unit}") from None
    good = np.isfinite(array) & (array > 0)
    if not good.all():
        raise EnergyError(
            f"got {name} = {array[~good].flat[0]:g}; expected positive finite numbers in {unit}"
        )
    return array


def as_given(array: np.ndarray) -> FloatOrArray:
    """The array, or a float if it has no dimensions."""
    return array if array.ndim else float(array)


def _orbital_amplitudes(orbitals: _Orbitals, energy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Contributions (m, n) of m orbitals to f' and f'' at n energies in keV."""
    sigma, log_slope = _cross_sections(orbitals, energy)
    energy2 = energy * energy
    # Subtracting pole / (E^2 - e^2) from the integrand makes it finite at e = E; that part is
    # integrated in closed form below. Under the edge there is no pole, but close to it
    # the same subtraction at e = B smooths the integrand, if the table has a point there.
    pole = np.where(energy < orbitals.threshold, orbitals.edge_term, energy2 * sigma)
    gap = energy2 - orbitals.node_energy2
    # The limit is -d(e^2 sigma) / d(e^2). It is used wherever rounding, of the logarithms or of
    # the table, would decide the quotient of two nearly vanishing numbers.
    at_pole = np.abs(gap) < _AT_POLE * energy2
    gap[at_pole] = 1.0
    integrand = (orbitals.node_energy2 * orbitals.node_sigma - pole) / gap
    if at_pole.any():
        limit = -orbitals.node_sigma * (1.0 + log_slope / 2.0)
        np.copyto(integrand, limit, where=at_pole)
    integral = np.einsum("jmn,jmn->mn", orbitals.node_weight, integrand)

    distance = np.abs(energy - orbitals.binding)
    distance[distance <= _AT_EDGE * energy] = _HARTREE
    closed = pole / energy * np.log((energy + orbitals.binding) / distance)
    f1 = _STRENGTH * (2.0 * integral - closed)
    f2 = (_STRENGTH * np.pi) * energy * sigma
    return f1, f2


def _cross_sections(orbitals: _Orbitals, energy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cross sections (m, n) in barn, zero under the edge, and d log(sigma) / d log(E).

    A parabola through three neighbouring points in log-log coordinates, which is what Aitken's
    scheme of second order evaluates.
    """
    log_energy = np.log(energy)
    window = np.count_nonzero(orbitals.knots < log_energy, axis=0)
    rows = np.arange(len(window))[:, None]
    centre, value, slope, curvature = np.moveaxis(orbitals.windows[rows, window], -1, 0)
    step = log_energy - centre
    log_sigma = value + step * (slope + step * curvature)
    # Far below its edge an orbital's parabola may overflow; its value is not used there.
    log_sigma[energy < orbitals.threshold] = -np.inf
    return np.exp(log_sigma), slope + 2.0 * step * curvature


@cache
def _orbitals(z_first: int, z_last: int, repaired: bool) -> _Orbitals:
    """The orbitals of a range of elements, prepared for the formulas."""
    rows = [r for r in table("cromer_liberman") if z_first <= int(r["Z"]) <= z_last]

    def columns(name: str, *numbers: int) -> np.ndarray:
        names = [f"{name}{i}" for i in numbers] or [name]
        return np.array([[float(r[n]) for n in names] for r in rows])

    z, number = columns("Z"), columns("orb")
    has_edge_point = columns("nparm") == 11
    binding = columns("binden_keV")
    tabulated = columns("xnrg", 1, 2, 3, 4, 5)
    edge_energy = columns("xnrg", 6)
    sigma = columns("xsc", *range(1, 12))
    if repaired:
        has_edge_point &= edge_energy > 0

    # The nodes of the quadrature are e = B / x^p: the more the cross section is concentrated at
    # the edge, the smaller p. These three choices decide at which energies the table was made.
    heavy_k_shell = (z >= 79) & (number == 1)
    power = np.where(has_edge_point, 1.0, np.where(heavy_k_shell, 0.5, 2.0))
    if repaired:
        nodes = tabulated
        binding = tabulated[:, 2:3] * _GAUSS_X[2] ** power
    else:
        nodes = binding / _GAUSS_X**power
    node_sigma = sigma[:, 5:10]
    node_weight = _GAUSS_WEIGHT * power * nodes / _GAUSS_X

    common = np.broadcast_to(_COMMON_ENERGIES, (len(rows), 5))
    knots, windows = _parabolas(np.hstack([common, tabulated, edge_energy]), sigma)
    corrections = {int(r["Z"]): float(r["kpcor_minus_relcor"]) for r in table("kissel_pratt")}
    elements = range(z_first, z_last + 1)

    def by_node(values: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(values.T)[:, :, None]

    return _Orbitals(
        binding=binding,
        threshold=binding * (1.0 - _AT_EDGE),
        edge_term=np.where(has_edge_point, binding**2 * sigma[:, 10:], 0.0),
        node_energy2=by_node(nodes**2),
        node_sigma=by_node(node_sigma),
        node_weight=by_node(node_weight),
        knots=knots[:, :, None],
        windows=windows,
        first_orbital=np.searchsorted(z[:, 0], elements),
        correction=np.array([corrections[e] for e in elements]),
    )


def _parabolas(energy: np.ndarray, sigma: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Knots (8, m) and windows (m, 9, 4) of the log-log interpolation of (m, 11) points.

    Window k runs through points k, k+1, k+2 in order of energy and serves energies up to
    that of point k+1; the first and the last also extrapolate.
    """
    available = sigma > _NO_CROSS_SECTION
    x = np.where(available, np.log(np.where(available, energy, 1.0)), np.inf)
    y = np.log(np.where(available, sigma, 1.0))
    order = np.argsort(x, axis=1)
    x, y = (np.take_along_axis(a, order, axis=1) for a in (x, y))
    with np.errstate(invalid="ignore"):  # windows that touch the unavailable are never chosen
        slope = np.diff(y, axis=1) / np.diff(x, axis=1)
        curvature = np.diff(slope, axis=1) / (x[:, 2:] - x[:, :-2])
        central_slope = slope[:, :-1] + curvature * (x[:, 1:-1] - x[:, :-2])
    windows = np.stack([x[:, 1:-1], y[:, 1:-1], central_slope, curvature], axis=2)
    last_window = np.count_nonzero(available, axis=1)[:, None] - 3
    knots = np.where(np.arange(8) < last_window, x[:, 1:9], np.inf)
    return np.ascontiguousarray(knots.T), windows
