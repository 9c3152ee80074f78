"""Bragg and diffuse scattering of trajectories and other ensembles."""

from friedel.ensemble.calculation import (
    prepare as prepare,
    run as run,
    run_plan as run_plan,
)
from friedel.ensemble.comparison import LatticeComparison as LatticeComparison
from friedel.ensemble.members import (
    Ensemble as Ensemble,
    EnsembleMoments as EnsembleMoments,
    gradients as gradients,
    in_order as in_order,
    member_structure_factors as member_structure_factors,
    moments as moments,
)
from friedel.ensemble.plan import EnsemblePlan as EnsemblePlan
from friedel.ensemble.result import EnsembleResult as EnsembleResult
from friedel.ensemble.supercell import Supercell as Supercell
from friedel.ensemble.target_gradients import (
    TargetGradients as TargetGradients,
    target_gradients as target_gradients,
)
from friedel.readers.diffuse_lattices import (
    DiffuseLattice as DiffuseLattice,
    read_diffuse_lattice as read_diffuse_lattice,
)

structure_factors = member_structure_factors
"""The name that `member_structure_factors` had in version 0.1.0."""
