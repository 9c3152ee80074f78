"""``friedel fmodel small.cif small.hkl``: comparison of a small structure with measured F^2."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from friedel.cli.command import Command
from friedel.cli.fmodel_maps import PEAKS
from friedel.cli.options import (
    ANOMALOUS_OPTION,
    BLOCK,
    ENERGY,
    FORM_FACTORS,
    FPRIME,
    SCATTER_AS,
    STRICT,
    TABLE,
    THREADS,
    USE_CHARGE,
    choice,
    own_scattering,
    radiation,
    wavelength,
)
from friedel.cli.output import (
    Output,
    chosen_files,
    echo,
    echo_notes,
    echo_written,
    file_options,
    stage,
    write_as,
)
from friedel.constants import PRINTED_DENSITY_UNITS
from friedel.errors import ParameterError
from friedel.readers.hklf import CODES
from friedel.runtime.paths import exists
from friedel.writers.formats import FCF_LISTS, format_of

if TYPE_CHECKING:
    from friedel import IntensityFit

FCF, MTZ, JSON = (
    Output.of_format(format_of(method), content, partial(write_as, format_of(method)))
    for method, content in (
        ("to_fcf", "reflections"),
        ("to_mtz", "I, FP, FC, maps"),
        ("to_json", "all numbers"),
    )
)


def _plot(name: str, fit: "IntensityFit", path: str, *, overwrite: bool) -> None:
    import friedel

    getattr(friedel, name)(fit, path, overwrite=overwrite)


OUTPUTS = (
    MTZ,
    JSON,
    FCF,
    Output(
        "--plot",
        "Draw F_o^2 and F_c^2, residuals, R1 by resolution and intensity (png, pdf).",
        partial(_plot, "plot_intensities"),
    ),
    Output("--plot-bijvoet", "Draw the Bijvoet pairs.", partial(_plot, "plot_bijvoet_pairs")),
)
"""Output files."""


def wants_small(arguments: list[str]) -> bool:
    """Whether the files given are a small structure and its reflection list, or both in one."""
    files = [path for text in arguments if exists(path := Path(text)) and path.is_file()]
    if not files:
        return False
    from friedel.readers.reflection_lists import is_reflection_list, is_small_structure
    from friedel.readers.shelx_models import is_shelx_file

    structures = [
        i for i, path in enumerate(files) if is_small_structure(path) or is_shelx_file(path)
    ]
    if not structures:
        return False
    others = files[structures[0] + 1 :]
    return len(files) == 1 or any(map(is_reflection_list, others))


def write_help(formatter: click.HelpFormatter, context: click.Context) -> None:
    """Write the options that `friedel fmodel` has for small structures, but not otherwise."""
    options = (x for x in command.params if isinstance(x, click.Option))
    known = {record for x in context.command.params if (record := x.get_help_record(context))}
    records = [record for x in options if (record := x.get_help_record(context))]
    with formatter.section("Options for small structures, of MODEL.cif with a list of F^2"):
        formatter.write_dl([record for record in records if record not in known])


class WithFittedWeights(Command):
    """Command that takes ``--weights fit`` beside ``--weights A B``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments, ``--weights fit`` as an option of its own."""
        for i in range(len(args) - 1):
            if args[i : i + 2] == ["--weights", "fit"]:
                args = [*args[:i], "--fit-weights", *args[i + 2 :]]
                break
        return super().parse_args(ctx, args)


@click.command(
    "fmodel",
    cls=WithFittedWeights,
    short_help="a small structure against its F^2",
    examples=(
        "friedel fmodel 2242624.cif 2242624.hkl --plot f2.png --json 2242624.json",
        "friedel fmodel 2242624.cif 2242624.hkl --peaks 5 --weights fit",
    ),
    old_names={"--twin-law": "--twin", "--scat-from-cif": "--cif-scattering"},
)
@click.argument("model", type=click.Path())
@click.argument("data", type=click.Path(), required=False)
@choice("--hklf", among=map(str, CODES), text="HKLF format of SHELX, if DATA does not name it.")
@click.option(
    "--exti/--no-exti", default=None, help="Refine extinction; default: if MODEL states it."
)
@click.option(
    "--twin",
    multiple=True,
    default=("auto",),
    metavar="none|auto|LAW",
    help="'k,h,-l' or nine numbers by rows; refines a fraction; can be repeated; auto, the "
    "default: TWIN of the instructions.",
)
@click.option(
    "--weights",
    type=float,
    nargs=2,
    metavar="A B|fit",
    help="SHELX's WGHT; default: as MODEL states; fit: a and b for an even goodness of fit.",
)
@click.option("--fit-weights", is_flag=True, hidden=True)
@wavelength("Wavelength, A; default: as MODEL states (file).")
@ENERGY
@ANOMALOUS_OPTION
@click.option("--cif-scattering", "from_cif", is_flag=True, help="f' and f'' as MODEL states them.")
@FPRIME
@radiation("xray", "electron", "neutron")
@TABLE
@SCATTER_AS
@FORM_FACTORS
@USE_CHARGE
@click.option(
    "--merge-friedel/--separate-friedel",
    "friedel_mates",
    default=None,
    help="Merge Friedel mates, too; default: as MERG says, or separate.",
)
@click.option(
    "--instructions/--no-instructions",
    default=True,
    help="Apply SHELX instructions on the data: OMIT, SHEL, MERG, TWIN, HKLF. Default: apply.",
)
@click.option("--dmin", "d_min", type=float, metavar="NUM", help="Use data to this resolution, A.")
@click.option(
    "--parameters",
    "n_parameters",
    type=click.IntRange(min=1),
    help="Parameters of the refinement, for GooF; default: as MODEL states.",
)
@PEAKS
@BLOCK
@STRICT
@THREADS
@file_options(OUTPUTS)
@choice(
    "--fcf-list",
    "list_code",
    among=map(str, FCF_LISTS),
    default="4",
    text="Number of SHELX's list that an FCF is.",
)
def command(model: str, data: str | None, **options: Any) -> None:
    """Compare the small structure MODEL with the F^2 in DATA, as SHELXL does.

    MODEL is a CIF, or a .res or .ins file of SHELX. DATA is a reflection list (HKLF 3, 4 or 5),
    CIF or FCF; it may be left out if MODEL embeds its list.
    """
    from friedel.smallmolecule import fit_intensities

    overwrite, list_code = options.pop("overwrite"), int(options.pop("list_code"))
    files = chosen_files(OUTPUTS, options, overwrite=overwrite)
    n_peaks = options.pop("peaks")
    hklf = options.pop("hklf")
    if options.pop("from_cif"):
        if options["source"] not in (None, "xray"):
            raise ParameterError("--cif-scattering is for X-rays")
        options["scattering"] = "cif"
    options |= own_scattering(options)
    if options.pop("fit_weights"):
        options["weights"] = "fit"
    if options["anomalous"] is None:
        del options["anomalous"]  # the default of Python
    with stage("reading and fitting"):
        fit = fit_intensities(
            model,
            data or model,
            extinction=options.pop("exti"),
            hklf=int(hklf) if hklf else None,
            **options,
        )
    echo_notes(fit.notes)
    echo(fit.summary(notes=False))
    if n_peaks:
        unit = PRINTED_DENSITY_UNITS[fit.source]
        echo(f"\n{fit.difference_density(n_peaks).text(unit, 'F_o - F_c')}")
    for output, path in files:
        of_list: dict[str, Any] = {"list_code": list_code} if output == FCF else {}
        if n_peaks and output == JSON:
            of_list["n_peaks"] = n_peaks
        output.write(fit, path, overwrite=overwrite, **of_list)
        echo_written(path)
