"""The command's choices, file formats and help are those of the modules."""

import inspect
import subprocess
import sys

import click
import pytest

import friedel
from commands import QUARTZ, run
from friedel.cli import ensemble, fcalc, fmodel, fprime, smallmolecule
from friedel.cli.main import COMMANDS
from friedel.constants import DENSITY_UNITS, METHODS
from friedel.ensemble.result import EnsembleResult
from friedel.fmodel.options import CHOICES
from friedel.readers.hklf import CODES
from friedel.scaling import TARGETS
from friedel.scattering import dispersion
from friedel.scattering.formfactors import SOURCES
from friedel.solvent.mask_parameters import RADII_SETS, MaskParameters
from friedel.writers.fcf import FCF_LISTS
from friedel.writers.formats import FORMATS, formats_of

F_PRIME = {*dispersion.SOURCES, *dispersion.SHORT_NAMES}
OR_NONE = {*F_PRIME, "none"}
OFFERED = {
    (fcalc, "--for"): SOURCES,
    (fcalc, "--method"): METHODS,
    (fcalc, "--anomalous"): OR_NONE,
    (fmodel, "--for"): SOURCES,
    (fmodel, "--target"): TARGETS,
    (fmodel, "--weights"): CHOICES["weights"],
    (fmodel, "--solvent"): CHOICES["solvent"],
    (fmodel, "--radii-set"): ("auto", *RADII_SETS),
    (fprime, "--anomalous"): F_PRIME,
    (smallmolecule, "--anomalous"): OR_NONE,
    (smallmolecule, "--hklf"): map(str, CODES),
    (smallmolecule, "--fcf-list"): map(str, FCF_LISTS),
}
RESULTS = (
    friedel.Reflections,
    friedel.FittedModel,
    friedel.FModel,
    friedel.IntensityFit,
    friedel.DataReport,
    friedel.Grid,
    EnsembleResult,
)


def option(module, name):
    return next(x for x in module.command.params if name in x.opts)


@pytest.mark.parametrize(("module", "name"), OFFERED)
def test_choices_are_those_of_the_modules(module, name):
    kind = option(module, name).type
    assert isinstance(kind, click.Choice)
    assert set(kind.choices) == set(OFFERED[module, name])


def test_what_is_offered_is_accepted():
    assert set(DENSITY_UNITS) == set(SOURCES)
    for name in RADII_SETS:
        assert MaskParameters.for_radii(name).radii == name
    for name in F_PRIME:
        assert friedel.anomalous("Se", energy=12000.0, anomalous=name)[1] > 0


@pytest.mark.parametrize("command", COMMANDS)
def test_help_waits_for_no_heavy_package(command):
    code = (
        "import sys\nfrom friedel.cli import main\n"
        f"try: main([{command!r}, '--help'])\n"
        "except SystemExit: pass\n"
        "print({'numba', 'scipy', 'gemmi', 'xraydb', 'matplotlib'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "set()"


def test_names_of_scaling_are_there_when_they_are_used():
    code = (
        "import friedel.scaling as s, sys\nassert 'numba' not in sys.modules\n"
        "assert s.targets.TARGETS is s.TARGETS and s.fitting.fit is s.fit\n"
        "assert all(hasattr(s, name) for name in s.__all__) and not hasattr(s, 'no_such_name')"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_method_that_writes_a_file_is_in_the_table_of_formats():
    for result in RESULTS:
        methods = {
            name
            for name, method in inspect.getmembers(result, inspect.isfunction)
            if name.startswith("to_") and "overwrite" in inspect.signature(method).parameters
        }
        assert methods == {form.method for form in formats_of(result)}
        for form in formats_of(result):
            parameters = inspect.signature(getattr(result, form.method)).parameters
            assert form.has_history == ("command" in parameters)
    endings = [ending for form in FORMATS for ending in form.endings]
    assert len(endings) == len(set(endings))


@pytest.mark.parametrize(
    "module",
    [fcalc, fmodel, smallmolecule, ensemble],
    ids=["fcalc", "fmodel", "small", "ensemble"],
)
def test_commands_offer_every_format_of_what_they_calculate(module):
    results = {
        fcalc: [friedel.Reflections],
        fmodel: [friedel.Reflections, friedel.FittedModel],
        smallmolecule: [friedel.IntensityFit],
        ensemble: [EnsembleResult],
    }[module]
    wanted = {form.option for result in results for form in formats_of(result)}
    assert wanted <= {name for x in module.command.params for name in x.opts}


def test_fmodel_writes_whole_what_it_can():
    whole = {form.method for form in formats_of(friedel.FittedModel)}
    assert whole == set(fmodel.WHOLE)


@pytest.mark.parametrize("form", formats_of(friedel.Reflections), ids=lambda form: form.method)
def test_the_ending_chooses_the_format(capsys, tmp_path, form):
    by_ending, by_option = tmp_path / f"a{form.endings[0]}", tmp_path / "b"
    files = ["-o", by_ending, form.option, by_option]
    code, out, err = run(capsys, "fcalc", QUARTZ, "--dmin", 1, *files)
    assert (code, out) == (0, ""), err
    assert by_ending.read_bytes() == by_option.read_bytes()


def test_two_kinds_by_their_endings(capsys, tmp_path):
    files = [tmp_path / "f.CSV", tmp_path / "density.map"]
    code, _, err = run(capsys, "fcalc", QUARTZ, "--dmin", 1, "-o", files[0], "--output", files[1])
    assert code == 0, err
    assert files[0].read_text().startswith("h,k,l,FC,PHIC\n")
    assert files[1].read_bytes()[208:212] == b"MAP "


@pytest.mark.parametrize(
    ("files", "text"),
    [
        (["-o", "f.xyz"], "expected an ending among .mtz, "),
        (["-o", "f"], "expected an ending among .mtz, "),
        (["-o", "f.mtz", "--to-mtz", "./f.mtz"], "given for two outputs"),
        (["-o", "nowhere/f.mtz"], "no folder"),
    ],
)
def test_output_refused_before_any_work(capsys, tmp_path, monkeypatch, files, text):
    monkeypatch.chdir(tmp_path)
    code, out, err = run(capsys, "fcalc", "no-such-model.pdb", "--dmin", 1, *files)
    assert (code, out) == (2, "")
    assert text in err
    assert len(err.splitlines()) == 1


def test_a_map_by_its_ending_needs_a_resolution(capsys, tmp_path):
    code, _, err = run(capsys, "fcalc", QUARTZ, "--hkl", "1,0,1", "-o", tmp_path / "f.ccp4")
    assert code == 2
    assert "--write-map needs --dmin" in err
