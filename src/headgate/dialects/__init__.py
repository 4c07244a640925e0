"""The engines' dialects, found by name.

A dialect is a module of this package (or an entry point of the group `headgate.dialects`) that exports
`DIALECT`; adding a file adds a dialect.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from headgate.errors import UsageError
from headgate.plugins import plugin, plugins

if TYPE_CHECKING:
    from headgate.dialects.base import Dialect


def dialect(name: str) -> Dialect:
    """Return the dialect of this name.

    Raises:
        UsageError: if there is none.
    """
    found = _alone(name) or dialects().get(name)
    if found is None:
        raise UsageError(f"expected a dialect among {sorted(dialects())}, got {name!r}")
    return found


def is_dialect(name: str) -> bool:
    """Whether there is a dialect of this name."""
    return _alone(name) is not None or name in dialects()


@cache
def _alone(name: str) -> Dialect | None:
    """The dialect of this name, if it can be found without importing the others."""
    found: Dialect | None = plugin(__name__, __path__, "DIALECT", name)
    return found


@cache
def dialects() -> dict[str, Dialect]:
    """Every dialect there is, by name."""
    return plugins(__name__, __path__, "DIALECT")
