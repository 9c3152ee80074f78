"""What a SHELX instruction file says: records made by :func:`friedel.readers.shelx.read_shelx`."""

from dataclasses import dataclass

from friedel.notes import Note


@dataclass(frozen=True)
class ShelxScatterer:
    """One entry of SFAC.

    Attributes
    ----------
    name
        The name in the file, an element symbol unless the coefficients are stated.
    coefficients
        a1, b1, ..., a4, b4, c if stated, else None; with NEUT c is the scattering length (fm).
    dispersion
        f' + i f'' (electrons), stated here or by DISP; None if not.
    """

    name: str
    coefficients: tuple[float, ...] | None = None
    dispersion: complex | None = None


@dataclass(frozen=True)
class ShelxAtom:
    """One atom, codes of free variables decoded.

    Attributes
    ----------
    label, residue
        Name, and number of the residue (0 outside of residues).
    element
        Index of its entry in :attr:`ShelxFile.scatterers`, from 0.
    xyz
        Fractional coordinates.
    sof
        Site occupation factor: occupancy divided by the order of the site symmetry.
    u
        U (Å^2), or U11, U22, U33, U12, U13, U23 in the frame of CIF.
    part, afix
        Numbers of the last PART and AFIX before it.
    """

    label: str
    residue: int
    element: int
    xyz: tuple[float, ...]
    sof: float
    u: tuple[float, ...]
    part: int = 0
    afix: int = 0


@dataclass(frozen=True)
class ShelxHklf:
    """HKLF: format, factor of F^2 and sigma, matrix of the indices by rows, factor of sigma."""

    code: int
    scale: float = 1.0
    matrix: tuple[float, ...] = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
    sigma_scale: float = 1.0


@dataclass(frozen=True)
class ShelxFile:
    """What a SHELX instruction file says; None or empty for what it does not say.

    Attributes
    ----------
    name, title
        Name of the file, for messages, and TITL.
    wavelength, cell, cell_su, z
        CELL and ZERR: Å, degrees.
    lattice, symmetry
        LATT (negative without a centre of inversion) and the operations of SYMM as written.
    scatterers, unit
        SFAC with DISP, and UNIT.
    fvar
        Overall scale and free variables.
    atoms
        All atoms before HKLF or END.
    twin, basf
        TWIN: nine numbers by rows and the number of components; BASF.
    extinction
        x of EXTI.
    hklf
        HKLF.
    omit_hkl, omit_threshold, omit_two_theta
        OMIT h k l; s and 2 theta (degrees) of OMIT s 2theta.
    swat
        g and U of SWAT.
    shel, merg, neutron, weights
        SHEL (Å), MERG, NEUT; a to f of WGHT.
    hfix
        Number of HFIX instructions, whose hydrogens are not in the file yet.
    remarks
        Text of REM, also between HKLF and END, where SHELXL writes its R-factors.
    notes
        Instructions that are not understood or not applied.
    """

    name: str
    title: str = ""
    wavelength: float | None = None
    cell: tuple[float, ...] | None = None
    cell_su: tuple[float, ...] | None = None
    z: float | None = None
    lattice: int = 1
    symmetry: tuple[str, ...] = ()
    scatterers: tuple[ShelxScatterer, ...] = ()
    unit: tuple[float, ...] = ()
    fvar: tuple[float, ...] = ()
    atoms: tuple[ShelxAtom, ...] = ()
    twin: tuple[tuple[float, ...], int] | None = None
    basf: tuple[float, ...] = ()
    extinction: float | None = None
    swat: tuple[float, ...] | None = None
    hklf: ShelxHklf | None = None
    omit_hkl: tuple[tuple[int, int, int], ...] = ()
    omit_threshold: float | None = None
    omit_two_theta: float | None = None
    shel: tuple[float, float] | None = None
    merg: int | None = None
    neutron: bool = False
    weights: tuple[float, ...] | None = None
    hfix: int = 0
    remarks: tuple[str, ...] = ()
    notes: tuple[Note, ...] = ()
