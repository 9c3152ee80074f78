"""Atoms as a PDB file, for peers that read nothing else."""

import gemmi


def pdb_text(atoms):
    """The text of a file with atoms that are arrays by name, as `peer_torchref.py` gets them.

    Each atom gets its own residue, so that no two are taken for alternates.
    """
    cell = gemmi.UnitCell(*atoms["cell"])
    a, b, c, alpha, beta, gamma = cell.parameters
    lines = [
        f"CRYST1{a:9.3f}{b:9.3f}{c:9.3f}{alpha:7.2f}{beta:7.2f}{gamma:7.2f} {atoms['hm']!s:11s}   1"
    ]
    fields = ("labels", "frac", "occ", "b_iso", "u_cart")
    for i, (label, frac, occ, b_iso, u) in enumerate(zip(*(atoms[f].tolist() for f in fields))):
        x, y, z = cell.orthogonalize(gemmi.Fractional(*frac)).tolist()
        chain, residue = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[i // 9999 % 26], i % 9999 + 1
        where = f"{(i + 1) % 100000:5d} {label.upper():>2s}   UNL {chain}{residue:4d} "
        element = f"{label.upper():>2s}"
        lines.append(
            f"HETATM{where}   {x:8.3f}{y:8.3f}{z:8.3f}{occ:6.2f}{b_iso:6.2f}{'':10s}{element}"
        )
        if any(u):
            numbers = "".join(f"{round(1e4 * x):7d}" for x in u)
            lines.append(f"ANISOU{where} {numbers}{'':6s}{element}")
    return "\n".join([*lines, "END", ""])
