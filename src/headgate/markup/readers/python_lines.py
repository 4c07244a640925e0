"""Python-style calls on lines of their own, without a tag around them (`f(a=1)`) -> call spans.

Strategy: they count at the beginning of a text and behind a closed block, if every tool is declared, every argument is
a literal, and each call ends its line: one that a sentence goes on behind is quoted. They are held until that is known.
Spec: vLLM tool_parsers/granite_pythonic_tool_parser.py.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from headgate.markup.family import Control, Settings
from headgate.markup.readers.calls import CallFamily
from headgate.markup.readers.python_calls import NAME, PythonCalls
from headgate.markup.scanner import Scanner
from headgate.markup.spans import Span

_CALL = re.compile(rf"({NAME})\(")
_MAY_BE_CALL = re.compile(rf"({NAME})?\Z")


@dataclass(frozen=True)
class PythonLines(CallFamily):
    """Such calls, as one form of a family, which must be named and know its tools."""

    def opens(self, rest: str, settings: Settings, /) -> bool | None:
        """Whether `rest` begins a call of a declared tool; None while it may still."""
        if settings.tools is None:
            return False
        found = _CALL.match(rest)
        if found is not None:
            return settings.may_call(found.group(1))
        part = _MAY_BE_CALL.match(rest)
        if part is None:
            return False
        return None if any(tool.startswith(part.group(1) or "") for tool in settings.tools) else False


def lines(name: str) -> PythonLines:
    """Calls on lines, for `when_named` of the family of this name."""
    return PythonLines(name, (), PythonLine, anywhere=False, unmistakable=False)


class PythonLine(PythonCalls):
    """Reads calls, and gives none out before the line of the last one has ended."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings, (), (), strict=True)
        self._whole = True
        self._state = PythonLine._call

    def _behind_call(self, scanner: Scanner, out: list[Span]) -> Control | None:
        """The end of a call's line, and behind it another call, or what is no part of the block."""
        limit = self._settings.limits.markup_chars_max
        rest = scanner.peek(limit)
        whole = self._final or len(rest) == limit
        behind = rest.lstrip(" \t")
        if behind and behind[0] not in "\r\n":
            return self._fail(scanner, out)
        word = behind.lstrip()
        found = _CALL.match(word)
        if found is None and _MAY_BE_CALL.match(word) and not whole:
            return Control.MORE
        if found is None or not self._settings.may_call(found.group(1)):
            return Control.OVER
        self._state = PythonLine._call
        return None
