"""Structure factors of Friedel mates, for anomalous scattering."""

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from friedel.reflections.reflections import Reflections, checked_column


@dataclass(frozen=True, eq=False, repr=False)
class FriedelPairs(Reflections):
    """Reflections with values F(h) and those of their Friedel mates, F(-h).

    Parameters
    ----------
    minus
        (n,) complex F(-h); the other parameters are those of `Reflections`.
    """

    minus: np.ndarray = field(default_factory=lambda: np.zeros(0, complex))

    _arrays: ClassVar[tuple[str, ...]] = (*Reflections._arrays, "minus")

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "minus", checked_column("minus", self.minus, len(self)))

    def __repr__(self) -> str:
        return super().__repr__().replace("friedel.Reflections", "friedel.FriedelPairs", 1)

    @property
    def plus(self) -> np.ndarray:
        """(n,) complex F(h), the same as `values`."""
        return self.values

    @property
    def mean(self) -> np.ndarray:
        """(n,) complex (F(h) + F(-h)*) / 2: the contribution of f0 + f', that of a real density."""
        return 0.5 * (self.values + self.minus.conj())

    @property
    def anomalous(self) -> np.ndarray:
        """(n,) complex (F(h) - F(-h)*) / 2i: the contribution of f'' without its 90 degree shift.

        Its map has peaks of f'' electrons at the anomalous scatterers.
        """
        return -0.5j * (self.values - self.minus.conj())

    @property
    def differences(self) -> np.ndarray:
        """(n,) Bijvoet differences abs(F(h)) - abs(F(-h))."""
        return np.abs(self.values) - np.abs(self.minus)

    def measurable(self) -> tuple[np.ndarray, np.ndarray, None]:
        """Indices (2 n, 3) and amplitudes (2 n,): each reflection followed by its mate."""
        hkl = np.stack([self.hkl, -self.hkl], axis=1).reshape(-1, 3)
        return hkl, np.abs(np.stack([self.values, self.minus], axis=1)).ravel(), None

    def columns(self) -> dict[str, np.ndarray]:
        """Columns by name as written to files, phases in degrees.

        FC is :attr:`mean` and FCanom is :attr:`anomalous`; PHIF(-) is the phase of F(-h) itself.
        """
        parts = {
            ("FC", "PHIC"): self.mean,
            ("F(+)", "PHIF(+)"): self.values,
            ("F(-)", "PHIF(-)"): self.minus,
            ("FCanom", "PHICanom"): self.anomalous,
        }
        columns = {}
        for (amplitude, phase), values in parts.items():
            columns[amplitude] = np.abs(values)
            columns[phase] = np.degrees(np.angle(values))
        return columns
