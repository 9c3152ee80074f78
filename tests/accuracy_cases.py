"""Synthetic crystals that try the promise of rtol, seeded: for tests and benchmarks.

Every case is a crystal, its atoms, d_min, rtol and radiation. What is promised is the worst of ten
resolution shells of F against direct summation. Cases of other classes look at what is not
promised: derivatives, and F between the Bragg positions of a supercell by itself.
"""

import warnings
from dataclasses import dataclass, field

import gemmi
import numpy as np

from friedel.errors import AccuracyError, FriedelWarning
from friedel.model.atoms import Atoms
from friedel.model.crystal import Crystal
from friedel.reflections.agreement import worst_shell_error
from friedel.reflections.reflections import Reflections
from friedel.structure_factors.calculator import Calculator

MOST_REFLECTIONS = 3000
"""Number of reflections above which a sample is compared; the whole list is planned for."""
RTOLS = (1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
SOURCES = ("xray", "electron", "neutron", "mott-bethe")
HIGH_SYMMETRY = ("P 61 2 2", "P 6 2 2", "P 4 3 2", "F 4 3 2", "I 41")
SYSTEMS = (
    "P 1",
    "P 1 21 1",
    "C 1 2 1",
    "P 21 21 21",
    "P 43 21 2",
    "R 3:H",
    "P 6 2 2",
    "P 2 3",
    "I 4 3 2",
)


@dataclass
class Case:
    """One crystal at one resolution, and what is asked for."""

    name: str
    crystal: Crystal
    atoms: Atoms
    d_min: float
    rtol: float
    source: str = "xray"
    options: dict = field(default_factory=dict)

    def ratio(self):
        """Error in the worst shell, relative to rtol, and the calculator; NaN without a grid."""
        model = self.crystal, self.atoms
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FriedelWarning)
            hkl = self.crystal.unique_reflections(self.d_min)
            options = {"source": self.source, "rtol": self.rtol, "method": "fft", **self.options}
            try:
                calculator = Calculator.from_model(model, hkl=hkl, **options)
            except AccuracyError:
                return np.nan, None
            found = calculator.forward()
            if len(hkl) > MOST_REFLECTIONS:
                some = np.random.default_rng(0).choice(len(hkl), MOST_REFLECTIONS, replace=False)
                some = np.unique(np.append(some, np.argmax(self.crystal.stol2(hkl))))
                hkl, found = hkl[some], found[some]
            exact = Calculator.from_model(model, hkl=hkl, source=self.source, method="direct")
            reflections = Reflections(self.crystal, hkl, found)
            error = worst_shell_error(reflections, exact.forward())
        return error / self.rtol, calculator


class AdjointCase(Case):
    """The same for derivatives: the largest error of those by occ, frac and b_iso."""

    def ratio(self):
        """Rms error of the derivatives relative to their size and to rtol, and the calculator."""
        model = self.crystal, self.atoms
        options = {"d_min": self.d_min, "source": self.source, **self.options}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FriedelWarning)
            try:
                fft = Calculator.from_model(model, method="fft", rtol=self.rtol, **options)
            except AccuracyError:
                return np.nan, None
            direct = Calculator.from_model(model, method="direct", **options)
            f = direct.forward()
            w = f * np.exp(1j * np.random.default_rng(0).normal(size=len(f)))
            found, right = (x.adjoint(self.atoms, w) for x in (fft, direct))
        names = ("occ", "frac", "u_aniso" if self.atoms.is_aniso.any() else "b_iso")
        pairs = [(getattr(found, name), getattr(right, name)) for name in names]
        errors = [np.linalg.norm(x - y) / np.linalg.norm(y) for x, y in pairs]
        return max(errors) / self.rtol, fft


@dataclass
class SupercellCase(Case):
    """F between the Bragg positions of a supercell of m cells along each axis."""

    m: int = 2

    def ratio(self):
        """Error in the worst shell, relative to the F there and to rtol, and the calculator."""
        model = self.crystal, self.atoms
        options = {"multiple_of": (self.m,) * 3, "rtol": self.rtol, "d_min": self.d_min}
        calculator = Calculator.from_model(model, method="fft", **options)
        direct = Calculator.from_model(model, d_min=self.d_min, method="direct")
        found, right = calculator.forward(), direct.forward()
        between = (calculator.hkl % self.m).any(axis=1)
        reflections = Reflections(self.crystal, calculator.hkl[between], found[between])
        return worst_shell_error(reflections, right[between]) / self.rtol, calculator


def crystal_of(symbol, cell):
    """A crystal with the operations of a space group."""
    group = gemmi.find_spacegroup_by_name(symbol)
    return Crystal.from_triplets(cell, [op.triplet() for op in group.operations()])


def cell_of(symbol, lengths, rng):
    """Cell parameters near some lengths that suit a space group."""
    a, b, c = lengths
    system = gemmi.find_spacegroup_by_name(symbol).crystal_system_str()
    if system == "triclinic":
        return (a, b, c, *rng.uniform(70, 110, 3))
    if system == "monoclinic":
        return (a, b, c, 90, rng.uniform(91, 125), 90)
    if system == "orthorhombic":
        return (a, b, c, 90, 90, 90)
    if system == "tetragonal":
        return (a, a, c, 90, 90, 90)
    if system in ("trigonal", "hexagonal"):
        return (a, a, c, 90, 90, 120)
    return (a, a, a, 90, 90, 90)


def high_symmetry(n_seeds=25, rtols=RTOLS):
    """Few reflections per shell, with axial ones of high multiplicity: 200 atoms at 2 to 3 Å."""
    for symbol in HIGH_SYMMETRY:
        for seed in range(n_seeds):
            rng = np.random.default_rng(seed)
            crystal = crystal_of(symbol, cell_of(symbol, [rng.choice([40.0, 60.0])] * 3, rng))
            labels = rng.choice(["C", "N", "O", "S"], 200, p=[0.6, 0.2, 0.19, 0.01])
            atoms = Atoms.from_labels(labels, rng.random((200, 3)), 1.0, 10 + rng.gamma(2, 10, 200))
            d_min = float(rng.choice([2.0, 2.5, 3.0]))
            for rtol in rtols:
                yield Case(f"{symbol} {seed}", crystal, atoms, d_min, rtol)


def boxes(n_seeds=50, rtols=RTOLS):
    """Few sharp atoms among many broad ones that overlap, in a large P 1 box."""
    for seed in range(n_seeds):
        rng = np.random.default_rng(seed)
        crystal = Crystal((*rng.uniform(60, 150, 3), 90, 90, 90))
        n_sharp, n_broad = int(rng.integers(1, 9)), int(rng.choice([100, 200, 400, 1000]))
        n, centre = n_sharp + n_broad, np.array(crystal.cell[:3]) / 2
        spread = np.full(n, rng.uniform(3, 15))
        positions = centre + rng.normal(size=(n, 3)) * spread[:, None]
        b_iso = np.concatenate([rng.uniform(1, 20, n_sharp), rng.uniform(100, 400, n_broad)])
        labels = rng.choice(["C", "N", "O"], n)
        atoms = Atoms.from_labels(labels, positions / np.array(crystal.cell[:3]), 1.0, b_iso)
        d_min = float(rng.choice([2.5, 3.0, 4.0]))
        for rtol in rtols:
            yield Case(f"box {seed}", crystal, atoms, d_min, rtol)


def ordinary(n_seeds=100, n_atoms=150):
    """Crystal systems x d_min x rtol x radiation x (iso, aniso, NPD) x distribution of atoms."""
    for seed in range(n_seeds):
        rng = np.random.default_rng(1000 + seed)
        symbol = SYSTEMS[seed % len(SYSTEMS)]
        d_min = float(rng.choice([1.0, 1.5, 2.0, 3.0]))
        n = int(rng.integers(20, n_atoms))
        kind, spread = (
            ("iso", "aniso", "NPD")[seed % 3],
            ("spread", "compact", "mixed B")[seed % 4 % 3],
        )
        n_operations = len(gemmi.find_spacegroup_by_name(symbol).operations())
        side = max((n * 18.0 * n_operations) ** (1 / 3), 4.0 * d_min)
        crystal = crystal_of(symbol, cell_of(symbol, side * rng.uniform(0.7, 1.4, 3), rng))
        frac = rng.random((n, 3))
        if spread == "compact":
            frac = 0.3 + 0.5 * n_operations ** (-1 / 3) * frac
        b_iso = 3.0 * d_min**2 + rng.gamma(2.0, 3.0 * d_min, n)
        if spread == "mixed B":
            b_iso = np.exp(rng.uniform(np.log(1.0), np.log(200.0), n))
        u_aniso = np.zeros((n, 6))
        if kind != "iso":
            u_aniso[:, :3] = (b_iso / 79.0)[:, None] * rng.uniform(0.6, 1.6, (n, 3))
            u_aniso[:, 3:] = (b_iso / 79.0)[:, None] * rng.uniform(-0.2, 0.2, (n, 3))
        if kind == "NPD":
            u_aniso[:2, 0] = -0.01
        labels = rng.choice(["C", "N", "O", "S", "H", "Fe"], n, p=[0.4, 0.15, 0.2, 0.03, 0.2, 0.02])
        occ = np.where(rng.random(n) < 0.1, 0.5, 1.0)
        atoms = Atoms.from_labels(labels, frac, occ, b_iso, u_aniso)
        rtol = float(RTOLS[int(rng.integers(len(RTOLS)))])
        source = SOURCES[int(rng.integers(len(SOURCES)))]
        name = f"{symbol} {kind} {spread} {seed}"
        yield Case(name, crystal, atoms, d_min, rtol, source)


def derivatives(n_seeds=100):
    """The crystals of `ordinary`, for the derivatives."""
    for case in ordinary(n_seeds):
        yield AdjointCase(**vars(case))


def supercells(n_seeds=20, rtols=RTOLS):
    """Supercells of 2 or 3 cells along each axis, the copies displaced by 0.02 to 0.2 Å."""
    for seed in range(n_seeds):
        rng = np.random.default_rng(seed)
        m = int(rng.choice([2, 3]))
        n = 60 // m
        cells = np.array(np.meshgrid(*[range(m)] * 3)).reshape(3, -1).T
        lengths = m * rng.uniform(12, 18, 3)
        frac = ((rng.random((n, 3)) + cells[:, None]) / m).reshape(-1, 3)
        frac += rng.normal(size=frac.shape) * 10.0 ** rng.uniform(-1.7, -0.7) / lengths
        labels = np.tile(rng.choice(["C", "N", "O"], n), m**3)
        atoms = Atoms.from_labels(labels, frac, 1.0, float(rng.uniform(5, 30)))
        crystal = Crystal((*lengths, 90, 90, 90))
        for rtol in rtols:
            yield SupercellCase(f"supercell {seed}", crystal, atoms, 2.0, rtol, m=m)


def sweep(n_seeds=2000):
    """Extremes: cells of 2 to 800 Å, angles of 30 to 150, B, occupancies and rtol over decades."""
    for seed in range(n_seeds):
        rng = np.random.default_rng(seed)
        symbol = str(
            rng.choice(
                [
                    "P 1",
                    "P 1 21 1",
                    "C 1 2 1",
                    "P 21 21 21",
                    "I 41",
                    "P 6 2 2",
                    "P 4 3 2",
                    "F 4 3 2",
                ]
            )
        )
        lengths = np.exp(rng.uniform(np.log(2.0), np.log(800.0), 3))
        cell = cell_of(symbol, lengths, rng)
        if symbol == "P 1":
            while True:
                cell = (*lengths, *rng.uniform(30, 150, 3))
                cosines = np.cos(np.radians(cell[3:]))
                if 1 + 2 * cosines.prod() - (cosines**2).sum() > 0.01:
                    break
        crystal = crystal_of(symbol, cell)
        # From 200 to 20,000 reflections in the sphere of one primitive cell
        n_wanted = np.exp(rng.uniform(np.log(200.0), np.log(20000.0)))
        volume = crystal.volume / len(crystal.centring_translations)
        d_min = float(np.clip((4.19 * volume / n_wanted) ** (1 / 3), 0.2, 20.0))
        if 4.19 * volume / d_min**3 > 2e5:
            continue
        n = int(np.exp(rng.uniform(0.0, np.log(150.0))))
        low, high = np.sort(rng.uniform(np.log(1e-3), np.log(1e4), 2))
        b_iso = np.exp(rng.uniform(low, high, n))
        low, high = np.sort(rng.uniform(np.log(1e-6), np.log(1e6), 2))
        occ = np.exp(rng.uniform(low, high, n)) if rng.random() < 0.5 else np.full(n, np.exp(low))
        u_aniso = np.zeros((n, 6))
        if rng.random() < 0.3:
            u_aniso[:, :3] = (b_iso / 79.0)[:, None] * rng.uniform(0.2, 2.0, (n, 3))
        labels = rng.choice(["C", "N", "O", "S", "H", "Fe", "U"], n)
        atoms = Atoms.from_labels(labels, rng.random((n, 3)), occ, b_iso, u_aniso)
        rtol = float(np.exp(rng.uniform(np.log(1e-9), np.log(0.5))))
        source = str(rng.choice(SOURCES))
        yield Case(f"sweep {seed}", crystal, atoms, d_min, rtol, source)
