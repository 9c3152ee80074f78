"""Structure factors of real structures against sums made by independent programs."""

import numpy as np
import pytest

from friedel.readers.models import as_model
from friedel.structure_factors.calculator import Calculator

MACROMOLECULES = (
    "1dur.pdb", "1orc.pdb", "1pfe.cif.gz", "4oz7.pdb", "5a3h.pdb", "5cvz_final.pdb", "5e5z.pdb",
    "5i55.cif", "lyso_c2.pdb", "pka_start.pdb", "rnase.pdb",
)  # fmt: skip
SMALL_MOLECULES = (
    "1011031.cif", "2013551.cif", "2242624.cif", "4003024.cif", "epoxide.cif", "epoxide_d.cif",
)  # fmt: skip
SOURCES = {"xray": "x", "electron": "e", "neutron": "n"}
# The reference sums have the real part of the neutron length of In, which absorbs
OPTIONS = {"xray": {}, "electron": {}, "neutron": {"form_factors": {"In": 4.065}}}


@pytest.fixture(params=MACROMOLECULES + SMALL_MOLECULES, name="case")
def case_fixture(request, shared_data):
    gold = np.load(shared_data / "gold" / f"{request.param}.npz")
    # The reference sums have the B of the atoms, which in 5cvz are those left after TLS
    return as_model(shared_data / "models" / request.param, tls=None), gold


@pytest.mark.parametrize("source", SOURCES)
def test_direct_summation(case, source):
    model, gold = case
    expected = gold[f"F_{SOURCES[source]}_ref"]
    options = {"hkl": gold["hkl"], "source": source, **OPTIONS[source]}
    found = Calculator.from_model(model, method="direct", **options).forward()
    error = np.abs(found - expected).max() / np.sqrt((np.abs(expected) ** 2).mean())
    assert error < 1e-11


@pytest.mark.parametrize("source", SOURCES)
def test_fft_at_the_default_rtol(case, source):
    model, gold = case
    expected = gold[f"F_{SOURCES[source]}_ref"]
    options = {"hkl": gold["hkl"], "source": source, **OPTIONS[source]}
    found = Calculator.from_model(model, method="fft", **options).forward()
    error = np.sqrt((np.abs(found - expected) ** 2).sum() / (np.abs(expected) ** 2).sum())
    assert error < 1e-4


def test_strict_ncs_can_be_left_out(shared_data):
    gold = np.load(shared_data / "gold" / "5cvz_final.pdb.npz")
    model = as_model(shared_data / "models" / "5cvz_final.pdb", strict_ncs=False, tls=None)
    assert len(model.atoms) == 1061
    expected = gold["F_x_ref_no_ncs"]
    found = Calculator.from_model(model, hkl=gold["hkl"], method="direct").forward()
    assert np.abs(found - expected).max() < 1e-11 * np.sqrt((np.abs(expected) ** 2).mean())
