"""Text-embedded markup: which families there are, found by name.

A family is a module of this package (or an entry point of the group `headgate.markup`) that exports
`FAMILY`; adding a file adds a family.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

from headgate.errors import UsageError
from headgate.plugins import plugins

if TYPE_CHECKING:
    from headgate.markup.family import Family

AUTO = "auto"
OFF = "off"


def families(markup: str | Sequence[str]) -> tuple[Family, ...]:
    """Return the families that `markup` names: `auto` (all), `off` (none), one name, or a list of names.

    Raises:
        UsageError: for a name that no family has.
    """
    known = _known()
    if markup == AUTO:
        return tuple(known.values())
    names = [] if markup == OFF else [markup] if isinstance(markup, str) else list(markup)
    for name in names:
        if name not in known:
            raise UsageError(f"expected markup 'auto', 'off' or names of {sorted(known)}, got {name!r}")
    return tuple(known[name] for name in names)


@cache
def _known() -> dict[str, Family]:
    return plugins(__name__, __path__, "FAMILY")
