"""`call:f{key:value}` between a family's tags -> call spans.

Strategy: the name is held until its brace; `GemmaArguments` converts what follows. Closers that the model repeats, and
the tag that opens the tool's answer, are structure. A call without its opener counts only where a block may begin, for
a tool that is known, and is held until it is whole.
Spec: the chat templates of google/gemma-4-E4B-it and google/functiongemma-270m-it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from headgate.markup.family import Control, Settings
from headgate.markup.readers.calls import CallFamily, begins
from headgate.markup.readers.converted import ConvertedCalls
from headgate.markup.readers.gemma_arguments import GemmaArguments
from headgate.markup.readers.schema import Schema
from headgate.markup.scanner import Scanner, tags
from headgate.markup.spans import Span

_NAME = r"[^\s{}<>\"'():,]{1,128}"
_HEAD = re.compile(rf"\s{{0,64}}:?\s{{0,64}}call:\s{{0,64}}({_NAME})\s{{0,64}}\{{")
_MAY_BE_HEAD = re.compile(rf"\s{{0,64}}:?\s{{0,64}}(?:c(?:a(?:l(?:l(?::\s{{0,64}}(?:{_NAME}\s{{0,64}})?)?)?)?)?)?\Z")
_NAMELESS_HEAD = re.compile(rf"\s{{0,64}}({_NAME})\s{{0,64}}\{{")
_MAY_BE_NAMELESS_HEAD = re.compile(rf"\s{{0,64}}(?:{_NAME}\s{{0,64}})?\Z")
_SPARE = " \t\r\n}"
"""What may stand between a call and its closer: models close a brace too many."""


@dataclass(frozen=True)
class Notation:
    """What differs between the families.

    Args:
        delimiter: what stands on both sides of a string.
        openers: what begins a call.
        closers: what may end it; it is no less over without.
        noise: what may follow a closer and says nothing.
        word: whether the word `call:` stands before the name.
    """

    delimiter: str
    openers: tuple[str, ...]
    closers: tuple[str, ...]
    noise: tuple[str, ...] = ()
    word: bool = True

    def head(self, text: str, position: int) -> re.Match[str] | bool | None:
        """The head of a call, from here to its brace; False where none stands, None while it may."""
        whole, part = (_HEAD, _MAY_BE_HEAD) if self.word else (_NAMELESS_HEAD, _MAY_BE_NAMELESS_HEAD)
        found = whole.match(text, position)
        return found or (None if part.match(text, position) else False)


@dataclass(frozen=True)
class GemmaFamily(CallFamily):
    """A form of such a family.

    Args:
        notation: its notation.
        bare: whether its calls have no opener.
    """

    notation: Notation = field(kw_only=True)
    bare: bool = False

    def opens(self, rest: str, settings: Settings, /) -> bool | None:
        """Whether `rest` begins a call; None while it may still."""
        if self.bare:
            return self._opens_bare(rest, settings)
        begun = begins(rest, self.openers)
        if not begun:
            return begun
        opener = next(opener for opener in tags(*self.openers).all if rest.startswith(opener))
        head = self.notation.head(rest, len(opener))
        return head if head is None else bool(head)

    def _opens_bare(self, rest: str, settings: Settings) -> bool | None:
        if (settings.tools is None and not settings.named) or not rest.startswith("call:"[: len(rest)]):
            return False
        found = _HEAD.match(rest)
        if found is not None:
            return settings.may_call(found.group(1))
        return None if _MAY_BE_HEAD.match(rest) else False


def form(name: str, notation: Notation, *, bare: bool = False) -> GemmaFamily:
    """Calls in this notation, behind its openers or without any."""
    return GemmaFamily(
        name,
        () if bare else notation.openers,
        lambda settings: GemmaCalls(settings, notation, bare=bare),
        anywhere=not bare,
        unmistakable=not bare,
        notation=notation,
        bare=bare,
    )


class GemmaCalls(ConvertedCalls):
    """Reads one call.

    Args:
        settings: what to decide by.
        notation: the family's.
        bare: whether it has no opener.
    """

    def __init__(self, settings: Settings, notation: Notation, *, bare: bool) -> None:
        super().__init__(settings)
        self._notation = notation
        self._closers = notation.closers
        self._whole = bare

    def _opener(self, scanner: Scanner, out: list[Span]) -> Control | None:
        openers = () if self._whole else self._notation.openers
        opener = next((opener for opener in tags(*openers).all if scanner.starts(opener)), "")
        self._hold(scanner.take(len(opener)))
        self._state = GemmaCalls._head
        return None

    def _head(self, scanner: Scanner, out: list[Span]) -> Control | None:
        found = self._notation.head(scanner.text, scanner.position)
        if not isinstance(found, re.Match):
            return Control.MORE if found is None else self._fail(scanner, out)
        self._hold(scanner.take(len(found.group())))
        name = found.group(1)
        schema = Schema((self._settings.tools or {}).get(name))
        limit = self._settings.limits.arguments_chars_max
        self._read_call(name, GemmaArguments(self._notation.delimiter, self._closers, schema, limit))
        return None

    def _behind_call(self, scanner: Scanner, out: list[Span]) -> Control | None:
        return self._take_tags(scanner, self._closers, _SPARE, out)

    def _behind_closer(self, scanner: Scanner, out: list[Span]) -> Control | None:
        return self._take_tags(scanner, (*self._closers, *self._notation.noise), _SPARE[:-1], out)

    def _take_tags(self, scanner: Scanner, literals: tuple[str, ...], spare: str, out: list[Span]) -> Control | None:
        """Take one of these, if it stands next; else the block is over."""
        limit = self._settings.limits.markup_chars_max
        rest = scanner.peek(limit)
        word = rest.lstrip(spare)
        literal = next((literal for literal in tags(*literals).all if word.startswith(literal)), "")
        if not literal and tags(*literals).may_start(word) and len(rest) < limit and not self._final:
            return Control.MORE
        if not literal:
            self._skip("", out)
            return Control.OVER
        self._skip(scanner.take(len(rest) - len(word) + len(literal)), out)
        self._state = GemmaCalls._behind_closer
        return None
