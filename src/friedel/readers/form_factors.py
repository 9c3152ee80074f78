"""Reading of form factors of individual atoms from `.tsc` and `.tscb` files."""

from os import PathLike

from friedel.errors import FileFormatError, FriedelError
from friedel.readers.reading import read_bytes, reading
from friedel.readers.tsc import read_text
from friedel.readers.tscb import read_binary
from friedel.runtime.paths import shown, shown_name
from friedel.scattering.atom_form_factors import AtomFormFactors


def read_form_factors(path: str | PathLike[str]) -> AtomFormFactors:
    """Form factors of individual atoms from a `.tsc` or `.tscb` file [Midgley2019].

    Text and binary files, also gzipped, are recognised from their content. Atoms are named by
    labels (SCATTERERS), or by their sites as NoSpherA2 does since 2026 (SCATTERER_IDS).

    Raises
    ------
    FileFormatError
        When the file is missing, truncated or not of this format.

    Examples
    --------
    >>> form_factors = friedel.read_form_factors("urea.tsc")  # doctest: +SKIP
    >>> friedel.fcalc("urea.cif", d_min=0.8, form_factors=form_factors)  # doctest: +SKIP
    """
    with reading(path, "form factors"):
        data = read_bytes(path)
    try:
        # A binary file begins with the length of its header as a 32-bit integer
        return (read_binary if b"\0" in data[:4] else read_text)(data, shown_name(path))
    except FileFormatError:
        raise
    except (FriedelError, ValueError) as error:
        raise FileFormatError(f"cannot read {shown(path)} as form factors: {error}") from None
