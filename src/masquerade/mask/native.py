"""The native part: finding and masking in C, or nothing where it was not built.

Without it everything works and finds the same, at a fraction of the speed: the Python code of this folder is
the reference that tests hold it to.
"""

from __future__ import annotations

import importlib
from functools import cache
from types import ModuleType

from masquerade.mask import program


@cache
def module() -> ModuleType | None:
    """``_scan``, if it was built and is of this version."""
    try:
        built = importlib.import_module("masquerade.mask._scan")
    except ImportError:
        return None
    return built if getattr(built, "FORMAT", None) == program.FORMAT else None
