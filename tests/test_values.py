"""Values own their arrays: later changes to the caller's arrays have no effect."""

import dataclasses

import numpy as np
import pytest

import friedel
from friedel.direct import DirectSum
from friedel.errors import AtomsError, FriedelError, ReflectionsError, SymmetryError
from friedel.fmodel.fmodel import FModel
from friedel.model.arrays import checked_hkl, frozen_copy
from friedel.scaling import ScalingData
from globule import CRYSTAL, globule, observed

HKL = np.array([[1, 2, 3], [0, 0, 2], [4, -1, 0]], np.int32)
COMPLEX = np.array([1 + 2j, 3.0, -1j])
REAL = np.array([1.0, 2.0, 3.0])


def arguments():
    """Class, and arrays as a caller may have them: of the type that is kept, and writable."""
    identity = np.eye(3, dtype=np.int32)
    two_fold = np.diag([-1, -1, 1]).astype(np.int32)
    atom_arrays = {
        "frac": np.random.default_rng(1).random((3, 3)),
        "occ": np.ones(3),
        "b_iso": np.full(3, 20.0),
        "kind": np.array([0, 1, 0], np.int32),
        "scatterers": ("C", "O"),
        "u_aniso": np.full((3, 6), 0.1),
    }
    return {
        "Crystal": (
            friedel.Crystal,
            {
                "cell": (20.0, 25.0, 30.0, 90.0, 90.0, 90.0),
                "rotations": np.stack([identity, two_fold]),
                "translations": np.array([[0, 0, 0], [0, 0, 12]], np.int32),
                "asu_basis": np.eye(3),
            },
        ),
        "Atoms": (friedel.Atoms, atom_arrays),
        "Reflections": (
            friedel.Reflections,
            {
                "crystal": CRYSTAL,
                "hkl": HKL.copy(),
                "values": REAL.copy(),
                "sigmas": REAL.copy(),
                "free": np.array([True, False, False]),
            },
        ),
        "FriedelPairs": (
            friedel.FriedelPairs,
            {
                "crystal": CRYSTAL,
                "hkl": HKL.copy(),
                "values": COMPLEX.copy(),
                "minus": COMPLEX.copy(),
            },
        ),
        "ScalingData": (
            ScalingData,
            {
                "crystal": CRYSTAL,
                "hkl": HKL.copy(),
                "f_obs": REAL.copy(),
                "f_calc": COMPLEX.copy(),
                "f_mask": COMPLEX.copy(),
                "twin": (COMPLEX.copy(), COMPLEX.copy(), None),
            },
        ),
        "DirectSum": (DirectSum, {"crystal": CRYSTAL, "hkl": HKL.copy()}),
    }


def arrays_of(thing):
    names = (
        [f.name for f in dataclasses.fields(thing)] if dataclasses.is_dataclass(thing) else ["hkl"]
    )
    found = {}
    for name in names:
        value = getattr(thing, name)
        for i, part in enumerate(value if isinstance(value, tuple) else (value,)):
            if isinstance(part, np.ndarray):
                found[f"{name} {i}"] = part
    return found


@pytest.mark.parametrize("name", arguments())
def test_a_value_owns_its_arrays(name):
    made, fields = arguments()[name]
    thing = made(**fields)
    before = {key: array.copy() for key, array in arrays_of(thing).items()}
    given = [
        part
        for value in fields.values()
        for part in (value if isinstance(value, tuple) else (value,))
        if isinstance(part, np.ndarray)
    ]
    assert len(given) == len(before)
    for array in given:
        assert array.flags.writeable
        array[...] = ~array if array.dtype == bool else 7
    for key, array in arrays_of(thing).items():
        assert not array.flags.writeable, key
        np.testing.assert_array_equal(array, before[key], err_msg=key)


def test_a_view_of_writable_memory_is_copied():
    base = np.zeros(3)
    view = base[:]
    view.flags.writeable = False
    kept = frozen_copy(view)
    base[0] = 1.0
    assert kept[0] == 0.0
    assert frozen_copy(kept) is kept


def test_a_fit_does_not_see_later_changes_of_the_data():
    data = observed(noise=0.05)
    values, free = data.values.copy(), data.free.copy()
    own = friedel.Reflections(CRYSTAL, data.hkl, values, data.sigmas, free)
    fitted = FModel((CRYSTAL, globule()), own).fit()
    r_work = fitted.r_work
    values *= 2.0
    free[:] = ~free
    assert fitted.r_work == r_work
    assert FModel((CRYSTAL, globule()), own).fit().r_work == pytest.approx(r_work, rel=1e-12)


def test_a_calculator_keeps_its_reflections():
    hkl = HKL.copy()
    calculator = friedel.Calculator.from_model((CRYSTAL, globule()), hkl=hkl)
    f = calculator.forward()
    hkl[:] = 1
    np.testing.assert_array_equal(calculator.hkl, HKL)
    np.testing.assert_array_equal(calculator.forward(), f)
    with pytest.raises(ValueError, match="read-only"):
        calculator.hkl[0] = 1


NO_INDICES = ([[1.7, 2, 3]], [[0, 0, 2**32 + 1]], [[0, 0, np.nan]], [[1, 2]], [["a", "b", "c"]])


@pytest.mark.parametrize("hkl", NO_INDICES, ids=str)
@pytest.mark.parametrize(
    "use",
    [
        CRYSTAL.to_asu,
        CRYSTAL.is_absent,
        CRYSTAL.is_centric,
        CRYSTAL.epsilon,
        checked_hkl,
        lambda hkl: DirectSum(CRYSTAL, hkl),
        lambda hkl: friedel.fcalc((CRYSTAL, globule()), hkl=hkl),
        lambda hkl: friedel.Reflections(CRYSTAL, hkl, np.ones(1)),
        lambda hkl: ScalingData(CRYSTAL, hkl, np.ones(1), np.ones(1, complex)),
    ],
)
def test_indices_are_whole_numbers_everywhere(use, hkl):
    with pytest.raises(ReflectionsError):
        use(hkl)


@pytest.mark.parametrize("kind", [[0.9, 1.0], [0, 2**33], [0, np.nan], ["C", "O"]], ids=str)
def test_kinds_of_atoms_are_whole_numbers(kind):
    with pytest.raises(AtomsError, match="kind"):
        friedel.Atoms(np.zeros((2, 3)), np.ones(2), np.ones(2), kind, ("C", "O"))


def test_operations_are_whole_numbers():
    cell = (20.0, 25.0, 30.0, 90.0, 90.0, 90.0)
    with pytest.raises(SymmetryError, match="rotations has 0.5"):
        friedel.Crystal(cell, 0.5 * np.eye(3)[None], np.zeros((1, 3)))
    with pytest.raises(SymmetryError, match="translations has 0.25"):
        friedel.Crystal(cell, np.eye(3)[None], np.full((1, 3), 0.25))


FLAGS_OF_CCP4 = np.arange(60) % 20


@pytest.mark.parametrize("flags", [FLAGS_OF_CCP4, FLAGS_OF_CCP4.astype(float), ["a"] * 60])
def test_flags_are_no_free_set(flags):
    hkl = np.column_stack([np.arange(60), np.zeros(60, int), np.ones(60, int)])
    with pytest.raises(ReflectionsError, match="free"):
        friedel.Reflections(CRYSTAL, hkl, np.ones(60), free=flags)


class TestWithFree:
    """Flags as files have them, and which of them is the free set."""

    HKL = np.column_stack([np.arange(60), np.zeros(60, int), np.ones(60, int)])
    DATA = friedel.Reflections(CRYSTAL, HKL, np.ones(60))

    @pytest.mark.parametrize("flags", [FLAGS_OF_CCP4, FLAGS_OF_CCP4.astype(np.float32)])
    def test_numbered_sets(self, flags):
        assert self.DATA.with_free(flags, value=0).free.sum() == 3
        assert self.DATA.with_free(flags, value=7).free.sum() == 3

    def test_booleans(self):
        free = FLAGS_OF_CCP4 == 3
        np.testing.assert_array_equal(self.DATA.with_free(free).free, free)
        np.testing.assert_array_equal(self.DATA.with_free(~free, value=0).free, free)

    @pytest.mark.parametrize(
        ("flags", "value", "message"),
        [
            (FLAGS_OF_CCP4, None, r"needs value=.*0 \(3 times\)"),
            (FLAGS_OF_CCP4, 20, "has 0 of 60"),
            (np.zeros(60), 0, "has 60 of 60"),
            (np.where(FLAGS_OF_CCP4 == 0, np.nan, 1.0), 1, "nan"),
            (FLAGS_OF_CCP4[1:], 0, "shape"),
        ],
    )
    def test_what_is_no_free_set(self, flags, value, message):
        with pytest.raises(ReflectionsError, match=message):
            self.DATA.with_free(flags, value=value)


@pytest.mark.parametrize("values", [["a", "b", "c"], [True, False, True], [None, 1.0, 2.0]])
def test_values_are_numbers(values):
    try:
        data = friedel.Reflections(CRYSTAL, HKL, values)
    except FriedelError:
        return
    np.testing.assert_array_equal(data.values[1:], [1.0, 2.0])  # None is a missing value, NaN


def test_results_cannot_be_changed(shared_data):
    paths = [shared_data / "models" / f"epoxide.{ending}" for ending in ("cif", "hkl")]
    small = friedel.fit_intensities(*map(str, paths))
    fitted = FModel((CRYSTAL, globule()), observed(noise=0.05)).fit()
    f = friedel.fcalc((CRYSTAL, globule()), d_min=2.0)
    for array in (small.f2, small.weights, fitted.f_obs.values, fitted.f_model.values, f.values):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1.0
