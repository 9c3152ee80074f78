"""Run by each page before its examples: a folder of its own with structures to try them on."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from IPython.core.magic import register_cell_magic

docs = Path(__file__).resolve().parent
structures = docs / "_build" / "structures"
subprocess.run([sys.executable, docs.parent / "examples" / "structures.py", structures], check=True)
folder = tempfile.mkdtemp()
for path in structures.iterdir():
    (Path(folder) / path.name).symlink_to(path)
os.chdir(folder)
# The command of the environment that runs the page
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])


@register_cell_magic
def bash(_line: str, cell: str) -> None:
    """Commands as a terminal shows them: results and messages in one stream, failures fatal.

    IPython's own magic hands out what it reads in pieces, each of which becomes a box of the page.
    """
    command = ["bash", "-e", "-c", cell]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    print(done.stdout, end="")
    done.check_returncode()
