"""Symmetry from what a source states: operations, Hall symbol, Hermann-Mauguin symbol, number."""

import re
from collections import Counter
from itertools import accumulate
from typing import Any

import numpy as np

from friedel.constants import TRANSLATION_DENOMINATOR
from friedel.errors import CellError, SymmetryError
from friedel.gemmi_package import gemmi
from friedel.model.crystal import Crystal
from friedel.model.operations import complete_group, parse_triplet
from friedel.notes import Note
from friedel.readers.stated_model import StatedSymmetry
from friedel.writers.gemmi_objects import find_gemmi_spacegroup

CLASSES = (
    *("C1", "Ci", "C2", "Cs", "C2h", "D2", "C2v", "D2h", "C4", "S4", "C4h", "D4", "C4v", "D2d"),
    *("D4h", "C3", "C3i", "D3", "C3v", "D3d", "C6", "C3h", "C6h", "D6", "C6v", "D3h", "D6h"),
    *("T", "Th", "O", "Td", "Oh"),
)
"""The crystal classes by Schoenflies symbol, in the order of International Tables."""

GROUPS_OF_CLASS = (
    *(1, 1, 3, 4, 6, 9, 22, 28, 6, 2, 6, 10, 12, 12, 20, 4, 2, 7, 6, 6),
    *(6, 1, 2, 6, 4, 4, 4, 5, 7, 8, 6, 10),
)
"""Number of space groups of each class; a Schoenflies symbol counts them from 1."""


def crystal_from_gemmi(cell: gemmi.UnitCell, space_group: gemmi.SpaceGroup | None) -> Crystal:
    """A crystal from gemmi's cell and space group (None is P 1)."""
    return _of_group(cell.parameters, space_group)


def _of_group(cell: Any, space_group: gemmi.SpaceGroup | None) -> Crystal:
    if space_group is None:
        return Crystal(cell, name="P 1")
    return _of_operations(
        cell, space_group.operations(), space_group.xhm(), _asu_basis(space_group)
    )


def _of_operations(
    cell: Any, operations: gemmi.GroupOps, name: str, asu_basis: np.ndarray | None = None
) -> Crystal:
    listed = list(operations)
    return Crystal(
        cell,
        np.array([op.rot for op in listed]) // gemmi.Op.DEN,
        np.array([op.tran for op in listed]) * TRANSLATION_DENOMINATOR // gemmi.Op.DEN,
        asu_basis=asu_basis,
        name=name,
    )


def _asu_basis(space_group: gemmi.SpaceGroup) -> np.ndarray | None:
    if space_group.is_reference_setting():
        return np.eye(3)
    return np.array(space_group.basisop.rot, float) / gemmi.Op.DEN


def find_group(text: str, cell: Any = None, setting: str = "") -> gemmi.SpaceGroup | None:
    """The space group of a symbol or number in any usual spelling; None if it is not known.

    Of two origins that the symbol leaves open the second is taken, as most structures use it.

    ``P 21/c``, ``P2(1)/c``, ``P 2_1/c``, ``P 1-``, ``F d -3 m Z``, ``R 3 m :H``, ``Hall: -P 1``,
    ``C2h^5`` and ``48:1`` are all understood.

    Parameters
    ----------
    cell
        The six cell parameters: the angles tell the axes of a rhombohedral group.
    setting
        The coordinate-system code of the file: ``"1"`` or ``"2"`` for the origin, ``"h"`` or
        ``"r"`` for the axes.
    """
    text = text.strip()
    if text.lower().startswith("hall:"):
        return _by_hall(text[5:])
    if schoenflies := re.fullmatch(r"([CDSTO]\d?[ihvsd]?)\^(\d+)", text):
        return _by_schoenflies(*schoenflies.groups())
    angles = (float(cell[3]), float(cell[5])) if cell is not None else (0.0, 0.0)
    code = setting.strip().lower()[:1]
    plain, own_code = _usual_spelling(text)
    code = own_code or (code if code in ("1", "2", "h", "r") else "")
    number = re.fullmatch(r"\d+", plain)
    if number:
        plain = _symbol_of_number(int(plain))
    candidates = [f"{plain}:{code.upper()}"] if code else []
    for candidate in (*candidates, plain, text):
        found = _by_name(candidate, angles) if candidate else None
        if found is not None:
            return found
    return None


def _by_name(name: str, angles: tuple[float, float]) -> gemmi.SpaceGroup | None:
    """The group of a name in gemmi's spelling; of two origins the second, at an inversion."""
    return gemmi.find_spacegroup_by_name(name, *angles, prefer="2")


def _symbol_of_number(number: int) -> str:
    found: gemmi.SpaceGroup | None = gemmi.find_spacegroup_by_number(number)
    return found.hm if found is not None else ""


def _usual_spelling(text: str) -> tuple[str, str]:
    """The symbol as gemmi spells it, and the code of its setting or ``""``."""
    plain = re.sub(r"\(no\.? *\d+\)|\(\d{2,3}\)", "", text, flags=re.IGNORECASE)
    origin = re.search(
        r"\(? *(?:origin|choice|origin choice) *(?:at)? *([12]) *\)?$|: *([12HRhr])$"
        r"| +O([12])$|(?<=[a-z]) *([ZS])$",
        plain,
    )
    code = ""
    if origin:
        plain = plain[: origin.start()]
        code = next(group for group in origin.groups() if group).lower()
        code = {"s": "1", "z": "2"}.get(code, code)
    plain = re.sub(r"[_~]", "", plain)
    plain = re.sub(r"(\d)\((\d)\)", r"\1\2", plain)  # P2(1)/c
    plain = re.sub(r"(?<![\d-])([12346])-", r"-\1", plain)  # P 1-
    return re.sub(r"\s+", " ", plain).strip(), code


def _by_hall(symbol: str) -> gemmi.SpaceGroup | None:
    try:
        return gemmi.find_spacegroup_by_ops(gemmi.symops_from_hall(symbol.strip()))
    except (RuntimeError, ValueError):
        return None


def _by_schoenflies(crystal_class: str, index: str) -> gemmi.SpaceGroup | None:
    if crystal_class not in CLASSES:
        return None
    which = CLASSES.index(crystal_class)
    if not 1 <= int(index) <= GROUPS_OF_CLASS[which]:
        return None
    before = [0, *accumulate(GROUPS_OF_CLASS)][which]
    return gemmi.find_spacegroup_by_number(before + int(index))


def crystal_of_stated(cell: Any, stated: StatedSymmetry) -> tuple[Crystal, tuple[Note, ...]]:
    """A crystal with the stated symmetry, and notes on contradictions and choices.

    The operations are trusted most, then the Hall symbol, the Hermann-Mauguin symbol, and the
    number: settings are often unusual.

    Raises
    ------
    SymmetryError
        When nothing that is stated is known.
    CellError
        For an impossible cell, or one that does not have the symmetry.
    """
    named = find_group(stated.symbol, cell, stated.setting) if stated.symbol else None
    notes = _contradicting_number(named, stated)
    if stated.operations:
        operations = complete_group(parse_triplet(text) for text in stated.operations)
        rotations, translations = (np.array(part) for part in zip(*operations, strict=True))
        crystal = Crystal(cell, rotations, translations, name=stated.symbol)
        return _confirmed(crystal, named, stated, "operations", notes)
    if stated.hall:
        try:
            group = gemmi.symops_from_hall(stated.hall)
        except (RuntimeError, ValueError):
            text = f"the Hall symbol {stated.hall!r} is unknown and not used"
            notes.append(Note(text, "warning"))
        else:
            crystal = _of_operations(cell, group, stated.symbol or f"Hall: {stated.hall}")
            return _confirmed(crystal, named, stated, "Hall symbol", notes)
    if named is not None:
        return _of_group(cell, named), tuple(notes)
    return _by_number(cell, stated, notes)


def _by_number(
    cell: Any, stated: StatedSymmetry, notes: list[Note]
) -> tuple[Crystal, tuple[Note, ...]]:
    group = find_group(str(stated.number or ""), cell, stated.setting)
    if group is None:
        what = stated.symbol or stated.hall or stated.number
        raise SymmetryError(
            f"unknown space group {what!r}: expected a Hermann-Mauguin symbol, such as 'P 21 21 21'"
        )
    unknown = f" (its symbol {stated.symbol!r} is unknown)" if stated.symbol else ""
    text = f"space group number {stated.number}{unknown} is taken in the setting {group.xhm()}"
    note = Note(text, "guess", stated.number, give="give the operations or the symbol in the file")
    return _of_group(cell, group), (*notes, note)


def _contradicting_number(named: gemmi.SpaceGroup | None, stated: StatedSymmetry) -> list[Note]:
    if named is None or not stated.number or named.number == stated.number:
        return []
    text = (
        f"the symbol {stated.symbol} is space group number {named.number}, the stated number "
        f"{stated.number} is not used"
    )
    return [Note(text, "warning", stated.number)]


def _confirmed(
    crystal: Crystal,
    named: gemmi.SpaceGroup | None,
    stated: StatedSymmetry,
    what: str,
    notes: list[Note],
) -> tuple[Crystal, tuple[Note, ...]]:
    """The crystal with the name and asymmetric unit of its tabulated group, if it is one."""
    if named is not None:
        by_name = _if_possible(crystal.cell, named)
        if by_name is not None and by_name.has_same_symmetry(crystal):
            return by_name, tuple(notes)
        if by_name is None or kinds_of_operations(by_name) != kinds_of_operations(crystal):
            text = (
                f"the symbol {stated.symbol} contradicts the {what}: the {what} "
                f"({crystal.n_operations} operations) {'are' if what[-1] == 's' else 'is'} used"
            )
            notes.append(Note(text, "warning", crystal.n_operations))
    elif tabulated := find_gemmi_spacegroup(crystal):
        return _of_group(crystal.cell, tabulated), tuple(notes)
    return crystal, tuple(notes)


def _if_possible(cell: Any, named: gemmi.SpaceGroup) -> Crystal | None:
    try:
        return _of_group(cell, named)
    except CellError:  # the cell does not have this symmetry
        return None


def kinds_of_operations(crystal: Crystal) -> Counter[tuple[int, int]]:
    """Number of operations by determinant and trace: the same in every setting of a group."""
    rotations = np.rint(crystal.rotations).astype(int)
    return Counter((round(float(np.linalg.det(r))), int(np.trace(r))) for r in rotations)


def origins_of_symbol(crystal: Crystal, stated: StatedSymmetry) -> list[Crystal]:
    """The crystals of a stated symbol that differ by their origin, if the source leaves it open.

    Empty if operations, a Hall symbol, a suffix of the symbol or a setting tell it.
    """
    if stated.operations or stated.hall or _has_code(stated):
        return []
    named = find_group(stated.symbol or str(stated.number), crystal.cell, stated.setting)
    if named is None:
        return []
    candidates = [gemmi.find_spacegroup_by_name(f"{named.hm}:{origin}") for origin in "12"]
    origins = [group for group in candidates if group is not None and group.ext in ("1", "2")]
    return [_of_group(crystal.cell, group) for group in origins] if len(origins) > 1 else []


def _has_code(stated: StatedSymmetry) -> bool:
    return bool(_usual_spelling(stated.symbol)[1] or stated.setting.strip()[:1] in ("1", "2"))
