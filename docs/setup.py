"""Run by each page before its examples: a folder of its own with structures to try them on."""

import os
import subprocess
import tempfile
from pathlib import Path

from IPython.core.magic import register_cell_magic

folder = tempfile.mkdtemp()
for origin in (os.environ["FRIEDEL_DOCS_MODELS"], os.environ["FRIEDEL_DOCS_EXAMPLES"]):
    for path in Path(origin).iterdir():
        if path.is_file():
            (Path(folder) / path.name).symlink_to(path)
os.chdir(folder)


@register_cell_magic
def bash(_line: str, cell: str) -> None:
    """Commands as a terminal shows them: results and messages in one stream, failures fatal."""
    command = ["bash", "-e", "-c", cell]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    print(done.stdout, end="")
    done.check_returncode()
