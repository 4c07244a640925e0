"""`<tool: f>`, a command, and `</tool>` -> a call of f with that text, as it comes.

Strategy: the tag stands alone on its line. The text runs to a closer behind which a line ends, a tag begins, or nothing
stands: another one is quoted.
Spec: PROMPTING_GUIDE.md of facebookresearch/cwm.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from headgate.markup.family import Control, Settings
from headgate.markup.readers.calls import CallFamily, CallReader, begins
from headgate.markup.readers.json_pieces import escaped, quoted
from headgate.markup.readers.named_calls import NAME_MAX
from headgate.markup.readers.schema import Schema
from headgate.markup.scanner import Scanner, tags
from headgate.markup.spans import Span

OPENER, CLOSER = "<tool:", "</tool>"
_CLOSERS = tags(CLOSER)
_PARAMETER = "command"
_WORD = rf"[^\s<>]{{1,{NAME_MAX}}}"
_TAG = re.compile(rf"{OPENER}\s*({_WORD})\s*>")
_MAY_BE_TAG = re.compile(rf"{OPENER}\s*(?:{_WORD}\s*)?\Z")
_LINE_END = re.compile(r"[ \t]*\r?\n\s*")
_MAY_BE_LINE_END = re.compile(r"[ \t]*\r?\Z")
_FIRST = re.compile(rf"({_WORD})(?=[\s<])\s*")


class _Head(NamedTuple):
    """What stands before a command: its length, the tool, and the parameter whose value the command is."""

    length: int
    tool: str
    parameter: str


def _head(rest: str, settings: Settings) -> _Head | bool:
    """The head that `rest` begins with; False if it begins with none, True while it may."""
    tag = _TAG.match(rest)
    if tag is None or settings.tools is None:
        return settings.tools is not None and bool(_MAY_BE_TAG.match(rest))
    space = _LINE_END.match(rest, tag.end())
    place = space.end() if space else tag.end()
    if not space and not rest.startswith(CLOSER, place):
        return _CLOSERS.may_start(rest[place:]) or bool(_MAY_BE_LINE_END.match(rest, place))
    if place == len(rest) or rest.startswith("{", place):
        return place == len(rest)  # JSON is the family's other form
    if settings.may_call(tag.group(1)):
        return _head_of(place, tag.group(1), settings)
    word = _FIRST.match(rest, place)
    if word is None:
        return len(rest) - place <= NAME_MAX and not re.search(r"[\s<>]", rest[place:])
    return settings.may_call(word.group(1)) and _head_of(word.end(), word.group(1), settings)


def _head_of(length: int, tool: str, settings: Settings) -> _Head | bool:
    names = Schema((settings.tools or {}).get(tool)).names
    if _PARAMETER in names or not names:
        return _Head(length, tool, _PARAMETER)
    return len(names) == 1 and _Head(length, tool, names[0])


class Commands(CallFamily):
    """Such calls, as one form of a family."""

    def __init__(self, name: str) -> None:
        super().__init__(name, (OPENER,), Command)

    def opens(self, rest: str, settings: Settings, /) -> bool | None:
        """Whether `rest` begins with a head; None while it may still."""
        if (begun := begins(rest, self.openers)) is not True:
            return begun
        found = _head(rest, settings)
        return True if isinstance(found, _Head) else None if found else False


class Command(CallReader):
    """Reads one call."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._begun = ""  # JSON that belongs before the text, until some of it came
        self._final = False  # no text follows

    def _opener(self, scanner: Scanner, out: list[Span]) -> Control | None:
        head = _head(scanner.peek(self._settings.limits.markup_chars_max), self._settings)
        if not isinstance(head, _Head):
            return self._fail(scanner, out)
        self._hold(scanner.take(head.length))
        self._begun = f'{{{quoted(head.parameter)}: "'
        self._start(head.tool, out)
        self._state = Command._text
        return None

    def _text(self, scanner: Scanner, out: list[Span]) -> Control | None:
        text, space, closer = scanner.until(_CLOSERS, trim=True)
        self._tell(text, out)
        if closer is None:
            return Control.MORE
        behind = scanner.peek(1)
        if not behind and not self._final:
            scanner.position -= len(space) + len(closer)
            return Control.MORE
        if behind and not behind.isspace() and behind != "<":
            self._tell(space + closer, out)
            return None
        if self._begun:
            self._end(space + closer, out)  # a call without arguments
        else:
            self._argue(space + closer, '"}', out)
            self._end("", out)
        return Control.OVER

    def _tell(self, text: str, out: list[Span]) -> None:
        if text:
            self._argue(text, self._begun + escaped(text), out)
            self._begun = ""

    def close(self, scanner: Scanner, out: list[Span], /) -> bool:
        """The text ends: behind its closer, or inside the command."""
        self._final = True
        if self.feed(scanner, out) is Control.MORE:
            return super().close(scanner, out)
        return False

    def _cut(self, rest: str) -> str:
        text = rest[: len(rest) - _CLOSERS.held(rest, 0)]
        return self._begun + escaped(text) if text.strip() else ""
