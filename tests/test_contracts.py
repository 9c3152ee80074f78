"""Rules of the layout that can be checked automatically."""

import ast
import inspect
import pydoc
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import friedel
from friedel.structure_factors import refinement_targets

SOURCE = Path(friedel.__file__).parent

HEAVY = ("numba", "scipy", "gemmi", "matplotlib", "pandas", "xraydb", "numpy")

ENGINE_WITHOUT_GEMMI = """
import sys
sys.modules["gemmi"] = None  # any import of it now fails
import numpy as np
import friedel
from friedel.fmodel.fmodel import FModel
from friedel.density.grid import grid_shape
from friedel.solvent.flat_mask import MaskParameters, solvent_mask
from friedel.reflections.reflections import Reflections

crystal = friedel.Crystal.from_triplets((20, 22, 25, 90, 90, 90), ["-x,-y,z+1/2"])
rng = np.random.default_rng(1)
atoms = friedel.Atoms.from_labels(rng.choice(["C", "N", "O"], 60), 0.6 * rng.random((60, 3)), 1, 20)
model = (crystal, atoms)
assert friedel.form_factor_table("it92").entries["Fe"].f(0.4) > 9.3
assert friedel.cromer_liberman(34, 10332.0)[1] > 0.7
direct = friedel.Calculator.from_model(model, d_min=2.0, method="direct").forward()
fft = friedel.Calculator.from_model(model, d_min=2.0, method="fft").forward()
assert np.abs(direct - fft).max() < 1e-3 * np.abs(direct).max()
fc = friedel.fcalc(model, d_min=2.0)
mask = solvent_mask(crystal, atoms, grid_shape(crystal, 0.6), MaskParameters.for_radii("refmac"))
assert 0 < mask.mean() < 1
observed = Reflections(crystal, fc.hkl, 2.0 * fc.amplitudes, np.ones(len(fc)), label="FP")
fitted = FModel(model, observed).fit()
assert fitted.r_all < 0.2
"""


def run(code: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_public_name_resolves():
    for name in friedel.__all__:
        assert getattr(friedel, name) is not None, name


def test_help_of_the_package_says_what_to_call_for_what():
    """On two screens, with every function: without them pydoc would print all docstrings."""
    text = pydoc.render_doc(friedel, renderer=pydoc.plaintext)
    assert len(text.splitlines()) <= 90
    summary = text.partition("PACKAGE CONTENTS")[0]
    assert len(summary.splitlines()) <= 48
    for name in friedel.__all__:
        if inspect.isfunction(getattr(friedel, name)):
            assert re.search(rf"\b{name}\b", summary), name


def test_names_for_completion_and_import_of_all():
    packages = {"bridges", "ensemble", "targets", "__version__"}
    assert {*friedel.__all__} | packages <= {*dir(friedel)}
    with pytest.raises(AttributeError, match="no attribute 'numpy'"):
        _ = friedel.bridges.numpy
    assert friedel.targets.least_squares is refinement_targets.least_squares
    imported: dict[str, object] = {}
    exec("from friedel import *", imported)
    assert {*friedel.__all__} <= {*imported}


IMPORT_EACH_FIRST = """
import sys
from importlib import import_module
for name in sys.argv[1:]:
    for loaded in list(sys.modules):
        # Compiled kernels are kept: they import one another only, and loading them takes long
        if loaded.startswith("friedel") and not loaded.startswith("friedel.kernels"):
            del sys.modules[loaded]
    try:
        import_module(name)
    except ImportError as error:
        print(name, error)
"""


def test_every_module_can_be_imported_first():
    paths = (path.relative_to(SOURCE.parent).with_suffix("") for path in SOURCE.rglob("*.py"))
    names = [".".join(path.parts).removesuffix(".__init__") for path in paths]
    with_torch = r"\.bridges\.(torch|jax)|\.device\.(launch|tensors|engine|mask_engine)"
    left_out = re.compile(rf"__main__|{with_torch}|friedel\.kernels")
    names = [name for name in names if not left_out.search(name)]
    assert len(names) > 100
    assert run(IMPORT_EACH_FIRST, *names) == ""


def test_import_loads_nothing_heavy():
    loaded = run("import sys, friedel; print(*sys.modules)").split()
    assert not {name for name in loaded if name.split(".")[0] in HEAVY}


def test_import_is_cheap():
    # the least of five: other work on the machine only adds time
    code = "import time; t = time.perf_counter(); import friedel; print(time.perf_counter() - t)"
    assert min(float(run(code)) for _ in range(5)) < 0.15


def test_the_engine_runs_where_gemmi_is_absent():
    run(ENGINE_WITHOUT_GEMMI)


def test_gemmi_computes_no_scattering_for_us():
    forbidden = re.compile(
        r"gemmi\.(DensityCalculator|StructureFactorCalculator|SolventMasker|Scaling\b|"
        r"transform_map_to_f_phi|transform_f_phi|cromer_liberman|IT92|C4322|Neutron92|Addends)"
    )
    for path in SOURCE.rglob("*.py"):
        assert not forbidden.search(path.read_text()), path


IMPORTED_BY = {
    "gemmi": {"gemmi_package"},
    "friedel.gemmi_package": {"readers", "writers", "compat"},
    "matplotlib": {"plots"},
    "torch": {"bridges", "device"},
    "jax": {"bridges"},
}
"""The only packages that import these; every other one, present or to come, does without."""


@pytest.mark.parametrize("package", IMPORTED_BY)
def test_where_packages_are_imported(package):
    packages = set()
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module or ""]
            if any(f"{name}.".startswith(f"{package}.") for name in names):
                packages.add(path.relative_to(SOURCE).parts[0].removesuffix(".py"))
    assert packages
    assert packages <= IMPORTED_BY[package]


def test_no_module_outgrows_one_idea():
    for path in SOURCE.rglob("*.py"):
        assert len(path.read_text().splitlines()) <= 500, path


def test_the_pipeline_is_one_short_list():
    settings = tomllib.loads((SOURCE.parents[1] / "pyproject.toml").read_text())
    layers = settings["tool"]["importlinter"]["contracts"][0]["layers"]
    assert len(layers) <= 12
    listed = {name.strip().removeprefix("friedel.") for line in layers for name in line.split("|")}
    found = {path.stem for path in SOURCE.iterdir() if path.suffix == ".py"}
    found |= {path.parent.name for path in SOURCE.glob("*/__init__.py")}
    assert listed == found - {"__init__", "__main__"}
