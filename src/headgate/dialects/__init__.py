"""The engines' dialects, found by name.

A dialect is a module of this package (or an entry point of the group `headgate.dialects`) that exports
`DIALECT`; adding a file adds a dialect.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

from headgate.errors import UsageError

if TYPE_CHECKING:
    from headgate.dialects.base import Dialect


def dialect(name: str) -> Dialect:
    """Return the dialect of this name.

    Raises:
        UsageError: if there is none.
    """
    known = dialects()
    if name not in known:
        raise UsageError(f"expected a dialect among {sorted(known)}, got {name!r}")
    return known[name]


@cache
def dialects() -> dict[str, Dialect]:
    """Every dialect there is, by name."""
    found: dict[str, Dialect] = {}
    for module in sorted(info.name for info in pkgutil.iter_modules(__path__)):
        candidate = getattr(importlib.import_module(f"{__name__}.{module}"), "DIALECT", None)
        if candidate is not None:
            found[candidate.name] = candidate
    for entry in entry_points(group="headgate.dialects"):
        found[entry.name] = entry.load()
    return found
