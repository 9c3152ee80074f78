"""Structure factors by a script of cctbx: command_cctbx.py MODEL D_MIN OUT.mtz."""

import sys

import iotbx.pdb

model, d_min, output = sys.argv[1], float(sys.argv[2]), sys.argv[3]
structure = iotbx.pdb.input(file_name=model).xray_structure_simple()
structure.scattering_type_registry(table="it1992", d_min=d_min)
f_calc = structure.structure_factors(d_min=d_min, algorithm="fft").f_calc()
f_calc.as_mtz_dataset(column_root_label="FC").mtz_object().write(output)
