"""Friedel mates measured apart: read, fitted, written."""

import gemmi
import numpy as np
import pytest

import friedel
from friedel.errors import FileFormatError, ParameterError
from friedel.reflections.bijvoet import difference_correlation, one_of_each, pair_positions
from friedel.reflections.reflections import Reflections, match
from friedel.writers.mtz import write_mtz
from globule import CRYSTAL, globule

WAVELENGTH = 2.5


@pytest.fixture(scope="module")
def mtz(tmp_path_factory) -> str:
    """F(+) and F(-) of a globule with sulphurs, some of either missing."""
    pairs = friedel.fcalc(
        (CRYSTAL, sulphurous()), d_min=2.0, wavelength=WAVELENGTH, friedel_pairs=True
    )
    rng = np.random.default_rng(0)
    plus, minus = 2.0 * np.abs(pairs.plus), 2.0 * np.abs(pairs.minus)
    plus[rng.random(len(plus)) < 0.1] = np.nan
    minus[rng.random(len(plus)) < 0.1] = np.nan
    columns = {"F(+)": plus, "SIGF(+)": 0.1 * plus, "F(-)": minus, "SIGF(-)": 0.1 * minus}
    columns["FREE"] = np.where(
        rng.random(len(plus)) < 0.1, 0.0, 1.0 + rng.integers(9, size=len(plus))
    )
    path = tmp_path_factory.mktemp("pairs") / "pairs.mtz"
    write_mtz(path, CRYSTAL, pairs.hkl, columns)
    return f"{path}:F(+),SIGF(+),F(-),SIGF(-)"


def sulphurous():
    carbons = globule()
    labels = ["S" if i % 12 == 0 else "C" for i in range(len(carbons))]
    return friedel.Atoms.from_labels(labels, carbons.frac, b_iso=carbons.b_iso)


def test_read_apart(mtz):
    data = friedel.as_reflections(mtz)
    plus, minus = pair_positions(data.hkl)
    assert 100 < len(plus) < len(data) / 2
    np.testing.assert_array_equal(data.hkl[plus], -data.hkl[minus])
    centric = CRYSTAL.is_centric(data.hkl)
    assert not centric[plus].any()
    np.testing.assert_array_equal(data.free[plus], data.free[minus])
    exact = friedel.fcalc((CRYSTAL, sulphurous()), hkl=data.hkl, wavelength=WAVELENGTH)
    # MTZ files hold single precision
    np.testing.assert_allclose(data.values, 2.0 * exact.amplitudes, rtol=1e-3, atol=1e-2)


def test_dispersion_explains_the_differences(mtz):
    model = (CRYSTAL, sulphurous())
    without = friedel.FModel(model, mtz, solvent="none").fit()
    fitted = friedel.FModel(model, mtz, solvent="none", wavelength=WAVELENGTH).fit()
    assert fitted.r_all < 1e-3 < without.r_all
    assert "correlation of differences 1.000" in fitted.summary()
    assert "no Bijvoet differences" in without.summary()


def test_written_once(mtz, tmp_path):
    fitted = friedel.FModel((CRYSTAL, sulphurous()), mtz, wavelength=WAVELENGTH).fit()
    fitted.to_mtz(tmp_path / "out.mtz")
    written = gemmi.read_mtz_file(str(tmp_path / "out.mtz"))
    hkl = written.make_miller_array()
    assert len(np.unique(np.abs(hkl), axis=0)) == len(hkl)
    original = gemmi.read_mtz_file(mtz.split(":")[0])
    i, j = match(hkl, original.make_miller_array())
    assert len(i) == len(hkl)
    acentric = ~CRYSTAL.is_centric(hkl[i])
    for name in ("F(+)", "F(-)", "SIGF(+)"):
        found = np.array(written.column_with_label(name).array)[i]
        expected = np.array(original.column_with_label(name).array)[j]
        np.testing.assert_allclose(found[acentric], expected[acentric], rtol=1e-6)


def test_one_of_each():
    hkl = np.array([[1, 2, 3], [0, 0, 1], [-1, -2, -3], [2, 2, 2]])
    chosen, partner = one_of_each(hkl)
    assert chosen.tolist() == [0, 1, 3]
    assert partner.tolist() == [2, -1, -1]


def test_correlation_of_nothing():
    hkl = np.array([[1, 2, 3], [-1, -2, -3]])
    n, correlation = difference_correlation(hkl, np.array([1.0, 2.0]), np.array([1.0, 2.0]))
    assert n == 1
    assert np.isnan(correlation)


def test_free_set_as_asked(mtz):
    data = friedel.as_reflections(mtz, free_label="FREE", free_value=3)
    assert any("FREE = 3 (as requested)" in note for note in data.notes)
    assert 0.02 < data.free.mean() < 0.2
    assert not (data.free & friedel.as_reflections(mtz).free).any()


@pytest.mark.parametrize(
    ("data", "options", "error"),
    [
        ("file", {"free_label": "NONE"}, FileFormatError),
        ("reflections", {"free_value": 1}, ParameterError),
        ("missing column", {}, FileFormatError),
    ],
)
def test_refused(mtz, data, options, error):
    source = {
        "file": mtz,
        "reflections": Reflections(CRYSTAL, [[1, 2, 3]], [1.0]),
        "missing column": mtz.replace("SIGF(-)", "SIGFM"),
    }[data]
    with pytest.raises(error):
        friedel.as_reflections(source, **options)


def test_wavelengths_are_of_x_rays(mtz):
    with pytest.raises(ParameterError):
        friedel.FModel((CRYSTAL, sulphurous()), mtz, source="neutron", wavelength=1.0)
