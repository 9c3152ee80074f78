"""``friedel fmodel``: bulk solvent, scaling to observed amplitudes, R-factors, map coefficients."""

import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import click

from friedel.cli.options import HYDROGENS, OVERWRITE, STRICT, command_line, echo_notes
from friedel.cli.output import check_files
from friedel.errors import ParameterError

if TYPE_CHECKING:
    from friedel import FittedModel, FModel
    from friedel.scaling import ScaleParameters

SOURCES = ("xray", "electron", "neutron", "mott-bethe")

PLOTS = ("plot", "plot_wilson", "plot_outliers", "plot_map")
FILES = ("to_mtz", "to_cif", "to_hkl", *PLOTS, "to_json", "write_mask")
"""Options that name files to be written."""


def _number(*names: str, text: str, metavar: str = "NUM") -> Callable[[Any], Any]:
    return click.option(*names, type=float, metavar=metavar, help=text)


class ForEitherKind(click.Command):
    """Hands small structures with a reflection list over to their own command."""

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        """The context of whichever command the arguments are for."""
        from friedel.cli import smallmolecule

        if smallmolecule.wants_small(args):
            return smallmolecule.command.make_context(info_name, args, parent, **extra)
        return super().make_context(info_name, args, parent, **extra)


@click.command(
    "fmodel", cls=ForEitherKind, short_help="solvent, scaling to F_obs, R-factors, map coefficients"
)
@click.argument("model", type=click.Path())
@click.argument("data", type=click.Path())
@_number("--dmin", "d_min", text="Use data to this resolution, A.")
@_number("--sigma-cutoff", text="Use only data with F/sigma above this.")
@click.option(
    "--for",
    "source",
    type=click.Choice(SOURCES),
    default="xray",
    show_default=True,
    help="What is scattered.",
)
@click.option(
    "--target",
    type=click.Choice(["l1", "huber", "student-t", "ls"]),
    default="l1",
    show_default=True,
    help="What the fit minimises; all but ls (least squares) are robust against outliers.",
)
@click.option(
    "--keep-outliers",
    is_flag=True,
    help="Fit also to reflections that a robust fit finds far from the model.",
)
@click.option(
    "--weights",
    type=click.Choice(["none", "sigma"]),
    default="none",
    show_default=True,
    help="Weights of the residuals.",
)
@click.option(
    "--solvent",
    type=click.Choice(["auto", "smooth", "flat", "babinet", "none"]),
    default="auto",
    show_default=True,
    help="Bulk solvent; auto chooses by the likelihood of reflections left out.",
)
@click.option(
    "--radii-set",
    "radii",
    type=click.Choice(["vdw", "cctbx", "refmac"]),
    default="refmac",
    show_default=True,
    help="Atomic radii of the solvent mask.",
)
@_number("--r-probe", text="Added to the radii, A.")
@_number("--r-shrink", text="How far the solvent grows back, A.")
@_number("--island-volume", text="Smaller pockets of solvent are none, A^3.")
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
    type=click.Choice(["ksolv", "bsolv", "kov", "baniso"]),
    help="Keep this one as it starts; can be repeated.",
)
@click.option(
    "--rtol", type=float, default=1e-4, show_default=True, metavar="NUM", help="Error of F_calc."
)
@click.option("--twin", metavar="LAW", help="Fit a twin by a law such as -h,-k,l, or auto.")
@HYDROGENS
@_number("--wavelength", text="A; adds f' and f'', for data with F(+) and F(-).")
@click.option("--free-label", metavar="NAME", help="Column of the R-free flags.")
@click.option("--free-value", type=int, metavar="INT", help="Their value in the free set.")
@click.option("--all", "fit_all", is_flag=True, help="Fit the scales to the free set too.")
@click.option("--to-mtz", type=click.Path(), metavar="FILE", help="Write all columns as MTZ.")
@click.option("--to-cif", type=click.Path(), metavar="FILE", help="Write a structure-factor mmCIF.")
@click.option("--to-hkl", type=click.Path(), metavar="FILE", help="Write |F_model|^2 as HKLF 4.")
@click.option("--plot", type=click.Path(), metavar="FILE", help="Draw R, CC, scales (png, pdf).")
@click.option("--plot-wilson", type=click.Path(), metavar="FILE", help="Draw a Wilson plot.")
@click.option("--plot-outliers", type=click.Path(), metavar="FILE", help="Draw the residuals.")
@click.option("--plot-map", type=click.Path(), metavar="FILE", help="Draw a section of the maps.")
@click.option("--json", "to_json", type=click.Path(), metavar="FILE", help="Write all numbers.")
@click.option("--write-mask", type=click.Path(), metavar="FILE", help="Write the mask as a map.")
@STRICT
@OVERWRITE
def command(model: str, data: str, **options: Any) -> None:
    """Scale MODEL with bulk solvent to the amplitudes in DATA.

    DATA is an MTZ file or structure-factor mmCIF; columns may follow, as in data.mtz:FP,SIGFP or
    "data.mtz:F(+),SIGF(+),F(-),SIGF(-)". For small structures, small.cif with small.hkl, there
    are other options: add --help to them.
    """
    from friedel import FModel

    overwrite = options.pop("overwrite")
    files = {name: path for name in FILES if (path := options.pop(name))}
    check_files(files, overwrite=overwrite)
    start, fixed = _start_and_fixed(options)
    options["use_free"] = not options.pop("fit_all")
    options["reject_outliers"] = not options.pop("keep_outliers")
    known = {name: value for name, value in options.items() if value is not None}
    fmodel = FModel(model, data, progress=_progress, **_with_mask(known))
    if "write_mask" in files and fmodel.masked is None:
        raise ParameterError(f"there is no mask to write with --solvent {options['solvent']}")
    fitted = fmodel.fit(_full_start(fmodel, start), fixed)
    echo_notes(fitted.notes)
    click.echo(fitted.summary(notes=False))
    for name, path in files.items():
        _write(fitted, name, path, overwrite)
        click.echo(f"wrote {path}", err=True)


def _with_mask(options: dict[str, Any]) -> dict[str, Any]:
    """The options of FModel, those of the mask made one."""
    from friedel.solvent.flat_mask import MaskParameters

    lengths = [options.pop(name, None) for name in ("r_probe", "r_shrink", "island_volume")]
    radii = MaskParameters.for_radii(options.pop("radii"), *lengths)
    return options | {"radii": radii}


def _start_and_fixed(options: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Parameters of the scale that were given, and names of those to keep.

    Raises
    ------
    ParameterError
        When one is to be kept that was not given.
    """
    names = {"ksolv": "k_sol", "bsolv": "b_sol", "kov": "k_overall", "baniso": "b_overall"}
    given = {option: options.pop(option) for option in names}
    start = {names[option]: value for option, value in given.items() if value is not None}
    if "b_overall" in start:
        start["b_overall"] = parse_tensor(start["b_overall"])
    fixed = options.pop("fix")
    for option in fixed:
        if given[option] is None:
            raise ParameterError(f"--fix {option} needs a value: give --{option} as well")
    return start, [names[option] for option in fixed]


def _full_start(fmodel: "FModel", start: dict[str, Any]) -> "ScaleParameters | None":
    """The start given, completed by a quick fit; None when nothing is given."""
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


def _write(fitted: "FittedModel", name: str, path: str, overwrite: bool) -> None:
    if name in ("to_mtz", "to_cif", "to_json"):
        getattr(fitted, name)(path, overwrite=overwrite, command=command_line())
    elif name == "to_hkl":
        fitted.f_model.to_hklf(path, overwrite=overwrite)
    elif name == "write_mask":
        from friedel.writers.maps import write_ccp4_map

        if fitted.masked is not None:
            write_ccp4_map(path, fitted.crystal, fitted.masked.mask, overwrite=overwrite)
    else:
        import friedel

        draw = friedel.plot_fmodel if name == "plot" else getattr(friedel, name)
        draw(fitted, path, overwrite=overwrite)


def _progress(steps: Iterable[Any]) -> Iterable[Any]:
    """A bar on a terminal, nothing elsewhere."""
    from tqdm import tqdm

    bar: Iterable[Any] = tqdm(steps, desc="fit", leave=False, disable=not sys.stderr.isatty())
    return bar
