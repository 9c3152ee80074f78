"""Neutron scattering lengths of elements and isotopes, complex, from the package periodictable."""

from functools import cache
from types import MappingProxyType
from typing import Any

from friedel.errors import MissingDependencyError
from friedel.scattering.formfactors.gaussians import GaussianSum
from friedel.scattering.formfactors.tables import FormFactorTable, TableInfo

INFO = TableInfo(
    title="Bound coherent neutron scattering lengths of elements and isotopes, complex",
    citation="package periodictable, after Rauch & Waschkowski (2003) and Sears (1992, 2006)",
    note=(
        "Imaginary parts belong to thermal neutrons, 1.798 A: they are a property of the energy. "
        "Isotopes are asked for by label: form_factors={'Li': '6Li'}."
    ),
    references=("Kienzle2008", "Sears1992"),
    source="neutron",
    units="fm",
)


@cache
def periodictable_lengths() -> FormFactorTable:
    """All scattering lengths of periodictable; see :func:`neutron_length`.

    Raises
    ------
    MissingDependencyError
        When periodictable is not installed.
    """
    try:
        import periodictable
    except ImportError:
        raise MissingDependencyError.of(
            "the table of isotopes and complex scattering lengths", "periodictable"
        ) from None
    real: dict[str, GaussianSum] = {}
    imaginary: dict[str, float] = {}

    def add(label: str, atom: Any) -> None:
        if atom.neutron.b_c is None:
            return
        length = complex(atom.neutron.b_c_complex or atom.neutron.b_c)
        real[label] = GaussianSum((length.real,), (0.0,))
        imaginary[label] = -length.imag

    for element in periodictable.elements:
        if element.number == 0:  # the neutron
            continue
        add(element.symbol, element)
        for mass in element.isotopes:
            add(f"{mass}{element.symbol}", element[mass])
    add("D", periodictable.D)
    return FormFactorTable(
        "periodictable",
        MappingProxyType(real),
        imaginary=MappingProxyType(imaginary),
        info=INFO,
    )
