"""One grammar of options: names, metavars and Python names are the same in all commands."""

import inspect
import re
import warnings
from importlib import import_module

import click
import pytest

import friedel
from commands import QUARTZ, run
from friedel.cli import smallmolecule
from friedel.cli.command import Command, group_of, is_input
from friedel.cli.groups import GROUPS, OTHERS
from friedel.cli.main import COMMANDS
from friedel.cli.options import parse_choices
from friedel.cli.output import OutputOption
from friedel.constants import HC
from friedel.ensemble.calculation import prepare
from friedel.structure_factors.options import CALCULATION, READING

OF_COMMANDS = {name: import_module(module).command for name, module in COMMANDS.items()}
OF_COMMANDS["small"] = smallmolecule.command
FUNCTIONS = {
    "data": friedel.describe_data,
    "ensemble": prepare,
    "fcalc": friedel.fcalc,
    "fmodel": friedel.FModel.__init__,
    "formfactor": friedel.form_factor_table,
    "fprime": friedel.anomalous,
    "fsc": friedel.fourier_shell_correlation,
    "map": friedel.map_of_model,
    "mapcc": friedel.map_model_correlation,
    "small": friedel.fit_intensities,
    "warmup": None,
}
"""What each command calls in Python."""

SPELLINGS = {
    "--dmin": ("NUM", "d_min"),
    "--for": (None, "source"),
    "--wavelength": ("A|file", "wavelength"),
    "--energy": ("EV", "energy"),
    "--anomalous": (None, "anomalous"),
    "--table": ("NAME", "table"),
    "--use-charge": (None, "use_charge"),
    "--scatter-as": ("KIND=ENTRY", "form_factors"),
    "--form-factors": ("FILE", "form_factors"),
    "--fprime": ("KIND=F',F''|FILE", "addends"),
    "--cif-scattering": (None, "scattering"),
    "--block": ("NAME", "block"),
    "--data-set": ("NAME", "data_set"),
    "--free-label": ("NAME", "free_label"),
    "--free-value": ("INT", "free_value"),
    "--strict": (None, "strict"),
    "--rtol": ("NUM", "rtol"),
    "--method": (None, "method"),
    "--threads": ("N", "threads"),
    "--force": (None, "force"),
    "--peaks": ("N", None),
    "--output": ("FILE", None),
    "--json": ("FILE|-", None),
    "--overwrite": (None, None),
    "--quiet": (None, None),
    "--verbose": (None, None),
    "--stdin-as": ("ENDING", None),
}
"""Metavar and name in Python of options that several commands have; None where there is none."""

LIST_OF_NUMBERS = {("fprime", "--wavelength"): "A", ("fprime", "--energy"): "EV"}
"""Metavars of options that take ranges, not the one wavelength of a calculation."""

SHORT = {
    "--wavelength": "-w",
    "--energy": "-e",
    "--output": "-o",
    "--quiet": "-q",
    "--verbose": "-v",
}
OLD = {
    "fcalc": {"--ciffp": "--cif-scattering", "--normalize": "--normalize-it92"},
    "fprime": {"--source": "--anomalous"},
    "small": {"--twin-law": "--twin", "--scat-from-cif": "--cif-scattering"},
}
"""Names of 0.1.0 that are accepted, by command."""

AUTOMATIC = ("--twin", "--solvent", "--tls", "--missing-density", "--hydrogens")
"""Choices that may be automatic: none, auto or a value."""

CALCULATING = ("ensemble", "fcalc", "fmodel", "fsc", "map", "mapcc", "small")
READING_FILES = (*CALCULATING, "data")

NAMED_OTHERWISE = {
    "data": {
        "--shells": "describe_data(n_shells)",
        "--make-free": "DataReport.to_mtz(free_per_cent)",
        "--seed": "DataReport.to_mtz(seed)",
    },
    "ensemble": {
        "--laue": "ensemble.EnsembleResult.laue_averaged()",
        "--data": "ensemble.EnsembleResult.compare(data)",
        "--data-supercell": "ensemble.EnsembleResult.compare(cells)",
        "--workers": "ensemble.run(executor)",
        "--scheduler": "ensemble.run(executor)",
        "--checkpoint": "ensemble.run(checkpoint)",
        "--estimate": "ensemble.EnsemblePlan.describe()",
    },
    "fcalc": {
        "--rcut": "CalculationOptions(cutoff)",
        "--test": "agreement(found)",
        "--normalize-it92": "form_factor_table(name)",
        "--noaniso": "Atoms.replace(fields)",
        "--compare": "read_calculated(path)",
        "--f": "read_calculated(f)",
        "--phi": "read_calculated(phi)",
        "--fcanom": "read_calculated(f)",
        "--phicanom": "read_calculated(phi)",
    },
    "fmodel": {
        "--keep-outliers": "FModel(reject_outliers)",
        "--radii-set": "FModel(radii)",
        "--r-probe": "MaskParameters(r_probe)",
        "--r-shrink": "MaskParameters(r_shrink)",
        "--island-volume": "MaskParameters(island_min_volume)",
        "--ksolv": "FModel.fit(start)",
        "--bsolv": "FModel.fit(start)",
        "--kov": "FModel.fit(start)",
        "--baniso": "FModel.fit(start)",
        "--fix": "FModel.fit(fixed)",
        "--no-fill": "FModel(fill_missing)",
        "--no-free-in-maps": "FModel(free_in_maps)",
        "--all": "FModel(use_free)",
        "--residues": "FittedModel.residues()",
        "--groups": "FittedModel.groups()",
        "--omit": "FittedModel.omit(selection)",
        "--polder": "FittedModel.omit(polder)",
        "--minus": "FittedModel.isomorphous_difference(other)",
        "--centre": "plot_map(centre)",
    },
    "formfactor": {
        "--table": "plot_form_factors(tables)",
        "--stol-max": "plot_form_factors(stol_max)",
        "-n": "FormFactorTable.f(stol2)",
        "--list": "form_factor_table(name)",
    },
    "fprime": {
        "--step": "anomalous(energy)",
        "-n": "anomalous(energy)",
        "--zoom": "plot_dispersion(zoom)",
    },
    "fsc": {
        "--radius": "soft_mask(radius)",
        "--no-correction": "fourier_shell_correlation(correct)",
    },
    "map": {"--cover": "maps.boxes.box_around(grid)"},
    "small": {
        "--exti": "fit_intensities(extinction)",
        "--merge-friedel": "fit_intensities(friedel_mates)",
        "--parameters": "fit_intensities(n_parameters)",
        "--fcf-list": "IntensityFit.to_fcf(list_code)",
    },
}
"""What options do in Python where no keyword of the function of that name does it."""

every_command = pytest.mark.parametrize("name", OF_COMMANDS)


def options(name: str) -> list[click.Option]:
    return [x for x in OF_COMMANDS[name].params if isinstance(x, click.Option) and not x.hidden]


def long_name(option: click.Option) -> str:
    names = [x for x in option.opts if x.startswith("--")]
    assert len(names) <= 1, f"{option.opts}: one long name, others are old names"
    return names[0] if names else option.opts[0]


def keywords(name: str) -> set[str]:
    """The keyword arguments that the function of a command takes."""
    function = FUNCTIONS[name]
    if function is None:
        return set()
    known = inspect.signature(function).parameters
    passes_on = any(x.kind is x.VAR_KEYWORD for x in known.values())
    return {*known} | (CALCULATION | READING if passes_on else set())


@every_command
def test_names_are_spelt_alike(name):
    """Lower case, words joined by hyphens; metavars in capitals; choices name themselves."""
    for option in options(name):
        assert re.fullmatch(r"--[a-z][a-z0-9]*(-[a-z0-9]+)*|-n", long_name(option))
        if option.is_flag or isinstance(option.type, click.Choice):
            continue
        metavar = option.metavar or option.type.name.upper()
        alternatives = metavar.split("|")
        assert all(x in ("none", "auto", "file", "fit") or x.upper() == x or ":" in x
                   for x in alternatives), (name, option.opts)  # fmt: skip


@every_command
def test_shared_options_have_one_metavar_and_one_short_name(name):
    for option in options(name):
        long = long_name(option)
        if long not in SPELLINGS:
            continue
        metavar = LIST_OF_NUMBERS.get((name, long), SPELLINGS[long][0])
        if (name, long) != ("formfactor", "--table"):
            assert [x for x in option.opts if x != long] == [
                SHORT[x] for x in (long,) if x in SHORT
            ]
        if not (option.is_flag or isinstance(option.type, click.Choice)):
            assert option.metavar == metavar, (name, long)


@every_command
def test_options_have_the_same_name_in_python(name):
    """Options of a calculation are keyword arguments of the function that the command calls."""
    of_tables = ("formfactor", "fprime", "fsc")  # several tables or energies; a model beside maps
    if FUNCTIONS[name] is None or name in of_tables:
        return
    known = keywords(name)
    for option in options(name):
        python = SPELLINGS.get(long_name(option), (None, None))[1]
        assert python is None or python in known, (name, option.opts)


@every_command
def test_every_option_can_be_found_in_python(name):
    """By its own name, or by the one listed here, which exists."""
    if FUNCTIONS[name] is None:
        return
    known, listed = keywords(name), NAMED_OTHERWISE.get(name, {})
    if name == "fsc":  # of the model that a map is correlated with
        known |= keywords("map")
    for option in options(name):
        long = long_name(option)
        own = SPELLINGS.get(long, (None, long.lstrip("-").replace("-", "_")))[1]
        if isinstance(option, OutputOption) or own is None:
            continue
        if own in known:
            assert long not in listed, long
        else:
            assert exists(listed[long]), (long, listed[long])


def exists(call: str) -> bool:
    """Whether friedel has what ``"FModel.fit(start)"`` names."""
    path, _, parameter = call.rstrip(")").partition("(")
    found = friedel
    for part in path.split("."):
        found = getattr(found, part, None)
    return callable(found) and parameter in ("", *inspect.signature(found).parameters)


def test_no_table_of_f_prime_is_called_source():
    assert "anomalous" in inspect.signature(friedel.anomalous).parameters
    assert "anomalous" in inspect.signature(friedel.dispersion_notes).parameters
    with pytest.warns(DeprecationWarning, match="called anomalous"):
        old = friedel.anomalous("Fe", energy=8000.0, source="chantler")
    assert old == friedel.anomalous("Fe", energy=8000.0, anomalous="chantler")


@every_command
def test_options_that_mean_the_same_everywhere(name):
    names = {long_name(x) for x in options(name)}
    assert {"--quiet", "--verbose"} <= names
    if any(map(is_input, OF_COMMANDS[name].params)):
        assert "--stdin-as" in names
    if name in READING_FILES:
        assert {"--strict", "--output", "--overwrite"} <= names
    if name in CALCULATING:
        assert "--threads" in names
        assert {"--for", "--table", "--use-charge", "--scatter-as"} <= names
    if name not in ("warmup", "map", "ensemble"):  # a map is the result; averages are arrays
        assert {"--json", "--output", "--overwrite"} <= names
    if "--wavelength" in names:
        assert {"--energy", "--anomalous"} <= names


@pytest.mark.parametrize("name", CALCULATING)
def test_help_says_which_radiation_is_the_default(name):
    """Maps that are compared with a model come from electrons, as a rule."""
    (radiation,) = (x for x in options(name) if long_name(x) == "--for")
    expected = "electron." if name in ("fsc", "mapcc") else "or xray."
    assert radiation.help.endswith(expected)


@every_command
def test_automatic_choices_take_none_auto_or_a_value(name):
    """Only data decide whether hydrogens are added: other commands have none or yes."""
    for option in options(name):
        if (long := long_name(option)) not in AUTOMATIC:
            continue
        least = {"none", "yes" if long == "--hydrogens" and name != "fmodel" else "auto"}
        if isinstance(option.type, click.Choice):
            assert least <= set(option.type.choices), (name, long)
        else:
            assert option.metavar.split("|")[:2] == ["none", "auto"], (name, long)


@every_command
def test_every_option_has_a_group_and_a_line_of_help(name):
    others = {"--strict", "--stdin-as", "--quiet", "--verbose"}
    for option in options(name):
        assert (group_of(option) == OTHERS) == (long_name(option) in others), option.opts
        assert option.help or option.show_default, option.opts


def test_no_option_is_in_two_groups():
    listed = [x for names in GROUPS.values() for x in names]
    assert len(listed) == len(set(listed))


def test_old_names_are_those_of_0_1_0():
    found = {name: command.old_names for name, command in OF_COMMANDS.items() if command.old_names}
    assert found == OLD


def test_an_old_name_works_and_is_said(capsys):
    code, out, err = run(capsys, "fprime", "Fe", "-e", 8000, "--source=chantler")
    assert code == 0
    assert err == "friedel: note: --source is --anomalous now\n"
    assert out == run(capsys, "fprime", "Fe", "-e", 8000, "--anomalous", "chantler")[1]
    assert "--source" not in run(capsys, "fprime", "--help")[1]


@every_command
def test_help_has_examples_of_existing_options(name):
    command = OF_COMMANDS[name]
    assert isinstance(command, Command)
    assert command.examples
    for example in command.examples:
        words = example.partition("|")[0].partition("<")[0].split()
        assert words[0] == "friedel"
        known = {x for option in OF_COMMANDS[words[1]].params for x in option.opts}
        known |= {x for option in smallmolecule.command.params for x in option.opts}
        assert {x for x in words[2:] if re.match("-[-a-z]", x)} <= known, example


@every_command
def test_help_is_no_wider_than_a_terminal(capsys, name):
    call = ("fmodel", "a.cif", "a.hkl") if name == "small" else (name,)
    _, out, _ = run(capsys, *call, "--help")
    assert "Examples:" in out
    assert max(map(len, out.splitlines())) <= 80


def test_help_of_the_program_fits_a_screen(capsys):
    _, out, _ = run(capsys, "--help")
    lines = out.splitlines()
    assert len(lines) <= 23  # one line is left for the prompt
    assert max(map(len, lines)) <= 80
    for name in COMMANDS:
        assert f"  {name} " in out


def test_quiet_prints_results_only(capsys):
    code, out, err = run(capsys, "fcalc", QUARTZ, "--hkl", "1,0,1", "-q")
    assert (code, err) == (0, "")
    assert out == run(capsys, "fcalc", QUARTZ, "--hkl", "1,0,1")[1]
    code, out, err = run(capsys, "fcalc", "no-such.pdb", "--dmin", 2, "-q")
    assert (code, out, err) == (2, "", "friedel: no such file: no-such.pdb\n")


def test_quiet_leaves_out_warnings_too(capsys):
    """Beyond the range of a table the library warns."""
    call = ("fcalc", QUARTZ, "--hkl", "60,0,0", "--table", "wk95")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        assert "note: " in run(capsys, *call)[2]
        assert run(capsys, *call, "-q")[2] == ""


def test_an_energy_is_a_wavelength(capsys, tmp_path):
    """In every command that takes one."""
    target = tmp_path / "quartz.hkl"
    run(capsys, "fcalc", QUARTZ, "--dmin", 0.8, "--to-hkl", target)
    for command in (["fcalc", QUARTZ, "--dmin", 1], ["fmodel", QUARTZ, target]):
        one = run(capsys, *command, "-e", HC / 1.2)[1]
        assert one == run(capsys, *command, "-w", 1.2)[1]
        assert one != run(capsys, *command, "-w", 0.7)[1]
        assert run(capsys, *command, "-w", 1.2, "-e", 9000)[0] == 2


def test_a_missing_resolution_names_the_function_that_was_called():
    for function in (friedel.ensemble.run, friedel.map_of_model):
        with pytest.raises(TypeError, match=rf"^{function.__name__}\(\) .*'d_min'"):
            function("model.pdb", dmin=3)


def test_verbose_says_how_long_stages_took(capsys):
    _, _, err = run(capsys, "fcalc", QUARTZ, "--hkl", "1,0,1", "-v")
    assert re.search(r"^friedel: reading .*quartz.cif: \d+\.\d\d s$", err, re.MULTILINE)
    assert re.search(r"^friedel: calculating F: \d+\.\d\d s$", err, re.MULTILINE)


def test_files_that_take_long_are_stages(capsys, tmp_path):
    """Of every command: --verbose says how long each file took, a terminal that it is written."""
    pytest.importorskip("matplotlib")
    for call in (("fprime", "Se"), ("formfactor", "Se")):
        target = tmp_path / f"{call[0]}.png"
        _, _, err = run(capsys, *call, "-v", "--plot", target)
        assert re.search(rf"^friedel: writing .*{target.name}: \d+\.\d\d s$", err, re.MULTILINE)


def test_no_f_prime_although_there_is_a_wavelength(capsys):
    plain = run(capsys, "fcalc", QUARTZ, "--hkl", "1,0,1")[1]
    with_none = run(capsys, "fcalc", QUARTZ, "--hkl", "1,0,1", "-w", 1.5, "--anomalous", "none")[1]
    assert with_none == plain


def test_mixtures_by_the_grammar():
    assert parse_choices(["H=0.6H+0.4D"]) == {"H": "0.6H+0.4D"}


def test_labels_follow_the_name_of_every_file(capsys, tmp_path):
    """Those of the file that F is compared with, too."""
    target = tmp_path / "f.mtz"
    call = ("fcalc", QUARTZ, "--dmin", 1, "-w", 1.5, "--friedel-pairs")
    assert run(capsys, *call, "--to-mtz", target)[0] == 0
    code, plain, _ = run(capsys, *call, "--compare", target)
    assert code == 0
    assert run(capsys, *call, "--compare", f"{target}:FC,PHIC")[1] == plain
    code, out, err = run(capsys, *call, "--compare", f"{target}:F(+),PHIF(+)")
    assert code == 0, err
    assert "compared with F(+), PHIF(+) from f.mtz" in out
    code, _, err = run(capsys, *call, "--compare", f"{target}:FC,PHIC", "--f", "FC")
    assert (code, "got labels FC, PHIC, FC" in err) == (2, True)
