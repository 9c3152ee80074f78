"""``friedel fmodel small.cif small.hkl``: a small structure against its measured F^2."""

from pathlib import Path
from typing import Any

import click

from friedel.cli.options import OVERWRITE, STRICT, command_line, echo_notes
from friedel.errors import ParameterError

FILES = ("to_mtz", "to_fcf", "to_json")
"""Options that name files to be written."""


def wants_small(arguments: list[str]) -> bool:
    """Whether the first two files among the arguments are a small structure and its list."""
    files = [path for text in arguments if (path := Path(text)).is_file()]
    if len(files) < 2:
        return False
    from friedel.readers.reflection_lists import is_reflection_list, is_small_structure

    structures = [i for i, path in enumerate(files) if is_small_structure(path)]
    return bool(structures) and any(map(is_reflection_list, files[structures[0] + 1 :]))


@click.command("fmodel", short_help="a small structure against its F^2")
@click.argument("model", type=click.Path())
@click.argument("data", type=click.Path())
@click.option(
    "--hklf", type=click.Choice(["3", "4", "5"]), help="SHELX's format, where DATA does not tell."
)
@click.option(
    "--exti/--no-exti", default=None, help="Refine extinction; default: where MODEL states it."
)
@click.option(
    "--twin-law",
    "twin_laws",
    multiple=True,
    metavar="LAW",
    help="'k,h,-l' or nine numbers by rows; refines a fraction; can be repeated.",
)
@click.option(
    "--weights", type=float, nargs=2, metavar="A B", help="SHELX's WGHT; default: as MODEL states."
)
@click.option("-w", "--wavelength", type=float, metavar="NUM", help="A; default: as MODEL states.")
@click.option(
    "--anomalous",
    type=click.Choice(["cl", "chantler", "none"]),
    default="cl",
    show_default=True,
    help="Where f' and f'' come from.",
)
@click.option("--scat-from-cif", "from_cif", is_flag=True, help="f' and f'' as MODEL states them.")
@click.option(
    "--for",
    "source",
    type=click.Choice(["xray", "electron", "neutron"]),
    default="xray",
    show_default=True,
    help="What is scattered.",
)
@click.option("--table", metavar="NAME", help="Form factors: see friedel formfactor --list.")
@click.option("--use-charge", is_flag=True, help="Form factors of ions where tabulated.")
@click.option("--merge-friedel", "friedel_mates", is_flag=True, help="Merge Friedel mates, too.")
@click.option("--dmin", "d_min", type=float, metavar="NUM", help="Use data to this resolution, A.")
@click.option(
    "--parameters",
    "n_parameters",
    type=click.IntRange(min=1),
    help="Parameters of the refinement, for GooF; default: as MODEL states.",
)
@click.option("--to-mtz", type=click.Path(), metavar="FILE", help="Write I, FP, FC, maps as MTZ.")
@click.option("--to-fcf", type=click.Path(), metavar="FILE", help="Write reflections as FCF.")
@click.option(
    "--fcf-list",
    "list_code",
    type=click.Choice(["4", "6"]),
    default="4",
    show_default=True,
    help="Which of SHELX's lists.",
)
@click.option("--json", "to_json", type=click.Path(), metavar="FILE", help="Write all numbers.")
@STRICT
@OVERWRITE
def command(model: str, data: str, **options: Any) -> None:
    """Compare the small structure MODEL with the F^2 in DATA, as SHELXL does.

    DATA is a list as HKLF 3, 4 or 5, a CIF or FCF, or MODEL itself when it embeds its list.
    """
    from friedel.smallmolecule import fit_intensities
    from friedel.writers.files import check_output

    overwrite, list_code = options.pop("overwrite"), int(options.pop("list_code"))
    files = {name: path for name in FILES if (path := options.pop(name))}
    for path in files.values():
        check_output(path, overwrite=overwrite)
    hklf, anomalous = options.pop("hklf"), options.pop("anomalous")
    if options.pop("from_cif"):
        if options["source"] != "xray":
            raise ParameterError("--scat-from-cif is for X-rays")
        options["scattering"] = "cif"
    fit = fit_intensities(
        model,
        data,
        extinction=options.pop("exti"),
        hklf=int(hklf) if hklf else None,
        anomalous=None if anomalous == "none" else anomalous,
        **options,
    )
    echo_notes(fit.notes)
    click.echo(fit.summary(notes=False))
    told: dict[str, Any] = {"overwrite": overwrite, "command": command_line()}
    for name, path in files.items():
        if name == "to_mtz":
            fit.to_mtz(path, **told)
        elif name == "to_fcf":
            fit.to_fcf(path, list_code=list_code, **told)
        else:
            fit.to_json(path, **told)
        click.echo(f"wrote {path}", err=True)
