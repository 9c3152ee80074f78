"""``friedel fmodel``: bulk solvent, scaling to observed amplitudes, R-factors, map coefficients."""

import click

from friedel.cli.options import OVERWRITE


@click.command("fmodel", short_help="solvent, scaling to F_obs, R-factors, map coefficients")
@click.argument("model", type=click.Path())
@click.argument("data", type=click.Path())
@click.option("--dmin", type=float, metavar="NUM", help="Use data to this resolution, A.")
@click.option(
    "--for",
    "source",
    type=click.Choice(["xray", "electron", "neutron", "mott-bethe"]),
    default="xray",
    show_default=True,
    help="What is scattered.",
)
@click.option(
    "--solvent",
    type=click.Choice(["flat", "none"]),
    default="flat",
    show_default=True,
    help="Bulk-solvent model.",
)
@click.option(
    "--radii-set",
    "radii",
    type=click.Choice(["vdw", "cctbx", "refmac"]),
    default="refmac",
    show_default=True,
    help="Atomic radii of the solvent mask.",
)
@click.option(
    "--rtol", type=float, default=1e-4, show_default=True, metavar="NUM", help="Error of F_calc."
)
@click.option("--all", "fit_all", is_flag=True, help="Fit the scales to the free set too.")
@click.option("--to-mtz", type=click.Path(), metavar="FILE", help="Write all columns as MTZ.")
@click.option("--plot", type=click.Path(), metavar="FILE", help="Draw R and scales (png, pdf).")
@OVERWRITE
def command(
    model: str,
    data: str,
    dmin: float | None,
    source: str,
    solvent: str,
    radii: str,
    rtol: float,
    fit_all: bool,
    to_mtz: str | None,
    plot: str | None,
    overwrite: bool,
) -> None:
    """Scale MODEL with bulk solvent to the amplitudes in DATA.

    DATA is an MTZ file or structure-factor mmCIF; columns may follow, as in data.mtz:FP,SIGFP.
    """
    from friedel import FModel
    from friedel.io.writers import check_output

    for path in filter(None, (to_mtz, plot)):
        check_output(path, overwrite=overwrite)
    options = {"source": source, "solvent": solvent, "radii": radii, "d_min": dmin, "rtol": rtol}
    fitted = FModel(model, data, use_free=not fit_all, **options).fit()
    click.echo(fitted.summary())
    if to_mtz:
        fitted.to_mtz(to_mtz, overwrite=overwrite)
        click.echo(f"wrote {to_mtz}", err=True)
    if plot:
        from friedel.plots import plot_fmodel

        plot_fmodel(fitted, plot, overwrite=overwrite)
        click.echo(f"wrote {plot}", err=True)
