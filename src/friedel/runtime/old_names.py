"""Access through a package to the names of the module that it replaced."""

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any


def names_of(package: str, *modules: str) -> Callable[[str], Any]:
    """A ``__getattr__`` for `package` that looks names up in `modules` on first use.

    Names of the package's own modules are left to Python: ``from package import part`` calls this
    first, and must not load a whole module before `part`, which that module may need.
    """

    def look_up(name: str) -> Any:
        if name.startswith("__") or find_spec(f"{package}.{name}") is not None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        for module in modules[:-1]:
            if hasattr(import_module(module), name):
                return getattr(import_module(module), name)
        return getattr(import_module(modules[-1]), name)

    return look_up
