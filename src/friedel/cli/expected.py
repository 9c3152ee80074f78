"""``friedel fcalc --compare``: comparison with another program's structure factors."""

from dataclasses import dataclass, replace

import numpy as np

from friedel.errors import FileFormatError
from friedel.model.crystal import Crystal
from friedel.notes import Note
from friedel.readers.calculated import Calculated, read_calculated
from friedel.readers.reading import split_labels
from friedel.reflections.agreement import agreement
from friedel.reflections.friedel_pairs import FriedelPairs
from friedel.reflections.reflections import Reflections, match


@dataclass(frozen=True)
class Expected:
    """Another program's structure factors: F, and for Friedel pairs the part due to f''."""

    values: Calculated
    anomalous: Calculated | None

    @classmethod
    def read(
        cls,
        crystal: Crystal,
        path: str,
        d_min: float | None,
        pairs: bool,
        *,
        f_label: str | None,
        phi: str | None,
        fcanom: str,
        phicanom: str,
    ) -> "Expected":
        """Read them from a file, to a resolution limit if given."""
        found = read_calculated(path, f_label, phi)
        if d_min is not None:
            found = found.select(crystal.d_spacing(found.hkl) >= d_min)
        if not len(found.hkl):
            raise FileFormatError(f"{path} has no reflections to {d_min:g} A")
        plain, _ = split_labels(path)
        return cls(found, read_calculated(plain, fcanom, phicanom) if pairs else None)

    @property
    def notes(self) -> tuple[Note, ...]:
        """Notes on what was left out when they were read, each once."""
        both = self.values.notes + (self.anomalous.notes if self.anomalous else ())
        return tuple(dict.fromkeys(both))

    @property
    def hkl(self) -> np.ndarray:
        """(n, 3) indices of F."""
        return self.values.hkl

    def report(self, result: Reflections) -> str:
        """Agreement of each part with `result`."""
        part = replace(result, values=result.mean) if isinstance(result, FriedelPairs) else result
        lines = [f"compared with {self.values.description}: {len(result)} reflections"]
        lines += [str(agreement(part, self.values.values))]
        if self.anomalous is not None and isinstance(result, FriedelPairs):
            mine, theirs = match(result.hkl, self.anomalous.hkl)
            part = replace(result, values=result.anomalous).select(mine)
            lines += [f"compared with {self.anomalous.description}: {len(mine)} reflections"]
            lines += [str(agreement(part, self.anomalous.values[theirs]))]
        return "\n".join(lines)
