"""What the tests of the gemmi-compatible interface share."""

import gemmi
import pytest

from friedel import compat


@pytest.fixture(autouse=True)
def published_tables():
    """The tables of both programs are reset to the published ones after each test."""
    gemmi.IT92_set_ignore_charge(False)
    keys = [(z, charge) for z in range(99) for charge in range(-2, 7)]
    entries = [gemmi.IT92_get_exact(gemmi.Element(z), charge) for z, charge in keys]
    published = [(entry, entry.get_coefs()) for entry in entries if entry]
    gemmi.IT92_set_ignore_charge(True)
    yield
    compat.restore_tables()
    gemmi.IT92_set_ignore_charge(True)
    for entry, coefs in published:
        entry.set_coefs(coefs)


@pytest.fixture(scope="session")
def structure(page_models):
    return gemmi.read_structure(str(page_models / "4oz7.pdb"))
