"""The main job, start to end, on input that needs nothing fetched by hand.

    python examples/demo.py [OUTPUT_FOLDER]

A mineral whose structure stands beside this file; f' and f'' of selenium; and a peptide
crystal (PDB 5e5z) with its measured amplitudes, from gemmi's source distribution, which pip gets.
"""

import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

HERE = Path(__file__).parent


def run(*arguments: str) -> None:
    """Run a friedel command as a person would, showing it."""
    print(f"\n$ friedel {' '.join(arguments)}", flush=True)
    command = "import sys; from friedel.cli import main; main(sys.argv[1:])"
    subprocess.run([sys.executable, "-c", command, *arguments], check=True)


def fetch_peptide(folder: Path) -> tuple[Path, Path] | None:
    """Model and data of 5e5z, or None when pip cannot reach its index."""
    with tempfile.TemporaryDirectory() as scratch:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--no-binary", "gemmi", "--dest", scratch, "gemmi"]
        if subprocess.run(command, capture_output=True, check=False).returncode:
            return None
        archive = next(Path(scratch).glob("gemmi-*.tar.gz"))
        with tarfile.open(archive) as source:
            for name in ("5e5z.pdb", "5e5z.mtz"):
                member = next(m for m in source.getmembers() if m.name.endswith(f"tests/{name}"))
                content = source.extractfile(member)
                assert content is not None
                (folder / name).write_bytes(content.read())
    return folder / "5e5z.pdb", folder / "5e5z.mtz"


def main() -> None:
    """Run the demonstration."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "demo-output")
    folder.mkdir(parents=True, exist_ok=True)

    quartz = os.path.relpath(HERE / "quartz.cif")
    run("fcalc", quartz, "--hkl", "1,0,1", "--hkl", "1,1,2", "--for", "xray")
    run("fcalc", quartz, "--hkl", "1,0,1", "--hkl", "1,1,2", "--for", "neutron")
    run("fcalc", quartz, "--dmin", "0.7", "--to-mtz", str(folder / "quartz.mtz"), "--overwrite")
    run("fprime", "Se", "-w", "0.9795")

    peptide = fetch_peptide(folder)
    if peptide is None:
        print("\npip cannot reach its index: the macromolecular part is left out")
        return
    model, data = (str(path) for path in peptide)
    outputs = [folder / "5e5z-fmodel.mtz", folder / "5e5z-fmodel.png"]
    options = ["--to-mtz", str(outputs[0]), "--plot", str(outputs[1]), "--overwrite"]
    run("fmodel", model, data, *options)
    print("\nwritten:", *[folder / "quartz.mtz", *outputs], sep="\n  ")


if __name__ == "__main__":
    main()
