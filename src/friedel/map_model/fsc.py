"""Fourier shell correlation of two maps, with the correction for a mask by Chen et al."""

from dataclasses import dataclass, replace
from os import PathLike
from typing import Any, ClassVar

import numpy as np

from friedel.density.grid import Grid
from friedel.density.map_box import MapBox
from friedel.errors import ParameterError
from friedel.map_model.map_transform import masked
from friedel.maps.model_map import as_map_box
from friedel.maps.table import Table
from friedel.model.arrays import frozen
from friedel.runtime.memory import check_memory

RANDOM_BELOW = 0.8
"""Phases are made random from the shell on in which the FSC without mask falls below this."""

SHELLS_AFTER = 2
"""Number of shells between the first random one and the first that is corrected, as in RELION."""

BYTES_PER_POINT = 40
"""Memory per grid point (bytes): two maps and their transforms, and shell numbers."""


@dataclass(frozen=True, eq=False, repr=False)
class FSC(Table):
    """Fourier shell correlation of two maps, in shells of one width in 1/d.

    Attributes
    ----------
    inverse_d
        (n,) middles of the shells, 1/Å.
    number
        (n,) numbers of independent Fourier coefficients: one of each pair h, -h.
    fsc
        (n,) the correlation; that of masked maps if there is a mask, corrected if that was asked.
    unmasked, masked, random
        (n,) the correlation without and with mask, and that of masked maps with random phases, or
        None where they were not calculated.
    random_from
        1/d from which on phases are random, 1/Å; 0 if they are not.
    """

    STYLES: ClassVar[dict[str, str]] = {
        "d": ".2f", "fsc": ".4f", "unmasked": ".4f", "masked": ".4f", "random": ".4f",
    }  # fmt: skip

    inverse_d: np.ndarray
    number: np.ndarray
    fsc: np.ndarray
    unmasked: np.ndarray | None = None
    masked: np.ndarray | None = None
    random: np.ndarray | None = None
    random_from: float = 0.0

    def __post_init__(self) -> None:
        for name in ("inverse_d", "number", "fsc", "unmasked", "masked", "random"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, frozen(np.array(value)))

    def __len__(self) -> int:
        return len(self.fsc)

    def __repr__(self) -> str:
        return f"<friedel.FSC {len(self)} shells to {1 / self.inverse_d[-1]:.2f} A>"

    def columns(self) -> dict[str, np.ndarray]:
        """Columns by name: d (Å), n, fsc, and those that were calculated."""
        columns = {"d": 1.0 / self.inverse_d, "n": self.number, "fsc": self.fsc}
        others = {"unmasked": self.unmasked, "masked": self.masked, "random": self.random}
        return columns | {name: x for name, x in others.items() if x is not None}

    def resolution(self, threshold: float) -> float:
        """The d (Å) at which the FSC first falls below a threshold, by a straight line in 1/d.

        Shells before the first that reaches the threshold do not count: the lowest shells of a
        map may contain no reflections. The limit of the shells if the FSC does not fall below the
        threshold again, and infinity if it never reaches it.
        """
        i = _first_fall(self.fsc, threshold)
        if i == len(self):
            return float(1.0 / self.inverse_d[-1])
        if i == 0:
            return float("inf")
        x, y = self.inverse_d[i - 1 : i + 1], self.fsc[i - 1 : i + 1]
        return float(1.0 / (x[0] + (threshold - y[0]) / (y[1] - y[0]) * (x[1] - x[0])))

    def limit_text(self, threshold: float) -> str:
        """The resolution at a threshold in words."""
        d = self.resolution(threshold)
        if not np.isfinite(d):
            return f"below {threshold:g} throughout"
        never_falls = _first_fall(self.fsc, threshold) == len(self)
        text = f"above {threshold:g} to {d:.2f} Å" if never_falls else f"{threshold:g} at {d:.2f} Å"
        from_d = 1.0 / self.inverse_d[np.argmax(self.fsc >= threshold)]
        return text if self.fsc[0] >= threshold else f"{text} (below it beyond {from_d:.3g} Å)"

    @property
    def mean(self) -> float:
        """The mean over all Fourier coefficients (FSC average)."""
        return float((self.number * self.fsc).sum() / self.number.sum())

    def to_dict(self) -> dict[str, Any]:
        """The numbers for JSON: shells, and resolutions at 0.143 and 0.5."""
        return {
            "resolution_0.143": self.resolution(0.143),
            "resolution_0.5": self.resolution(0.5),
            "mean": self.mean,
            "phases_random_from_d": 1.0 / self.random_from if self.random_from else None,
            "shells": self.records(),
        }


def fourier_shell_correlation(
    first: MapBox | Grid | str | PathLike[str],
    second: MapBox | Grid | str | PathLike[str],
    *,
    mask: np.ndarray | None = None,
    correct: bool = False,
    d_min: float | None = None,
    seed: int = 0,
) -> FSC:
    """FSC of two maps on one grid: of half maps, or of a map and that of a model.

    In each shell it is sum Re(F1 conj F2) / sqrt(sum abs(F1)^2 sum abs(F2)^2). The shells are as
    wide as one step along the longest edge of the box.

    Parameters
    ----------
    first, second
        Maps with the same grid, or their paths.
    mask
        (nu, nv, nw) by which both are multiplied; a soft one, see :func:`friedel.soft_mask`.
    correct
        Whether to correct for the correlation that the mask itself makes: (FSC_masked - FSC_random)
        / (1 - FSC_random), where FSC_random is that of masked maps whose phases are random
        [Chen2013]. They are random from the shell on in which the FSC without mask falls below 0.8;
        the correction begins two shells later.
    d_min
        Resolution limit, Å; by default twice the distance of grid points.
    seed
        Seed of the random phases.

    Raises
    ------
    ParameterError
        When the grids or the mask differ in shape, d_min is beyond the grid, or there is a
        correction without a mask.
    FileFormatError
        When a file cannot be read.
    MemoryLimitError
        When the maps need more memory than there is.
    """
    first, second = as_map_box(first), as_map_box(second)
    if first.shape != second.shape or not np.allclose(first.steps, second.steps, rtol=1e-3):
        raise ParameterError(
            f"the maps have {first.shape} and {second.shape} points {first.spacing} and "
            f"{second.spacing} A apart, expected one grid"
        )
    if correct and mask is None:
        raise ParameterError("the correction is that of a mask: give one")
    check_memory(BYTES_PER_POINT * first.array.size, "the transforms of two maps")
    shells = _Shells.of(first, d_min)
    plain = [shells.transform(_near_one(masked(box, None))) for box in (first, second)]
    curve = shells.correlation(*plain)
    result = FSC(shells.middles, shells.counts, curve)
    if mask is None:
        return result
    of_masked = shells.correlation(
        *(shells.transform(_near_one(masked(box, mask))) for box in (first, second))
    )
    result = replace(result, fsc=of_masked, unmasked=curve, masked=of_masked)
    if not correct:
        return result
    start = _first_fall(curve, RANDOM_BELOW)
    rng = np.random.default_rng(seed)
    random = [
        shells.transform(masked(box.with_array(shells.with_random_phases(f, start, rng)), mask))
        for box, f in zip((first, second), plain, strict=True)
    ]
    of_random = shells.correlation(*random)
    corrected = of_masked.copy()
    later = slice(start + SHELLS_AFTER, None)
    rest = np.maximum(1.0 - of_random[later], 1e-6)
    corrected[later] = (of_masked[later] - of_random[later]) / rest
    from_ = float(shells.middles[start]) if start < len(curve) else 0.0
    return replace(result, fsc=corrected, random=of_random, random_from=from_)


def _near_one(values: np.ndarray) -> np.ndarray:
    """A map divided by a power of 2, so that sums of squares of F neither overflow nor vanish."""
    _, exponent = np.frexp(np.abs(values).max(initial=0.0))
    return np.ldexp(values, -exponent)


def _first_fall(curve: np.ndarray, threshold: float) -> int:
    """Number of the first shell below a threshold after one that is not.

    0 if all shells are below, and the number of shells if none is below after the first that is
    not.
    """
    reached = curve >= threshold
    if not reached.any():
        return 0
    start = int(np.argmax(reached))
    falls = ~reached[start:]
    return start + int(np.argmax(falls)) if falls.any() else len(curve)


@dataclass(frozen=True, eq=False)
class _Shells:
    """Shells of the Fourier coefficients of a box, those of real transforms.

    Attributes
    ----------
    shape
        (nu, nv, nw) of the maps.
    number
        (nu, nv, nw//2 + 1) int32 shell of each coefficient; the last for those beyond the limit.
    weight
        (nw//2 + 1,) 1 for coefficients with a mate -h that is not stored, 0.5 where both are.
    middles, counts
        (n,) 1/d of the shells, and numbers of independent coefficients.
    """

    shape: tuple[int, int, int]
    number: np.ndarray
    weight: np.ndarray
    middles: np.ndarray
    counts: np.ndarray

    @classmethod
    def of(cls, box: MapBox, d_min: float | None) -> "_Shells":
        crystal, shape = box.of_box, box.shape
        finest = 2.0 * max(box.spacing)
        limit = finest if d_min is None else d_min
        if not (np.isfinite(limit) and limit >= finest * (1.0 - 1e-6)):
            raise ParameterError(
                f"got d_min = {d_min!r}, expected a number from {finest:.3g} A, twice the distance "
                "of grid points"
            )
        width = 1.0 / max(crystal.cell[:3])
        n = max(1, int(1.0 / (limit * width) + 1e-6))
        h, k = (np.fft.fftfreq(m, 1.0 / m) for m in shape[:2])
        l = np.arange(shape[2] // 2 + 1)
        g = crystal.reciprocal_metric
        square = (
            g[0, 0] * (h * h)[:, None, None] + g[1, 1] * (k * k)[:, None] + g[2, 2] * l * l
            + 2 * g[0, 1] * h[:, None, None] * k[:, None] + 2 * g[0, 2] * h[:, None, None] * l
            + 2 * g[1, 2] * k[:, None] * l
        )  # fmt: skip
        s = np.sqrt(np.maximum(square, 0.0))
        number = np.rint(s / width).astype(np.int32) - 1
        number[(number < 0) | (number >= n) | (s > (1.0 + 1e-6) / limit)] = n
        weight = np.ones(len(l))
        weight[0] = 0.5
        if shape[2] % 2 == 0:
            weight[-1] = 0.5
        full = np.broadcast_to(weight, number.shape)
        counts = np.rint(np.bincount(number.ravel(), full.ravel(), n + 1)[:n]).astype(int)
        return cls(shape, number, weight, width * np.arange(1, n + 1), counts)

    def transform(self, values: np.ndarray) -> np.ndarray:
        """Fourier coefficients (nu, nv, nw//2 + 1) of a real map, complex64."""
        import scipy.fft

        return scipy.fft.rfftn(np.asarray(values, np.float32))

    def correlation(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """(n,) correlation of coefficients by shell; 0 where a map has none."""
        cross, one, two = (
            self._sums(x)
            for x in ((first * second.conj()).real, np.abs(first) ** 2, np.abs(second) ** 2)
        )
        norm = np.sqrt(one * two)
        return np.divide(cross, norm, out=np.zeros_like(cross), where=norm > 0)

    def _sums(self, values: np.ndarray) -> np.ndarray:
        n = len(self.middles)
        weighted = (values * self.weight).astype(np.float64)
        return np.bincount(self.number.ravel(), weighted.ravel(), n + 1)[:n]

    def with_random_phases(self, f: np.ndarray, start: int, rng: np.random.Generator) -> np.ndarray:
        """A map whose phases are random from a shell on, with the amplitudes of `f`."""
        import scipy.fft

        # the phases of noise obey Friedel's law
        noise = self.transform(rng.standard_normal(self.shape, np.float32))
        turned = np.abs(f) * np.exp(1j * np.angle(noise))
        return scipy.fft.irfftn(np.where(self.number >= start, turned, f), self.shape)
