"""Chantler's tables between their rows: which interpolation is right near edges.

Two measures need no other table. Every second row is left out and predicted from the others; and
f' follows from f'' by the Kramers-Kronig relation, apart from a part that is smooth at an edge.
"""

from functools import cache

import numpy as np
import pytest
from scipy.interpolate import CubicSpline, PchipInterpolator

from friedel.scattering.dispersion import chantler
from friedel.scattering.dispersion.chantler import _table, interpolator
from friedel.scattering.dispersion.edges import absorption_edges

NEAR = 0.03
"""Relative distance from an edge within which the interpolations are compared."""

LOWEST = 1000.0
"""Lowest energy of the comparisons (eV)."""


def near_an_edge(z, energies):
    edges = np.array([edge for edge in absorption_edges(z).values() if edge > LOWEST])
    distance = np.abs(energies[:, None] / edges - 1).min(axis=1, initial=np.inf)
    return (distance < NEAR) & (energies > LOWEST)


# --- interpolations of f' and of f'': rows and energies to values ---


def ours(x, f1, f2, at):
    return interpolator(x, f1, f2)(at)[0]


def spline_through_seven(x, f1, f2, at):
    """f' by xraydb for one energy at a time."""
    values = np.empty(len(at))
    for i, energy in enumerate(at):
        row = np.searchsorted(x, energy, side="right") - 1
        around = slice(max(0, row - 3), row + 4)
        values[i] = CubicSpline(x[around], f1[around])(energy)
    return values


def spline_through_all(x, f1, f2, at):
    """f' by xraydb for an array of energies that spans the table."""
    return CubicSpline(x, f1)(at)


def linear(x, f1, f2, at):
    return np.interp(at, x, f1)


def our_f2(x, f1, f2, at):
    return interpolator(x, f1, f2)(at)[1]


def linear_log_f2(x, f1, f2, at):
    """f'' by xraydb."""
    return np.exp(np.interp(np.log(at), np.log(x), np.log(f2)))


# --- the two measures ---


@cache
def errors_at_left_out_rows(scheme, wanted):
    """Differences of a scheme from the rows (column `wanted`) that it does not see."""
    errors = []
    for z in range(11, 93):
        x, f1, f2 = rows = _table(z)
        for first in (0, 1):
            kept = np.arange(len(x)) % 2 == first
            kept[[0, -1]] = True
            out = ~kept & near_an_edge(z, x)
            errors.append(scheme(x[kept], f1[kept], f2[kept], x[out]) - rows[wanted][out])
    return np.concatenate(errors)


def dispersion_integral(x, f2, at, pieces=4, monotone=True):
    """f' of an f'' that is linear between the nodes of a table with `pieces` times as many rows."""
    log_x, log_f2 = np.log(x), np.log(f2)
    part = np.arange(pieces) / pieces
    log_nodes = np.append((log_x[:-1, None] + np.diff(log_x)[:, None] * part).ravel(), log_x[-1])
    between = PchipInterpolator(log_x, log_f2) if monotone else None
    g = np.exp(log_nodes)
    f = np.exp(between(log_nodes) if between else np.interp(log_nodes, log_x, log_f2))
    slope = np.diff(f) / np.diff(g)
    start = f[:-1] - slope * g[:-1]
    values = np.empty(len(at))
    for i, energy in enumerate(at):
        # The logarithm of an energy that is a node is multiplied by zero in total
        minus, plus = np.log(np.abs(energy - g) + 1e-30), np.log(energy + g)
        values[i] = np.sum(
            np.diff(minus + plus) * -start / 2
            - slope * np.diff(g)
            + slope * energy / 2 * np.diff(plus - minus)
        )
    return 2 / np.pi * values


def by_kramers_kronig(z, at):
    """f' at energies, and whether it is independent of how f'' goes between the rows."""
    x, f1, f2 = _table(z)
    both = []
    rows = slice(*np.searchsorted(x, [0.98 * at.min(), 1.02 * at.max()]))
    for monotone in (True, False):
        smooth = f1[rows] - dispersion_integral(x, f2, x[rows], monotone=monotone)
        both.append(
            np.interp(at, x[rows], smooth) + dispersion_integral(x, f2, at, monotone=monotone)
        )
    return both[0], np.abs(both[0] - both[1]) < 0.05


@cache
def between_rows():
    """Elements with energies between their rows near edges, f' by Kramers-Kronig."""
    found = []
    for z in range(12, 93, 10):
        x = _table(z)[0]
        at = np.concatenate([x[:-1] ** (1 - t) * x[1:] ** t for t in (0.25, 0.5, 0.75)])
        at = at[near_an_edge(z, at)]
        expected, sure = by_kramers_kronig(z, at)
        found.append((z, at[sure], expected[sure]))
    return found


def errors_by_kramers_kronig(scheme):
    return np.concatenate([scheme(*_table(z), at) - expected for z, at, expected in between_rows()])


def mean(errors):
    return np.abs(errors).mean()


def rms(errors):
    return np.sqrt(np.mean(errors**2))


# --- tests ---


@pytest.mark.parametrize("other", [spline_through_seven, spline_through_all, linear])
def test_left_out_rows_are_predicted_better_than_by_other_interpolations(other):
    assert len(errors_at_left_out_rows(ours, 1)) > 5000
    for size in (mean, rms):
        theirs = size(errors_at_left_out_rows(other, 1))
        assert size(errors_at_left_out_rows(ours, 1)) < 0.7 * theirs


def test_left_out_rows_of_f2_are_predicted_better_than_by_straight_lines():
    for size in (mean, rms):
        straight = size(errors_at_left_out_rows(linear_log_f2, 2))
        assert size(errors_at_left_out_rows(our_f2, 2)) < 0.9 * straight


@pytest.mark.parametrize("other", [spline_through_seven, spline_through_all, linear])
def test_kramers_kronig_agrees_better_than_with_other_interpolations(other):
    assert sum(len(at) for _, at, _ in between_rows()) > 1000
    for size in (mean, rms):
        assert size(errors_by_kramers_kronig(ours)) < 0.5 * size(errors_by_kramers_kronig(other))


@pytest.mark.parametrize(
    ("z", "energy", "apart"), [(12, 1302.95, 0.6), (70, 1509.7, 0.35), (66, 1287.6, 0.29)]
)
def test_where_xraydb_depends_on_the_energies_asked_for_together(z, energy, apart):
    xraydb = pytest.importorskip("xraydb")
    symbol = xraydb.atomic_symbol(z)
    alone = xraydb.f1_chantler(symbol, energy)
    together = xraydb.f1_chantler(symbol, np.array([500.0, energy, 5000.0]))[1]
    (expected,), (sure,) = by_kramers_kronig(z, np.array([energy]))
    value, _ = chantler(z, energy)
    assert sure
    assert abs(together - alone) == pytest.approx(apart, abs=0.02)
    assert abs(together - expected) > 0.9 * apart
    assert value == pytest.approx(expected, abs=0.05)


def test_no_overshoot_where_rows_lie_close():
    """A step of f'' by D that is linear between two rows has f' lower by D ln(2) / pi between."""
    for z in range(1, 93):
        x, f1, f2 = _table(z)
        close = np.flatnonzero(np.diff(x) < 2e-4 * x[1:])
        at = x[close, None] + np.diff(x)[close, None] * np.linspace(0, 1, 11)
        deeper = 0.1 + np.log(2) / np.pi * np.maximum(np.diff(f2)[close], 0)
        found = chantler(z, at)
        for values, column, slack in zip(found, (f1, f2), (deeper, 1e-9), strict=True):
            low = np.minimum(column[close], column[close + 1]) - slack
            high = np.maximum(column[close], column[close + 1]) + np.minimum(slack, 0.1)
            assert (values >= low[:, None]).all()
            assert (values <= high[:, None]).all()


def test_many_energies_are_independent():
    energies = np.geomspace(1200.0, 1400.0, 1001).reshape(7, 143)
    together = chantler(12, energies)
    assert together[0].shape == energies.shape
    alone = np.array([chantler(12, energy) for energy in energies.ravel().tolist()]).T
    np.testing.assert_allclose(together[0].ravel(), alone[0], rtol=1e-12)
    np.testing.assert_allclose(together[1].ravel(), alone[1], rtol=1e-12)
