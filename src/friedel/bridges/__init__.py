"""The engine inside frameworks for automatic differentiation: wiring only."""

from importlib import import_module
from types import ModuleType

_FRAMEWORKS = ("jax", "torch")


def __getattr__(name: str) -> ModuleType:
    if name in _FRAMEWORKS:  # which may be missing, and take seconds to import
        return import_module(f"friedel.bridges.{name}")
    raise AttributeError(f"module 'friedel.bridges' has no attribute {name!r}")
