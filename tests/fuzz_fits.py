"""Perturbed fits: data and models that no measurement gives, in random combinations.

The outcome of a case is a result or a FriedelError. Of a result, all that is offered must be
finite, and what is printed must contain no NaN.
"""

import dataclasses
import json
import random
import re
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import gemmi
import numpy as np

import friedel
from friedel.readers.reflection_lists import ReflectionList, read_reflection_list

NOT_FINITE = re.compile(r"(?<![\w-])[-+]?(nan|inf)(?![\w-])", re.IGNORECASE)
"""NaN or infinity in printed text."""

LONGEST_WORD = 24
"""Longest number in printed text: a longer one does not fit its column."""

MACROMOLECULES = ("5e5z",) * 5 + ("1dur",) * 3 + ("lyso_c2", "rnase")
SMALL = ("2242624", "epoxide", "4003024")
FACTORS = (1e-70, 1e-30, 1e-8, 1e-3, 0.0, -1.0, 1e3, 1e8, 1e13, 1e38, 1e150, 1e308, np.nan, np.inf)
EXTREME_B = (-500.0, -50.0, 0.0, 1e2, 1e3, 1e4, 1e9)
EXTREME_OCC = (0.0, 1e-30, 1e-6, 1e-3, 1e3, 1e6, 1e30, -1.0)


# of data -------------------------------------------------------------------------------------


def dropped(values, sigmas, hkl, rng):
    """A random part of the reflections."""
    kept = rng.random(len(values)) < rng.choice([0.7, 0.3, 0.1, 0.03, 0.01, 0.001])
    return values, sigmas, kept


def one_zone(values, sigmas, hkl, rng):
    """The reflections of one zone or axis, or with one index of a small range."""
    axes = rng.permutation(3)[: rng.integers(1, 3)]
    return values, sigmas, (np.abs(hkl[:, axes]) <= rng.integers(0, 3)).all(axis=1)


def low_resolution(values, sigmas, hkl, rng):
    """The reflections with the smallest or largest indices."""
    order = np.abs(hkl).sum(axis=1)
    limit = np.quantile(order, rng.choice([0.02, 0.1, 0.5]))
    return values, sigmas, order <= limit if rng.random() < 0.7 else order >= limit


def scaled(values, sigmas, hkl, rng):
    """All on another scale."""
    factor = 10.0 ** rng.uniform(-12, 12) if rng.random() < 0.7 else rng.choice(FACTORS)
    return values * factor, sigmas * factor, None


def outliers(values, sigmas, hkl, rng):
    """A few values that are wrong by any factor."""
    values = values.copy()
    chosen = rng.integers(0, len(values), rng.choice([1, 1, 2, 20]))
    wrong = 10.0 ** rng.uniform(1, 40) if rng.random() < 0.6 else rng.choice(FACTORS)
    values[chosen] *= wrong
    return values, sigmas, None


def equal(values, sigmas, hkl, rng):
    """The same value everywhere."""
    return np.full_like(values, rng.choice([0.0, 1.0, 1e-6, 1e8])), sigmas, None


def shuffled(values, sigmas, hkl, rng):
    """The values of other reflections."""
    order = rng.permutation(len(values))
    return values[order], sigmas[order], None


def powers(values, sigmas, hkl, rng):
    """Intensities taken for amplitudes, or the other way round."""
    power = rng.choice([2.0, 0.5, 4.0])
    return np.sign(values) * np.abs(values) ** power, sigmas, None


def other_sigmas(values, sigmas, hkl, rng):
    """Sigmas that are equal, or wrong for all or some."""
    new = rng.choice([0.0, 1.0, 1e-30, 1e30, 1e300, -1.0, np.nan, np.inf])
    return values, np.where(rng.random(len(values)) < rng.choice([1.0, 0.1]), new, sigmas), None


def noise(values, sigmas, hkl, rng):
    """Noise larger than the values."""
    return values + rng.normal(size=len(values)) * values.std() * rng.choice([1, 10]), sigmas, None


OF_DATA = (
    dropped, one_zone, low_resolution, scaled, outliers, outliers, equal, shuffled, powers,
    other_sigmas, noise,
)  # fmt: skip


# of models -----------------------------------------------------------------------------------


def moved(crystal, atoms, rng):
    """All shifted together, or each by a large error."""
    size = (3,) if rng.random() < 0.5 else (len(atoms), 3)
    return atoms.replace(frac=atoms.frac + rng.normal(size=size) * rng.choice([1e-3, 0.1, 20.0]))


def few(crystal, atoms, rng):
    """Some atoms only."""
    chosen = rng.permutation(len(atoms))[: rng.choice([1, 2, 10, max(1, len(atoms) // 2)])]
    return atoms.select(np.isin(np.arange(len(atoms)), chosen))


def at_one_place(crystal, atoms, rng):
    """All at the origin, or on a line."""
    return atoms.replace(frac=atoms.frac * rng.choice([0.0, 0.0, 1e-9]))


def other_b(crystal, atoms, rng):
    """B of all or of one atom that is hardly possible."""
    b = atoms.b_iso.copy()
    u = np.zeros((len(b), 6)) if atoms.u_aniso is None else atoms.u_aniso.copy()
    chosen = slice(None) if rng.random() < 0.5 else rng.integers(0, len(b))
    b[chosen], u[chosen] = rng.choice(EXTREME_B), 0.0
    return atoms.replace(b_iso=b, u_aniso=u)


def other_tensors(crystal, atoms, rng):
    """Anisotropic U, not always positive definite."""
    tensors = rng.normal(size=(len(atoms), 6)) * rng.choice([1e-3, 0.05, 1.0])
    return atoms.replace(u_aniso=tensors)


def other_occupancies(crystal, atoms, rng):
    """Occupancies of all or of one atom that are hardly possible."""
    occ = atoms.occ.copy()
    chosen = slice(None) if rng.random() < 0.5 else rng.integers(0, len(occ))
    occ[chosen] = rng.choice(EXTREME_OCC)
    return atoms.replace(occ=occ)


OF_MODELS = (moved, few, at_one_place, other_b, other_tensors, other_occupancies)


def perturbed_model(model: Any, rng: np.random.Generator, most: int) -> tuple[Any, Any]:
    """Crystal and atoms after up to `most` perturbations."""
    atoms = model.atoms
    for _ in range(rng.integers(0, most + 1)):
        atoms = OF_MODELS[rng.integers(len(OF_MODELS))](model.crystal, atoms, rng)
    return model.crystal, atoms


def perturbed_data(
    values: np.ndarray, sigmas: np.ndarray, hkl: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Values, sigmas, and which reflections are kept, after one to three perturbations."""
    kept = np.ones(len(values), bool)
    with np.errstate(all="ignore"):
        for _ in range(rng.integers(1, 4)):
            change = OF_DATA[rng.integers(len(OF_DATA))]
            values, sigmas, some = change(values, sigmas, hkl, rng)
            kept &= True if some is None else some
    return values, sigmas, kept


# cases ---------------------------------------------------------------------------------------


@cache
def macromolecule(folder: Path, name: str) -> tuple[Any, Any]:
    """Model and amplitudes."""
    return (
        friedel.as_model(folder / f"{name}.pdb", margin=10.0),
        friedel.as_reflections(folder / f"{name}.mtz"),
    )


def fit_outcome(seed: int, folder: Path) -> str:
    """A fit of scales and solvent to perturbed data."""
    rng = np.random.default_rng([seed, 1])
    model, data = macromolecule(folder, rng.choice(MACROMOLECULES))
    if rng.random() < 0.05:  # of another crystal of this cell
        other = macromolecule(folder, rng.choice(MACROMOLECULES))[0]
        model = dataclasses.replace(model, atoms=other.atoms)
    changed = perturbed_model(model, rng, 2)
    sigmas = np.ones(len(data)) if data.sigmas is None else data.sigmas
    values, sigmas, kept = perturbed_data(data.values, sigmas, data.hkl, rng)
    data = dataclasses.replace(
        data, values=values, sigmas=sigmas, intensities=None, intensity_sigmas=None
    )
    options: dict[str, Any] = {
        "target": rng.choice(["l1", "huber", "student-t", "ls", "ls-i"]),
        "solvent": rng.choice(["auto", "auto", "smooth", "flat", "babinet", "none"]),
        "weights": rng.choice(["none", "none", "sigma"]),
        "source": rng.choice(["xray", "xray", "xray", "electron", "neutron", "mott-bethe"]),
        "use_free": bool(rng.random() < 0.8),
        "reject_outliers": bool(rng.random() < 0.8),
        "sigma_cutoff": float(rng.choice([0.0, 0.0, 1.0, 3.0])),
    }
    options = {k: v.item() if isinstance(v, np.generic) else v for k, v in options.items()}
    if rng.random() < 0.15:
        options["d_min"] = float(rng.uniform(1.5, 9.0))
    if options["solvent"] in ("flat", "smooth", "auto") and rng.random() < 0.2:
        options["smooth_mask"] = True
    if rng.random() < 0.1:
        options["twin"] = "auto"
    if rng.random() < 0.1 and options["source"] == "xray":
        options["wavelength"] = 1.5418
    fitted = friedel.FModel(changed, data.select(kept), **options).fit()
    check_numbers(fitted.to_dict(), fitted.notes)
    check_text(fitted.summary(), fitted.notes)
    check_finite("F_model", fitted.f_model.values)
    for coefficients in fitted.map_coefficients():
        # rows of missing reflections follow those of the data
        of_data = coefficients.values[: len(fitted.usable)]
        check_finite(coefficients.label, of_data[fitted.usable])
    if rng.random() < 0.1:
        with tempfile.TemporaryDirectory() as written:
            check_mtz(fitted, Path(written))
    return "result"


@cache
def small_structure(folder: Path, name: str) -> tuple[Any, ReflectionList, float]:
    """Model, list of F^2, and wavelength."""
    cif = folder / f"{name}.cif"
    data = cif if name == "4003024" else folder / f"{name}.hkl"
    return friedel.as_model(cif), read_reflection_list(data), 0.7107


def small_outcome(seed: int, folder: Path) -> str:
    """A fit of scale, extinction and twin fractions to perturbed F^2."""
    rng = np.random.default_rng([seed, 2])
    model, data, wavelength = small_structure(folder, rng.choice(SMALL))
    changed = perturbed_model(model, rng, 2)
    f2, sigmas, kept = perturbed_data(data.f2, data.sigmas, data.hkl, rng)
    data = dataclasses.replace(
        data, hkl=data.hkl[kept], f2=f2[kept], sigmas=sigmas[kept], component=None
    )
    options: dict[str, Any] = {}
    if rng.random() < 0.8:
        options["wavelength"] = wavelength
        if rng.random() < 0.4:
            options["extinction"] = [True, 0.0, 0.01, 1e6, False][rng.integers(5)]
    if rng.random() < 0.3:
        options["twin"] = [["-h,-k,-l"], ["h,-k,-l"], ["-h,-k,l", "h,-k,-l"]][rng.integers(3)]
    if rng.random() < 0.5:
        options["weights"] = ["fit", (0.1, 0.0), (0.0, 1e3), (0.2, 0.0, 1e3, 0.0, 0.0, 1 / 3)][
            rng.integers(4)
        ]
    fitted = friedel.fit_intensities(changed, data, **options)
    check_numbers(fitted.to_dict(), fitted.notes)
    check_text(fitted.summary(), fitted.notes)
    check_finite("F_calc", fitted.f_calc)
    check_finite("F^2 of the model", fitted.f2_model)
    with tempfile.TemporaryDirectory() as written:
        if rng.random() < 0.1:
            check_mtz(fitted, Path(written))
        if rng.random() < 0.1:
            fitted.to_fcf(Path(written) / "f.fcf")
            check_text((Path(written) / "f.fcf").read_text(), fitted.notes)
    return "result"


# checks --------------------------------------------------------------------------------------


def check_finite(what: str, values: np.ndarray) -> None:
    """Raise an error if an array has NaN or infinity."""
    assert np.isfinite(values).all(), f"{what}: {np.sum(~np.isfinite(values))} not finite"


def check_text(text: str, notes: Any) -> None:
    """Raise an error for NaN or infinity that no note explains, and numbers of any length."""
    found = NOT_FINITE.search(text)
    assert found is None or any("not finite" in note for note in notes), f"printed: {found}\n{text}"
    body = text.split("note:")[0]
    words = [word for word in body.split() if re.fullmatch(r"[-+]?[\d.]+(e[-+]\d+)?%?", word)]
    longest = max(words, key=len, default="")
    assert len(longest) <= LONGEST_WORD, f"printed: {longest}\n{text}"


MAY_BE_NULL = re.compile(
    r"command|wavelength|mask|missing_density|r_free|r1|wr2|twin_law|stated|extinction|absolute|r_int|n_free|"
    r"f_prime|nearest|label|distance|as_stated|correlation|r_sigma|notes\.number|solvent_fraction|\.cc$"
)
"""Keys of values that are unknown for good reasons."""


def check_numbers(numbers: dict[str, Any], notes: Any) -> None:
    """Raise an error for null, which stands for NaN, where no note explains it."""
    json.dumps(numbers, allow_nan=False)
    for key, value in _leaves(numbers):
        explained = any("not finite" in note or "no goodness of fit" in note for note in notes)
        assert value is not None or MAY_BE_NULL.search(key) or explained, f"{key} is null"


def _leaves(value: Any, key: str = "") -> Any:
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _leaves(item, f"{key}.{name}")
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _leaves(item, key)
    else:
        yield key, value


def check_mtz(fitted: Any, folder: Path) -> None:
    """Raise an error unless the file is read again, and has finite or missing values."""
    fitted.to_mtz(folder / "f.mtz")
    table = np.array(gemmi.read_mtz_file(str(folder / "f.mtz")))
    assert not np.isinf(table).any(), "infinity in an MTZ file"


def seeded(seed: int, kind: str) -> random.Random:
    """A generator of its own for each kind of case."""
    return random.Random(f"{kind} {seed}")


KINDS: dict[str, Callable[[int, Path], str]] = {"fits": fit_outcome, "small": small_outcome}
