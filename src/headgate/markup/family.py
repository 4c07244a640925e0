"""The seam between the splitter and a markup family: one family is one file that exports `FAMILY`.

Spec: ours (`docs/adding.md`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Protocol

from msgspec import Struct

from headgate.limits import Limits
from headgate.markup.scanner import Scanner
from headgate.markup.spans import Span
from headgate.messages import Tools


class Settings(Struct, frozen=True):
    """What a family may decide by: declared facts only.

    `tools` is None when nothing is known of the request, empty when it declared none. `named` says that
    the caller chose the families by name, so that they need not be unmistakable.
    """

    tools: Tools | None
    parse_reasoning: bool
    parse_tools: bool
    limits: Limits
    named: bool = False

    def may_call(self, tool: str) -> bool:
        """Whether a call of this tool may be made of text."""
        return self.parse_tools and (self.tools is None or tool in self.tools)


class Control(Enum):
    """Who goes on after a reader has read what there was."""

    MORE = auto()
    """The reader, when there is more text."""
    OVER = auto()
    """The splitter: the block is over, and what follows it may open another."""
    NOT_MINE = auto()
    """The splitter: it was no markup after all. What was taken is back in the scanner, or out as text."""
    ASK = auto()
    """The splitter: inside a thought, the scanner stands at what may open another family's block."""


class Reader(Protocol):
    """Reads what a family's opener began; the scanner stands at the opener at first."""

    def feed(self, scanner: Scanner, out: list[Span], /) -> Control:
        """Take what is decided, append its spans, and say who goes on."""
        ...

    def close(self, scanner: Scanner, out: list[Span], /) -> bool:
        """The text ends or is interrupted: take everything, decided now; whether it reads on afterwards."""
        ...

    def copy(self) -> Reader:
        """An independent reader in the same state."""
        ...


class Family(Protocol):
    """A kind of markup."""

    @property
    def name(self) -> str:
        """The name that it is chosen by."""
        ...

    @property
    def openers(self) -> tuple[str, ...]:
        """What its blocks begin with, one by one."""
        ...

    @property
    def anywhere(self) -> bool:
        """Whether its openers count in the middle of a text (outside code), and not only where a block may begin.

        A block may begin at the start, and after a closed block.
        """
        ...

    @property
    def unmistakable(self) -> bool:
        """Whether ordinary prose never holds its delimiters."""
        ...

    @property
    def thinks(self) -> bool:
        """Whether its models think between plain tags, so that the family `think` goes with it."""
        ...

    @property
    def when_named(self) -> tuple[Family, ...]:
        """What is looked for as well where the caller names this family: forms too weak to look for in any text."""
        ...

    def wanted(self, settings: Settings, /) -> bool:
        """Whether to look for it at all.

        It is asked once for all responses of a kind: by whether tools are known, and any declared, but not by which.
        """
        ...

    def opens(self, rest: str, settings: Settings, /) -> bool | None:
        """Whether `rest`, which stands where a block of it may begin, opens one; None while it may still be."""
        ...

    def reader(self, settings: Settings, /) -> Reader:
        """A reader for one block, or for several that follow each other."""
        ...


@dataclass(frozen=True, eq=False)
class Families:
    """The families that were chosen, and whether each was chosen by its name. One value serves many responses."""

    chosen: tuple[Family, ...] = ()
    named: bool = False
