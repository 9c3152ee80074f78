import numpy as np
import pytest
from hypothesis import given, strategies as st

import friedel
from friedel.model.crystal import Crystal
from friedel.model.laue import laue_name
from friedel.model.operations import parse_triplet

P212121 = ("x,y,z", "-x+1/2,-y,z+1/2", "-x,y+1/2,-z+1/2", "x+1/2,-y+1/2,-z")
CELL = (30.0, 40.0, 50.0, 90.0, 90.0, 90.0)


def test_matrices_agree_with_the_definition_of_the_cell():
    cell = (10.0, 11.0, 12.0, 80.0, 95.0, 102.0)
    crystal = Crystal(cell)
    a, b, c = crystal.orthogonalization.T
    lengths = [np.linalg.norm(v) for v in (a, b, c)]
    angles = [
        np.degrees(np.arccos(u @ v / np.linalg.norm(u) / np.linalg.norm(v)))
        for u, v in ((b, c), (a, c), (a, b))
    ]
    np.testing.assert_allclose(lengths + angles, cell, rtol=1e-12)
    assert crystal.volume == pytest.approx(abs(a @ np.cross(b, c)), rel=1e-12)
    np.testing.assert_allclose(
        crystal.reciprocal_metric @ (crystal.orthogonalization.T @ crystal.orthogonalization),
        np.eye(3),
        atol=1e-12,
    )


def test_right_angles_give_exact_zeros():
    assert np.count_nonzero(Crystal(CELL).orthogonalization) == 3


def test_stol2_is_a_quarter_of_inverse_d_squared():
    crystal = Crystal(CELL)
    assert crystal.stol2(np.array([[3, 0, 0]]))[0] == pytest.approx(1 / (4 * 10.0**2))
    assert crystal.d_spacing(np.array([[0, 4, 0]]))[0] == pytest.approx(10.0)
    assert np.isinf(crystal.d_spacing(np.array([[0, 0, 0]]))[0])


def test_generators_are_completed_to_the_group():
    from_all = Crystal.from_triplets(CELL, P212121)
    from_two = Crystal.from_triplets(CELL, P212121[1:3])
    assert from_all.has_same_symmetry(from_two)
    assert from_two.n_operations == 4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x,y", "three parts"),
        ("x,y,q", "cannot read"),
        ("x,y,z+1/7", "1/24"),
        ("x,x,z", "no inverse"),
        ("", "three parts"),
        ("x,,z", "cannot read"),
        ("x,y,z+1/0", "cannot read"),
    ],
)
def test_bad_triplets_are_named(text, message):
    with pytest.raises(friedel.SymmetryError, match=message):
        parse_triplet(text)


def test_the_name_of_a_space_group_is_answered_by_what_is_expected():
    with pytest.raises(friedel.SymmetryError, match=r"got rotations 'P 21', .*from_triplets"):
        Crystal((10, 11, 12, 90, 95, 90), "P 21")
    with pytest.raises(friedel.SymmetryError, match="got 'P 21', expected a list of triplets"):
        Crystal.from_triplets((10, 11, 12, 90, 95, 90), "P 21")


def test_operations_that_are_no_space_group():
    with pytest.raises(friedel.SymmetryError, match="not a space group"):
        Crystal.from_triplets((10, 10, 10, 90, 90, 90), ["x+y,y,z"])


@pytest.mark.parametrize(
    "cell",
    [
        (0, 10, 10, 90, 90, 90),
        (10, -1, 10, 90, 90, 90),
        (10, 10, 10, 90, 90, 180),
        (10, 10, 10, 60, 60, 170),
        (np.nan, 10, 10, 90, 90, 90),
        (1e308, 10, 10, 90, 90, 90),
        np.array([10, 10, 10, 90, 90, 90]) + 0j,
        (10, 10, 10),
        "cell",
    ],
)
def test_impossible_cells(cell):
    with pytest.raises(friedel.CellError):
        Crystal(cell)


@pytest.mark.parametrize("d_max", [-np.inf, -1.0, 0.0, np.nan, "x"])
def test_nonsense_is_no_low_resolution_limit(d_max):
    """-inf selected all reflections in silence."""
    with pytest.raises(friedel.FriedelError, match="d_max"):
        Crystal((10, 11, 12, 90, 90, 90)).unique_reflections(2.0, d_max)


def test_a_huge_low_resolution_limit_is_none():
    """Its square overflows."""
    crystal = Crystal((10, 11, 12, 90, 90, 90))
    found = crystal.unique_reflections(2.0, 1e308)
    np.testing.assert_array_equal(found, crystal.unique_reflections(2.0))


def test_complex_indices():
    with pytest.raises(friedel.ReflectionsError, match="integers"):
        Crystal((10, 11, 12, 90, 90, 90)).is_absent(np.ones((2, 3), complex))


def test_cell_at_odds_with_its_symmetry():
    with pytest.raises(friedel.CellError, match="does not fit the symmetry"):
        Crystal.from_triplets((10, 11, 12, 90, 90, 90), ["y,x,-z"])
    # rounding in a file is no contradiction
    Crystal.from_triplets((10, 10.001, 12, 90, 90, 90), ["y,x,-z"])


def test_absent_centric_and_epsilon_of_p212121():
    crystal = Crystal.from_triplets(CELL, P212121)
    hkl = np.array([[1, 0, 0], [2, 0, 0], [0, 0, 3], [1, 2, 0], [1, 2, 3]])
    assert crystal.is_absent(hkl).tolist() == [True, False, True, False, False]
    assert crystal.is_centric(hkl).tolist() == [True, True, True, True, False]
    assert crystal.epsilon(hkl).tolist() == [2, 2, 2, 1, 1]


def test_resolution_limits_that_make_no_sense():
    crystal = Crystal(CELL)
    for d_min in (0, -1, np.nan, np.inf, "two", None):
        with pytest.raises(friedel.ResolutionError):
            crystal.unique_reflections(d_min)
    with pytest.raises(friedel.ResolutionError, match="selects about"):
        crystal.unique_reflections(0.01)


def test_d_min_itself_is_included():
    crystal = Crystal.from_triplets((11, 11, 13, 90, 90, 90), ["-y,x,z"])
    # d(5, 0, 0) = 2.2 up to rounding
    assert [0, 5, 0] in crystal.unique_reflections(2.2).tolist()


def test_d_max_leaves_out_what_is_coarser():
    crystal = Crystal.from_triplets((11, 12, 13, 85, 95, 102))
    every = crystal.unique_reflections(2.0)
    chosen = every[crystal.d_spacing(every) <= 4.0]
    np.testing.assert_array_equal(crystal.unique_reflections(2.0, 4.0), chosen)


hkl_lists = st.lists(st.tuples(*[st.integers(-9, 9)] * 3), min_size=1, max_size=20)


@given(hkl_lists)
def test_folding_gives_an_equivalent_in_the_asymmetric_unit(hkl):
    crystal = Crystal.from_triplets((30, 30, 40, 90, 90, 120), ["-y,x-y,z+1/3", "y,x,-z"])
    hkl = np.array(hkl, np.int32)
    folded, _, _ = crystal.to_asu(hkl)
    np.testing.assert_allclose(crystal.stol2(folded), crystal.stol2(hkl), rtol=1e-12)
    again, shift, friedel_mate = crystal.to_asu(folded)
    np.testing.assert_array_equal(again, folded)
    assert not friedel_mate.any()
    assert not shift[~crystal.is_absent(folded)].any()


def test_laue_names():
    assert laue_name(Crystal.from_triplets(CELL, P212121).rotations) == "mmm"
    assert laue_name(Crystal(CELL).rotations) == "-1"


class TestAgainstGemmi:
    """gemmi's tables of settings and its list of unique reflections are the reference."""

    gemmi = pytest.importorskip("gemmi")

    @staticmethod
    def cell_for(space_group):
        system = space_group.crystal_system_str()
        if system == "monoclinic":
            unique = space_group.monoclinic_unique_axis()
            return {
                "a": (11, 12, 13, 98, 90, 90),
                "b": (11, 12, 13, 90, 98, 90),
                "c": (11, 12, 13, 90, 90, 98),
            }[unique]
        if space_group.ext == "R":
            return (11, 11, 11, 75, 75, 75)
        return {
            "triclinic": (11, 12, 13, 80, 95, 100),
            "orthorhombic": (11, 12, 13, 90, 90, 90),
            "tetragonal": (11, 11, 13, 90, 90, 90),
            "trigonal": (11, 11, 13, 90, 90, 120),
            "hexagonal": (11, 11, 13, 90, 90, 120),
            "cubic": (11, 11, 11, 90, 90, 90),
        }[system]

    def test_unique_reflections_of_every_tabulated_setting(self):
        from friedel.readers.gemmi_models import crystal_from_gemmi

        settings = list(self.gemmi.spacegroup_table())
        assert len(settings) > 500
        for space_group in settings:
            cell = self.gemmi.UnitCell(*self.cell_for(space_group))
            crystal = crystal_from_gemmi(cell, space_group)
            expected = self.gemmi.make_miller_array(cell, space_group, 2.15)
            found = crystal.unique_reflections(2.15)
            np.testing.assert_array_equal(found, expected, err_msg=space_group.xhm())
            # From the operations alone another asymmetric unit may be chosen, never another size
            alone = Crystal(crystal.cell, crystal.rotations, crystal.translations)
            assert len(alone.unique_reflections(2.15)) == len(expected), space_group.xhm()


def test_more_reflections_than_there_is_memory_for(monkeypatch):
    monkeypatch.setattr("friedel.runtime.memory.SMALL", 0)
    monkeypatch.setattr("friedel.runtime.memory.available_memory", lambda: 1e6)
    crystal = Crystal((50, 60, 70, 90, 90, 90))
    with pytest.raises(
        friedel.MemoryLimitError, match="a list of about 5.5e.04 reflections to 2 A needs"
    ):
        crystal.unique_reflections(2.0)


def test_a_cell_with_one_endless_axis():
    """Found by fuzzing: the volume of such a cell does not give the number of reflections."""
    with pytest.raises(friedel.ResolutionError, match="about 1e.09 reflections"):
        Crystal((5, 5, 1e10, 90, 90, 90)).unique_reflections(20.0)
