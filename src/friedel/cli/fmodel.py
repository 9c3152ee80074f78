"""``friedel fmodel``: bulk solvent, scaling to observed amplitudes, R-factors, map coefficients."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from friedel.cli.command import Command, OnceAFlag, with_stdin_first, with_values_of_flags
from friedel.cli.fmodel_maps import (
    OUTPUTS as OF_MAPS,
    Done,
    map_options,
    print_texts,
    read_out,
    resolve_selections,
    take_options,
)
from friedel.cli.options import (
    ANOMALOUS_OPTION,
    ENERGY,
    FORCE,
    FPRIME,
    SCATTER_AS,
    STRICT,
    TABLE,
    THREADS,
    TLS,
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
from friedel.errors import ParameterError
from friedel.fmodel.options import AUTOMATIC, CHOICES
from friedel.reflections.reflections import Reflections
from friedel.runtime.progress import counted
from friedel.solvent.mask_parameters import RADII_SETS, MaskParameters
from friedel.writers.formats import Format, formats_of

if TYPE_CHECKING:
    from friedel import FModel
    from friedel.scaling import ScaleParameters


def _write(form: Format, done: Done, path: str, *, overwrite: bool) -> None:
    """Write all columns in a format of the fitted model's own, or F_model alone in another."""
    source = done.fitted if form.method in WHOLE else done.fitted.f_model
    more = {"more": done.more} if form.method == "to_json" else {}
    write_as(form, source, path, overwrite=overwrite, **more)


def _write_mask(done: Done, path: str, *, overwrite: bool) -> None:
    from friedel.writers.maps import write_ccp4_map

    fitted = done.fitted
    if fitted.masked is not None:
        write_ccp4_map(path, fitted.crystal, fitted.masked.mask, overwrite=overwrite)


def _plot(name: str, done: Done, path: str, *, overwrite: bool) -> None:
    import friedel

    getattr(friedel, name)(done.fitted, path, overwrite=overwrite)


def _plot_map(done: Done, path: str, *, overwrite: bool) -> None:
    from friedel import plot_map

    plot_map(done.fitted, path, centre=done.centre, overwrite=overwrite)


WHOLE = ("to_mtz", "to_cif", "to_json")
"""Formats in which a fitted model writes all its columns or numbers."""

MASK = Output("--write-mask", "Write the mask as a map.", _write_mask)
OUTPUTS = (
    *(
        Output.of_format(
            form, "everything" if form.method in WHOLE else "F_model", partial(_write, form)
        )
        for form in formats_of(Reflections)
    ),
    Output("--plot", "Draw R, CC, scales (png, pdf).", partial(_plot, "plot_fmodel")),
    Output("--plot-wilson", "Draw a Wilson plot.", partial(_plot, "plot_wilson")),
    Output("--plot-outliers", "Draw the residuals.", partial(_plot, "plot_outliers")),
    Output("--plot-map", "Draw a section of the maps.", _plot_map),
    MASK,
    *OF_MAPS,
)
"""Output files: every format of reflections, numbers, figures and the mask."""

SCALES = {"ksolv": "k_sol", "bsolv": "b_sol", "kov": "k_overall", "baniso": "b_overall"}
"""Names in Python of the parameters of the scale, by option."""


def _number(*names: str, text: str, metavar: str = "NUM") -> Callable[[Any], Any]:
    return click.option(*names, type=float, metavar=metavar, help=text)


class ForEitherKind(Command):
    """Command that passes small structures with a reflection list to their own command."""

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        """The context of the command for which the arguments are."""
        from friedel.cli import smallmolecule

        if parent is not None and not extra.get("resilient_parsing"):
            args = with_stdin_first(self, args, parent)
        args = with_values_of_flags(self, args)
        if smallmolecule.wants_small(args):
            return smallmolecule.command.make_context(info_name, args, parent, **extra)
        return super().make_context(info_name, args, parent, **extra)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options of both kinds, those for small structures in a group of their own."""
        from friedel.cli import smallmolecule

        super().format_options(ctx, formatter)
        smallmolecule.write_help(formatter, ctx)


@click.command(
    "fmodel",
    cls=ForEitherKind,
    short_help="solvent, scaling to F_obs, R-factors, map coefficients",
    examples=(
        "friedel fmodel 5e5z.pdb 5e5z.mtz --to-mtz fmodel.mtz --plot fmodel.png",
        "friedel fmodel 5e5z.pdb 5e5z.mtz --omit A/3 --peaks 10",
        "friedel fmodel 5e5z.pdb 5e5z.mtz --twin none --json - | head",
        "friedel fmodel 2242624.cif 2242624.hkl --plot f2.png",
    ),
)
@click.argument("model", type=click.Path())
@click.argument("data", type=click.Path())
@_number("--dmin", "d_min", text="Use data to this resolution, A.")
@_number("--sigma-cutoff", text="Use only data with F/sigma above this.")
@radiation(*CHOICES["source"])
@choice(
    "--target",
    among=CHOICES["target"],
    default="l1",
    text="What the fit minimises; all but ls and ls-i (of F, of intensities) are robust.",
)
@click.option(
    "--keep-outliers",
    is_flag=True,
    help="Keep outliers of a robust fit in the last fit.",
)
@choice("--weights", among=CHOICES["weights"], default="none", text="Weights of the residuals.")
@choice(
    "--solvent",
    among=CHOICES["solvent"],
    default="auto",
    text="Bulk solvent; auto chooses by cross-validated likelihood.",
)
@choice(
    "--radii-set",
    "radii",
    among=("auto", *RADII_SETS),
    default="auto",
    text="Atomic radii of the solvent mask; auto: refmac, or cctbx where that mask is empty.",
)
@_number("--r-probe", text="Probe radius added to the atomic radii, A.")
@_number("--r-shrink", text="Shrinkage distance of the mask boundary, A.")
@_number("--island-volume", text="Solvent pockets below this volume are filled, A^3.")
@click.option("--search-mask", is_flag=True, help="Search r-probe and r-shrink.")
@click.option("--smooth-mask", is_flag=True, help="Give the mask a smooth boundary.")
@_number("--d-mask", text="Spacing of the mask's grid, A.")
@click.option("--solvent-mask", type=click.Path(), metavar="FILE", help="Take the mask from a map.")
@_number("--ksolv", text="Solvent density: start of the fit.")
@_number("--bsolv", text="B of the solvent, A^2: start of the fit.")
@_number("--kov", text="Overall scale: start of the fit.")
@click.option(
    "--baniso", metavar="B11:B22:B33:B12:B13:B23", help="Overall B, A^2: start of the fit."
)
@click.option(
    "--fix",
    multiple=True,
    type=click.Choice(list(SCALES)),
    help="Hold this parameter at its starting value; can be repeated.",
)
@click.option(
    "--rtol",
    type=float,
    default=1e-4,
    show_default=True,
    metavar="NUM",
    help="Relative rms error of F_calc expected at most in the worst of ten resolution shells.",
)
@click.option(
    "--twin",
    multiple=True,
    default=("auto",),
    metavar="none|auto|LAW",
    help="Law such as -h,-k,l of a twin to fit, none, or auto (the default: if the data are of a "
    "twin); can be repeated for more domains.",
)
@click.option(
    "--hydrogens",
    cls=OnceAFlag,
    type=click.Choice(list(AUTOMATIC)),
    default="auto",
    show_default=True,
    help="Riding hydrogens of C-H and N-H groups: for a MODEL without hydrogens if R_work falls "
    "(auto), in any case (yes, or no value).",
)
@TLS
@wavelength("Wavelength, A, or that stated by DATA (file); adds f' and f''.")
@click.option(
    "--french-wilson", is_flag=True, help="Take intensities although there are amplitudes."
)
@ENERGY
@ANOMALOUS_OPTION
@FPRIME
@TABLE
@SCATTER_AS
@USE_CHARGE
@click.option("--free-label", metavar="NAME", help="Column of the R-free flags.")
@click.option("--free-value", type=int, metavar="INT", help="Flag value of the free set.")
@click.option("--block", metavar="NAME", help="Block of the mmCIF file with the data.")
@click.option(
    "--data-set", metavar="NAME", help="Data set of the MTZ file, or wavelength_id/crystal_id."
)
@click.option(
    "--anisotropic-mean", is_flag=True, help="F from intensities by a mean that has directions."
)
@click.option(
    "--no-fill", is_flag=True, help="Leave missing reflections out of maps, instead of DFc."
)
@click.option("--no-free-in-maps", is_flag=True, help="Leave the free set out of maps.")
@choice(
    "--missing-density",
    among=tuple(AUTOMATIC),
    default="none",
    text="Add strong density of the difference map to F_model; auto: if it predicts better.",
)
@click.option("--all", "fit_all", is_flag=True, help="Fit the scales to the free set too.")
@map_options
@STRICT
@FORCE
@THREADS
@file_options(OUTPUTS)
def command(model: str, data: str, **options: Any) -> None:
    """Scale MODEL with bulk solvent to the amplitudes in DATA.

    DATA is an MTZ file or structure-factor mmCIF; columns may follow, as in data.mtz:FP,SIGFP or
    "data.mtz:F(+),SIGF(+),F(-),SIGF(-)". For small structures, small.cif with small.hkl, the
    options are those at the end; add --help to the files to see them alone.
    """
    from friedel import FModel

    overwrite = options.pop("overwrite")
    files = chosen_files(OUTPUTS, options, overwrite=overwrite)
    of_maps = take_options(options, files)
    start, fixed = _start_and_fixed(options)
    options["use_free"] = not options.pop("fit_all")
    options["fill_missing"] = not options.pop("no_fill")
    options["free_in_maps"] = not options.pop("no_free_in_maps")
    options["reject_outliers"] = not options.pop("keep_outliers")
    options |= own_scattering(options)
    known = {name: value for name, value in options.items() if value is not None}
    with stage("reading and F_calc"):
        fmodel = FModel(model, data, progress=counted, **_with_mask(known))
    if MASK in (output for output, _ in files) and fmodel.masked is None:
        raise ParameterError(f"--write-mask needs a mask: --solvent {options['solvent']} has none")
    resolve_selections(fmodel, of_maps)
    with stage("fitting"):
        fitted = fmodel.fit(_full_start(fmodel, start), fixed)
    with stage("statistics and maps"):
        done, texts = read_out(fitted, of_maps)
    echo_notes(done.fitted.notes)
    echo(done.fitted.summary(notes=False))
    print_texts(texts)
    for output, path in files:
        output.write(done, path, overwrite=overwrite)
        echo_written(path)


def _with_mask(options: dict[str, Any]) -> dict[str, Any]:
    """The options of FModel, those of the mask combined into one."""
    lengths = [options.pop(name, None) for name in ("r_probe", "r_shrink", "island_volume")]
    radii = options.pop("radii")
    if radii == "auto" and lengths == [None] * len(lengths):
        return options | {"radii": radii}
    radii = "refmac" if radii == "auto" else radii
    return options | {"radii": MaskParameters.for_radii(radii, *lengths)}


def _start_and_fixed(options: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Parameters of the scale that were given, and names of those held fixed.

    Raises
    ------
    ParameterError
        When a parameter to hold fixed was not given.
    """
    given = {option: options.pop(option) for option in SCALES}
    start = {SCALES[option]: value for option, value in given.items() if value is not None}
    if "b_overall" in start:
        start["b_overall"] = parse_tensor(start["b_overall"])
    fixed = options.pop("fix")
    for option in fixed:
        if given[option] is None:
            raise ParameterError(f"--fix {option} needs a value: give --{option} as well")
    return start, [SCALES[option] for option in fixed]


def _full_start(fmodel: "FModel", start: dict[str, Any]) -> "ScaleParameters | None":
    """The starting values given, completed by a quick fit; None if none are given."""
    return fmodel.quick_start(**start) if start else None


def parse_tensor(text: str) -> tuple[float, ...]:
    """``"1:2:3:0:0:0"`` -> six numbers.

    Raises
    ------
    ParameterError
        When the text is anything else.
    """
    try:
        values = tuple(float(part) for part in text.split(":"))
    except ValueError:
        values = ()
    if len(values) != 6:
        raise ParameterError(f"got --baniso {text!r}, expected B11:B22:B33:B12:B13:B23")
    return values
