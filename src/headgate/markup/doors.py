"""Which of the chosen families may open a block, and where.

Spec: ours (`docs/design.md`, rescue without harm).
"""

from __future__ import annotations

from functools import lru_cache

from msgspec.structs import replace

from headgate.limits import DEFAULTS
from headgate.markup.family import Families, Family, Settings
from headgate.markup.scanner import SPACE_MAX, Scanner, Tags, both
from headgate.markup.thoughts import ANY_CLOSER
from headgate.messages import Tools

_SOME = {"": None}
"""Tools, whichever they are."""

BEGINNING = 3
"""Characters by which it is told who need not be asked: so many tell `to=` and `analysis` from all prose."""

_SPACE_MAX = SPACE_MAX - BEGINNING
"""White space behind which a whole beginning is in sight."""

_BEGINNINGS_MAX = 4096
"""Beginnings for which that is kept. What replies begin with is mostly some hundred words."""


class Doors:
    """The families that are looked for in one text. One value serves many responses.

    `families` are asked where a block may begin; `anywhere` are those that may begin in the middle of a text
    too, at one of `openers`; these and the closers of thoughts are `openers_and_closers`. `thinks` tells whether
    reasoning tags are among them.

    Args:
        families: those that are wanted.
        settings: what they were wanted by, whichever the tools.
    """

    def __init__(self, families: tuple[Family, ...], settings: Settings) -> None:
        self.families = families
        self.anywhere = tuple(family for family in families if family.anywhere)
        self.openers = Tags((opener for family in self.anywhere for opener in family.openers), words=True)
        self.openers_and_closers = both(ANY_CLOSER, self.openers)
        self.thinks = any(family.name == "think" for family in families)
        self._settings = settings
        self._by_beginning: dict[str, tuple[Family, ...]] = {}

    def let_pass(self, text: str) -> bool:
        """Whether it is plain to see that nobody's block begins with this text, as with that of nearly every reply."""
        begun = text.lstrip()
        return bool(begun) and len(text) - len(begun) <= _SPACE_MAX and not self.at(begun[:BEGINNING])

    def at(self, beginning: str) -> tuple[Family, ...]:
        """Those of the families whose blocks may begin so; `BEGINNING` characters, or fewer where there are no more.

        Asking all fifty takes longer than reading a short reply, and nobody's block begins as most replies do. Who says
        no to a beginning says no to whatever goes on from it, so that this changes no verdict.
        """
        found = self._by_beginning.get(beginning)
        if found is None:
            settings = replace(self._settings, tools=self._settings.tools and _tools_in(beginning))
            found = tuple(family for family in self.families if family.opens(beginning, settings) is not False)
            if len(self._by_beginning) >= _BEGINNINGS_MAX:
                self._by_beginning.clear()
            self._by_beginning[beginning] = found
        return found


def _tools_in(beginning: str) -> Tools:
    """Tools with every name that stands there, or may begin there."""
    places = range(len(beginning) + 1)
    return dict.fromkeys(beginning[start:end] for start in places for end in places[start + 1 :])


def doors(families: Families, settings: Settings) -> Doors:
    """Return the doors for a text that is read by these settings."""
    declared = None if settings.tools is None else bool(settings.tools)
    return _doors(families, declared, settings.parse_reasoning, settings.parse_tools, settings.named)


@lru_cache(maxsize=256)
def _doors(chosen: Families, declared: bool | None, reasoning: bool, calls: bool, named: bool) -> Doors:  # noqa: FBT001
    """Asking fifty families takes longer than reading a short reply."""
    tools = _SOME if declared else {} if declared is False else None
    settings = Settings(tools, reasoning, calls, DEFAULTS, named)
    return Doors(tuple(family for family in chosen.chosen if family.wanted(settings)), settings)


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
