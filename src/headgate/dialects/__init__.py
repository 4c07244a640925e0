"""The engines' dialects, found by name.

A dialect is a module of this package (or an entry point of the group `headgate.dialects`) that exports
`DIALECT`; adding a file adds a dialect.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from headgate.errors import UsageError
from headgate.plugins import plugins

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
    return plugins(__name__, __path__, "DIALECT")
