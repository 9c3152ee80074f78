"""Fixtures that find real structures: beside the checkout, by environment variable, or by pip."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]

if os.environ.get("FRIEDEL_TEST_WITHOUT_NUMBA"):
    sys.modules["numba"] = None  # type: ignore[assignment] # any import of it fails


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
def cases(shared_data: Path) -> Path:
    """The folder with small inputs that were once read wrongly."""
    folder = shared_data.parent / "cases"
    if not folder.is_dir():
        pytest.skip("no cases beside the shared data")
    return folder


@pytest.fixture(scope="session")
def structures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a reader of the pages, which examples/structures.py fills."""
    folder = tmp_path_factory.mktemp("structures")
    command = [sys.executable, REPOSITORY / "examples" / "structures.py", folder]
    shared = _shared_folder()
    environment = os.environ | ({"FRIEDEL_TEST_DATA": str(shared)} if shared else {})
    done = subprocess.run(command, capture_output=True, check=False, text=True, env=environment)
    if done.returncode == 1 and "pip cannot get" in done.stderr:
        pytest.skip("no models: neither shared data nor gemmi's source distribution can be had")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="session")
def page_models(request: pytest.FixtureRequest) -> Path:
    """The models of gemmi's scattering page: shared, or from gemmi's source distribution."""
    folder = _shared_folder()
    return folder / "models" if folder else request.getfixturevalue("structures")


@pytest.fixture(scope="session")
def cctbx_python() -> str:
    """A Python that has cctbx: FRIEDEL_CCTBX_PYTHON, or that of the tests.

    It runs in a process of its own, as cctbx and gemmi cannot be imported into one.
    """
    for python in filter(None, (os.environ.get("FRIEDEL_CCTBX_PYTHON"), sys.executable)):
        command = [python, "-c", "import iotbx.reflection_file_reader"]
        if subprocess.run(command, check=False, capture_output=True).returncode == 0:
            return python
    pytest.skip("no cctbx: set FRIEDEL_CCTBX_PYTHON to the Python of an environment that has it")
