"""Properties of the elements: time of f' and f'' and of form factors, against gemmi and xraydb.

    python benchmarks/properties.py [--only NAME]

Each line: this package, the peer in the same run, their ratio, and the largest difference.
"""

import time
from collections.abc import Callable

import gemmi
import numpy as np
from common import chosen, parser_of

import friedel
from friedel.scattering.dispersion import anomalous, cromer_liberman

N_ENERGIES = 1000
ENERGIES = np.geomspace(2000.0, 70000.0, N_ENERGIES)
ELEMENTS = range(3, 93)


def best_of(call: Callable[[], object], repeats: int = 5) -> float:
    """Seconds of the fastest of several calls, after one that fills caches."""
    call()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def report(what: str, ours: float, theirs: float, peer: str, difference: str) -> None:
    print(
        f"{what:44} {1e3 * ours:9.3f} ms  {peer:7}{1e3 * theirs:9.3f} ms  "
        f"{theirs / ours:7.1f} x   {difference}"
    )


def cromer_liberman_everywhere() -> None:
    def ours() -> np.ndarray:
        return np.array([cromer_liberman(z, ENERGIES) for z in ELEMENTS])

    def theirs() -> np.ndarray:
        energies = ENERGIES.tolist()
        return np.array([[gemmi.cromer_liberman(z, e) for e in energies] for z in ELEMENTS])

    difference = np.abs(ours() - theirs().transpose(0, 2, 1))
    report(
        f"Cromer-Liberman, {len(ELEMENTS)} elements x {N_ENERGIES} energies",
        best_of(ours),
        best_of(theirs, 2),
        "gemmi",
        f"99.9 %: {np.quantile(difference, 0.999):.1e}, max {difference.max():.1e} electrons",
    )


def addends_of_all_elements() -> None:
    energy = 12398.4

    def filled(addends: "friedel.Addends | gemmi.Addends") -> "friedel.Addends | gemmi.Addends":
        addends.clear()
        addends.add_cl_fprime(energy)
        return addends

    a, b = friedel.Addends(), gemmi.StructureFactorCalculatorX(gemmi.UnitCell()).addends
    filled(a), filled(b)
    difference = max(abs(a.get(z) - b.get(gemmi.Element(z))) for z in ELEMENTS)
    report(
        "Addends.add_cl_fprime, all elements",
        best_of(lambda: filled(a), 50),
        best_of(lambda: filled(b), 50),
        "gemmi",
        f"max {difference:.1e} electrons",
    )


def chantler_everywhere() -> None:
    import xraydb

    def ours() -> np.ndarray:
        return np.array([anomalous(z, energy=ENERGIES, anomalous="chantler") for z in ELEMENTS])

    def theirs() -> np.ndarray:
        return np.array(
            [[xraydb.f1_chantler(z, ENERGIES), xraydb.f2_chantler(z, ENERGIES)] for z in ELEMENTS]
        )

    # f' of xraydb depends on which energies are asked for together; near edges both interpolate f''
    # differently
    difference = np.abs(ours()[:, 1] - theirs()[:, 1]).max()
    report(
        f"Chantler, {len(ELEMENTS)} elements x {N_ENERGIES} energies",
        best_of(ours, 2),
        best_of(theirs, 2),
        "xraydb",
        f"f'' max {difference:.1e} electrons",
    )


def form_factors() -> None:
    stol2 = np.linspace(0.0, 1.0, 1000)
    iron, peer = friedel.form_factor_table("it92").entries["Fe"], gemmi.Element("Fe").it92
    theirs = np.array([peer.calculate_sf(x) for x in stol2.tolist()])
    report(
        "IT92 form factor of Fe at 1000 angles",
        best_of(lambda: iron.f(stol2), 50),
        best_of(lambda: [peer.calculate_sf(x) for x in stol2.tolist()], 50),
        "gemmi",
        f"max {np.abs(iron.f(stol2) - theirs).max():.1e} electrons",
    )


CASES = {
    "cromer-liberman": cromer_liberman_everywhere,
    "addends": addends_of_all_elements,
    "chantler": chantler_everywhere,
    "form factors": form_factors,
}


if __name__ == "__main__":
    for name in chosen(parser_of(__doc__, CASES), CASES)[1]:
        CASES[name]()
