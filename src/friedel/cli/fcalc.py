"""``friedel fcalc``: structure factors of a model."""

import time
from dataclasses import replace

import click
import numpy as np

from friedel.cli.options import OVERWRITE, echo_notes, parse_hkl, summary_line
from friedel.elements import make_label, parse_label
from friedel.errors import ParameterError
from friedel.reflections import Reflections


@click.command("fcalc", short_help="structure factors of a model")
@click.argument("model", type=click.Path())
@click.option("--dmin", type=float, metavar="NUM", help="All reflections to this resolution, A.")
@click.option(
    "--hkl", multiple=True, metavar="H,K,L", help="One reflection; can be given many times."
)
@click.option(
    "--for",
    "source",
    type=click.Choice(["xray", "electron", "neutron", "mott-bethe"]),
    default="xray",
    show_default=True,
    help="What is scattered.",
)
@click.option("-w", "--wavelength", type=float, metavar="NUM", help="A; adds f' and f''.")
@click.option("-e", "--energy", type=float, metavar="NUM", help="eV; adds f' and f''.")
@click.option(
    "--anomalous",
    type=click.Choice(["cl", "chantler"]),
    help="Where f' and f'' come from; cl, Cromer-Liberman, unless given.",
)
@click.option("--friedel-pairs", is_flag=True, help="F(+) and F(-), and what f'' scatters.")
@click.option(
    "--cif-scattering",
    "--ciffp",
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
    help="Relative error allowed, rms in the worst of ten resolution shells.",
)
@click.option(
    "--method",
    type=click.Choice(["auto", "fft", "direct"]),
    default="auto",
    show_default=True,
    help="How to sum.",
)
@click.option("--rate", type=float, metavar="NUM", help="Oversampling of the grid; default: auto.")
@click.option("--blur", type=float, metavar="NUM", help="B added on the grid, A^2; default: auto.")
@click.option("--rcut", type=float, metavar="Y", help="Density at which atoms end; default: auto.")
@click.option("--test", is_flag=True, help="Compare with direct summation (slow).")
@click.option("--table", metavar="NAME", help="Form factors: see friedel formfactor --list.")
@click.option(
    "--scatter-as",
    multiple=True,
    metavar="KIND=ENTRY",
    help="Entry of the table for one kind of atom: H=Hiso, Fe=Fe3+, Li=6Li; can be repeated.",
)
@click.option(
    "--normalize-it92",
    "--normalize",
    "normalize",
    is_flag=True,
    help="Scale X-ray form factors so that f(0) is the number of electrons.",
)
@click.option("--use-charge", is_flag=True, help="Form factors of ions where tabulated.")
@click.option("--unknown", default="O", metavar="SYMBOL", help="Element to use for X.")
@click.option("--noaniso", is_flag=True, help="Ignore anisotropic ADPs.")
@click.option("--to-mtz", type=click.Path(), metavar="FILE", help="Write FC, PHIC as MTZ.")
@OVERWRITE
def command(
    model: str,
    dmin: float | None,
    hkl: tuple[str, ...],
    source: str,
    wavelength: float | None,
    energy: float | None,
    anomalous: str | None,
    friedel_pairs: bool,
    from_cif: bool,
    rtol: float,
    method: str,
    rate: float | None,
    blur: float | None,
    rcut: float | None,
    test: bool,
    table: str | None,
    scatter_as: tuple[str, ...],
    normalize: bool,
    use_charge: bool,
    unknown: str,
    noaniso: bool,
    to_mtz: str | None,
    overwrite: bool,
) -> None:
    """Structure factors of MODEL (PDB, mmCIF or small-molecule CIF).

    Without --to-mtz they are printed: h k l, amplitude, phase in degrees; with --friedel-pairs
    then the amplitude and phase of -h -k -l.
    """
    from friedel import fcalc
    from friedel.formfactors import SOURCES, form_factor_table
    from friedel.io.models import as_model
    from friedel.io.writers import check_output

    if (dmin is None) == (not hkl):
        raise ParameterError("give either --dmin or --hkl")
    if to_mtz:
        check_output(to_mtz, overwrite=overwrite)
    read = as_model(model)
    echo_notes(read.notes)
    if noaniso:
        read = replace(read, atoms=read.atoms.without_aniso())
    chosen_table = (
        form_factor_table(table or SOURCES[source][0]).normalized() if normalize else table
    )
    options = {
        "source": source,
        "wavelength": wavelength,
        "energy": energy,
        "anomalous": anomalous,
        "friedel_pairs": friedel_pairs,
        "scattering": model if from_cif else None,
        "rtol": rtol,
        "table": chosen_table,
        "form_factors": parse_choices(scatter_as),
        "use_charge": use_charge,
        "unknown": unknown,
    }
    wanted = np.array([parse_hkl(text) for text in hkl]) if hkl else None
    sampling = {"rate": rate, "blur": blur, "cutoff": rcut}
    start = time.perf_counter()
    result = fcalc(read, d_min=dmin, hkl=wanted, method=method, **sampling, **options)
    seconds = time.perf_counter() - start
    click.echo(summary_line(read), err=True)
    how, *notes = result.description.split("; ")
    click.echo(how, err=True)
    echo_notes(note for note in notes if note not in read.notes)
    if test:
        start = time.perf_counter()
        exact = fcalc(read, hkl=result.hkl, method="direct", **options)
        click.echo(comparison(result, exact, seconds, time.perf_counter() - start), err=True)
    if to_mtz:
        result.to_mtz(to_mtz, overwrite=overwrite)
        click.echo(f"wrote {to_mtz}: {result}", err=True)
        return
    numbers = [result.amplitudes, result.phases]
    if friedel_pairs:
        numbers += [np.abs(result.minus), np.degrees(np.angle(result.minus))]
    for (h, k, l), *values in zip(result.hkl, *numbers, strict=True):
        pairs = (f"{a:14.6f} {p:10.4f}" for a, p in zip(values[::2], values[1::2], strict=True))
        click.echo(" ".join([f"{h:4d} {k:4d} {l:4d}", *pairs]))


def parse_choices(texts: tuple[str, ...]) -> dict[str, str]:
    """``("H=Hiso",)`` -> ``{"H": "Hiso"}``.

    Raises
    ------
    ParameterError
        For a text that is not two names joined by an equals sign.
    """
    choices = {}
    for text in texts:
        kind, _, entry = (part.strip() for part in text.partition("="))
        if not kind or not entry:
            raise ParameterError(f"got --scatter-as {text!r}, expected KIND=ENTRY such as H=Hiso")
        choices[make_label(*parse_label(kind))] = entry
    return choices


def comparison(
    result: Reflections, exact: Reflections, seconds: float, exact_seconds: float
) -> str:
    """How far F is from the exact one: overall, in the worst shell, at most; phases; times."""
    from friedel.scaling import r_factor
    from friedel.shells import worst_shell_error

    difference = np.abs(result.values - exact.values)
    rmse, rms = (float(np.sqrt((x**2).mean())) for x in (difference, exact.amplitudes))
    present = exact.amplitudes > 0
    turn = np.angle(result.values[present] / exact.values[present], deg=True)
    lines = (
        f"RMSE {rmse:.3e}  ({rmse / rms:.3e} of rms |F|)",
        f"worst of ten resolution shells {worst_shell_error(result, exact.values):.3e}",
        f"max |dF| {difference.max():.3e}",
        f"R {r_factor(exact.amplitudes, result.amplitudes):.3e}",
        f"<|dPhi|> {np.abs(turn).mean():.4f} degrees",
        f"time {seconds:.3f} s, direct summation {exact_seconds:.3f} s",
    )
    return "\n".join(f"  {line}" for line in lines)
