"""Calls whose tool's name comes before their JSON arguments (`f[ARGS]{…}`, `<function=f>{…}`) -> call spans.

Strategy: the header is read literal by literal and held, so that what is no call is told at its first character that
does not fit; from the first key of the arguments on they are given out as they come. The arguments end where their
JSON value ends, or where a closer stands outside its strings.
Spec: the chat templates of the models named in the files that use this one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from headgate.markup.family import Control, Settings
from headgate.markup.readers.calls import CallFamily, CallReader
from headgate.markup.readers.json_text import JsonText, begins_value
from headgate.markup.scanner import Scanner, tags
from headgate.markup.spans import Span

NAME_MAX = 256
"""Characters of a tool's name, or of an id that holds one. OpenAI allows names of 64."""

_NAME = re.compile(r"""[^\s<>\[\]{}()"'`|,;\\]+""")
_ID = re.compile(r"[\w-]+")
_SPARE = " \t\r\n}]"
"""What may stand between the arguments and the closer: models close a brace too many."""

_FENCE = "```"


@dataclass(frozen=True)
class Header:
    """What stands around the names and the arguments; white space may stand between any two of these.

    Args:
        openers: what begins the block: a section of calls, or its only call.
        begins: what begins a call in a section; empty where each block is one call.
        kind: a word that may stand before the name like one, with a mark behind it.
        lone: what a call in a section may begin with instead, its name included.
        marks: what stands between the name and the arguments.
        bare: whether the arguments may follow the name without a mark.
        id_mark: the mark that an id follows.
        fences: what may stand around the arguments.
        ends: what ends a call; it is no less over without.
        closes: what ends the section.
        inner: what may stand behind a call in a section, and says nothing.
    """

    openers: tuple[str, ...]
    begins: tuple[str, ...] = ()
    kind: str = ""
    lone: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()
    bare: bool = False
    id_mark: str = ""
    fences: tuple[str, ...] = ()
    ends: tuple[str, ...] = ()
    closes: tuple[str, ...] = ()
    inner: tuple[str, ...] = ()

    def reader(self, settings: Settings) -> NamedCalls:
        """A reader of one block."""
        return NamedCalls(settings, self)

    def unopened(self, settings: Settings) -> NamedCalls:
        """A reader of one call without its opener: the name stands next."""
        return NamedCalls(settings, self, opened=True)


@dataclass(frozen=True)
class NamedFamily(CallFamily):
    """A family whose openers are followed by a tool's name.

    Args:
        steps: what must stand behind the name, one after the other: each is the literals that may.
    """

    steps: tuple[tuple[str, ...], ...] = (("{",),)

    def opens(self, rest: str, settings: Settings, /) -> bool | None:
        """Whether `rest` begins with an opener, a name, and what must follow it; None while it may still."""
        del settings
        return begins_name(rest, self.openers, self.steps)


def begins_name(rest: str, openers: tuple[str, ...], steps: tuple[tuple[str, ...], ...]) -> bool | None:
    """Whether `rest` begins with an opener, a name, and then one literal of each step; None while it may still.

    Where there are no openers, it begins with the name.
    """
    opener = next((opener for opener in tags(*openers).all if rest.startswith(opener)), "")
    if openers and not opener:
        return None if tags(*openers).may_start(rest) else False
    behind = rest[len(opener) :].lstrip()
    name = _NAME.match(behind)
    if name is None or len(name.group()) > NAME_MAX:
        return False if behind else None
    behind = behind[name.end() :]
    for literals in steps:
        behind = behind.lstrip()
        found = next((literal for literal in tags(*literals).all if behind.startswith(literal)), "")
        if not found:
            return None if tags(*literals).may_start(behind) else False
        behind = behind[len(found) :]
    return True


class NamedCalls(CallReader):
    """Reads one block of calls that are headed by their names; `opened` where the first name stands next."""

    def __init__(self, settings: Settings, header: Header, *, opened: bool = False) -> None:
        super().__init__(settings)
        self._header = header
        self._state = NamedCalls._called_tool if opened else NamedCalls._opener
        self._forget()

    def _forget(self) -> None:
        """Before the next call."""
        self._name = self._id = ""
        self._marked = self._header.bare
        self._kinded = self._fenced = False
        self._value = JsonText()

    def copy(self) -> Self:
        """An independent reader in the same state."""
        twin = super().copy()
        twin._value = self._value.copy()
        return twin

    # -- what a family may write ----------------------------------------------------------------------

    def _resolve(self) -> tuple[str, str] | None:
        """The tool's name and the call's id by the header; the name is "" where only the arguments can tell."""
        return self._name, self._id

    def _infer(self) -> str:
        """The tool's name by the arguments, which are `self._early`; "" for none."""
        return ""

    def _cut(self, rest: str) -> str:
        # Behind the arguments, a closer that is cut off is no part of them.
        return rest if self._state is NamedCalls._arguments else ""

    # -- the header ----------------------------------------------------------------------------------

    def _opener(self, scanner: Scanner, out: list[Span]) -> Control | None:
        opener = next(opener for opener in tags(*self._header.openers).all if scanner.starts(opener))
        self._hold(scanner.take(len(opener)))
        section = self._header.begins and opener not in self._header.begins
        self._state = NamedCalls._between if section else NamedCalls._called_tool
        return None

    def _between(self, scanner: Scanner, out: list[Span]) -> Control | None:
        """In a section, before a call or behind one."""
        self._hold_space(scanner)
        header = self._header
        inner = header.inner if self._called else ()
        found = self._literal(scanner, (*header.begins, *header.closes, *header.lone, *inner))
        if found is None:
            return Control.MORE
        if found in header.inner:
            self._skip(scanner.take(len(found)), out)
            return None
        if found in header.closes:
            self._skip(scanner.take(len(found)), out)
            return Control.OVER
        if found:
            self._hold(scanner.take(0 if found in header.lone else len(found)))
            self._state = NamedCalls._called_tool
            return None
        if not self._called:
            return self._fail(scanner, out)
        scanner.put_back(self._taken())
        return Control.OVER

    def _called_tool(self, scanner: Scanner, out: list[Span]) -> Control | None:
        self._hold_space(scanner)
        name = _NAME.match(scanner.text, scanner.position)
        if len(scanner) and (name is None or len(name.group()) > NAME_MAX):
            return self._fail(scanner, out)
        if name is None or name.end() == len(scanner.text):
            return Control.MORE
        self._name = scanner.take(len(name.group()))
        self._hold(self._name)
        self._state = NamedCalls._mark
        return None

    def _mark(self, scanner: Scanner, out: list[Span]) -> Control | None:
        """Behind the name, or behind a mark."""
        self._hold_space(scanner)
        header = self._header
        found = self._literal(scanner, (*header.marks, *header.fences, *header.ends, "{"))
        if found is None:
            return Control.MORE
        if found in header.marks:
            self._marked = True
            self._hold(scanner.take(len(found)))
            self._state = NamedCalls._call_id if found == header.id_mark else NamedCalls._mark
            return None
        if not found and self._name == header.kind and self._marked and not self._kinded:
            self._kinded = True
            self._state = NamedCalls._called_tool
            return None
        if not found or not self._marked:
            return self._fail(scanner, out)
        if found in header.fences:
            self._fenced = True
            self._hold(scanner.take(len(found)))
            return None
        return self._begin_arguments(scanner, out) if found == "{" else self._without(scanner, found, out)

    def _call_id(self, scanner: Scanner, out: list[Span]) -> Control | None:
        self._hold_space(scanner)
        found = _ID.match(scanner.text, scanner.position)
        if len(scanner) and (found is None or len(found.group()) > NAME_MAX):
            return self._fail(scanner, out)
        if found is None or found.end() == len(scanner.text):
            return Control.MORE
        self._id = scanner.take(len(found.group()))
        self._hold(self._id)
        self._state = NamedCalls._mark
        return None

    # -- the arguments -------------------------------------------------------------------------------

    def _begin_arguments(self, scanner: Scanner, out: list[Span]) -> Control | None:
        rest = scanner.peek(self._settings.limits.markup_chars_max)
        begun, resolved = begins_value(rest), self._resolve()
        if begun is None and len(scanner) <= len(rest):
            return Control.MORE
        if not begun or resolved is None:
            return self._fail(scanner, out)
        name, call_id = resolved
        if name:
            self._start(name, out, call_id)
        self._state = NamedCalls._arguments
        return None

    def _arguments(self, scanner: Scanner, out: list[Span]) -> Control | None:
        end = self._value.advance(scanner.text, scanner.position, scanner.position + self._room())
        if fragment := scanner.take(end - scanner.position):
            self._argue(fragment, fragment, out)
        if self._value.done:
            self._state = NamedCalls._behind
            return None
        if self._too_long():
            return self._fail(scanner, out)
        if not len(scanner):
            return Control.MORE
        # The scanner stands at a `<`: broken JSON, but the call's own, unless it is a closer.
        header = self._header
        found = self._literal(scanner, (*header.ends, *header.closes, *header.begins))
        if found is None:
            return Control.MORE
        if found:
            return self._over(scanner, len(found) if found in header.ends else 0, out)
        self._argue("<", scanner.take(1), out)
        return None

    def _without(self, scanner: Scanner, end: str, out: list[Span]) -> Control | None:
        """A call without arguments, but with its closer."""
        resolved = self._resolve()
        if resolved is None or not resolved[0]:
            return self._fail(scanner, out)
        self._start(resolved[0], out, resolved[1])
        return self._over(scanner, len(end), out)

    # -- behind the arguments ------------------------------------------------------------------------

    def _behind(self, scanner: Scanner, out: list[Span]) -> Control | None:
        header, limit = self._header, self._settings.limits.markup_chars_max
        if not header.ends:
            return self._over(scanner, 0, out)
        rest = scanner.peek(limit)
        word = rest.lstrip(_SPARE + "`" if header.fences else _SPARE)
        followers = tags(*header.ends, *header.closes, *header.begins)
        found = next((tag for tag in followers.all if word.startswith(tag)), "")
        if not found and len(rest) < limit and followers.may_start(word):
            return Control.MORE
        spare = len(rest) - len(word) if found else self._fence_end(rest)
        return self._over(scanner, spare + (len(found) if found in header.ends else 0), out)

    def _fence_end(self, rest: str) -> int:
        """Where the end of the arguments' fence ends, which stands next; 0 if it does not."""
        behind = rest.lstrip()
        return len(rest) - len(behind) + len(_FENCE) if self._fenced and behind.startswith(_FENCE) else 0

    def _over(self, scanner: Scanner, length: int, out: list[Span]) -> Control | None:
        """The call ends with this much of the text."""
        if self._early:
            name = self._infer()
            if not name:
                return self._fail(scanner, out)
            self._start(name, out, self._id)
        self._end(scanner.take(length), out)
        self._forget()
        self._state = NamedCalls._between
        return None if self._header.begins else Control.OVER
