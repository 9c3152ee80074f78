"""Maps of a fitted model read out: peaks, residues, omit and isomorphous difference maps."""

import json
import subprocess
from dataclasses import replace

import gemmi
import numpy as np
import pytest

import friedel
from commands import run
from friedel.errors import (
    AtomsError,
    CellError,
    ParameterError,
    ReflectionsError,
)
from friedel.maps.near_atoms import NearAtoms
from friedel.maps.residue_agreement import residue_agreement
from friedel.model.atom_names import AtomNames
from friedel.readers.atom_names import names_of_atoms, selected_atoms
from globule import CRYSTAL, TRUTH, globule, observed

POLDER = """
import json, sys
import iotbx.pdb, mmtbx.model
from iotbx import mtz
from libtbx.utils import null_out
from mmtbx.maps import polder
model = mmtbx.model.manager(model_input=iotbx.pdb.input(sys.argv[1]), log=null_out())
arrays = mtz.object(sys.argv[2]).as_miller_arrays()
f_obs, flags = (next(a for a in arrays if a.info().labels[0] == x) for x in sys.argv[3:5])
f_obs, flags = f_obs.common_sets(flags)
found = polder.compute_polder_map(
    f_obs=f_obs, r_free_flags=flags.customized_copy(data=flags.data() == 0), model=model,
    params=polder.master_params().extract().polder, selection_string=sys.argv[5])
found.run()
found = found.get_results().validation_results
print(json.dumps([found.cc12, found.cc13, found.cc23]))
"""


OPTIONS = {"solvent": "flat", "hydrogens": None}
"""Without hydrogens, as the other programs and their maps that these tests compare with."""


@pytest.fixture(scope="module")
def rnase(shared_data):
    folder = shared_data / "models"
    return friedel.FModel(folder / "rnase.pdb", folder / "rnase.mtz", **OPTIONS).fit()


@pytest.fixture(scope="module")
def cellulase(shared_data):
    """5a3h, which is refined well."""
    folder = shared_data / "models"
    return friedel.FModel(folder / "5a3h.pdb", folder / "5a3h_sigmaa.mtz", **OPTIONS).fit()


@pytest.fixture(scope="module")
def lacking():
    """The globule without its oxygen 31, against data of all of it; and the atom."""
    atoms, data = globule(), observed()
    model = friedel.FModel(
        (CRYSTAL, atoms.select(np.arange(len(atoms)) != 31)), data, solvent="flat"
    )
    return model.fit(), atoms.select(np.array([31]))


class TestPeaks:
    def test_height_is_absolute(self, lacking):
        """Whatever the scale of F_obs: about half of the density of the missing atom."""
        fitted, atom = lacking
        found = fitted.difference_density(3)
        peak = found.peaks
        expected = friedel.map_of_model((CRYSTAL, atom), d_min=2.0).array.max()
        assert np.linalg.norm((peak.frac[0] - atom.frac[0]) * CRYSTAL.cell[:3]) < 0.15
        # half of it, where phases are those of the other atoms, and not restricted to two
        assert 0.4 * expected < peak.height[0] < 0.8 * expected
        data = observed()
        larger = replace(data, values=10 * data.values, sigmas=10 * data.sigmas)
        other = friedel.FModel((CRYSTAL, fitted.atoms), larger, solvent="flat")
        heights = other.fit().difference_density(3).peaks.height
        np.testing.assert_allclose(heights, peak.height, rtol=0.01)

    def test_coefficients_have_no_factor(self, lacking):
        fitted, _ = lacking
        found = fitted.difference_coefficients()
        phases = fitted.phase_statistics
        expected = phases.f_expected - phases.d * fitted.f_model.amplitudes
        expected = expected / fitted.scales.k_overall
        np.testing.assert_allclose(found.amplitudes, np.abs(expected))
        turned = (found.values * np.exp(-1j * np.angle(fitted.f_model.values))).real
        np.testing.assert_allclose(turned, expected, atol=1e-9)

    def test_names_of_nearest_atoms(self, rnase):
        found = rnase.difference_density(5)
        assert len(found.peaks) == len(found.holes) == 5
        names = rnase.atom_names
        for peaks in (found.peaks, found.holes):
            assert [names.labels[i] for i in peaks.atom] == peaks.label.tolist()
        first = found.peaks.label[0]
        assert first == "A/7 CYS/SG"
        # positions are next to the atom itself, not to a symmetry copy of it
        xyz = rnase.atoms.frac[found.peaks.atom] @ rnase.crystal.orthogonalization.T
        np.testing.assert_allclose(
            np.linalg.norm(found.peaks.xyz - xyz, axis=1), found.peaks.distance, atol=1e-6
        )

    def test_without_names_there_are_types(self, lacking):
        assert set(lacking[0].difference_density(4).peaks.label) <= {"C", "O"}


class TestNames:
    def test_residues_and_chains(self, shared_data):
        path = shared_data / "models" / "rnase.pdb"
        n = len(friedel.as_model(path).atoms)
        names = names_of_atoms(path, n)
        structure = gemmi.read_structure(str(path))
        assert len(names) == n
        assert len(names.chains()) == len(structure[0])
        assert len(names.residues()) == sum(len(chain) for chain in structure[0])
        assert sum(len(x.atoms) for x in names.residues()) == n
        assert names.repeated(2).labels == names.labels * 2
        assert names_of_atoms(structure, n).labels == names.labels
        assert names_of_atoms(structure, n + 1) is None
        assert names_of_atoms((1, 2), n) is None

    def test_label_of_an_alternate_conformation(self):
        names = AtomNames(("A",), ("12B",), ("ASN",), ("CB",), ("C",))
        assert names.labels == ("A/12B ASN/CB.C",)

    @pytest.mark.parametrize(("text", "n"), [("A/12/CA", 1), ("A/12-14/CA", 3), ("/1/A/12", 7)])
    def test_selection(self, shared_data, text, n):
        path = shared_data / "models" / "rnase.pdb"
        n_atoms = len(friedel.as_model(path).atoms)
        assert selected_atoms(path, text, n_atoms).sum() == n
        of_copies = selected_atoms(path, text, 2 * n_atoms)
        assert of_copies.sum() == 2 * n

    @pytest.mark.parametrize(
        ("text", "message"), [("//[", "near"), ("X/5", "names no atoms"), ("A/9999", "no atoms")]
    )
    def test_bad_selection(self, rnase, text, message):
        with pytest.raises(ParameterError, match=message):
            rnase.omit(text)

    def test_selection_needs_names(self, lacking):
        fitted, _ = lacking
        with pytest.raises(ParameterError, match="needs the names of atoms"):
            fitted.omit("A/12")
        with pytest.raises(ParameterError, match="the residues are unknown"):
            fitted.residues()


class TestResidues:
    def test_against_a_direct_calculation(self, rnase):
        """One residue by distances to every grid point in the cell, with its periodic copies."""
        found = rnase.residues(radius=1.5)
        assert list(found.columns()) == [
            "chain",
            "number",
            "name",
            "n_atoms",
            "occupancy",
            "b",
            "cc",
            "rsr",
        ]
        fwt, _ = rnase.map_coefficients(fill_missing=False)
        first = friedel.map_from_coefficients(fwt)
        present = np.isfinite(fwt.values)
        second = friedel.map_from_coefficients(rnase.f_model.select(present), shape=first.shape)
        row = 40
        atoms = rnase.atom_names.residues()[row].atoms
        points = np.stack(np.meshgrid(*(np.arange(n) / n for n in first.shape), indexing="ij"), -1)
        near = np.zeros(first.shape, bool)
        for frac in rnase.atoms.frac[atoms]:
            delta = points - frac
            delta -= np.rint(delta)
            near |= np.linalg.norm(delta @ rnase.crystal.orthogonalization.T, axis=-1) <= 1.5
        expected = np.corrcoef(first.array[near], second.array[near])[0, 1]
        assert found.cc[row] == pytest.approx(expected, abs=1e-6)
        assert found.n_atoms[row] == len(atoms)
        worst = found.worst(3)
        assert worst.cc[0] == np.nanmin(found.cc)

    def test_equal_maps(self, rnase):
        grid = friedel.map_from_coefficients(rnase.f_model)
        xyz = rnase.atoms.frac @ rnase.crystal.orthogonalization.T
        chains = rnase.atom_names.chains()
        half = friedel.Grid(0.5 * grid.array, grid.crystal)
        found = residue_agreement(grid, half, xyz, rnase.atoms, chains, 2.0)
        np.testing.assert_allclose(found.cc, 1.0)
        np.testing.assert_allclose(found.rsr, 0.0, atol=1e-6)  # the scale does not count
        with pytest.raises(ParameterError, match="points"):
            residue_agreement(
                grid, friedel.Grid(np.ones((4, 4, 4)), grid.crystal), xyz, rnase.atoms, chains, 2.0
            )

    @pytest.mark.parametrize("radius", [0.0, -1.0, np.nan])
    def test_bad_radius(self, rnase, radius):
        with pytest.raises(ParameterError, match="radius"):
            rnase.residues(radius)

    def test_by_default_the_radius_is_that_of_the_resolution(self, cellulase, lacking):
        assert cellulase.residues().radius == 1.5


def test_points_near_atoms_in_an_oblique_cell():
    crystal = friedel.Crystal((9.0, 10.0, 11.0, 70.0, 110.0, 75.0))
    grid = friedel.Grid(np.zeros((12, 15, 16), np.float32), crystal)
    xyz = np.array([[0.3, 9.1, -2.0], [30.0, 1.0, 1.0]])
    near = NearAtoms(grid, 2.3)
    frac = xyz @ crystal.fractionalization.T
    points = np.stack(np.meshgrid(*(np.arange(n) / n for n in grid.shape), indexing="ij"), -1)
    expected = np.full(grid.shape, np.inf)
    for x in frac:
        for shift in np.ndindex(3, 3, 3):
            delta = points - (x - np.floor(x)) + np.array(shift) - 1
            expected = np.minimum(
                expected, np.linalg.norm(delta @ crystal.orthogonalization.T, axis=-1)
            )
    np.testing.assert_array_equal(near.mask(xyz), expected <= 2.3)
    np.testing.assert_array_equal(near.indices(xyz), np.flatnonzero(expected.ravel() <= 2.3))
    np.testing.assert_allclose(near.distances(xyz), np.minimum(expected, 2.3), rtol=1e-5)


class TestOmit:
    def test_single_atoms_return(self, cellulase, rnase):
        """Atoms with B < 20 by seed, each left out, are peaks at their places.

        Of the well refined structure they are the highest ones but for those that its difference
        map has anyway. The model of rnase is imperfect: 17 of 20 are above 5 sigma, the least 4.1.
        """
        for fitted, least, n in ((cellulase, 8.0, 3), (rnase, 4.0, 5)):
            rng = np.random.default_rng(0)
            sharp = np.flatnonzero((fitted.atoms.b_iso < 20) & (fitted.atoms.occ == 1))
            before = fitted.difference_density(40).peaks
            for atom in rng.choice(sharp, 20, replace=False)[:n]:
                chosen = np.arange(len(fitted.atoms)) == atom
                found = fitted.omit(chosen)
                peaks = found.peaks(100).peaks
                near = int(np.flatnonzero(peaks.distance < 0.5)[0])
                assert peaks.sigma[near] > least
                assert found.sigma > least
                if fitted is cellulase:
                    others = peaks.height[:near]
                    assert all(np.abs(before.height - x).min() < 0.05 * x for x in others)

    def test_polder_keeps_the_solvent_away(self, rnase):
        omit, polder = (rnase.omit("A/50", polder=x) for x in (False, True))
        assert len(omit.labels) == 4
        assert omit.labels[0] == "A/50 GLY/N"
        assert not omit.correlations
        near = NearAtoms(friedel.Grid(omit.fitted.masked.mask, rnase.crystal), 5.0).mask(
            omit.omitted.frac @ rnase.crystal.orthogonalization.T
        )
        assert not polder.fitted.masked.mask[near].any()
        assert omit.fitted.masked.mask[near].any()
        far = ~near
        # with its copies by symmetry: nothing else changed
        changed = (rnase.masked.mask != polder.fitted.masked.mask)[far].sum()
        assert changed == pytest.approx(3 * (rnase.masked.mask[near] > 0).sum(), rel=0.1)
        assert len(polder.fitted.atom_names) == len(polder.fitted.atoms) == len(rnase.atoms) - 4
        assert "A/50 GLY/N" not in polder.fitted.atom_names.labels
        assert polder.correlations["cc13"] > 0.9
        assert polder.fitted.omit("A/51/CA").labels[0].endswith("/CA")

    def test_against_mmtbx(self, rnase, shared_data, cctbx_python):
        folder = shared_data / "models"
        done = subprocess.run(
            [
                *(cctbx_python, "-c", POLDER, folder / "rnase.pdb", folder / "rnase.mtz"),
                *("FGMP18", "FreeR_flag", "chain A and resseq 7"),
            ],
            capture_output=True,
            text=True,
            check=True,
        )
        expected = json.loads(done.stdout.splitlines()[-1])
        found = rnase.omit("A/7", polder=True).correlations
        # of other masks, scales and weights; CC(1,3), which decides, agrees best
        assert found["cc13"] == pytest.approx(expected[1], abs=0.02)
        assert found["cc12"] == pytest.approx(expected[0], abs=0.08)
        assert found["cc23"] == pytest.approx(expected[2], abs=0.08)

    def test_numbers_do_not_depend_on_how_atoms_are_named(self, rnase):
        chosen = np.array([x.startswith("A/50 ") for x in rnase.atom_names.labels])
        first, second = rnase.omit("A/50"), rnase.omit(chosen)
        np.testing.assert_array_equal(first.density, second.density)
        assert first.to_dict()["n_atoms"] == 4
        assert first.to_dict()["mean"] == pytest.approx(first.density.mean())

    def test_bad_masks(self, rnase):
        n = len(rnase.atoms)
        for bad, error in (
            (np.zeros(n, bool), ParameterError),
            (np.zeros(3, bool), ParameterError),
            (np.zeros(n, int), ParameterError),
            (np.ones(n, bool), AtomsError),
        ):
            with pytest.raises(error):
                rnase.omit(bad)

    def test_without_solvent(self):
        fitted = friedel.FModel((CRYSTAL, globule()), observed(), solvent="none").fit()
        chosen = np.arange(60) == 31
        found = fitted.omit(chosen, polder=True)
        assert found.labels == ("O",)
        assert found.peaks(3).peaks.distance[0] < 0.3


SITE = np.array([[0.42, 0.31, 0.13]])


@pytest.fixture(scope="module")
def derivative():
    """F of the globule with mercury, on another scale and with another B."""
    atoms = globule()
    labels = [atoms.scatterers[k] for k in atoms.kind] + ["Hg"]
    frac = np.concatenate([atoms.frac, SITE])
    both = friedel.Atoms.from_labels(labels, frac, 1.0, np.append(atoms.b_iso, 15.0))
    native = observed()
    hkl = native.hkl
    heavy = friedel.fcalc((CRYSTAL, both), hkl=hkl).values
    light = friedel.fcalc((CRYSTAL, atoms), hkl=hkl).values
    blank = friedel.Reflections(CRYSTAL, hkl, np.ones(len(hkl)))
    f_mask = friedel.FModel((CRYSTAL, atoms), blank).f_mask.values
    total = TRUTH.f_total(CRYSTAL, hkl, light, f_mask)
    values = np.abs(total + TRUTH.overall_scale(CRYSTAL, hkl) * (heavy - light))
    values *= 0.4 * np.exp(-3.0 * CRYSTAL.stol2(hkl))
    return replace(native, values=values, sigmas=0.01 * values)


class TestIsomorphous:
    def test_the_heavy_atom_is_found(self, derivative):
        native = friedel.FModel((CRYSTAL, globule()), observed(), solvent="flat").fit()
        found = native.isomorphous_difference(derivative)
        hole = found.density(3).holes
        shift = hole.frac[0] - SITE[0]
        assert np.linalg.norm((shift - np.rint(shift)) * CRYSTAL.cell[:3]) < 0.5
        assert abs(hole.sigma[0]) > 2 * abs(hole.sigma[1])
        assert found.weights.mean() == pytest.approx(1.0)
        text = " ".join(found.notes)
        assert "R_iso" in text
        assert "1 / (1 + sigma^2/<sigma^2> + D^2/<D^2>)" in text

    def test_equal_data_have_no_difference(self):
        data = observed()
        fitted = friedel.FModel((CRYSTAL, globule()), data, solvent="flat").fit()
        other = replace(data, values=2.5 * data.values * np.exp(4.0 * data.stol2), sigmas=None)
        found = fitted.isomorphous_difference(other)
        assert found.r_iso < 1e-5
        assert found.scales.k_overall == pytest.approx(0.4, rel=1e-4)
        assert found.scales.b_iso == pytest.approx(4.0, abs=1e-3)
        assert "are 1 / (1 + D^2/<D^2>)" in " ".join(found.notes)

    def test_other_crystals_are_errors(self, derivative):
        fitted = friedel.FModel((CRYSTAL, globule()), observed(), solvent="flat").fit()
        larger = friedel.Crystal((23, 25, 30, 90, 90, 90), CRYSTAL.rotations, CRYSTAL.translations)
        with pytest.raises(CellError):
            fitted.isomorphous_difference(replace(derivative, crystal=larger))
        with pytest.raises(ReflectionsError, match="in common"):
            fitted.isomorphous_difference(derivative.select(np.arange(len(derivative)) < 20))


class TestFigures:
    def test_residues(self, rnase, tmp_path):
        pytest.importorskip("matplotlib")
        figure = friedel.plot_residues(rnase.residues(), tmp_path / "r.png")
        assert [x.get_ylabel() for x in figure.axes] == ["CC, chain A", "CC, chain B"]
        drawn = figure.axes[0].lines[0].get_ydata()
        assert drawn.min() == pytest.approx(rnase.residues().cc[:96].min(), abs=0.2)
        assert (tmp_path / "r.png").stat().st_size > 1000

    @pytest.mark.parametrize("centre", ["A/50/CA", (40.0, 5.0, 9.0), None])
    def test_centre_of_a_section(self, rnase, centre):
        pytest.importorskip("matplotlib")
        axes = friedel.plot_map(rnase, centre=centre, width=8.0).axes[0]
        x, y = np.mean(axes.get_xlim()), np.mean(axes.get_ylim())
        if isinstance(centre, str):
            row = rnase.atom_names.labels.index("A/50 GLY/CA")
            expected = rnase.atoms.frac[row] @ rnase.crystal.orthogonalization.T
            np.testing.assert_allclose([x, y], expected[:2], atol=1e-6)
        elif centre is not None:
            np.testing.assert_allclose([x, y], centre[:2])
        with pytest.raises(ParameterError, match="centre"):
            friedel.plot_map(rnase, centre=(1.0, 2.0))


class TestCommand:
    def test_peaks_residues_and_omit(self, capsys, shared_data, tmp_path):
        folder = shared_data / "models"
        path = tmp_path / "all.json"
        code, out, _ = run(
            capsys, "fmodel", folder / "rnase.pdb", folder / "rnase.mtz", "--solvent=flat",
            "--peaks=4", "--residues", "--omit=A/50", "--json", path,
        )  # fmt: skip
        assert code == 0
        assert "omit map: mean mFo-DFc at 4 omitted atoms" in out
        assert "A/7 CYS/SG" in out
        assert "lowest correlation" in out
        numbers = json.loads(path.read_text())
        assert len(numbers["difference_density"]["peaks"]) == 4
        assert {"x", "u", "height", "sigma", "label", "distance"} <= set(
            numbers["difference_density"]["holes"][0]
        )
        assert numbers["omit"]["atoms"][1]["label"] == "A/50 GLY/CA"
        assert numbers["residues"][0]["name"] == "ASP"
        assert len([x for x in numbers["residues"] if x["number"] == "50"]) == 1  # of chain B

    def test_isomorphous(self, capsys, shared_data, tmp_path):
        folder = shared_data / "models"
        files = folder / "1dur.pdb", folder / "1dur.mtz"
        out_file = tmp_path / "minus.mtz"
        code, out, err = run(
            capsys, "fmodel", *files, "--dmin=3", "--solvent=flat", "--minus", folder / "1dur.mtz",
            "--write-minus", out_file,
        )  # fmt: skip
        assert code == 0, err
        assert "isomorphous difference map" in out
        assert "R_iso 0.0000" in err
        assert friedel.read_map_coefficients(f"{out_file}:FISO,PHIFISO").label == "FISO"

    @pytest.mark.parametrize(
        ("options", "text"),
        [
            (["--polder"], "give --omit"),
            (["--centre=A/12"], "give --plot-map"),
            (["--write-minus=x.mtz"], "give --minus"),
            (["--omit=Q/1"], "names no atoms"),
            (["--peaks=0"], "--peaks"),
        ],
    )
    def test_contradictions_are_one_line(
        self, capsys, page_models, tmp_path, monkeypatch, options, text
    ):
        monkeypatch.chdir(tmp_path)
        files = page_models / "5e5z.pdb", f"{page_models / '5e5z.mtz'}:FP,SIGFP"
        code, _, err = run(capsys, "fmodel", *files, "--solvent=none", *options)
        assert (code, text in err.splitlines()[-1]) == (2, True)

    def test_small_structures(self, capsys, shared_data, tmp_path):
        folder = shared_data / "models"
        path = tmp_path / "small.json"
        code, out, _ = run(
            capsys, "fmodel", folder / "epoxide.cif", folder / "epoxide.hkl", "--peaks=25",
            "--json", path,
        )  # fmt: skip
        assert code == 0
        assert "F_o - F_c: highest" in out
        found = json.loads(path.read_text())["difference_density"]
        assert len(found["peaks"]) == 25


def test_table_as_dataframe(rnase):
    pytest.importorskip("pandas")
    assert len(rnase.residues().to_dataframe()) == len(rnase.residues())
