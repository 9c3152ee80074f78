"""Neutron scattering length of one element or isotope."""

from friedel.scattering.formfactors.published import form_factor_table


def neutron_length(label: str) -> complex:
    """The bound coherent scattering length of an element or isotope, fm.

    Parameters
    ----------
    label
        ``"Gd"`` in natural abundance; an isotope ``"157Gd"``, ``"2H"`` or ``"D"``.

    Returns
    -------
    complex
        b' + i b'' with b'' > 0 for absorption, like f'' of X-rays: the convention for
        exp(+2 pi i h.x). Tables that write b' - i b'' use exp(-2 pi i h.x).

    Raises
    ------
    ElementError
        When its scattering length is not known.
    MissingDependencyError
        When periodictable is not installed.

    Examples
    --------
    Enriched lithium, 95 % of it 6Li:

    >>> mixture = 0.95 * neutron_length("6Li") + 0.05 * neutron_length("7Li")
    >>> fcalc(model, d_min=1, source="neutron", form_factors={"Li": mixture})  # doctest: +SKIP
    """
    lengths = form_factor_table("periodictable")
    return complex(lengths.entry(label).f0, lengths.imaginary.get(label, 0.0))
