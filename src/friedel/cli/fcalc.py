"""``friedel fcalc``: structure factors of a model."""

import time
from dataclasses import replace
from typing import Any

import click
import numpy as np

from friedel.cli.command import Command
from friedel.cli.fcalc_files import OF_DENSITY, OF_F, Calculation, print_table
from friedel.cli.options import (
    ANOMALOUS_OPTION,
    BLOCK,
    ENERGY,
    FORCE,
    FORM_FACTORS,
    FPRIME,
    HYDROGENS,
    RADIATION,
    SCATTER_AS,
    STRICT,
    TABLE,
    THREADS,
    TLS,
    USE_CHARGE,
    choice,
    own_scattering,
    parse_hkl,
    radiation,
    summary_line,
    wavelength,
)
from friedel.cli.output import (
    chosen_files,
    echo,
    echo_notes,
    echo_written,
    file_options,
    stage,
)
from friedel.constants import METHODS
from friedel.errors import ParameterError
from friedel.notes import Notes
from friedel.runtime.paths import shown


@click.command(
    "fcalc",
    cls=Command,
    short_help="structure factors of a model",
    examples=(
        "friedel fcalc quartz.cif --dmin 1",
        "friedel fcalc quartz.cif --hkl 1,0,1 --hkl 1,1,2 --for neutron",
        "friedel fcalc quartz.cif --dmin 0.8 -w 0.71 --friedel-pairs -o quartz.mtz",
        "friedel fcalc - --dmin 1 --to-csv - < quartz.cif | head",
    ),
    old_names={"--ciffp": "--cif-scattering", "--normalize": "--normalize-it92"},
)
@click.argument("model", type=click.Path())
@click.option("--dmin", type=float, metavar="NUM", help="Calculate to this resolution, A.")
@click.option(
    "--hkl", multiple=True, metavar="H,K,L", help="One reflection; can be given many times."
)
@radiation()
@wavelength("Wavelength, A, or that stated by MODEL (file); adds f' and f''; 0 for none.")
@ENERGY
@ANOMALOUS_OPTION
@FPRIME
@click.option("--friedel-pairs", is_flag=True, help="F(+) and F(-), and the part due to f''.")
@click.option(
    "--cif-scattering",
    "from_cif",
    is_flag=True,
    help="f', f'', form factors or neutron lengths from MODEL's _atom_type_scat_ items.",
)
@click.option(
    "--rtol",
    type=float,
    default=1e-4,
    show_default=True,
    metavar="NUM",
    help="Relative rms error of F expected at most in the worst of ten resolution shells.",
)
@choice("--method", among=METHODS, default=METHODS[0], text="Method of summation.")
@click.option("--rate", type=float, metavar="NUM", help="Oversampling of the grid; default: auto.")
@click.option("--blur", type=float, metavar="NUM", help="B added on the grid, A^2; default: auto.")
@click.option("--rcut", type=float, metavar="Y", help="Density at which atoms end; default: auto.")
@click.option("--test", is_flag=True, help="Compare with direct summation (slow).")
@TABLE
@SCATTER_AS
@FORM_FACTORS
@click.option(
    "--normalize-it92",
    "normalize",
    is_flag=True,
    help="Scale X-ray form factors so that f(0) is the number of electrons.",
)
@USE_CHARGE
@click.option("--unknown", default="O", metavar="SYMBOL", help="Element to use for X.")
@click.option("--noaniso", is_flag=True, help="Ignore anisotropic ADPs.")
@click.option(
    "--margin", type=float, metavar="NUM", help="Margin of the box around atoms without a cell, A."
)
@HYDROGENS
@TLS
@BLOCK
@click.option(
    "--compare",
    type=click.Path(),
    metavar="FILE",
    help="Calculate the reflections of FILE (MTZ, CIF) and report differences; labels may follow, "
    "as in f.mtz:FC,PHIC.",
)
@click.option("--f", "f_label", metavar="LABEL", help="For --compare: FC, F_calc by default.")
@click.option("--phi", metavar="LABEL", help="For --compare: PHIC, phase_calc by default.")
@click.option("--fcanom", metavar="LABEL", default="FCanom", show_default=True)
@click.option("--phicanom", metavar="LABEL", default="PHICanom", show_default=True)
@STRICT
@FORCE
@THREADS
@file_options([*OF_F, *OF_DENSITY])
def command(
    model: str,
    dmin: float | None,
    hkl: tuple[str, ...],
    compare: str | None,
    test: bool,
    overwrite: bool,
    **given: Any,
) -> None:
    """Structure factors of MODEL (PDB, mmCIF or small-molecule CIF).

    Unless they are written to a file or compared they are printed: h k l, amplitude, phase in
    degrees; with --friedel-pairs then the amplitude and phase of -h -k -l.
    """
    from friedel import fcalc
    from friedel.readers.atom_names import with_atom_labels
    from friedel.readers.form_factors import read_form_factors
    from friedel.readers.models import as_model
    from friedel.structure_factors.options import CalculationOptions
    from friedel.structure_factors.scattering_options import decided_source, with_stated_wavelength

    files = chosen_files([*OF_F, *OF_DENSITY], given, overwrite=overwrite)
    columns = {name: given.pop(name) for name in ("f_label", "phi", "fcanom", "phicanom")}
    sampling = {"rate": given["rate"], "blur": given["blur"], "cutoff": given["rcut"]}
    method = given["method"]
    if (compare and hkl) or (not compare and (dmin is None) == (not hkl)):
        raise ParameterError("give either --dmin or --hkl, or --compare with or without --dmin")
    for output, _ in files:
        if output in OF_DENSITY and dmin is None:
            raise ParameterError(f"{output.option} needs --dmin")
    reading = {name: given[name] for name in ("margin", "hydrogens", "tls", "block")}
    with stage(f"reading {shown(model)}"):
        read = as_model(model, source=given["source"] or RADIATION[0], **reading)
    given["source"], about_source = decided_source(given["source"], read)
    asked = CalculationOptions(wavelength=given["wavelength"])
    stated, about_wavelength = with_stated_wavelength(model, asked, given["block"])
    given["wavelength"] = stated.wavelength
    read = replace(read, notes=(*read.notes, *about_source, *about_wavelength))
    if given["form_factors"]:
        given["form_factors"] = read_form_factors(given["form_factors"])
    if given["strict"]:
        Notes(strict=True).extend(read.notes)
    echo_notes(read.notes)
    if given["fprime"]:
        read = with_atom_labels(read, model, given["block"])
    if given["noaniso"]:
        read = replace(read, atoms=read.atoms.without_aniso())
    options = scattering_options(model, given)
    pairs, rtol = given["friedel_pairs"], given["rtol"]
    expected = None
    wanted, d_min = np.array([parse_hkl(text) for text in hkl]) if hkl else None, dmin
    if compare:
        from friedel.cli.expected import Expected

        expected = Expected.read(read.crystal, compare, dmin, pairs, **columns)
        echo_notes(expected.notes)
        wanted, d_min = expected.hkl, None
    start = time.perf_counter()
    with stage("calculating F"):
        result = fcalc(
            read,
            d_min=d_min,
            hkl=wanted,
            method=method,
            rtol=rtol,
            friedel_pairs=pairs,
            strict=given["strict"],
            **sampling,
            **options,
        )
    seconds = time.perf_counter() - start
    echo(summary_line(read), err=True)
    echo(result.description.split("; ")[0], err=True)
    echo_notes(note for note in result.notes if note not in read.notes)
    if test:
        from friedel.reflections.agreement import agreement
        from friedel.structure_factors.calculator import Calculator

        start = time.perf_counter()
        with stage("direct summation"):
            exact = fcalc(read, hkl=result.hkl, method="direct", **options)
        direct_seconds = time.perf_counter() - start
        found = agreement(result, exact.values)
        echo(f"{found}", err=True)
        chosen = {"method": method, "rtol": rtol, **sampling, **options}
        plan = Calculator.from_model(read, hkl=result.hkl, **chosen).plan
        predicted = "0 (direct summation)" if plan is None else f"{plan.error:.1e}"
        errors = f"asked {rtol:.1e}, predicted {predicted}, achieved {found.worst_shell:.1e}"
        echo(f"  error in the worst shell: {errors}", err=True)
        echo(f"  time {seconds:.3f} s, direct summation {direct_seconds:.3f} s", err=True)
    if expected is not None:
        echo(expected.report(result))
    done = Calculation(result, read, dmin or 0.0, sampling, options, reading["margin"])
    for output, path in files:
        what = output.write(done, path, overwrite=overwrite)
        echo_written(path, result if output in OF_F else what or "")
    if not files and expected is None:
        print_table(result)


def scattering_options(model: str, given: dict[str, Any]) -> dict[str, Any]:
    """The options given that concern the scattering of atoms, as arguments of `fcalc`."""
    from friedel.readers.atom_types import read_atom_types
    from friedel.scattering.formfactors import SOURCES, form_factor_table

    source, table = given["source"], given["table"]
    if given["form_factors"] and (given["scatter_as"] or given["normalize"]):
        raise ParameterError("--form-factors replaces --scatter-as and --normalize-it92")
    if given["normalize"]:
        table = form_factor_table(table or SOURCES[source][0]).normalized()
    passed_on = ("source", "energy", "anomalous", "use_charge", "unknown", "force", "threads")
    return {name: given[name] for name in passed_on} | {
        "wavelength": given["wavelength"] or None,  # 0 means none, as in gemmi
        "scattering": read_atom_types(model, given["block"]) if given["from_cif"] else None,
        "table": table,
        **own_scattering(given),
    }
