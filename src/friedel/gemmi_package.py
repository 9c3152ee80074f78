"""The package gemmi, also where friedel has been put in its place.

Who writes ``sys.modules["gemmi"] = friedel`` makes packages that import gemmi use friedel. friedel
itself reads files with gemmi: its modules take gemmi from here, where the import statement would
give them friedel.
"""

import gc
import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

NAME = "gemmi"


def find_gemmi() -> ModuleType:
    """Gemmi itself: as it is imported, or as it was before something else took its place.

    Raises
    ------
    ModuleNotFoundError
        When gemmi is not installed.
    """
    in_place = sys.modules.get(NAME)
    if in_place is None or _is_gemmi(in_place):
        return import_module(NAME)
    if f"{NAME}.gemmi_ext" in sys.modules:
        # The extension fills the first module that imports it and no second one
        for candidate in gc.get_objects():
            if isinstance(candidate, ModuleType) and _is_gemmi(candidate):
                return candidate
    del sys.modules[NAME]
    try:
        return import_module(NAME)
    finally:
        sys.modules[NAME] = in_place


def _is_gemmi(module: ModuleType) -> bool:
    # A lookup by getattr could call the __getattr__ of a module in gemmi's place
    return module.__dict__.get("__name__") == NAME and "Structure" in module.__dict__


if TYPE_CHECKING:
    import gemmi as gemmi
else:
    gemmi = find_gemmi()
