"""The clients' surfaces, found by name.

A surface is a module of this package (or an entry point of the group `headgate.surfaces`) that exports
`SURFACE`; adding a file adds a surface.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

from headgate.errors import UsageError

if TYPE_CHECKING:
    from headgate.surfaces.base import Surface


def surface(name: str) -> Surface:
    """Return the surface of this name.

    Raises:
        UsageError: if there is none.
    """
    known = surfaces()
    if name not in known:
        raise UsageError(f"expected a surface among {sorted(known)}, got {name!r}")
    return known[name]


@cache
def surfaces() -> dict[str, Surface]:
    """Every surface there is, by name."""
    found: dict[str, Surface] = {}
    for module in sorted(info.name for info in pkgutil.iter_modules(__path__)):
        candidate = getattr(importlib.import_module(f"{__name__}.{module}"), "SURFACE", None)
        if candidate is not None:
            found[candidate.name] = candidate
    for entry in entry_points(group="headgate.surfaces"):
        found[entry.name] = entry.load()
    return found
