"""Notes: choices made on the user's behalf, omitted data, and doubtful findings.

Every result carries its notes. They are printed once on stderr by the commands and written to JSON,
to the HISTORY of MTZ files and to CIF, with the version and the command.
"""

from collections.abc import Iterable
from typing import Self

from friedel.constants import VERSION
from friedel.errors import GuessError, ParameterError

KINDS = {
    "guess": "the input leaves something open, and a value was chosen; an error in strict mode",
    "default": "a rule of the conventions was applied, or an option as it was given",
    "left out": "reflections, atoms or lines are not used",
    "fit": "a fit decided it",
    "file": "a file states it",
    "warning": "something looks doubtful",
}
"""Kinds of notes, with their meanings."""


class Note(str):
    """One note: a text with its kind and the number that it states.

    A note is a ``str``, so that notes can be joined, printed and compared as text.

    Parameters
    ----------
    text
        One sentence, without a full stop.
    kind
        One of :data:`KINDS`.
    number
        The count or value that the note is about, or None.
    give
        For a guess, what the user can give to avoid it.

    Raises
    ------
    ParameterError
        When the kind is none of :data:`KINDS`.
    """

    __slots__ = ("_give", "_kind", "_number")

    _kind: str
    _number: float | None
    _give: str

    def __new__(
        cls, text: str, kind: str = "default", number: float | None = None, *, give: str = ""
    ) -> Self:
        """Make a note; see the class."""
        if kind not in KINDS:
            raise ParameterError(f"got a note of kind {kind!r}, expected one of {', '.join(KINDS)}")
        note = super().__new__(cls, text)
        for name, value in (("_kind", kind), ("_number", number), ("_give", give)):
            object.__setattr__(note, name, value)
        return note

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a note cannot be changed: cannot set {name!r}")

    def __reduce__(self) -> tuple[object, ...]:
        return _restored, (str(self), self.kind, self.number, self.give)

    @property
    def text(self) -> str:
        """The note as a plain ``str``."""
        return str(self)

    @property
    def kind(self) -> str:
        """One of :data:`KINDS`."""
        return self._kind

    @property
    def number(self) -> float | None:
        """The count or value that the note is about, or None."""
        return self._number

    @property
    def give(self) -> str:
        """What the user can give to avoid a guess; empty for other kinds."""
        return self._give

    def to_dict(self) -> dict[str, str | float | None]:
        """The note as a record for JSON: text, kind and number."""
        return {"text": self.text, "kind": self.kind, "number": self.number}


def _restored(text: str, kind: str, number: float | None, give: str) -> Note:
    return Note(text, kind, number, give=give)


class Notes:
    """A collection of notes in order, each text once.

    Parameters
    ----------
    strict
        Whether a note of kind ``"guess"`` raises an error instead of being kept.
    """

    def __init__(self, *, strict: bool = False) -> None:
        self.strict = strict
        self._notes: dict[str, Note] = {}

    def add(self, text: str, kind: str, number: float | None = None, *, give: str = "") -> None:
        """Add one note; the parameters are those of :class:`Note`.

        Raises
        ------
        GuessError
            When the note is a guess, in strict mode.
        """
        self.extend([Note(text, kind, number, give=give)])

    def extend(self, notes: Iterable[str]) -> None:
        """Add notes that were made elsewhere; a plain text becomes one of kind ``"default"``.

        Raises
        ------
        GuessError
            When one of the notes is a guess, in strict mode.
        """
        for given in notes:
            note = given if isinstance(given, Note) else Note(given)
            if self.strict and note.kind == "guess":
                raise GuessError(f"{note}: a guess, and strict mode allows none; {note.give}")
            self._notes.setdefault(note.text, note)

    def records(self) -> tuple[Note, ...]:
        """All notes so far."""
        return tuple(self._notes.values())


def friedel_version() -> str:
    """The version of the running friedel, for output files."""
    return VERSION
