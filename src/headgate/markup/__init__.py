"""Text-embedded markup: which families there are, found by name.

A family is a module of `headgate.markup.families` (or an entry point of the group `headgate.markup`) that
exports `FAMILY`; adding a file adds a family. What several of them share is in `headgate.markup.readers`;
the modules beside this one look for families in a text and know none.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, lru_cache

from headgate.errors import UsageError
from headgate.markup import families
from headgate.markup.family import Families, Family
from headgate.plugins import plugins

AUTO = "auto"
OFF = "off"


def families_named(markup: str | Sequence[str]) -> Families:
    """Return the families that `markup` names: `auto` (all), `off` (none), one name, or a list of names.

    With a family come the reasoning tags that its models use, and what it looks for only when it is named.

    Raises:
        UsageError: for a name that no family has.
    """
    return _chosen(markup if isinstance(markup, str) else tuple(markup))


@lru_cache(maxsize=256)
def _chosen(markup: str | tuple[str, ...]) -> Families:
    """One value for all responses, since what these share is kept by it."""
    known = _known()
    if markup == AUTO:
        return Families(tuple(known.values()))
    names = [] if markup == OFF else [markup] if isinstance(markup, str) else list(markup)
    for name in names:
        if name not in known:
            raise UsageError(f"expected markup 'auto', 'off' or names of {sorted(known)}, got {name!r}")
    if any(known[name].thinks for name in names):
        names.append("think")
    chosen = [known[name] for name in dict.fromkeys(names)]
    return Families((*chosen, *(more for family in chosen for more in family.when_named)), named=True)


@cache
def _known() -> dict[str, Family]:
    return plugins(families.__name__, families.__path__, "FAMILY", group=__name__)
