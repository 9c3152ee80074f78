"""Structures for examples: measured ones that pip can get, and data simulated for one of them.

    python examples/structures.py [FOLDER]

Models and data of PDB and COD entries come from gemmi's source distribution, which includes them
for its tests, or from the folder that FRIEDEL_TEST_DATA names. It has no data of 1orc, a protein:
1orc.mtz is simulated here from the model, with hydrogens, solvent and errors, so that the true
values are known. Quartz and urea are files of this folder; urea-md.pdb is simulated. Existing files
are not replaced.
"""

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
OWN = ("quartz.cif", "urea.cif")
OF_GEMMI = (
    "1011031.cif", "1orc.pdb", "1pfe.cif.gz", "2013551.cif", "2242624.cif", "2242624.hkl",
    "4003024.cif", "4oz7.pdb", "5cvz_final.pdb", "5e5z.mtz", "5e5z.pdb", "5i55.cif",
)  # fmt: skip
MADE = {"1orc.mtz": "1orc.pdb", "urea-md.pdb": "urea.cif"}
"""What is made here, and of which model."""

CELLS, FRAMES, AMPLITUDE = 3, 20, 0.25
"""Cells along each axis of the supercell, frames, and rms displacement along an axis, A."""

D_MIN = 1.6
SHIFT = 0.07
"""Errors of the coordinates, A, rms along each axis."""
NOISE, BACKGROUND = 0.04, 0.5
"""Errors of the amplitudes: a share of F, and electrons."""
FREE = 0.05


def prepare(folder: Path) -> bool:
    """Make the folder and fill it; False if pip cannot get what is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    at_hand = [HERE / name for name in OWN]
    if shared := os.environ.get("FRIEDEL_TEST_DATA"):
        at_hand += [path for n in OF_GEMMI if (path := Path(shared, "models", n)).is_file()]
    for path in at_hand:
        if not (folder / path.name).exists():
            shutil.copyfile(path, folder / path.name)
    if not _fetch(folder):
        return False
    for (name, model), make in zip(MADE.items(), (make_data, make_frames), strict=True):
        if not (folder / name).exists():
            say(f"{name} is simulated from {model}")
            make(folder / model, folder / name)
    return True


def say(text: str) -> None:
    """Tell a person at a terminal what takes some seconds."""
    if sys.stderr.isatty():
        print(text, file=sys.stderr, flush=True)


def _fetch(folder: Path) -> bool:
    """Get from gemmi's source distribution what the folder lacks of it."""
    missing = [name for name in OF_GEMMI if not (folder / name).exists()]
    if not missing:
        return True
    say("pip gets gemmi's source distribution, for its structures")
    with tempfile.TemporaryDirectory() as scratch:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--no-binary", "gemmi", "--dest", scratch, "gemmi"]
        if subprocess.run(command, capture_output=True, check=False).returncode:
            return False
        with tarfile.open(next(Path(scratch).glob("gemmi-*.tar.gz"))) as source:
            members = {Path(m.name).name: m for m in source if Path(m.name).parent.name == "tests"}
            for name in missing:
                content = source.extractfile(members[name])
                assert content is not None
                (folder / name).write_bytes(content.read())
    return True


def make_data(model_path: Path, path: Path) -> None:
    """Amplitudes that a crystal like the model would give, with sigmas and a free set, as MTZ."""
    import numpy as np

    import friedel
    from friedel.scaling import ScaleParameters

    model = friedel.as_model(model_path, hydrogens=True)
    crystal, rng = model.crystal, np.random.default_rng(0)
    shifts = rng.normal(scale=SHIFT, size=(len(model.atoms), 3)) @ crystal.fractionalization.T
    atoms = model.atoms.replace(frac=model.atoms.frac + shifts)
    hkl = crystal.unique_reflections(D_MIN)
    blank = friedel.Reflections(crystal, hkl, np.ones(len(hkl)))
    parts = friedel.FModel((crystal, atoms), blank)
    truth = ScaleParameters(1.0, (1.0, -2.0, 1.0, 0.0, 0.0, 0.0), 0.35, 46.0)
    f = np.abs(truth.f_total(crystal, hkl, parts.f_calc.values, parts.f_mask.values))
    sigmas = NOISE * f + BACKGROUND
    measured = np.abs(f + sigmas * rng.normal(size=len(f)))
    free = rng.random(len(f)) < FREE
    friedel.Reflections(crystal, hkl, measured, sigmas, free, "FP").to_mtz(path)


def make_frames(model_path: Path, path: Path) -> None:
    """Frames of a supercell of urea whose molecules move by themselves, as models of a PDB file."""
    import gemmi
    import numpy as np

    crystal = gemmi.read_small_structure(str(model_path))
    elements, sites = [], []
    for site in crystal.sites:
        x, y, z = site.fract.tolist()
        images = [(x, y, z), (-x, 1 - y, z)]  # by the twofold axis of the molecule
        for image in images[: 1 if x == 0 else 2]:
            elements.append(site.element)
            sites.append(image)
    one = np.array(sites)
    other = np.stack([one[:, 1], -one[:, 0], -one[:, 2]], axis=1)
    corners = np.argwhere(np.ones((CELLS, CELLS, CELLS)))[:, None]
    lengths = np.array([crystal.cell.a, crystal.cell.b, crystal.cell.c])
    molecules = np.concatenate([one + corners, other + corners]) * lengths
    rng = np.random.default_rng(0)
    trajectory = gemmi.Structure()
    trajectory.cell = gemmi.UnitCell(*(CELLS * lengths), 90, 90, 90)
    trajectory.spacegroup_hm = "P 1"
    for number in range(1, FRAMES + 1):
        shifts = rng.normal(scale=AMPLITUDE, size=(len(molecules), 1, 3))
        model = gemmi.Model(number)
        model.add_chain(_chain(elements, molecules + shifts))
        trajectory.add_model(model)
    trajectory.write_pdb(str(path))


def _chain(elements, molecules):
    """A chain with one residue for each molecule."""
    import gemmi

    chain = gemmi.Chain("A")
    for number, molecule in enumerate(molecules, 1):
        residue = gemmi.Residue()
        residue.name, residue.seqid = "URE", gemmi.SeqId(str(number))
        for element, xyz in zip(elements, molecule, strict=True):
            atom = gemmi.Atom()
            atom.name, atom.element, atom.pos = element.name, element, gemmi.Position(*xyz)
            residue.add_atom(atom)
        chain.add_residue(residue)
    return chain


def main() -> None:
    """Fill the folder, or say what is missing."""
    if not prepare(Path(sys.argv[1] if len(sys.argv) > 1 else "structures")):
        sys.exit("pip cannot get gemmi's source distribution, which carries the structures")


if __name__ == "__main__":
    main()
