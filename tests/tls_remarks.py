"""TLS groups as PDB files state them."""

TENSORS = """\
REMARK   3    T TENSOR
REMARK   3      T11:    0.0510 T22:    0.0320
REMARK   3      T33:    0.0430 T12:    0.0120
REMARK   3      T13:   -0.0130 T23:    0.0030
REMARK   3    L TENSOR
REMARK   3      L11:    2.1000 L22:    3.2000
REMARK   3      L33:    4.3000 L12:   -0.2000
REMARK   3      L13:    0.3000 L23:    0.1000
REMARK   3    S TENSOR
REMARK   3      S11:    0.0100 S12:   -0.0200 S13:    0.0300
REMARK   3      S21:    0.0400 S22:    0.0500 S23:   -0.0600
REMARK   3      S31:    0.0700 S32:    0.0800 S33:   -0.0900
"""
ORIGIN = "REMARK   3    ORIGIN FOR THE GROUP (A):  10.5000  -2.0000   7.2500\n"
REFMAC = "REMARK   3    RESIDUE RANGE :   A     2        A     4\n"
RESIDUAL = "REMARK   3   ATOM RECORD CONTAINS RESIDUAL B FACTORS ONLY\n"


def remark(selection=REFMAC, origin=ORIGIN, tensors=TENSORS, number=1):
    """One group as a PDB file states it."""
    return f"REMARK   3   TLS GROUP : {number}\n{selection}{origin}{tensors}REMARK   3\n"
