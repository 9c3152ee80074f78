"""The main calculations from start to end, on input that is fetched automatically.

    python examples/demo.py [OUTPUT_FOLDER]

A mineral whose structure is in this folder; f' and f'' of selenium; and a peptide
crystal (PDB 5e5z) with its measured amplitudes, from gemmi's source distribution, which pip gets.
The other structures that structures.py gets or makes are left in the folder too.
"""

import os
import subprocess
import sys
from pathlib import Path

from structures import prepare

HERE = Path(__file__).parent


def run(*arguments: str) -> None:
    """Run a friedel command as a person would, showing it."""
    print(f"\n$ friedel {' '.join(arguments)}", flush=True)
    command = "import sys; from friedel.cli import main; main(sys.argv[1:])"
    subprocess.run([sys.executable, "-c", command, *arguments], check=True)


def main() -> None:
    """Run the demonstration."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "demo-output")
    folder.mkdir(parents=True, exist_ok=True)

    quartz = os.path.relpath(HERE / "quartz.cif")
    run("fcalc", quartz, "--hkl", "1,0,1", "--hkl", "1,1,2", "--for", "xray")
    run("fcalc", quartz, "--hkl", "1,0,1", "--hkl", "1,1,2", "--for", "neutron")
    run("fcalc", quartz, "--dmin", "0.7", "--to-mtz", str(folder / "quartz.mtz"), "--overwrite")
    run("fprime", "Se", "-w", "0.97")

    print(flush=True)
    if not prepare(folder):
        print("\npip cannot reach its index: the macromolecular part is left out")
        return
    model, data = str(folder / "5e5z.pdb"), str(folder / "5e5z.mtz")
    outputs = [folder / "5e5z-fmodel.mtz", folder / "5e5z-fmodel.png"]
    options = ["--to-mtz", str(outputs[0]), "--plot", str(outputs[1]), "--overwrite"]
    run("fmodel", model, data, *options)
    print("\nwritten:", *[folder / "quartz.mtz", *outputs], sep="\n  ")
    print(f"structures to go on with: {folder}")


if __name__ == "__main__":
    main()
