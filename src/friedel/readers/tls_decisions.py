"""Decision whether the displacements of TLS groups are added to the B and U of a source."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from friedel.constants import U_TO_B
from friedel.errors import ParameterError
from friedel.model.atoms import LARGEST
from friedel.model.tensors import VOIGT
from friedel.model.tls import TlsGroup
from friedel.notes import Notes
from friedel.readers.stated_model import StatedModel, StatedTls, some_of

CHOICES = ("auto", "residual", "none", "no")
"""Values of the option `tls`, besides None."""

MOST = 0.5
"""Share of the atoms from which on a property is that of the model."""

CONTAINED = 0.5
"""Slope of the anisotropy of U on that of the TLS part from which on it is taken as contained."""

SMALLEST = 1e-6
"""Eigenvalue, as a share of the largest, below which a tensor counts as not positive."""


def checked_tls(choice: str | None) -> str:
    """The option `tls` as one of ``"auto"``, ``"residual"``, ``"none"``.

    Raises
    ------
    ParameterError
        When it is anything else.
    """
    if choice is not None and choice not in CHOICES:
        raise ParameterError(f"got tls={choice!r}, expected 'auto', 'residual' or None")
    return "none" if choice in (None, "no", "none") else choice


@dataclass(frozen=True)
class _Decision:
    """Whether the TLS part is added, why, and as a note of which kind."""

    add: bool
    why: str
    kind: str


def with_tls(stated: StatedModel, choice: str, notes: Notes) -> StatedModel:
    """The model with the displacements of its TLS groups, if its B and U are without them.

    Parameters
    ----------
    choice
        ``"auto"`` to follow what the source says, or shows; ``"residual"`` to add them, or
        ``"none"``.
    notes
        Notes on the decision are added to these.

    Raises
    ------
    ParameterError
        When they are to be added and there is no group with atoms.
    """
    tls = stated.tls or StatedTls()
    residual = tls.content == "residual"
    if choice == "none":
        if residual:
            text = "the file says that its B are those left after TLS; as asked, none is added"
            notes.add(text, "default", len(tls.groups))
        return stated
    groups, owner = _usable(tls, stated, notes, said=residual or choice == "residual")
    if not groups:
        if choice == "residual":
            raise ParameterError(
                f"tls='residual' adds TLS groups; {stated.name or 'the model'} has none with atoms"
            )
        if residual:
            notes.add(
                "the file says that its B are those left after TLS, but has no TLS groups that "
                "could be added",
                "warning",
            )
        return stated
    u_tls = np.zeros((len(stated), 6))
    for i, group in enumerate(groups):
        u_tls[owner == i] = group.tensors(stated.coordinates[owner == i])
    decision = _decision(stated, u_tls, owner >= 0, choice)
    number = f"{len(groups)} TLS group{'s' if len(groups) > 1 else ''}"
    if not decision.add:
        text = f"{number} of the file {_are(groups)} not added to its B and U: {decision.why}"
        notes.add(text, decision.kind, len(groups), give="give tls 'residual' or 'none'")
        return stated
    n_atoms = int((owner >= 0).sum())
    text = (
        f"{number} of the file {_are(groups)} added to B and U of {n_atoms} atoms: {decision.why}"
    )
    notes.add(text, decision.kind, len(groups), give="give tls 'residual' or 'none'")
    _about_tensors(groups, notes)
    return _added(stated, u_tls, owner >= 0)


def _are(groups: Sequence[TlsGroup]) -> str:
    return "is" if len(groups) == 1 else "are"


def _usable(
    tls: StatedTls, stated: StatedModel, notes: Notes, *, said: bool
) -> tuple[list[TlsGroup], np.ndarray]:
    """The groups that displace atoms, and (n,) which one each atom belongs to, -1 for none."""
    owner = np.full(len(stated), -1)
    # Atoms rejects other values, with an error that says so
    numbers = np.column_stack([stated.coordinates, stated.b_iso])
    if stated.u_aniso is not None:
        numbers = np.column_stack([numbers, stated.u_aniso])
    with np.errstate(invalid="ignore"):
        finite = (np.abs(numbers) < LARGEST).all(axis=1)
    groups: list[TlsGroup] = []
    unknown, zero, empty, twice = [], [], [], 0
    for group, atoms in zip(tls.groups, tls.atoms, strict=True):
        if not group.is_known:
            unknown.append(group.name)
        elif group.is_zero:
            zero.append(group.name)
        elif not (atoms & finite).any():
            empty.append(group.name)
        else:
            own = atoms & finite & (owner < 0)
            twice += int((atoms & (owner >= 0)).sum())
            owner[own] = len(groups)
            groups.append(group)
    reasons = {
        "their numbers are not all stated": unknown,
        "their tensors are 0": zero,
        "they select no atoms": empty,
        "their selections are not understood": list(tls.unclear),
    }
    for why, names in reasons.items():
        if names and said:
            notes.add(f"TLS groups that are not added ({some_of(names)}): {why}", "left out")
    if twice and said:
        text = f"atoms in two TLS groups ({twice}) are displaced by the first of them"
        notes.add(text, "guess", twice, give="select each atom by one TLS group")
    return groups, owner


def _decision(
    stated: StatedModel, u_tls: np.ndarray, members: np.ndarray, choice: str
) -> _Decision:
    tls = stated.tls or StatedTls()
    if choice == "residual":
        return _Decision(True, "as asked", "default")
    if tls.content == "sum":
        return _Decision(False, f'they contain it, as the file says ("{tls.words}")', "file")
    added = u_tls[members]
    b_iso, b_tls = stated.b_iso[members], U_TO_B * added[:, :3].mean(axis=1)
    u_aniso = np.zeros((len(added), 6)) if stated.u_aniso is None else stated.u_aniso[members]
    is_aniso = u_aniso.any(axis=1)
    slope = _slope(_anisotropy(u_aniso[is_aniso]), _anisotropy(added[is_aniso]))
    mostly_aniso = is_aniso.mean() > MOST
    if tls.content == "residual":
        if mostly_aniso and slope > CONTAINED:
            why = (
                f'the file says that they are those left after TLS ("{tls.words}"), but the '
                f"anisotropy of its U is {slope:.2f} times that of the TLS groups"
            )
            return _Decision(False, why, "guess")
        total = _total(stated, u_tls)[members]
        impossible = (np.linalg.eigvalsh(total[:, VOIGT])[:, 0] < 0).mean()
        if impossible > MOST:
            why = (
                f'the file says that they are those left after TLS ("{tls.words}"), but '
                f"{impossible:.0%} of the sums are not positive definite"
            )
            return _Decision(False, why, "guess")
        return _Decision(True, f'those of the file are residual ("{tls.words}")', "file")
    if mostly_aniso:
        share = f"{is_aniso.mean():.0%} of the atoms are anisotropic"
        why = f"{share}, and nothing says that their U is residual"
        return _Decision(False, why, "default")
    below = (b_iso < b_tls).mean()
    if below > MOST:
        why = f"those of the file cannot contain it, as {below:.0%} of the B are less"
        return _Decision(True, why, "guess")
    return _Decision(False, "nothing says whether they contain it already", "guess")


def _anisotropy(tensors: np.ndarray) -> np.ndarray:
    """(n, 3, 3) tensors without their trace."""
    full = tensors[:, VOIGT]
    return np.asarray(full - tensors[:, :3].mean(axis=1)[:, None, None] * np.eye(3))


def _slope(y: np.ndarray, x: np.ndarray) -> float:
    """The slope of the line through the origin."""
    scatter = float((x * x).sum())
    return float((x * y).sum()) / scatter if scatter > 0.0 else 0.0


def _total(stated: StatedModel, u_tls: np.ndarray) -> np.ndarray:
    """(n, 6) the U of the source and of the groups together."""
    u = np.zeros((len(stated), 6)) if stated.u_aniso is None else stated.u_aniso.copy()
    isotropic = ~u.any(axis=1)
    u[isotropic, :3] = (stated.b_iso[isotropic] / U_TO_B)[:, None]
    return u + u_tls


def _added(stated: StatedModel, u_tls: np.ndarray, members: np.ndarray) -> StatedModel:
    u_aniso = np.zeros((len(stated), 6)) if stated.u_aniso is None else stated.u_aniso.copy()
    b_iso = stated.b_iso.copy()
    u_aniso[members] = _total(stated, u_tls)[members]
    b_iso[members] = U_TO_B * u_aniso[members, :3].mean(axis=1)
    return replace(stated, u_aniso=u_aniso, b_iso=b_iso)


def _about_tensors(groups: Sequence[TlsGroup], notes: Notes) -> None:
    """A note on tensors with negative eigenvalues."""
    wrong = []
    for group in groups:
        for letter, tensor in (("T", group.t), ("L", group.l)):
            eigenvalues = np.linalg.eigvalsh(tensor)
            if eigenvalues[0] < -SMALLEST * np.abs(eigenvalues).max():
                wrong.append(f"{letter} of group {group.name}")
    if wrong:
        text = f"TLS tensors that are not positive definite are used as given ({some_of(wrong)})"
        notes.add(text, "warning", len(wrong))
