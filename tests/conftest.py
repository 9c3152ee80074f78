"""Where the tests find real structures: beside the checkout, in an environment variable, or pip."""

import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]


def _shared_folder() -> Path | None:
    candidates = [os.environ.get("FRIEDEL_TEST_DATA"), REPOSITORY.parent / "shared" / "data"]
    return next((Path(c) for c in candidates if c and (Path(c) / "models").is_dir()), None)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder with models, reflections, tables and reference values of independent programs."""
    folder = _shared_folder()
    if folder is None:
        pytest.skip("no shared data: set FRIEDEL_TEST_DATA to a folder with models/ and gold/")
    return folder


@pytest.fixture(scope="session")
def page_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The models of gemmi's scattering page: shared, or from gemmi's source distribution."""
    folder = _shared_folder()
    if folder is not None:
        return folder / "models"
    target = tmp_path_factory.mktemp("gemmi-source")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--no-binary", "gemmi", "--dest", str(target), "gemmi"]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("no models: neither shared data nor gemmi's source distribution can be had")
    archive = next(target.glob("gemmi-*.tar.gz"))
    with tarfile.open(archive) as source:
        source.extractall(target, filter="data")
    return next(target.glob("gemmi-*/tests"))
