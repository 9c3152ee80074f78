"""What has to do with maps is imported only when a map is asked for."""

import subprocess
import sys

from commands import QUARTZ

LATER = (
    "friedel.maps",
    "friedel.model.atom_names",
    "friedel.map_model",
    "friedel.density.map_box",
    "friedel.cli.map",
    "scipy.ndimage",
)

RUN = """
import sys
from friedel.cli import main
try:
    main(sys.argv[1:])
except SystemExit as stop:
    assert not stop.code
print("loaded", *sys.modules)
"""


def loaded_by(*arguments: object) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", RUN, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.rsplit("loaded", 1)[1].split())


def test_fcalc_and_fmodel_import_no_maps(shared_data):
    models = shared_data / "models"
    for command in (
        ("fcalc", QUARTZ, "--dmin", 2),
        ("fmodel", models / "1dur.pdb", models / "1dur.mtz", "--dmin", 5, "--solvent=flat"),
    ):
        early = {name for name in loaded_by(*command) if name.startswith(LATER)}
        assert not early, command
