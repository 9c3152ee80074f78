import numpy as np
import pytest

from friedel.data import table
from friedel.scattering.formfactors import GaussianSum, form_factor_table
from friedel.scattering.formfactors.refits import fewest_gaussians, with_fewest_gaussians


def test_stated_errors_are_the_errors():
    for row in table("refits")[::37]:
        entry = form_factor_table(row["table"]).entries[row["label"]]
        n = int(row["n"])
        a, b = (tuple(float(row[f"{x}{i}"]) for i in range(1, n + 1)) for x in "ab")
        stol2 = np.linspace(0.0, 0.5 / float(row["d_min"]), 400) ** 2
        error = np.abs(GaussianSum(a, b).f(stol2) / entry.f(stol2) - 1.0).max()
        # the fit looked at 121 points, between which the error can be a little larger, and
        # its coefficients are written with nine digits, of sums of up to some tens
        assert error <= 1.05 * float(row["error"]) + 5e-8, row


def test_fewest_terms_that_suffice_are_taken():
    carbon = form_factor_table("it92").entries["C"]
    assert len(fewest_gaussians(carbon, 2.0, 1e-2).a) == 2
    assert len(fewest_gaussians(carbon, 2.0, 1e-5).a) == 3
    assert fewest_gaussians(carbon, 2.0, 1e-12) is carbon
    # no fit reaches that far
    assert fewest_gaussians(carbon, 0.5, 1e-2) is carbon


def test_an_added_constant_is_kept():
    carbon = form_factor_table("it92").entries["C"]
    short = fewest_gaussians(carbon + 0.3, 2.0, 1e-4)
    assert short.a[-1] == 0.3
    assert short.f0 == pytest.approx(carbon.f0 + 0.3, rel=1e-4)


def test_arrays_keep_kinds_without_a_refit():
    own = GaussianSum((3.0, 1.0, 0.5, 0.2), (1.0, 5.0, 20.0, 60.0))
    carbon = form_factor_table("it92").entries["C"]
    a = np.array([[*own.a, 0.0], carbon.a])
    b = np.array([[*own.b, 0.0], carbon.b])
    short_a, short_b = with_fewest_gaussians(a, b, 2.0, 1e-4)
    np.testing.assert_array_equal(short_a[0], own.a)
    assert np.count_nonzero(short_a[1]) == 3
    assert (short_b[1][:3] > 0).all()
