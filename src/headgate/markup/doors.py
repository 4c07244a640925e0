"""Which of the chosen families may open a block, and where.

Spec: ours (`docs/design.md`, rescue without harm).
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from headgate.limits import DEFAULTS
from headgate.markup.family import Families, Family, Settings
from headgate.markup.scanner import Scanner, Tags

_SOME = {"": None}
"""Tools, whichever they are."""


class Doors(NamedTuple):
    """The families that are looked for in one text.

    `families` are asked where a block may begin; `anywhere` are those that may begin in the middle of a text
    too, at one of `openers`. `thinks` tells whether reasoning tags are among them.
    """

    families: tuple[Family, ...]
    anywhere: tuple[Family, ...]
    openers: Tags
    thinks: bool


def doors(families: Families, settings: Settings) -> Doors:
    """Return the doors for a text that is read by these settings."""
    declared = None if settings.tools is None else bool(settings.tools)
    return _doors(families, declared, settings.parse_reasoning, settings.parse_tools, settings.named)


@lru_cache(maxsize=256)
def _doors(chosen: Families, declared: bool | None, reasoning: bool, calls: bool, named: bool) -> Doors:  # noqa: FBT001
    """Asking fifty families takes longer than reading a short reply."""
    tools = _SOME if declared else {} if declared is False else None
    settings = Settings(tools, reasoning, calls, DEFAULTS, named)
    families = tuple(family for family in chosen.chosen if family.wanted(settings))
    anywhere = tuple(family for family in families if family.anywhere)
    openers = Tags((opener for family in anywhere for opener in family.openers), words=True)
    return Doors(families, anywhere, openers, any(family.name == "think" for family in families))


def asked(families: tuple[Family, ...], scanner: Scanner, space: int, settings: Settings) -> Family | bool | None:
    """Ask whose block begins behind `space` characters of white space.

    Returns the family; False for nobody's; None while it may still be somebody's.
    """
    limit = settings.limits.markup_chars_max
    rest = scanner.peek(space + limit + 1)[space:]
    is_all, rest = len(rest) <= limit, rest[:limit]
    for family in families:
        verdict = family.opens(rest, settings)
        if verdict:
            return family
        if verdict is None and is_all:
            return None  # whoever comes first must be decided first, or the split would choose
    return False
