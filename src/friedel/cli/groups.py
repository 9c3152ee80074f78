"""The groups in which help lists options, by their purpose."""

GROUPS = {
    "What is calculated": (
        "--dmin", "--hkl", "--friedel-pairs", "--compare", "--f", "--phi", "--fcanom", "--phicanom",
        "--test", "--supercell", "--frames", "--select", "--parts", "--align", "--b", "--symmetry",
        "--laue", "--data", "--data-supercell", "--p1", "--box", "--on-error", "--like", "--margin",
        "--cover", "--spacing", "--soft-edge", "--radius", "--mask", "--no-correction", "--seed",
        "--shells", "--make-free", "--list", "--stol-max", "-n", "--step",
    ),
    "Data": (
        "--sigma-cutoff", "--french-wilson", "--free-label", "--free-value", "--data-set",
        "--anisotropic-mean", "--all", "--hklf", "--merge-friedel", "--instructions",
    ),
    "Fit": (
        "--target", "--keep-outliers", "--weights", "--twin", "--exti", "--parameters",
        "--ksolv", "--bsolv", "--kov", "--baniso", "--fix",
    ),
    "Solvent": (
        "--solvent", "--radii-set", "--r-probe", "--r-shrink", "--island-volume", "--search-mask",
        "--smooth-mask", "--d-mask", "--solvent-mask", "--missing-density",
    ),
    "Atoms": (
        "--hydrogens", "--block", "--model", "--unknown", "--noaniso", "--tls", "--groups",
    ),
    "Scattering": (
        "--for", "--wavelength", "--energy", "--anomalous", "--fprime", "--cif-scattering",
        "--table", "--scatter-as", "--use-charge", "--form-factors", "--normalize-it92",
    ),
    "Maps": (
        "--no-fill", "--no-free-in-maps", "--peaks", "--residues", "--omit", "--polder", "--minus",
        "--centre",
    ),
    "Accuracy and speed": (
        "--rtol", "--method", "--rate", "--blur", "--rcut", "--threads", "--workers", "--scheduler",
        "--chunk", "--checkpoint", "--estimate", "--force",
    ),
    "Output": (
        "--output", "--overwrite", "--json", "--to-mtz", "--to-cif", "--to-hkl", "--to-hkl3",
        "--to-csv", "--to-fcf", "--to-npz", "--to-nexus", "--fcf-list", "--write-map",
        "--write-mask", "--write-minus", "--write-bragg", "--plot", "--zoom", "--plot-section",
        "--plot-cost", "--plot-wilson", "--plot-outliers", "--plot-map", "--plot-residues",
        "--plot-fsc", "--plot-bijvoet",
    ),
}  # fmt: skip
"""Options by the title of their group."""

OTHERS = "Other options"
"""Title of the group of all other options."""
