"""Neutron scattering length of one element or isotope."""

from friedel.scattering.formfactors.published import form_factor_table
from friedel.scattering.formfactors.scattering import SOURCES


def neutron_length(label: str, *, table: str = SOURCES["neutron"][0]) -> complex:
    """The bound coherent scattering length of an element or isotope, fm.

    Parameters
    ----------
    label
        ``"Gd"`` in natural abundance; an isotope ``"157Gd"``, ``"2H"`` or ``"D"``, ``"T"``.
    table
        ``"neutron92"`` [Sears1992], which :func:`friedel.fcalc` uses; or ``"periodictable"``, the
        newer values of the package of that name.

    Returns
    -------
    complex
        b' + i b'' with b'' > 0 for absorption, like f'' of X-rays: the convention for
        exp(+2 pi i h.x). Tables that write b' - i b'' use exp(-2 pi i h.x). Imaginary parts are
        those for neutrons of 1.798 Å; Sears has them where absorption is strong only.

    Raises
    ------
    ElementError
        When its scattering length is not known.
    MissingDependencyError
        For ``"periodictable"`` when the package is not installed.

    Examples
    --------
    Enriched lithium, 95 % of it 6Li, as a number and by name:

    >>> mixture = 0.95 * neutron_length("6Li") + 0.05 * neutron_length("7Li")
    >>> fcalc(model, d_min=1, source="neutron", form_factors={"Li": mixture})  # doctest: +SKIP
    >>> by_name = {"Li": "0.95*6Li+0.05*7Li"}
    >>> fcalc(model, d_min=1, source="neutron", form_factors=by_name)  # doctest: +SKIP
    """
    lengths = form_factor_table(table)
    return complex(lengths.entry(label).f0, lengths.imaginary_part(label))
