"""PyTorch: structure factors, F_model and targets as differentiable modules.

::

    calculator = friedel.Calculator.from_model("model.pdb", d_min=2.0)
    f = StructureFactors(calculator)(xyz, b_iso=b)      # (n,) complex
    ((f.abs() - f_obs) ** 2).sum().backward()           # xyz.grad, b.grad

On the CPU they use the same engine as :class:`friedel.Calculator`. ``module.to("cuda")`` moves the
calculation to a GPU, or says what is missing for it. Only first derivatives are defined: the
backward pass cannot itself be differentiated. Within ``torch.compile`` each is one operator, with
``fullgraph=True`` as well; ``torch.func.grad`` and ``torch.vmap`` work, and a mapped axis is one of
the batch. Inputs in half precision are calculated with in single precision.
"""

from friedel.errors import MissingDependencyError

try:
    import torch as torch
except ImportError as error:
    raise MissingDependencyError.of("friedel.bridges.torch", "torch") from error

from friedel.bridges.torch.fmodel import FModel
from friedel.bridges.torch.structure_factors import Moments, StructureFactors
from friedel.bridges.torch.targets import LeastSquares, MaximumLikelihood

__all__ = ["FModel", "LeastSquares", "MaximumLikelihood", "Moments", "StructureFactors"]
