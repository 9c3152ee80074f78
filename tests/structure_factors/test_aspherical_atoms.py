"""Structure factors of atoms with form factors of their own, and their derivatives."""

from pathlib import Path

import numpy as np
import pytest

import friedel
from aspherical import clusters, equivalents, of_clusters, some_atoms, spherical
from friedel.ensemble.members import member_structure_factors

P21N = friedel.Crystal.from_triplets((7, 8, 9, 90, 103, 90), ["-x+1/2,y+1/2,-z+1/2", "-x,-y,-z"])
P41212 = friedel.Crystal.from_triplets((8, 8, 9, 90, 90, 90), ["-y+1/2,x+1/2,z+1/4", "y,x,-z"])
C2 = friedel.Crystal.from_triplets((11, 8, 9, 90, 110, 90), ["x+1/2,y+1/2,z", "-x,y,-z"])
CRYSTALS = {"P 21/n": P21N, "P 41 21 2": P41212, "C 2": C2}
EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(name="crystal", params=CRYSTALS)
def crystal_fixture(request):
    return CRYSTALS[request.param]


def relative_error(found, expected):
    return np.abs(found - expected).max() / np.sqrt((np.abs(expected) ** 2).mean())


@pytest.mark.parametrize("ending", ["tsc", "tscb"])
@pytest.mark.parametrize("name", ["urea.cif", "quartz.cif"])
def test_a_table_written_as_a_file_gives_the_same_f(tmp_path, name, ending):
    path, target = EXAMPLES / name, tmp_path / f"it92.{ending}"
    crystal, atoms = (model := friedel.as_model(path)).crystal, model.atoms
    labels = {"urea.cif": ("C1", "O1", "N1", "H1", "H2"), "quartz.cif": ("Si1", "O1")}[name]
    atoms = atoms.replace(site_labels=labels)
    spherical(crystal, atoms, crystal.unique_reflections(0.7)).to_tsc(target)
    options = {"d_min": 0.7, "wavelength": 0.71073, "friedel_pairs": True}
    found = friedel.fcalc(path, form_factors=target, **options)
    expected = friedel.fcalc(path, method="direct", **options)
    assert (found.hkl == expected.hkl).all()
    for one, other in ((found.values, expected.values), (found.minus, expected.minus)):
        assert relative_error(one, other) < 1e-12
    assert f"form factors of {len(labels)} atoms" in found.description


def test_aspherical_atoms_are_clusters_of_spherical_ones(crystal):
    atoms, hkl = some_atoms(), crystal.unique_reflections(1.2)
    table = of_clusters(crystal, atoms, hkl)
    found = friedel.fcalc((crystal, atoms), hkl=hkl, form_factors=table, wavelength=1.0)
    addends = friedel.fcalc((crystal, atoms), hkl=hkl, method="direct", wavelength=1.0)
    without = friedel.fcalc((crystal, atoms), hkl=hkl, method="direct")
    parts = friedel.fcalc((crystal, clusters(atoms)), hkl=hkl, method="direct")
    # f' and f'' are at the nucleus, not in the parts
    expected = parts.values + addends.values - without.values
    assert relative_error(found.values, expected) < 1e-12


GOLD = {
    "P 21/n": {(-3, 3, 1): 2.297135872031, (-2, 1, 5): 22.571542319238},
    "P 41 21 2": {
        (2, 1, 2): 8.221594841610 - 4.077567289032j,
        (3, 2, 1): 3.445126777519 - 11.897934339243j,
        (4, 0, 2): -7.010814450910j,
    },
    "C 2": {
        (-4, 4, 1): 8.558828470286 + 6.078917332661j,
        (-3, 3, 3): 0.622315571298 + 24.922707005263j,
    },
}
"""F by smtbx of cctbx 2025.11 from the same .tsc files, atoms isotropic."""


@pytest.mark.parametrize("name", GOLD)
def test_cctbx_reads_the_same_f_from_the_file(tmp_path, name):
    crystal, atoms = CRYSTALS[name], some_atoms().replace(u_aniso=None)
    of_clusters(crystal, atoms, crystal.unique_reflections(1.5)).to_tsc(tmp_path / "a.tsc")
    hkl = list(GOLD[name])
    found = friedel.fcalc((crystal, atoms), hkl=hkl, form_factors=tmp_path / "a.tsc")
    np.testing.assert_allclose(found.values, list(GOLD[name].values()), atol=1e-10)


class TestWhatTheFileContains:
    CRYSTAL, ATOMS = P41212, some_atoms()
    HKL = CRYSTAL.unique_reflections(1.5)
    MODEL = (CRYSTAL, ATOMS)

    def table(self, **changed):
        made = of_clusters(self.CRYSTAL, self.ATOMS, self.HKL)
        fields = {"labels": made.labels, "hkl": made.hkl, "f": made.f, "name": "x.tsc"}
        return friedel.AtomFormFactors(**fields | changed)

    def test_half_of_the_friedel_mates_suffice(self):
        hkl = equivalents(self.CRYSTAL, np.concatenate([self.HKL, -self.HKL]))
        both = of_clusters(self.CRYSTAL, self.ATOMS, hkl)
        half = hkl @ [1, 100, 10000] > 0
        assert half.sum() == len(hkl) / 2
        found, expected = (
            friedel.fcalc(self.MODEL, hkl=self.HKL, form_factors=table).values
            for table in (self.table(hkl=hkl[half], f=both.f[:, half]), both)
        )
        assert relative_error(found, expected) < 1e-12

    def test_dispersion_that_is_contained_is_not_added(self):
        hkl = np.concatenate([self.HKL, -self.HKL])
        hkl = equivalents(self.CRYSTAL, hkl)
        dispersion = np.array([friedel.anomalous(s, wavelength=1.0) for s in self.ATOMS.symbols])
        dispersion = (dispersion @ [1, 1j])[self.ATOMS.kind]
        f = self.table().at(hkl) + dispersion[:, None]
        options = {"d_min": 1.5, "wavelength": 1.0, "friedel_pairs": True}
        found = friedel.fcalc(
            self.MODEL, form_factors=self.table(hkl=hkl, f=f, with_dispersion=True), **options
        )
        expected = friedel.fcalc(self.MODEL, form_factors=self.table(), **options)
        assert relative_error(found.values, expected.values) < 1e-12
        assert relative_error(found.minus, expected.minus) < 1e-12
        assert any("they contain f' and f''" in note for note in found.notes)

    def test_resolution_limit_selects_from_the_file(self):
        inner = self.CRYSTAL.unique_reflections(2.0)
        made = of_clusters(self.CRYSTAL, self.ATOMS, inner)
        for d_min, hkl in ((1.5, inner), (2.5, self.CRYSTAL.unique_reflections(2.5))):
            found = friedel.fcalc(self.MODEL, d_min=d_min, form_factors=made)
            assert (found.hkl == hkl).all()
        outside = len(self.HKL) - len(inner)
        found = friedel.fcalc(self.MODEL, d_min=1.5, form_factors=made)
        (note,) = (note for note in found.notes if note.kind == "left out")
        assert note.number == outside
        assert note.startswith(f"{outside} of {len(self.HKL)} reflections to 1.5 A are not in")
        with pytest.raises(friedel.ResolutionError, match="no reflections to 20 A"):
            friedel.fcalc(self.MODEL, d_min=20, form_factors=made)

    def test_reflections_that_are_not_in_the_file(self):
        made = self.table()
        of_one = (np.abs(made.hkl) == [3, 1, 2]).all(axis=1)
        partial = self.table(hkl=made.hkl[~of_one], f=made.f[:, ~of_one])
        n = len(np.unique(made.hkl[of_one], axis=0))
        with pytest.raises(friedel.ReflectionsError, match=rf"x.tsc has no .* at {n} of .*3, 1, "):
            friedel.fcalc(self.MODEL, hkl=self.HKL, form_factors=partial)

    def test_forward_scattering_is_that_of_the_file(self):
        made = of_clusters(self.CRYSTAL, self.ATOMS, np.zeros((1, 3), int))
        found = friedel.fcalc(self.MODEL, hkl=[[0, 0, 0]], form_factors=made).values
        assert found == pytest.approx(8 * self.ATOMS.occ @ made.f[:, 0])


class TestOptions:
    MODEL = (P21N, some_atoms())
    TABLE = spherical(P21N, MODEL[1], P21N.unique_reflections(2.0))

    @pytest.mark.parametrize(
        ("options", "match"),
        [
            ({"method": "fft"}, "summed directly; got method='fft'"),
            ({"rate": 2.0}, "sampling of a density"),
            ({"source": "neutron"}, "X-rays or electrons"),
            ({"source": "mott-bethe"}, "X-rays or electrons"),
            ({"table": "wk95"}, "replace a table"),
            ({"use_charge": True}, "replace a table"),
            ({"form_factors": 3}, "got form_factors=3"),
        ],
    )
    def test_contradictions(self, options, match):
        with pytest.raises(friedel.ParameterError, match=match):
            friedel.fcalc(self.MODEL, d_min=2.0, **{"form_factors": self.TABLE} | options)

    def test_a_density_needs_form_factors_of_kinds(self):
        with pytest.raises(friedel.ParameterError, match="no density"):
            friedel.model_density(self.MODEL, d_min=2.0, form_factors=self.TABLE)

    def test_electrons(self):
        found = friedel.fcalc(self.MODEL, d_min=2.0, source="electron", form_factors=self.TABLE)
        expected = friedel.fcalc(self.MODEL, d_min=2.0, form_factors=self.TABLE)
        assert (found.values == expected.values).all()

    def test_models_without_labels(self, tmp_path):
        with pytest.raises(friedel.AtomsError, match="have no labels"):
            friedel.fcalc(
                (P21N, self.MODEL[1].replace(site_labels=None)), d_min=2.0, form_factors=self.TABLE
            )

    def test_other_numbers_of_atoms(self):
        calculator = friedel.Calculator.from_model(self.MODEL, d_min=2.0, form_factors=self.TABLE)
        with pytest.raises(friedel.AtomsError, match="got 3 atoms, planned for 4"):
            calculator.forward(self.MODEL[1].select(np.arange(3)))
        assert calculator.atoms.select([True, False, True, True]).site_labels[1][-1] == "3"


def finite_difference(target, atoms, field, row, column, step):
    values = []
    for sign in (1, -1):
        moved = np.array(getattr(atoms, field))
        moved[(row,) if column is None else (row, column)] += sign * step
        values.append(target(atoms.replace(**{field: moved})))
    return (values[0] - values[1]) / (2 * step)


def test_derivatives_are_those_by_finite_differences(crystal):
    """By coordinates, U, B, occupancy, f' and f'', of aspherical atoms with f''."""
    atoms, hkl = some_atoms(), crystal.unique_reflections(1.2)
    calculator = friedel.Calculator.from_model(
        (crystal, atoms), hkl=hkl, form_factors=of_clusters(crystal, atoms, hkl), wavelength=1.2
    )
    rng = np.random.default_rng(2)
    w = rng.normal(size=len(hkl)) + 1j * rng.normal(size=len(hkl))

    def target(moved):
        return (w.conj() @ calculator.forward(moved)).real

    found = calculator.adjoint(atoms, w)
    for field, gradient, step in (
        ("frac", found.frac, 1e-6),
        ("occ", found.occ, 1e-5),
        ("b_iso", found.b_iso, 1e-5),
        ("u_aniso", found.u_aniso, 1e-6),
    ):
        scale = np.abs(gradient).max()
        for row in range(len(atoms)):
            if field == "u_aniso" and not atoms.is_aniso[row]:
                continue
            for column in range(gradient.shape[1]) if gradient.ndim == 2 else [None]:
                numeric = finite_difference(target, atoms, field, row, column, step)
                exact = gradient[row] if column is None else gradient[row, column]
                assert abs(numeric - exact) < 1e-6 * scale, (field, row, column)
    spherical_sum = friedel.Calculator.from_model(
        (crystal, atoms), hkl=hkl, method="direct", wavelength=1.2
    )
    expected = spherical_sum.adjoint(atoms, w)
    for name in ("f_prime", "f_double_prime"):
        np.testing.assert_allclose(
            getattr(found, name), getattr(expected, name), rtol=1e-10, atol=1e-9
        )


def test_members_of_an_ensemble():
    atoms, hkl = some_atoms(), P21N.unique_reflections(1.5)
    table = of_clusters(P21N, atoms, hkl)
    calculator = friedel.Calculator.from_model((P21N, atoms), hkl=hkl, form_factors=table)
    members = [atoms, atoms.replace(frac=atoms.frac + 0.01)]
    found = list(member_structure_factors(calculator, members, threads=2))
    for one, member in zip(found, members, strict=True):
        assert (one == calculator.forward(member)).all()


def test_a_fit_with_solvent_and_scales_uses_them(tmp_path):
    """FModel: R is 0 with the form factors of the data, and derivatives follow by F_calc."""
    atoms, hkl = some_atoms(), P41212.unique_reflections(1.5)
    of_clusters(P41212, atoms, hkl).to_tsc(tmp_path / "a.tsc")
    options = {"form_factors": tmp_path / "a.tsc"}
    f = friedel.fcalc((P41212, atoms), hkl=hkl, **options).values
    data = friedel.Reflections(P41212, hkl, np.abs(f), sigmas=np.ones(len(f)))
    fitted = friedel.FModel((P41212, atoms), data, solvent="none", **options).fit()
    plain = friedel.FModel((P41212, atoms), data, solvent="none").fit()
    assert fitted.r_all < 1e-6 < 0.01 < plain.r_all
    assert any("from a.tsc" in note for note in fitted.notes)
    w = np.ones(len(f), complex)
    gradients = fitted.adjoint(atoms, w).atoms
    moved = atoms.frac.copy()
    moved[1, 2] += 1e-5
    model = fitted.with_fixed_mask
    change = (w.conj() @ (model.forward(atoms.replace(frac=moved)) - model.forward(atoms))).real
    assert gradients.frac[1, 2] == pytest.approx(change / 1e-5, rel=1e-3)
