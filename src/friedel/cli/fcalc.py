"""``friedel fcalc``: structure factors of a model."""

from dataclasses import replace

import click
import numpy as np

from friedel.cli.options import OVERWRITE, echo_notes, parse_hkl, summary_line
from friedel.errors import ParameterError


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
@click.option("--table", metavar="NAME", help="Form-factor table: it92, wk95, c4322, neutron92.")
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
    rtol: float,
    method: str,
    table: str | None,
    use_charge: bool,
    unknown: str,
    noaniso: bool,
    to_mtz: str | None,
    overwrite: bool,
) -> None:
    """Structure factors of MODEL (PDB, mmCIF or small-molecule CIF).

    Without --to-mtz they are printed: h k l, amplitude, phase in degrees.
    """
    from friedel import fcalc
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
    result = fcalc(
        read,
        d_min=dmin,
        hkl=np.array([parse_hkl(text) for text in hkl]) if hkl else None,
        source=source,
        wavelength=wavelength,
        energy=energy,
        rtol=rtol,
        method=method,
        table=table,
        use_charge=use_charge,
        unknown=unknown,
    )
    click.echo(summary_line(read), err=True)
    click.echo(result.description.split(";")[0], err=True)
    if to_mtz:
        result.to_mtz(to_mtz, overwrite=overwrite)
        click.echo(f"wrote {to_mtz}: {result}", err=True)
        return
    for (h, k, l), amplitude, phase in zip(
        result.hkl, result.amplitudes, result.phases, strict=True
    ):
        click.echo(f"{h:4d} {k:4d} {l:4d} {amplitude:14.6f} {phase:10.4f}")
