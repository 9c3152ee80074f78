"""Riding hydrogens of a fit: when they are added, and derivatives folded onto their parents."""

import gemmi
import numpy as np
import pytest

import friedel
from commands import run
from friedel.errors import ParameterError
from friedel.fmodel.fmodel import FModel
from friedel.readers.added_hydrogens import hydrogens_to_add, with_riding_hydrogens

OF_PAIR = {"1dur": "FP,SIGFP", "5a3h": "FP,SIGFP", "5e5z": "FP,SIGFP"}
FLAT = {"solvent": "flat", "threads": 1}


def pair(shared_data, name):
    models = shared_data / "models"
    mtz = {"5a3h": "5a3h_sigmaa.mtz"}.get(name, f"{name}.mtz")
    return str(models / f"{name}.pdb"), f"{models / mtz}:{OF_PAIR[name]}"


@pytest.fixture(scope="module", name="peptide")
def peptide_fixture(shared_data):
    """A small model with every kind of group but aromatic ones, whose B are tensors for a half."""
    structure = gemmi.read_structure(str(shared_data / "models" / "1dur.pdb"))
    residues = list(structure[0][0])[:9]
    small = gemmi.Structure()
    small.cell, small.spacegroup_hm = gemmi.UnitCell(38, 41, 43, 90, 97, 90), "P 1 21 1"
    small.name = "peptide"
    model, chain = gemmi.Model(1), gemmi.Chain("A")
    for residue in residues:
        chain.add_residue(residue)
    model.add_chain(chain)
    small.add_model(model)
    for i, cra in enumerate(small[0].all()):
        cra.atom.occ = 0.5 + 0.4 * (i % 2)
        if i % 2:
            u = cra.atom.b_iso / (8 * np.pi**2)
            cra.atom.aniso = gemmi.SMat33f(1.2 * u, 0.9 * u, 0.9 * u, 0.1 * u, 0.0, -0.1 * u)
    return small


@pytest.fixture(scope="module", name="data")
def data_fixture(peptide):
    """Amplitudes of the peptide with its hydrogens, with errors of 3 %."""
    with_them, *_ = with_riding_hydrogens(peptide)
    f = friedel.fcalc(with_them, d_min=2.0)
    values = np.abs(f.values) * (1 + 0.03 * np.random.default_rng(4).normal(size=len(f)))
    return friedel.Reflections(f.crystal, f.hkl, np.abs(values) + 0.1, 0.03 * values)


@pytest.fixture(scope="module", name="fitted")
def fitted_fixture(peptide, data):
    return FModel(peptide, data, solvent="none", use_free=False, rtol=1e-6).fit()


class TestPositions:
    @pytest.mark.parametrize("name", ["1dur", "5e5z", "5a3h"])
    def test_derivatives_are_those_of_the_rules(self, shared_data, name):
        structure = gemmi.read_structure(str(shared_data / "models" / f"{name}.pdb"))
        riding = hydrogens_to_add(structure).riding
        xyz = np.array([site.atom.pos.tolist() for site in structure[0].all()])
        rng = np.random.default_rng(1)
        w, direction = rng.normal(size=(len(riding), 3)), rng.normal(size=xyz.shape)
        step = 1e-5
        moved = [riding.positions(xyz + sign * step * direction) for sign in (1, -1)]
        expected = float((w * (moved[0] - moved[1])).sum()) / (2 * step)
        found = riding.folded(xyz, w)
        assert float((found * direction).sum()) == pytest.approx(expected, rel=1e-7)
        # one coordinate at a time, of the atoms near the first hydrogens
        for i in range(12):
            for k in range(3):
                shift = np.zeros_like(xyz)
                shift[i, k] = step
                change = riding.positions(xyz + shift) - riding.positions(xyz - shift)
                assert found[i, k] == pytest.approx((w * change).sum() / (2 * step), abs=1e-7)

    def test_they_are_placed_again_where_the_rules_put_them(self, shared_data):
        """Moved heavy atoms, and the rules applied to them anew, give the same hydrogens."""
        structure = gemmi.read_structure(str(shared_data / "models" / "5a3h.pdb"))
        riding = hydrogens_to_add(structure).riding
        xyz = np.array([site.atom.pos.tolist() for site in structure[0].all()])
        xyz += np.random.default_rng(2).normal(scale=1e-4, size=xyz.shape)
        for site, position in zip(structure[0].all(), xyz, strict=True):
            site.atom.pos = gemmi.Position(*position)
        anew = hydrogens_to_add(structure).riding
        order, order_anew = (np.argsort(x.parents, kind="stable") for x in (riding, anew))
        np.testing.assert_array_equal(riding.parents[order], anew.parents[order_anew])
        moved, placed = riding.positions(xyz)[order], anew.positions(xyz)[order_anew]
        np.testing.assert_allclose(moved, placed, atol=1e-9)

    def test_copies_follow_one_another(self, peptide):
        found = hydrogens_to_add(peptide)
        xyz = np.array([site.atom.pos.tolist() for site in peptide[0].all()])
        twice = found.riding.copied(found.n_atoms, 2).positions(np.concatenate([xyz, xyz + 5.0]))
        once = found.riding.positions(xyz)
        assert len(twice) == 2 * len(once)
        both = np.concatenate([once, once + 5.0])
        assert np.abs(np.sort(twice, axis=0) - np.sort(both, axis=0)).max() < 1e-12

    def test_those_that_rest_on_atoms_left_out_go_with_them(self, peptide):
        riding = hydrogens_to_add(peptide).riding
        n = sum(1 for _ in peptide[0].all())
        index = np.arange(n) - 1  # the first atom is left out
        rest = riding.renumbered(index)
        resting = sum((group.corners == 0).any(axis=1).sum() for group in riding.groups)
        assert len(riding) - len(rest) == resting > 2


class TestWhenTheyAreAdded:
    def test_where_r_is_lower(self, shared_data):
        found = FModel(*pair(shared_data, "5a3h"), **FLAT).fit()
        (note,) = [note for note in found.notes if "hydrogens" in note]
        assert note.startswith("2173 hydrogens are added, riding on C and N: R of a flat solvent")
        assert (note.kind, note.number) == ("fit", 2173)
        assert "hydrogens=None" in note.give
        assert len(found.riding_hydrogens) == 2173
        without = FModel(*pair(shared_data, "5a3h"), hydrogens=None, **FLAT).fit()
        assert found.r_free < without.r_free - 0.008
        assert found.result.n_parameters == without.result.n_parameters
        assert without.riding_hydrogens is None
        assert not [note for note in without.notes if "hydrogens" in note]

    def test_not_where_it_is_higher(self, shared_data):
        found = FModel(*pair(shared_data, "1dur"), **FLAT).fit()
        (note,) = [note for note in found.notes if "hydrogens" in note]
        assert note.startswith("no hydrogens are added: R of a flat solvent is 0.14")
        assert found.riding_hydrogens is None
        without = FModel(*pair(shared_data, "1dur"), hydrogens="none", **FLAT).fit()
        assert np.array_equal(found.f_model.values, without.f_model.values)
        added = FModel(*pair(shared_data, "1dur"), hydrogens="yes", **FLAT).fit()
        assert "336 hydrogens are added, riding on C and N" in added.notes
        assert len(added.riding_hydrogens) == 336

    @pytest.mark.parametrize("element", ["H", "D"])
    def test_never_where_the_file_has_some(self, peptide, data, element):
        own = peptide.clone()
        atom = gemmi.Atom()
        atom.name, atom.element, atom.occ, atom.b_iso = "X", gemmi.Element(element), 0.01, 20.0
        atom.pos = gemmi.Position(30, 30, 30)
        own[0][0][0].add_atom(atom)
        found = FModel(own, data, solvent="none").fit()
        assert found.riding_hydrogens is None
        assert not [note for note in found.notes if "hydrogens" in note]

    def test_not_to_arrays(self, peptide, data):
        read = friedel.as_model(peptide)
        for model in (read, (read.crystal, read.atoms)):
            assert FModel(model, data, solvent="none").fit().riding_hydrogens is None
            with pytest.raises(ParameterError, match="hydrogens can be added to the file"):
                FModel(model, data, solvent="none", hydrogens=True)

    def test_not_to_f_calc(self, peptide, data):
        f = friedel.fcalc(peptide, hkl=data.hkl)
        assert "hydrogens" not in f.description

    def test_unknown_value(self, peptide, data):
        with pytest.raises(ParameterError, match="hydrogens='maybe'"):
            FModel(peptide, data, hydrogens="maybe")

    def test_a_second_fit_decides_again(self, peptide, data, fitted):
        fmodel = FModel(peptide, data, solvent="none", use_free=False, rtol=1e-6)
        for found in (fmodel.fit(), fmodel.fit(), fitted.fit()):
            assert np.array_equal(found.f_model.values, fitted.f_model.values)
            assert found.notes == fitted.notes


class TestModel:
    def test_atoms_are_those_of_the_file(self, peptide, fitted):
        read = friedel.as_model(peptide)
        assert np.array_equal(fitted.atoms.frac, read.atoms.frac)
        assert len(fitted.riding_hydrogens) == len(hydrogens_to_add(peptide).riding) > 50
        assert fitted.atom_names is not None
        assert len(fitted.residues()) == 9

    def test_f_calc_is_that_of_the_structure_with_them(self, peptide, fitted):
        with_them, *_ = with_riding_hydrogens(peptide)
        expected = friedel.fcalc(with_them, hkl=fitted.f_obs.hkl, method="direct").values
        # B of the file are rounded to 0.01, and those of hydrogens of anisotropic atoms follow U
        error = np.linalg.norm(fitted.f_calc.values - expected) / np.linalg.norm(expected)
        assert error < 1e-3

    def test_omitted_with_the_atoms(self, peptide, data):
        fitted = FModel(peptide, data, solvent="none", use_free=False).fit()
        omitted = fitted.omit("A/3-4")
        n_omitted = len(omitted.omitted)
        assert len(omitted.fitted.atoms) == len(fitted.atoms) - n_omitted
        few = len(fitted.riding_hydrogens) - len(omitted.fitted.riding_hydrogens)
        assert few > 4
        assert omitted.sigma > 2.0

    def test_copies_by_strict_ncs(self, shared_data):
        path = str(shared_data / "models" / "5cvz_final.pdb")
        model = friedel.as_model(path)
        hkl = model.crystal.unique_reflections(25.0)
        values = np.abs(friedel.fcalc(path, hkl=hkl).values)
        data = friedel.Reflections(model.crystal, hkl, values + 1.0, 0.1 * values + 1.0)
        found = FModel(path, data, solvent="none", hydrogens=True)
        expected = friedel.as_model(path, hydrogens=True).atoms
        expected = expected.select(expected.is_hydrogen)
        riding = found.riding_hydrogens
        assert len(riding) == len(expected)
        sums = [
            friedel.fcalc((model.crystal, atoms), hkl=hkl[:200]).values
            for atoms in (riding, expected)
        ]
        np.testing.assert_allclose(*sums, rtol=2e-3, atol=1e-3 * np.abs(sums[1]).max())


@pytest.fixture(scope="module", name="w")
def w_fixture(data):
    rng = np.random.default_rng(3)
    return rng.normal(size=len(data)) + 1j * rng.normal(size=len(data))


class TestGradients:
    """Against differences of F_model for which the hydrogens are placed again."""

    @pytest.mark.parametrize("kind", ["frac", "occ", "b_iso", "u_aniso"])
    @pytest.mark.parametrize("smooth_mask", [False, True])
    def test_by_differences(self, peptide, data, w, kind, smooth_mask):
        options = {"solvent": "smooth", "smooth_mask": True} if smooth_mask else {"solvent": "none"}
        fitted = FModel(
            peptide, data, use_free=False, rtol=1e-7, hydrogens=True, method="direct", **options
        ).fit()
        model, atoms = fitted.as_function, fitted.atoms
        found = getattr(fitted.adjoint(None, w).atoms, kind)
        assert found.shape == getattr(atoms, kind).shape
        values = getattr(atoms, kind)
        direction = np.random.default_rng(8).normal(size=values.shape)
        if kind == "u_aniso":
            direction[~atoms.is_aniso] = 0.0
        if kind == "b_iso":
            assert not found[atoms.is_aniso].any()
        step = {"frac": 1e-6, "occ": 1e-4, "b_iso": 1e-3, "u_aniso": 1e-6}[kind]
        targets = [
            np.vdot(
                w, model.forward(atoms.replace(**{kind: values + sign * step * direction}))
            ).real
            for sign in (1, -1)
        ]
        expected = (targets[0] - targets[1]) / (2 * step)
        size = np.linalg.norm(found) * np.linalg.norm(direction) / np.sqrt(found.size)
        assert float((found * direction).sum()) == pytest.approx(expected, abs=2e-5 * size)

    def test_they_are_more_than_those_of_the_atoms(self, fitted, w):
        """The hydrogens' part, a quarter of the derivatives, is not forgotten."""
        calculator = fitted.as_function.calculator
        whole = fitted.adjoint(None, w).atoms.frac
        scale = fitted.scales.k_overall  # w are derivatives by F_model
        alone = calculator.of_atoms.adjoint(None, scale * w).frac
        assert np.linalg.norm(whole - alone) > 0.05 * np.linalg.norm(whole)

    def test_on_the_grid_as_by_direct_summation(self, peptide, data, w):
        found = [
            FModel(peptide, data, solvent="none", hydrogens=True, rtol=1e-6, method=method).fit()
            for method in ("fft", "direct")
        ]
        start = found[0].scales
        fixed = ["k_overall", "b_overall", "overall_curve", "k_sol", "b_sol", "k_layer"]
        every = [one.fit(start, fixed=fixed) for one in found]
        first, second = (one.adjoint(None, w).atoms for one in every)
        for kind in ("frac", "occ", "b_iso", "u_aniso"):
            a, b = getattr(first, kind), getattr(second, kind)
            assert np.linalg.norm(a - b) < 1e-4 * np.linalg.norm(b)


def test_command(capsys, shared_data, tmp_path):
    model, data = pair(shared_data, "1dur")
    flat = ["--solvent", "flat"]

    def notes(*arguments):
        code, _, err = run(capsys, "fmodel", *arguments, *flat)
        assert code == 0, err
        return err

    added, refused = "336 hydrogens are added, riding on C and N", "no hydrogens are added: R of"
    assert refused in notes(model, data)
    assert added in notes(model, data, "--hydrogens", "yes")
    assert "hydrogens" not in notes(model, data, "--hydrogens=none")
    # as in 0.1.0, where the option had no value
    assert added in notes("--hydrogens", model, data)
    assert added in notes(model, data, "--hydrogens")


class TestEmptyMask:
    def test_radii_of_cctbx_where_refmac_leaves_no_solvent(self, shared_data):
        model, data = pair(shared_data, "5e5z")
        fmodel = FModel(model, data)
        found, again = fmodel.fit(), fmodel.fit()
        text = "the solvent mask by Refmac's radii is empty: those of cctbx are used, solvent frac"
        assert [note for note in found.notes if note.startswith(text)]
        assert again.notes == found.notes
        assert np.array_equal(again.f_model.values, found.f_model.values)
        assert found.masked.parameters == friedel.MaskParameters.for_radii("cctbx")
        assert 0.0 < found.solvent_fraction < 0.1
        same = FModel(model, data, radii="cctbx").fit()
        assert np.array_equal(found.f_model.values, same.f_model.values)

    def test_not_if_the_radii_were_chosen(self, shared_data):
        found = FModel(*pair(shared_data, "5e5z"), radii="refmac").fit()
        assert found.solvent_fraction == 0.0
        assert "the solvent mask is empty: there is no solvent in the cell" in found.notes

    def test_not_where_there_is_solvent(self, shared_data):
        found = FModel(*pair(shared_data, "1dur"), solvent="flat").fit()
        assert found.masked.parameters.radii == "refmac"
