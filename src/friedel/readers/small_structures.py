"""Small structures in CIF blocks, and gemmi.SmallStructure objects, as they state them."""

import re
from collections import defaultdict
from collections.abc import Mapping

import numpy as np

from friedel.constants import U_TO_B
from friedel.errors import FileFormatError
from friedel.gemmi_package import gemmi
from friedel.model.elements import make_label
from friedel.notes import Note
from friedel.readers.cif_items import Items
from friedel.readers.cif_symmetry import cell_of_block, symmetry_of_block
from friedel.readers.stated_model import Cell, StatedModel, StatedSymmetry, some_of

COMPONENTS = ("11", "22", "33", "12", "13", "23")
DIAGONAL = COMPONENTS[:3]
SITE = "_atom_site_"
ANISO = "_atom_site_aniso_"

PROBES = {"x-ray": "xray", "neutron": "neutron", "electron": "electron"}
"""The radiation by the CIF dictionary's name."""

UNUSUAL = {
    "_cell_modulation_dimension": "modulated",
    "_cell_wave_vector": "modulated",
    "_space_group_ssg": "modulated",
    "_atom_site_moment": "magnetic",
    "_space_group_magn": "magnetic",
}
"""Beginnings of the items that tell a structure which is more than its average."""


def stated_of_block(items: Items, name: str) -> StatedModel:
    """What the block of a small structure states.

    Raises
    ------
    FileFormatError
        When a coordinate is missing from the table, or a value is not a number.
    """
    coordinates = _coordinates(items)
    kept, notes = _with_coordinates(items, coordinates)
    notes += _about_averages(items)
    cell = cell_of_block(items)
    types, kind = _types(items, kept)
    labels = _texts_of_sites(items, "label", kept) or [types[k] for k in kind]
    b_iso = _isotropic(items, kept)
    tensors, about_tensors = _tensors(items, labels, cell)
    orders = _numbers_of_sites(items, "site_symmetry_order", kept)
    groups = _texts_of_sites(items, "disorder_group", kept)
    return StatedModel(
        name=name,
        cell=cell,
        symmetry=symmetry_of_block(items),
        labels=np.array(labels),
        types=types,
        kind=kind,
        coordinates=coordinates[kept],
        occ=_occupancies(items, kept),
        b_iso=b_iso,
        u_aniso=tensors,
        chemical_occupancies=True,
        site_orders=None if orders is None else np.nan_to_num(orders),
        disorder_groups=None if groups is None else np.array(groups),
        formula=formula_of_text(items.text("_chemical_formula_sum")),
        formula_units=items.number("_cell_formula_units_z"),
        density=items.number("_exptl_crystal_density_diffrn"),
        source=PROBES.get(items.text("_diffrn_radiation_probe").lower()),
        atom_types=tuple(t for t in items.texts("_atom_type_symbol") if t),
        notes=(*notes, *about_tensors),
    )


def _coordinates(items: Items) -> np.ndarray:
    """(n, 3) fractional coordinates, NaN where none is stated."""
    columns = [items.numbers(f"{SITE}fract_{axis}") for axis in "xyz"]
    missing = [axis for axis, column in zip("xyz", columns, strict=True) if not len(column)]
    if missing:
        raise FileFormatError(
            f"block {items.name} has no {SITE}fract_{missing[0]}, expected three coordinates"
        )
    return np.column_stack(columns)


def _with_coordinates(items: Items, coordinates: np.ndarray) -> tuple[np.ndarray, list[Note]]:
    """(n,) bool which sites are atoms, and notes on those that are not."""
    known = np.isfinite(coordinates).all(axis=1)
    dummies = np.array([t == "dum" for t in items.texts(f"{SITE}calc_flag")], bool)
    dummies = dummies if len(dummies) else np.zeros(len(known), bool)
    notes = []
    if dummies.any():
        n = int(dummies.sum())
        notes.append(Note(f"dummy sites are left out ({n})", "left out", n))
    if n := int((~known & ~dummies).sum()):
        text = f"atoms without coordinates are left out ({_some(items, ~known & ~dummies)})"
        notes.append(Note(text, "left out", n))
    return known & ~dummies, notes


def _some(items: Items, chosen: np.ndarray) -> str:
    labels = items.texts(f"{SITE}label") or items.texts(f"{SITE}type_symbol")
    return some_of([labels[i] or "?" for i in np.flatnonzero(chosen)]) if labels else "unnamed"


def _about_averages(items: Items) -> list[Note]:
    kinds = {kind for prefix, kind in UNUSUAL.items() if items.starting_with(prefix)}
    return [
        Note(f"the structure is {kind}: its average without {lost} is used", "warning")
        for kind, lost in (("modulated", "modulation"), ("magnetic", "moments"))
        if kind in kinds
    ]


def _texts_of_sites(items: Items, name: str, kept: np.ndarray) -> list[str] | None:
    values = items.texts(SITE + name)
    return [values[i] or "" for i in np.flatnonzero(kept)] if values else None


def _numbers_of_sites(items: Items, name: str, kept: np.ndarray) -> np.ndarray | None:
    values = items.numbers(SITE + name)
    return values[kept] if len(values) else None


def _types(items: Items, kept: np.ndarray) -> tuple[tuple[str, ...], np.ndarray]:
    texts = _texts_of_sites(items, "type_symbol", kept) or [""] * int(kept.sum())
    types = tuple(sorted(set(texts)))
    return types, np.array([types.index(text) for text in texts], np.int64)


def _occupancies(items: Items, kept: np.ndarray) -> np.ndarray:
    """(n,) occupancies: 1, the dictionary's default, for ``.`` and without a column."""
    occ = _numbers_of_sites(items, "occupancy", kept)
    return np.ones(int(kept.sum())) if occ is None else occ


def _isotropic(items: Items, kept: np.ndarray) -> np.ndarray:
    """(n,) B, Å^2, from U or B, whichever is stated for the atom."""
    b_iso = np.full(int(kept.sum()), np.nan)
    for name, to_b in (("u_iso_or_equiv", U_TO_B), ("b_iso_or_equiv", 1.0)):
        values = _numbers_of_sites(items, name, kept)
        if values is not None:
            b_iso = np.where(np.isnan(b_iso), to_b * values, b_iso)
    return b_iso


def _tensors(
    items: Items, labels: list[str], cell: Cell | None
) -> tuple[np.ndarray | None, list[Note]]:
    """(n, 6) U of the anisotropic atoms, matched by label, and notes on what did not match."""
    rows, notes = _rows_of_tensors(items, cell)
    if not rows:
        return None, notes
    tensors = np.zeros((len(labels), 6))
    repeated, unclear = [], []
    where: dict[str, list[int]] = defaultdict(list)
    for i, label in enumerate(labels):
        where[label].append(i)
    for label, values in rows.items():
        sites = where.get(label, [])
        if len(values) == len(sites):
            tensors[sites] = values
            repeated += [label] if len(sites) > 1 else []
        elif sites:
            unclear.append(label)
    if unclear:
        raise FileFormatError(
            f"block {items.name}: labels whose number of anisotropic rows differs from that of "
            f"sites ({some_of(unclear)}), expected one row for each"
        )
    if repeated:
        text = f"labels of several atoms ({some_of(repeated)}): their tensors are taken in order"
        notes.append(Note(text, "guess", len(repeated), give="give each atom a label of its own"))
    if unmatched := [label for label in rows if label not in where]:
        text = f"anisotropic tensors of labels that no atom has ({some_of(unmatched)}) are not used"
        notes.append(Note(text, "left out", len(unmatched)))
    return tensors, notes


def _rows_of_tensors(
    items: Items, cell: Cell | None
) -> tuple[dict[str, list[np.ndarray]], list[Note]]:
    """The tensors stated for each label as U, from U, B or beta, whichever the row has.

    B = 8 pi^2 U, and beta_ij = 2 pi^2 a*_i a*_j U_ij.
    """
    labels = items.texts(f"{ANISO}label") or items.texts(f"{SITE}label")
    found: dict[int, np.ndarray] = {}
    diagonal = 0
    for kind, to_u in (("u", 1.0), ("b", 1.0 / U_TO_B), ("beta", _beta_to_u(cell))):
        present = [c for c in COMPONENTS if f"{ANISO}{kind}_{c}" in items]
        if not set(DIAGONAL) <= set(present):
            continue
        columns = {c: items.numbers(f"{ANISO}{kind}_{c}") for c in present}
        stated = np.column_stack([columns[c] for c in present])
        values = to_u * np.column_stack([columns.get(c, np.zeros(len(stated))) for c in COMPONENTS])
        for i in np.flatnonzero(np.isfinite(stated).any(axis=1)).tolist():
            if i in found:
                continue
            if not np.isfinite(stated[i]).all():
                raise FileFormatError(
                    f"block {items.name}: the tensor of {labels[i]} lacks components, expected six"
                )
            found[i] = values[i]
            diagonal += len(present) < len(COMPONENTS)
    rows: dict[str, list[np.ndarray]] = defaultdict(list)
    for i in sorted(found):
        rows[labels[i] or ""].append(found[i])
    notes = []
    if diagonal:
        text = f"tensors with some components only ({diagonal}): the others are taken as 0"
        notes.append(Note(text, "guess", diagonal, give="give all six components"))
    return dict(rows), notes


def _beta_to_u(cell: Cell | None) -> np.ndarray | float:
    if cell is None:
        return np.nan
    lengths = np.array(gemmi.UnitCell(*cell).reciprocal().parameters[:3])
    products = np.array([lengths[int(ij[0]) - 1] * lengths[int(ij[1]) - 1] for ij in COMPONENTS])
    return 4.0 / (U_TO_B * products)


def formula_of_text(text: str) -> Mapping[str, float]:
    """Number of atoms of each element in a formula such as ``"C12 H8 N2"``; empty if unclear."""
    counts: dict[str, float] = defaultdict(float)
    for term in text.replace("'", "").split():
        match = re.fullmatch(r"([A-Z][a-z]?)(\d*\.?\d*)(?:[+-]\d*|\d*[+-])?", term)
        if match is None:
            return {}
        counts[match[1]] += float(match[2] or 1)
    return dict(counts)


def stated_of_small(small: gemmi.SmallStructure) -> StatedModel:
    """What a small structure that gemmi read states; its occupancies are taken as they are.

    Raises
    ------
    FileFormatError
        When it has no atoms.
    """
    sites = list(small.sites)
    if not sites:
        raise FileFormatError(f"{small.name or 'the structure'} has no atoms")
    texts = [_type_of_site(site) for site in sites]
    types = tuple(sorted(set(texts)))
    tensors = np.array([site.aniso.elements_pdb() for site in sites])
    return StatedModel(
        name=small.name,
        cell=small.cell.parameters if small.cell.is_crystal() else None,
        symmetry=StatedSymmetry(tuple(small.symops), symbol=_symbol(small)),
        labels=np.array([site.label for site in sites]),
        types=types,
        kind=np.array([types.index(text) for text in texts]),
        coordinates=np.array([site.fract.tolist() for site in sites]),
        occ=np.array([site.occ for site in sites]),
        b_iso=U_TO_B * np.array([site.u_iso for site in sites]),
        u_aniso=tensors if tensors.any() else None,
    )


def _type_of_site(site: gemmi.SmallStructure.Site) -> str:
    if site.element.name == "X":
        return str(site.type_symbol)
    return make_label(site.element.name, site.charge)


def _symbol(small: gemmi.SmallStructure) -> str:
    return small.spacegroup.xhm() if small.spacegroup is not None else small.spacegroup_hm
