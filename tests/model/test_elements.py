"""Elements as objects: what each knows, in every form in which it can be given."""

import pytest

import friedel
from friedel.data import table
from friedel.model.elements import element_record


def test_every_element_answers_or_says_none():
    for row in table("elements"):
        element = friedel.Element(row["symbol"])
        assert element == friedel.Element(row["symbol"].lower())
        assert hash(element) == hash(friedel.Element(row["symbol"].upper()))
        for name in ("it92", "wk95", "c4322", "neutron92"):
            coef = getattr(element, name)
            assert coef is None or coef.calculate_sf(stol2=0.1) is not None
        for radius in (element.covalent_r, element.vdw_r):
            assert radius is None or 0.2 < radius < 4


def test_covalent_radii_against_gemmi():
    gemmi = pytest.importorskip("gemmi")
    known_there = {z: gemmi.Element(z).covalent_r for z in range(1, 97)}
    # gemmi 0.7 has interchanged these two of Cordero et al.
    known_there[71], known_there[72] = 1.87, 1.75
    for z, radius in known_there.items():
        assert friedel.Element(z).covalent_r == pytest.approx(radius, abs=1e-6), z
    assert friedel.Element("D").covalent_r == friedel.Element("H").covalent_r
    assert friedel.Element("X").covalent_r is None


def test_weights_against_periodictable():
    periodictable = pytest.importorskip("periodictable")
    for z in range(1, 93):
        assert element_record(z).weight == pytest.approx(periodictable.elements[z].mass, rel=2e-3)
