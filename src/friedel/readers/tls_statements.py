"""TLS groups as files state them, and what they say of the B and U of their atoms."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from friedel.errors import ParameterError
from friedel.gemmi_package import gemmi
from friedel.model.tensors import VOIGT
from friedel.model.tls import TlsGroup
from friedel.readers.cif_items import Items
from friedel.readers.stated_model import StatedTls
from friedel.readers.tls_selections import (
    ResidueRange,
    SelectableAtoms,
    Selection,
    residue_number,
)

RESIDUAL = re.compile(
    r"residual\s+(?:[ub][-\s]*(?:factors?|values?)?\s*)?only"
    r"|\b[ub][-\s]*(?:factors?|values?)\s+(?:shown\s+)?are\s+residual(?!s?\s+(?:and|plus|\+))",
    re.I,
)
"""Remarks of programs and authors on B or U without the part of TLS."""

SUM = re.compile(
    r"sum\s+of\s+tls\s+and\s+residual|with\s+tls\s+added"
    r"|residuals?\s+(?:and|plus|\+)\s+(?:the\s+)?tls"
    r"|contain(?:s|ing)?\s+(?:both\s+)?(?:the\s+)?tls\s+and\s+residual",
    re.I,
)
"""Remarks on B or U with the part of TLS."""

LIKELY_RESIDUAL = re.compile(r"likely\s+residual", re.I)
"""What the Protein Data Bank found about the B of an entry."""

Groups = tuple[tuple[TlsGroup, tuple[Selection, ...]], ...]
"""Groups with the selections of their atoms."""

_ELEMENT = re.compile(r"\b([TLS])\s?([123])([123])\s*:\s*([-+.\deE]+|NULL|\*+)")
_NUMBER = re.compile(r"[-+]?\d+\.?\d*")
_ORDER = ["11", "22", "33", "12", "13", "23"]


@dataclass(frozen=True, eq=False)
class TlsOfFile:
    """The TLS groups of a file, with the texts that select their atoms.

    Attributes
    ----------
    groups
        The groups, each with its selections.
    content
        ``"residual"`` if the file says that B and U are those left after TLS, ``"sum"`` if they
        are said to include it, or None.
    words
        The words that say so.
    """

    groups: Groups
    content: str | None = None
    words: str = ""

    def of_atoms(self, model: gemmi.Model) -> StatedTls:
        """The groups with the atoms of a model that they select."""
        atoms = SelectableAtoms(model)
        chosen, known = [], []
        unclear = []
        for group, selections in self.groups:
            try:
                chosen.append(atoms.selected(selections))
                known.append(group)
            except ParameterError:
                unclear.append(group.name)
        return StatedTls(tuple(known), tuple(chosen), tuple(unclear), self.content, self.words)


def stated_content(text: str) -> tuple[str | None, str]:
    """What a text says of B and U, ``"residual"``, ``"sum"`` or None, and the words that say it."""
    text = " ".join(text.split())
    residual, total = RESIDUAL.search(text), SUM.search(text)
    if residual and total:
        return None, ""
    if total:
        return "sum", total[0]
    residual = residual or LIKELY_RESIDUAL.search(text)
    return ("residual", residual[0]) if residual else (None, "")


def tls_of_structure(structure: gemmi.Structure) -> TlsOfFile | None:
    """The TLS groups of a structure by its remarks, or without remarks by its metadata."""
    remarks = [line[10:] for line in structure.raw_remarks if line.startswith("REMARK   3")]
    content, words = stated_content("\n".join(remarks))
    groups = groups_of_remarks(remarks) if remarks else groups_of_metadata(structure)
    return TlsOfFile(groups, content, words) if groups or content == "residual" else None


def tls_of_block(items: Items, structure: gemmi.Structure) -> TlsOfFile | None:
    """The TLS groups of a block of an mmCIF file."""
    flag = items.text("_refine_pdbx_tls_residual_adp_flag")
    content, words = stated_content(f"{flag}\n{items.text('_refine_details')}")
    begins = items.texts("_pdbx_refine_tls_group_beg_auth_asym_id")
    ends = items.texts("_pdbx_refine_tls_group_end_auth_asym_id")
    several = {
        name
        for name, begin, end in zip(
            items.texts("_pdbx_refine_tls_group_refine_tls_id"), begins, ends, strict=False
        )
        if begin and end and begin != end
    }
    groups = tuple(
        # gemmi has the chain of the first residue only
        (group, () if group.name in several else selections)
        for group, selections in groups_of_metadata(structure)
    )
    return TlsOfFile(groups, content, words) if groups or content == "residual" else None


def groups_of_metadata(structure: gemmi.Structure) -> Groups:
    """The groups that gemmi has read; one that several refinements share stands once."""
    found: dict[str, tuple[TlsGroup, tuple[Selection, ...]]] = {}
    for refinement in structure.meta.refinement:
        for group in refinement.tls_groups:
            tls = TlsGroup(
                group.id,
                np.array(group.origin.tolist()),
                np.array(group.T.as_mat33().tolist()),
                np.array(group.L.as_mat33().tolist()),
                np.array(group.S.tolist()),
            )
            selections = tuple(_of_gemmi(one) for one in group.selections)
            found.setdefault(f"{tls}{selections}", (tls, selections))
    return tuple(found.values())


def _of_gemmi(selection: gemmi.TlsGroup.Selection) -> Selection:
    first, last = selection.res_begin, selection.res_end
    if not selection.chain or first.num is None or last.num is None:
        return selection.details
    ends = (first.num, first.icode.strip()), (last.num, last.icode.strip())
    return ResidueRange(selection.chain, *ends)


def groups_of_remarks(remarks: Iterable[str]) -> Groups:
    """The groups in the lines of REMARK 3, without their first ten columns.

    They are not those that gemmi reads: it takes an origin whose numbers touch, and a missing
    element, as 0, and leaves out ranges without a chain or over several.
    """
    parts: list[list[str]] = []
    for line in remarks:
        if re.match(r"\s*TLS GROUP\s*:", line):
            parts.append([])
        if parts:
            parts[-1].append(line)
    found: dict[str, tuple[TlsGroup, tuple[Selection, ...]]] = {}
    for part in parts:
        group, selections = _group_of_remarks(part)
        found.setdefault(f"{group}{selections}", (group, selections))
    return tuple(found.values())


def _group_of_remarks(lines: list[str]) -> tuple[TlsGroup, tuple[Selection, ...]]:
    name = lines[0].partition(":")[2].strip()
    elements: dict[str, float] = {}
    origin = np.full(3, np.nan)
    selections: list[Selection] = []
    text: str | None = None
    for line in lines[1:]:
        label, colon, value = line.partition(":")
        label = label.strip().upper()
        if label in ("SELECTION", "SET") and colon:
            text = value.strip()
            continue
        if text is not None and line.startswith(" " * 12):  # the selection is continued
            text = f"{text} {line.strip().lstrip(':').strip()}"
            continue
        if text is not None:
            selections.append("" if text.upper() in ("NULL", "NONE") else text)
            text = None
        if label == "RESIDUE RANGE":
            selections.append(_range_of_remark(line))
        elif label.startswith("ORIGIN FOR THE GROUP"):
            numbers = _NUMBER.findall(value)
            if len(numbers) == 3:
                origin = np.array(numbers, float)
        else:
            for tensor, i, j, number in _ELEMENT.findall(line):
                elements.setdefault(f"{tensor}{i}{j}", _number(number))
    t, l = (np.array([elements.get(f"{x}{ij}", np.nan) for ij in _ORDER])[VOIGT] for x in "TL")
    s = np.array([[elements.get(f"S{i}{j}", np.nan) for j in "123"] for i in "123"])
    if np.isnan(s[2, 2]):  # only differences of the diagonal elements are determined
        s[2, 2] = -s[0, 0] - s[1, 1]
    return TlsGroup(name, origin, t, l, s), tuple(selections)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return np.nan


def _range_of_remark(line: str) -> Selection:
    """The range of a line ``RESIDUE RANGE :   A    27        A   302``, or its text."""
    fields = line.partition(":")[2].split()
    try:
        if len(fields) == 4:
            chain, first, last_chain, last = fields
        elif len(fields) == 2:
            (first, last), chain, last_chain = fields, "", ""
        else:  # columns, for a chain and a number that touch
            columns = slice(21, 23), slice(23, 30), slice(37, 39), slice(39, 46)
            chain, first, last_chain, last = (line[part].strip() for part in columns)
        return ResidueRange(chain, residue_number(first), residue_number(last), last_chain)
    except ParameterError:
        return line.strip()
