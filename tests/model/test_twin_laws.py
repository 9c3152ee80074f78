"""Twin laws as rational matrices: reading, exact mates, obliquity."""

import gemmi
import numpy as np
import pytest
from hypothesis import given, strategies as st

from friedel.errors import ParameterError, ReflectionsError, SymmetryError
from friedel.model.crystal import Crystal
from friedel.model.twin_laws import TwinLaw, parsed_rows
from friedel.readers.twin_laws import MAX_OBLIQUITY, find_twin_laws, twin_laws

HEXAGONAL_IN_C = (24.0, 24.0 * 3**0.5, 30.0, 90, 90, 90)
CUBIC_IN_R = (24.0, 24.0, 24.0 * 6**0.5, 90, 90, 120)


def make_crystal(name, cell):
    operations = gemmi.SpaceGroup(name).operations()
    return Crystal.from_triplets(cell, [op.triplet() for op in operations], name)


def test_fractions_are_exact():
    law = TwinLaw.parse("-H/2 - K/2, -3/2*h+k/2, -l")
    assert law.denominator == 2
    np.testing.assert_array_equal(law.numerators, [[-1, -3, 0], [-1, 1, 0], [0, 0, -2]])
    np.testing.assert_array_equal(TwinLaw.parse("-1/2h-0.5k,-1.5h+1/2*k,-l").matrix, law.matrix)
    assert TwinLaw.parse("-h,-k,l").matrix.dtype == np.int64


def test_a_law_on_coordinates_is_the_transpose():
    # x' = x-y, y' = -y takes the indices (1 0 0) to those of its first row
    law = TwinLaw.parse("x-y,-y,-z")
    np.testing.assert_array_equal(law.matrix, [[1, -1, 0], [0, -1, 0], [0, 0, -1]])
    np.testing.assert_array_equal(law.matrix, TwinLaw.parse("h,-h-k,-l").matrix)


@pytest.mark.parametrize(
    "text",
    ["", "h,k", "h,k,l,h", "h k,l,h", "h,k,2l", "h,k,h", "h/0,k,l", "h,k,x", "2000h,k/2000,l"],
)
def test_texts_that_are_no_law(text):
    with pytest.raises(ParameterError, match="twin law"):
        TwinLaw.parse(text)


@given(st.text(alphabet="hkl+-/*,123. ", max_size=24))
def test_any_text_is_a_law_or_a_named_error(text):
    rows = parsed_rows(text)
    assert rows is None or np.shape(rows) == (3, 3)
    try:
        law = TwinLaw.parse(text)
    except ParameterError:
        return
    assert abs(np.linalg.det(law.matrix)) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("name", "cell"),
    [
        ("C 2 2 2", HEXAGONAL_IN_C),
        ("R 3:H", CUBIC_IN_R),
        ("I 4", (24, 24, 24 * 2**0.5, 90, 90, 90)),
    ],
)
def test_lattice_points_have_mates_as_gemmi_turns_them(name, cell):
    crystal = make_crystal(name, cell)
    everywhere = np.stack(np.meshgrid(*[np.arange(-4, 5)] * 3, indexing="ij"), -1).reshape(-1, 3)
    group = gemmi.SpaceGroup(name).operations()
    centring = gemmi.GroupOps([gemmi.Op()])
    centring.cen_ops = group.cen_ops
    allowed = ~np.array([centring.is_systematically_absent(h) for h in everywhere.tolist()])
    assert 0.2 < allowed.mean() < 0.6
    for text, law in find_twin_laws(crystal).items():
        mates, exist = law.mates(crystal, everywhere)
        # every lattice point is taken to one; what the centring leaves out is taken to none
        np.testing.assert_array_equal(exist, allowed)
        expected = [gemmi.Op(text).apply_to_hkl(h) for h in everywhere[allowed].tolist()]
        np.testing.assert_array_equal(mates, expected)
        np.testing.assert_allclose(crystal.stol2(mates), crystal.stol2(everywhere[allowed]))


def test_obverse_and_reverse_share_a_third():
    """Domains related by the two-fold axis along c of a rhombohedral lattice: l = 3n."""
    crystal = make_crystal("R 3:H", (40, 40, 50, 90, 90, 120))
    law = find_twin_laws(crystal, "-h,-k,l")["-h,-k,l"]
    hkl = crystal.unique_reflections(3.0)
    mates, exist = law.mates(crystal, hkl)
    np.testing.assert_array_equal(exist, hkl[:, 2] % 3 == 0)
    np.testing.assert_array_equal(mates, hkl[exist] * [-1, -1, 1])


def test_indices_must_be_whole():
    crystal = make_crystal("C 2 2 2", HEXAGONAL_IN_C)
    with pytest.raises(ReflectionsError):
        TwinLaw.parse("k,h,-l").mates(crystal, np.array([[0.5, 1.0, 2.0]]))


def axis_and_normal(crystal, matrix):
    """Angle between the axis of a two-fold law and the normal of its invariant plane."""

    def kept(m):
        values, vectors = np.linalg.eig(m)
        return np.real(vectors[:, np.argmin(abs(values - 1.0))])

    axis = crystal.orthogonalization @ kept(matrix)
    normal = kept(matrix.T) @ crystal.fractionalization
    cosine = abs(axis @ normal) / np.linalg.norm(axis) / np.linalg.norm(normal)
    return np.degrees(np.arccos(min(1.0, cosine)))


def test_obliquity_is_that_of_le_page_and_the_limit_three_degrees():
    rng = np.random.default_rng(0)
    seen = []
    for _ in range(100):
        lengths = 30.0 * np.exp(0.03 * rng.normal(size=3)) * rng.choice([1, 3**0.5, 2**0.5], 3)
        crystal = make_crystal("C 1 2 1", (*lengths, 90.0, 90.0 + rng.normal(), 90.0))
        try:
            laws = find_twin_laws(crystal)
        except SymmetryError:
            continue
        for text, law in laws.items():
            if np.allclose(law.matrix @ law.matrix, np.eye(3)):
                expected = axis_and_normal(crystal, law.matrix)
                assert law.obliquity(crystal) == pytest.approx(expected, abs=1e-5)
                seen.append(expected)
            # what the search finds is taken by name, products that deform more included
            np.testing.assert_array_equal(twin_laws(crystal, text)[text], law.matrix)
    assert MAX_OBLIQUITY == 3.0
    assert max(seen) > 1.0
    assert len(seen) > 20
