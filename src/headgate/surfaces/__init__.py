"""The clients' surfaces, found by name.

A surface is a module of this package (or an entry point of the group `headgate.surfaces`) that exports
`SURFACE`; adding a file adds a surface.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from headgate.errors import UsageError
from headgate.plugins import plugins

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
    return plugins(__name__, __path__, "SURFACE")
