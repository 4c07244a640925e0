"""Tool calls that look like Python's (`f(a=1)`), in a list or on lines -> call spans.

Strategy: the name is held until its parenthesis; `PythonArguments` converts what follows.
Spec: https://docs.python.org/3/reference/expressions.html#calls, with what the chat templates of the families named in
the files that use this one put around it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from headgate.markup.family import Control, Settings
from headgate.markup.readers.calls import CallFamily, begins
from headgate.markup.readers.converted import ConvertedCalls
from headgate.markup.readers.python_arguments import PythonArguments
from headgate.markup.readers.schema import Schema
from headgate.markup.scanner import Scanner, tags
from headgate.markup.spans import Span

NAME = r"[^\W\d][\w.-]{0,127}"
_CALL = re.compile(rf"({NAME})\s{{0,64}}\(")
_MAY_BE_CALL = re.compile(rf"(?:{NAME}\s{{0,64}})?\Z")
_FOLLOWS = re.compile(rf"\s*(?:\[\s*)?({NAME})\s{{0,64}}\(")
_MAY_FOLLOW = re.compile(rf"\s*(?:\[\s*)?(?:{NAME}\s{{0,64}})?\Z")


@dataclass(frozen=True)
class Tagged(CallFamily):
    """Calls behind an opener.

    Args:
        tool_known: whether it must call a tool that is known to be one, since its opener says little.
    """

    tool_known: bool = False

    def opens(self, rest: str, settings: Settings, /) -> bool | None:
        """Whether `rest` begins with an opener and a call; None while it may still."""
        begun = begins(rest, self.openers)
        if not begun or (self.tool_known and settings.tools is None and not settings.named):
            return begun and False
        behind = rest[len(next(opener for opener in tags(*self.openers).all if rest.startswith(opener))) :]
        found = _FOLLOWS.match(behind)
        if found is None:
            return None if _MAY_FOLLOW.match(behind) else False
        return not self.tool_known or settings.may_call(found.group(1))


def tagged(name: str, opener: str, *closers: str, tool_known: bool = False) -> Tagged:
    """Calls between an opener and what may close them; they are no less over without."""
    return Tagged(
        name,
        (opener,),
        lambda settings: PythonCalls(settings, (opener,), closers),
        unmistakable=not tool_known,
        tool_known=tool_known,
    )


class PythonCalls(ConvertedCalls):
    """Reads one block of calls.

    Args:
        settings: what to decide by.
        openers: what may begin the block.
        closers: what may end it.
        strict: whether every argument must be a literal.
    """

    def __init__(
        self, settings: Settings, openers: tuple[str, ...], closers: tuple[str, ...], *, strict: bool = False
    ) -> None:
        super().__init__(settings)
        self._openers, self._closers, self._strict = openers, closers, strict
        self._in_list = False

    def _opener(self, scanner: Scanner, out: list[Span]) -> Control | None:
        opener = next((opener for opener in tags(*self._openers).all if scanner.starts(opener)), "")
        self._hold(scanner.take(len(opener)))
        self._hold_space(scanner)
        self._in_list = scanner.starts("[")
        self._hold(scanner.take(1) if self._in_list else "")
        self._state = PythonCalls._call
        return None

    def _call(self, scanner: Scanner, out: list[Span]) -> Control | None:
        """A call, or the end of a list with a comma too many."""
        self._hold_space(scanner)
        found = _CALL.match(scanner.text, scanner.position)
        if found is not None:
            self._hold(scanner.take(len(found.group())))
            schema = Schema((self._settings.tools or {}).get(found.group(1)))
            limit = self._settings.limits.markup_chars_max
            wrapped = any(closer.startswith(")") for closer in self._closers)
            arguments = PythonArguments(schema.names, limit, strict=self._strict, wrapped=wrapped)
            self._read_call(found.group(1), arguments)
            return None
        if _MAY_BE_CALL.match(scanner.text, scanner.position):
            return Control.MORE
        if self._in_list and self._called and scanner.starts("]"):
            self._end_list(scanner)
            return None
        return self._fail(scanner, out)

    def _behind_call(self, scanner: Scanner, out: list[Span]) -> Control | None:
        self._hold_space(scanner)
        character = scanner.peek(1)
        closer = self._closer(scanner.peek(max(map(len, self._closers), default=0)))
        if not character or closer is None:
            return Control.MORE
        if closer:
            return self._close_block(scanner.take(len(closer)), scanner, out)
        if character == "]" and self._in_list:
            self._end_list(scanner)
            return None
        if character == "," or (character == ";" and not self._in_list):
            self._hold(scanner.take(1))
            self._state = PythonCalls._call
            return None
        return self._fail(scanner, out) if self._in_list else self._next_line(scanner)

    def _next_line(self, scanner: Scanner) -> Control | None:
        """Calls may stand side by side; anything else is behind the block."""
        if _CALL.match(scanner.text, scanner.position):
            self._state = PythonCalls._call
            return None
        if _MAY_BE_CALL.match(scanner.text, scanner.position) and not self._final:
            return Control.MORE
        scanner.put_back(self._taken())
        return Control.OVER

    def _end_list(self, scanner: Scanner) -> None:
        self._hold(scanner.take(1))
        self._state = type(self)._behind_list

    def _behind_list(self, scanner: Scanner, out: list[Span]) -> Control | None:
        limit = self._settings.limits.markup_chars_max
        rest = scanner.peek(limit)
        word = rest.lstrip()
        closer = self._closer(word) if self._closers else ""
        if closer is None and len(rest) < limit and not self._final:
            return Control.MORE
        return self._close_block(scanner.take(len(rest) - len(word) + len(closer)) if closer else "", scanner, out)

    def _closer(self, rest: str) -> str | None:
        """The closer that `rest` begins with, or ""; None while that is open."""
        closers = tags(*self._closers)
        found = next((closer for closer in closers.all if rest.startswith(closer)), "")
        return None if not found and closers.may_start(rest) else found

    def _close_block(self, closer: str, scanner: Scanner, out: list[Span]) -> Control | None:
        """The block is over; `closer` is what was taken of its end."""
        self._skip(closer, out)
        return Control.OVER
