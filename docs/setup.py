"""Run by each page before its examples: a folder of its own with structures to try them on."""

import os
import tempfile
from pathlib import Path

folder = tempfile.mkdtemp()
for origin in (os.environ["FRIEDEL_DOCS_MODELS"], os.environ["FRIEDEL_DOCS_EXAMPLES"]):
    for path in Path(origin).iterdir():
        if path.is_file():
            (Path(folder) / path.name).symlink_to(path)
os.chdir(folder)
