"""The seam between the splitter and a markup family: one family is one file that exports `FAMILY`.

Spec: ours (`docs/adding.md`).
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from headgate.limits import Limits
from headgate.markup.scanner import Scanner
from headgate.markup.spans import Span
from headgate.messages import Tools


class Settings(NamedTuple):
    """What a family may decide by: declared facts only.

    `tools` is None when nothing is known of the request, empty when it declared none.
    """

    tools: Tools | None
    parse_reasoning: bool
    parse_tools: bool
    limits: Limits

    def may_call(self, tool: str) -> bool:
        """Whether a call of this tool may be made of text."""
        return self.parse_tools and (self.tools is None or tool in self.tools)


class Reader(Protocol):
    """Reads what a family's opener began."""

    def feed(self, scanner: Scanner, out: list[Span], /) -> bool:
        """Take what is decided, append its spans; whether control goes back to the splitter."""
        ...

    def close(self, scanner: Scanner, out: list[Span], /) -> bool:
        """The text ends or is interrupted: take everything, decided now; whether it reads on afterwards."""
        ...

    def copy(self) -> Reader:
        """An independent reader in the same state."""
        ...


class Family(Protocol):
    """A kind of markup."""

    name: str
    openers: tuple[str, ...]
    unmistakable: bool
    """Whether ordinary prose never holds its delimiters."""

    def opens(self, rest: str, settings: Settings, /) -> bool | None:
        """Whether `rest`, at a place where a block may begin, is this family's; None while it may still be."""
        ...

    def reader(self, scanner: Scanner, settings: Settings, out: list[Span], /) -> Reader:
        """Begin to read at an opener, which the scanner stands at."""
        ...
