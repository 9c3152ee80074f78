"""Types of version 0.1.0 that hydrogens were added with, atom by atom."""

from friedel.gemmi_package import gemmi

Sites = list[gemmi.CRA]
Place = tuple[str, str]
