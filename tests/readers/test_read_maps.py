"""CCP4 maps: what is written is read; what is no map is refused."""

import random
import struct
import subprocess
import sys

import gemmi
import numpy as np
import pytest

from friedel.errors import FileFormatError, MemoryLimitError
from friedel.model.crystal import Crystal
from friedel.readers.maps import read_map
from friedel.writers.maps import write_ccp4_map

CRYSTAL = Crystal.from_triplets((20, 24, 30, 90, 90, 90), ["-x,-y,z+1/2"], "P 1 1 21")


@pytest.fixture
def mask() -> np.ndarray:
    half = np.random.default_rng(0).random((20, 24, 15)) > 0.5
    u, v = -np.arange(20) % 20, -np.arange(24) % 24
    return np.concatenate([half, half[np.ix_(u, v, np.arange(15))]], axis=2).astype(np.float32)


def test_round_trip(mask, tmp_path):
    path = tmp_path / "mask.ccp4"
    write_ccp4_map(path, CRYSTAL, mask)
    grid = read_map(path)
    np.testing.assert_array_equal(grid.array, mask)
    assert grid.crystal.is_similar(CRYSTAL, 1e-5)
    assert grid.crystal.has_same_symmetry(CRYSTAL)


def write_part(path, mask, spacegroup, mode, end):
    """A map of the points from the origin to `end`, written by gemmi."""
    ccp4 = gemmi.Ccp4Map()
    ccp4.grid = gemmi.FloatGrid(mask)
    ccp4.grid.set_unit_cell(gemmi.UnitCell(*CRYSTAL.cell))
    ccp4.grid.spacegroup = gemmi.find_spacegroup_by_name(spacegroup)
    ccp4.update_ccp4_header(mode)
    box = gemmi.FractionalBox()
    box.minimum, box.maximum = gemmi.Fractional(0, 0, 0), gemmi.Fractional(*end)
    ccp4.set_extent(box)
    ccp4.write_ccp4_map(str(path))


def test_asymmetric_unit_in_another_order_of_axes(mask, tmp_path):
    path = tmp_path / "asu.ccp4"
    write_part(path, mask, "P 1 1 21", mode=0, end=(0.99, 0.99, 0.49))
    np.testing.assert_array_equal(read_map(path).array, mask)


def test_part_of_an_asymmetric_unit(mask, tmp_path):
    path = tmp_path / "part.ccp4"
    write_part(path, mask, "P 1", mode=2, end=(0.5, 0.5, 0.5))
    with pytest.raises(FileFormatError, match="does not cover"):
        read_map(path)


def test_no_map(tmp_path):
    path = tmp_path / "text.ccp4"
    path.write_text("no map")
    with pytest.raises(FileFormatError, match="cannot read"):
        read_map(path)
    with pytest.raises(FileFormatError, match="no such file"):
        read_map(tmp_path / "missing.ccp4")


# In a process of its own: the first of these files stopped the whole process
READ_ALL = """
import sys
from pathlib import Path
from friedel.errors import FriedelError
from friedel.readers.maps import read_map
for path in sorted(Path(sys.argv[1]).iterdir()):
    try:
        read_map(path)
    except FriedelError as error:
        assert len(str(error).splitlines()) == 1
print("all read")
"""
WORDS = (0, 1, -1, 3, 25, 2**20, 2**31 - 1, -(2**31), 0x7FC00000, 0x7F800000)
"""Integers for words of the header; the last two are NaN and infinity as floats."""


def check_read(folder):
    done = subprocess.run(
        [sys.executable, "-c", READ_ALL, folder],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "all read\n"), done.stderr


def with_words(data: bytes, words: dict[int, int]) -> bytes:
    damaged = bytearray(data)
    for word, number in words.items():
        struct.pack_into("<i", damaged, 4 * word - 4, number)
    return bytes(damaged)


def test_headers_by_which_gemmi_would_divide(mask, tmp_path):
    path = tmp_path / "map.ccp4"
    write_ccp4_map(path, CRYSTAL, mask)
    data = path.read_bytes()
    folder = tmp_path / "damaged"
    folder.mkdir()
    for words in ((1, 2, 3), (8, 9, 10), (1, 2, 3, 8, 9, 10), (17, 18, 19)):
        (folder / f"{words}.ccp4").write_bytes(with_words(data, dict.fromkeys(words, 0)))
    check_read(folder)
    for damaged in folder.iterdir():
        with pytest.raises(FileFormatError, match="header"):
            read_map(damaged)


def test_headers_of_random_words(mask, tmp_path):
    path = tmp_path / "map.ccp4"
    write_ccp4_map(path, CRYSTAL, mask)
    data = path.read_bytes()
    folder = tmp_path / "damaged"
    folder.mkdir()
    rng = random.Random(18)
    for i in range(300):
        places = rng.sample((*range(1, 25), 53, 54), rng.choice((1, 1, 2, 4)))
        words = {place: rng.choice(WORDS) for place in places}
        (folder / f"{i:03d}.ccp4").write_bytes(with_words(data, words))
    check_read(folder)


def test_a_map_larger_than_the_memory(mask, tmp_path):
    path = tmp_path / "map.ccp4"
    write_ccp4_map(path, CRYSTAL, mask)
    words = dict.fromkeys((1, 2, 3, 8, 9, 10), 65536)
    path.write_bytes(with_words(path.read_bytes(), words))
    with pytest.raises(MemoryLimitError, match="GiB"):
        read_map(path)
