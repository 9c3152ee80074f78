"""SHELX instruction files (.ins, .res): the text becomes one record of what it says.

The syntax is that of SHELXL [Sheldrick2015]. As there, HKLF is the last instruction: of what
follows, the remarks before END are read.
"""

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from friedel.errors import FileFormatError, FriedelError
from friedel.model.crystal import Crystal
from friedel.notes import Note
from friedel.readers.model_decisions import u_cart_from_cif
from friedel.readers.shelx_file import ShelxAtom, ShelxFile, ShelxHklf, ShelxScatterer

_OTHERS = (
    "ACTA ANIS ANSC ANSR BIND BLOC BOND BUMP CGLS CHIV CONF CONN DAMP DANG DEFS DELU DFIX EADP "
    "EGEN EQIV ESEL EXYZ FIND FLAT FMAP FREE GRID HOPE HTAB INIT ISOR L.S. LIST MIND MOLE MORE "
    "MPLA NCSY NTRY PATT PHAN PHAS PLAN PRIG PSEE RIGU RTAB SADI SAME SIMU SIZE SPEC SPIN STIR "
    "SUMP TEMP TEXP TIME TREF TWST VECT WIGL WPDB XNPD"
)
OTHER_INSTRUCTIONS = frozenset(_OTHERS.split())
"""Instructions that change neither F_calc nor the data: restraints, tables, output."""

NOT_DONE = {
    "ABIN": "contribution of a solvent mask",
    "LAUE": "Laue data",
    "SWAT": "diffuse solvent by Babinet's principle",
}
"""Instructions that change F_calc and are not applied, with their meaning."""

RIDING = (-5.0, -0.5)
"""Range of U of atoms whose U is that many times the U_eq of the atom before."""

DEFAULT_U = 0.05
"""U (Å^2) of atoms that state none."""

DEFAULT_WEIGHTS = (0.1, 0.0, 0.0, 0.0, 0.0, 1 / 3)
"""a, b, c, d, e, f of WGHT where values are missing."""

U_ORDER = (0, 1, 2, 5, 4, 3)
"""Places of U11, U22, U33, U12, U13, U23 in SHELX's order U11, U22, U33, U23, U13, U12."""


def looks_like_shelx(text: str) -> bool:
    """Whether a text has a CELL instruction with wavelength and cell, and is not a CIF."""
    cell = re.search(r"^CELL(\s+\d*\.?\d+){7}\s*(!.*)?$", text, re.MULTILINE | re.IGNORECASE)
    return cell is not None and re.search(r"^\s*data_", text, re.MULTILINE | re.I) is None


def read_shelx(text: str, name: str = "the SHELX file", *, with_atoms: bool = True) -> ShelxFile:
    """What the text of an instruction file, or of `_shelx_res_file` of a CIF, says.

    Parameters
    ----------
    name
        Name of the file, for messages.
    with_atoms
        Whether to read the atoms, too.

    Raises
    ------
    FileFormatError
        When an instruction cannot be read; the message gives its line.
    """
    reader = _Reader(name, with_atoms)
    for number, words in _statements(text):
        try:
            if not reader.take(words):
                break
        except (ValueError, IndexError, FriedelError) as error:
            raise FileFormatError(
                f"line {number + 1} of {name}, {' '.join(words)[:60]!r}, cannot be read: {error}"
            ) from None
    return reader.result()


def _statements(text: str) -> Iterator[tuple[int, list[str]]]:
    """Line number from 0 and words of each instruction, with the lines that continue it."""
    lines = text.lstrip("\ufeff").splitlines()
    i = 0
    while i < len(lines):
        number, line = i, lines[i]
        i += 1
        if not line.strip() or line[0].isspace():
            continue
        if free := re.match(r"(TITL|REM)\b(.*)", line, re.IGNORECASE):
            yield number, [free[1].upper(), free[2].strip()]
            continue
        body, goes_on = _cut(line)
        while goes_on and i < len(lines) and re.match(r"[\s\d+.-]", lines[i]):
            more, goes_on = _cut(lines[i])
            body += " " + more
            i += 1
        if words := body.split():
            yield number, words


def _cut(line: str) -> tuple[str, bool]:
    """The line before a comment or the sign of continuation, and whether it is continued."""
    end = re.search("[!=]", line)
    return (line, False) if end is None else (line[: end.start()], end[0] == "=")


def decoded(code: float, fvar: Sequence[float]) -> float:
    """The value of a parameter from SHELX's code 10 m + p, with p between -5 and 5.

    It is p for m = 0 (refined) and m = 1 (held), p times free variable m for m > 1, and
    p (fv(-m) - 1) for m < -1. The overall scale is number 1 of the free variables.

    Raises
    ------
    ValueError
        When there is no such free variable.
    """
    m = int((abs(code) + 5.0) // 10.0) * (1 if code > 0 else -1)
    p = code - 10.0 * m
    if abs(m) <= 1:
        return p
    if abs(m) > len(fvar):
        raise ValueError(f"got code {code:g}, expected one of the {len(fvar)} variables of FVAR")
    variable = fvar[abs(m) - 1]
    return p * variable if m > 0 else p * (variable - 1.0)


@dataclass
class _Reader:
    """The state while reading: values found, and what holds for the atoms that follow."""

    name: str
    with_atoms: bool = True
    found: dict[str, Any] = field(default_factory=dict)
    scatterers: list[ShelxScatterer] = field(default_factory=list)
    atoms: list[ShelxAtom] = field(default_factory=list)
    lists: dict[str, list[Any]] = field(default_factory=dict)
    part: int = 0
    part_sof: float | None = None
    afix: int = 0
    afix_sof: float | None = None
    afix_u: float | None = None
    residue: int = 0
    move: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 1.0)
    u_before: float | None = None
    in_fragment: bool = False
    has_ended: bool = False
    notes: list[Note] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)

    def take(self, words: list[str]) -> bool:
        """Use one instruction or atom; False at END."""
        word = words[0].upper().split("_")[0][:4]
        if word == "END":
            return False
        if self.has_ended and word != "REM":
            return True
        if word == "FEND" or self.in_fragment:
            self.in_fragment = word != "FEND"
        elif word == "HKLF":
            self.has_ended = True
            self.found["hklf"] = _hklf([_number(word) for word in words[1:] if _is_number(word)])
        elif words[0].startswith("+"):
            text = f"the include file {words[0].lstrip('+')} of {self.name} is not read"
            self.notes.append(Note(text, "left out"))
        elif word in _METHODS:
            _METHODS[word](self, words[1:])
        elif word not in OTHER_INSTRUCTIONS and word not in NOT_DONE:
            self._atom_or_unknown(words)
        if word in NOT_DONE:
            self.notes.append(Note(f"{word} is not applied: {NOT_DONE[word]}", "warning"))
        return True

    def result(self) -> ShelxFile:
        if self.ignored:
            n = len(self.ignored)
            text = f"{n} lines of {self.name} are not understood: {', '.join(self.ignored[:5])}"
            self.notes.append(Note(text, "left out", n))
        lists: dict[str, Any] = {key: tuple(values) for key, values in self.lists.items()}
        return ShelxFile(
            self.name,
            scatterers=tuple(self.scatterers),
            atoms=tuple(self.atoms),
            notes=tuple(self.notes),
            **lists,
            **self.found,
        )

    def _append(self, key: str, values: Sequence[Any]) -> None:
        self.lists.setdefault(key, []).extend(values)

    def _cell(self, words: list[str]) -> None:
        values = [_number(x) for x in words[:7]]
        if len(values) < 7:
            raise ValueError("expected the wavelength and six numbers of the cell")
        Crystal(tuple(values[1:]))  # type: ignore[arg-type]  # checked here, with the line
        self.found |= {"wavelength": values[0], "cell": tuple(values[1:])}

    def _zerr(self, words: list[str]) -> None:
        z, *su = (_number(x) for x in words[:7])
        self.found |= {"z": z, "cell_su": tuple(su)}

    def _sfac(self, words: list[str]) -> None:
        if len(words) > 1 and _is_number(words[1]):
            values = [_number(x) for x in words[1:]]
            if len(values) < 9:
                raise ValueError("expected a1 b1 a2 b2 a3 b3 a4 b4 c")
            dispersion = complex(*values[9:11]) if len(values) > 10 else None
            name = words[0].lstrip("$")
            self.scatterers.append(ShelxScatterer(name, tuple(values[:9]), dispersion))
        else:
            self.scatterers += [ShelxScatterer(word.lstrip("$")) for word in words]

    def _disp(self, words: list[str]) -> None:
        name = words[0].lstrip("$").upper()
        value = complex(*(_number(x) for x in words[1:3]))
        for i, known in enumerate(self.scatterers):
            if known.name.upper() == name:
                self.scatterers[i] = ShelxScatterer(known.name, known.coefficients, value)

    def _twin(self, words: list[str]) -> None:
        values = [_number(x) for x in words]
        # without numbers the second component is the inverted structure
        matrix = tuple(values[:9]) if len(values) >= 9 else (-1.0, 0, 0, 0, -1.0, 0, 0, 0, -1.0)
        n = round(values[9]) if len(values) > 9 else 2
        if abs(n) < 2 or (n < 0 and n % 2):
            raise ValueError(f"got {n} twin components, expected 2 or more, or -4, -6, ...")
        self.found["twin"] = matrix, n

    def _omit(self, words: list[str]) -> None:
        if not words or not all(map(_is_number, words)):  # names of atoms, for an omit map
            return
        values = [_number(x) for x in words]
        if len(values) >= 3:
            hkl = [round(x) for x in values[:3]]
            if not np.allclose(hkl, values[:3]):
                raise ValueError("expected integers h k l")
            self._append("omit_hkl", [tuple(hkl)])
            return
        self.found["omit_threshold"] = values[0]
        if len(values) > 1:
            self.found["omit_two_theta"] = values[1]

    def _shel(self, words: list[str]) -> None:
        values = [_number(x) for x in words[:2]]
        self.found["shel"] = values[0] if values else np.inf, values[1] if values[1:] else 0.0

    def _weights(self, words: list[str]) -> None:
        values = tuple(_number(x) for x in words[:6])
        self.found["weights"] = values + DEFAULT_WEIGHTS[len(values) :]

    def _part(self, words: list[str]) -> None:
        self.part = int(_number(words[0])) if words else 0
        self.part_sof = _number(words[1]) if len(words) > 1 and self.part else None

    def _set_afix(self, words: list[str]) -> None:
        values = [_number(x) for x in words]
        self.afix = int(values[0]) if values else 0
        self.afix_sof = values[2] if len(values) > 2 and self.afix else None
        self.afix_u = values[3] if len(values) > 3 and self.afix else None

    def _resi(self, words: list[str]) -> None:
        numbers = [word.split(":")[-1] for word in words]
        self.residue = next((int(x) for x in numbers if re.fullmatch(r"-?\d+", x)), 0)

    def _move(self, words: list[str]) -> None:
        values = [_number(x) for x in words[:4]]
        self.move = (*values, *(0.0, 0.0, 0.0, 1.0)[len(values) :])  # type: ignore[assignment]

    def _frag(self, words: list[str]) -> None:
        self.in_fragment = True

    def _hfix(self, words: list[str]) -> None:
        self.found["hfix"] = self.found.get("hfix", 0) + 1

    def _atom_or_unknown(self, words: list[str]) -> None:
        is_atom = len(words) >= 5 and words[1].isdigit() and _is_number(words[2])
        if not is_atom:
            self.ignored.append(words[0])
        if not is_atom or not self.with_atoms:
            return
        element = int(words[1])
        if not 1 <= element <= len(self.scatterers):
            raise ValueError(
                f"got scattering factor {element}, expected 1 to {len(self.scatterers)} of SFAC"
            )
        fvar = self.lists.get("fvar", [])
        values = [_number(x) for x in words[2:]]
        *shift, sign = self.move
        xyz = [sign * decoded(x, fvar) + d for x, d in zip(values[:3], shift, strict=True)]
        sof = values[3] if len(values) > 3 else 11.0
        sof = next((x for x in (self.part_sof, self.afix_sof) if x is not None), sof)
        self.atoms.append(
            ShelxAtom(
                words[0],
                self.residue,
                element - 1,
                tuple(xyz),
                decoded(sof, fvar),
                self._u(values[4:], fvar),
                self.part,
                self.afix,
            )
        )

    def _u(self, codes: list[float], fvar: list[float]) -> tuple[float, ...]:
        """U of an atom, whose U_eq becomes that of the riding atoms that follow."""
        if len(codes) >= 6:
            values = [decoded(x, fvar) for x in codes[:6]]
            u = tuple(values[i] for i in U_ORDER)
            self.u_before = self._u_equivalent(u)
            return u
        code = codes[0] if codes else DEFAULT_U
        code = code if self.afix_u is None else self.afix_u
        if RIDING[0] < code < RIDING[1]:
            if self.u_before is None:
                raise ValueError(f"got U {code:g} times that of the atom before, but there is none")
            return (-code * self.u_before,)
        self.u_before = decoded(code, fvar)
        return (self.u_before,)

    def _u_equivalent(self, u: tuple[float, ...]) -> float:
        if "cell" not in self.found:
            raise ValueError("expected CELL before the atoms")
        crystal = Crystal(self.found["cell"])
        return float(u_cart_from_cif(crystal, np.array([u]))[0, :3].mean())


def _set(key: str, convert: Callable[[list[str]], Any]) -> Callable[[_Reader, list[str]], None]:
    """A method that stores one value."""

    def store(reader: _Reader, words: list[str]) -> None:
        reader.found[key] = convert(words)

    return store


def _extend(key: str, convert: Callable[[str], Any] | None = None) -> Callable[..., None]:
    """A method that appends all words."""

    def append(reader: _Reader, words: list[str]) -> None:
        reader._append(key, [(convert or _number)(word) for word in words])

    return append


_METHODS: dict[str, Callable[[_Reader, list[str]], None]] = {
    "TITL": _set("title", lambda words: words[0]),
    "REM": _extend("remarks", str),
    "CELL": _Reader._cell,
    "ZERR": _Reader._zerr,
    "LATT": _set("lattice", lambda words: int(_number(words[0])) if words else 1),
    "SYMM": lambda reader, words: reader._append("symmetry", [" ".join(words)]),
    "SFAC": _Reader._sfac,
    "DISP": _Reader._disp,
    "UNIT": _extend("unit"),
    "FVAR": _extend("fvar"),
    "TWIN": _Reader._twin,
    "BASF": _extend("basf"),
    "EXTI": _set("extinction", lambda words: _number(words[0]) if words else 0.0),
    "SWAT": _set("swat", lambda words: tuple(_number(x) for x in words)),
    "OMIT": _Reader._omit,
    "SHEL": _Reader._shel,
    "MERG": _set("merg", lambda words: int(_number(words[0])) if words else 2),
    "NEUT": _set("neutron", lambda words: True),
    "WGHT": _Reader._weights,
    "PART": _Reader._part,
    "AFIX": _Reader._set_afix,
    "RESI": _Reader._resi,
    "MOVE": _Reader._move,
    "FRAG": _Reader._frag,
    "HFIX": _Reader._hfix,
}


def _hklf(values: list[float]) -> ShelxHklf:
    if not values:
        return ShelxHklf(4)
    matrix = tuple(values[2:11]) if len(values) >= 11 else ShelxHklf.matrix
    return ShelxHklf(
        int(values[0]),
        values[1] if len(values) > 1 else 1.0,
        matrix,
        values[11] if len(values) > 11 else 1.0,
    )


def _is_number(word: str) -> bool:
    return re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", word) is not None


def _number(word: str) -> float:
    value = float(word)
    if not math.isfinite(value):
        raise ValueError(f"got {word}, expected a finite number")
    return value
