"""What every family of tool calls shares: its declared facts, and a reader that holds a call until it may start.

Strategy: a reader takes text from the scanner and says at once what it was. Until the call's tool is known,
declared, and followed by arguments, the source is held; if it turns out to be no call, it is put back and
read as text. A call of a tool that was not declared is given out as text, to its end.
Spec: ours (`docs/decisions/0011-a-call-needs-its-arguments.md`).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self

from headgate.markup import spans
from headgate.markup.family import Control, Family, Settings
from headgate.markup.scanner import Scanner, tags
from headgate.markup.spans import Kind, Span

State = Callable[[Any, Scanner, list[Span]], Control | None]
"""Reads a part of the block. Returns None to go on with `self._state`, else who goes on."""

_BETWEEN = " \t\r\n,;"
"""What stands between two calls and says nothing, even where the second one never comes."""


@dataclass(frozen=True)
class CallFamily:
    """A family of tool calls.

    Args:
        name: the family's name.
        openers: what its blocks begin with.
        read: makes the reader of one block.
        follows: what must stand behind the opener (and white space) to tell its blocks from another family's;
            empty where the opener tells.
        anywhere: whether its blocks may begin in the middle of a text.
        unmistakable: whether ordinary prose never holds its openers, with what follows them.
        when_named: what is looked for as well where the caller names this family.
    """

    name: str
    openers: tuple[str, ...]
    read: Callable[[Settings], CallReader]
    follows: tuple[str, ...] = ()
    anywhere: bool = True
    unmistakable: bool = True
    when_named: tuple[Family, ...] = ()
    thinks: bool = field(default=True, init=False)

    def wanted(self, settings: Settings, /) -> bool:
        """Whether calls are to be taken out of text, and this family may do so when no tools are known."""
        if not settings.parse_tools:
            return False
        return self.unmistakable or settings.named if settings.tools is None else bool(settings.tools)

    def opens(self, rest: str, settings: Settings, /) -> bool | None:
        """Whether `rest` begins with an opener, and what must follow it; None while it may still."""
        del settings
        return begins(rest, self.openers, self.follows)

    def reader(self, settings: Settings, /) -> CallReader:
        """A reader of one block."""
        return self.read(settings)


def begins(rest: str, openers: tuple[str, ...], follows: tuple[str, ...] = ()) -> bool | None:
    """Whether `rest` begins with an opener and, behind white space, one of `follows`; None while it may still."""
    known = tags(*openers)
    if known.may_start(rest):
        return None
    opener = next((opener for opener in known.all if rest.startswith(opener)), None)
    if opener is None:
        return False
    if not follows:
        return True
    behind = rest[len(opener) :].lstrip()
    return behind.startswith(follows) or (None if tags(*follows).may_start(behind) else False)


class CallReader:
    """Reads a block of tool calls; each family says how by its states.

    A state takes what is decided from the scanner and hands it to `_hold` (structure), `_argue` (arguments),
    `_start`, `_end` or `_skip`. It returns None to go on, `Control.MORE` to wait, or what ends the block.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._state: State = type(self)._opener
        self._held: list[str] = []  # source that is not given out yet
        self._held_size = 0
        self._front = ""  # what was held before the first of those arguments that come before the tool's name,
        self._early: list[tuple[str, str]] = []  # and they themselves: source and value
        self._early_size = 0
        self._calling = False
        self._refused = False
        self._spilling = False  # a started call's source says nothing, and too much of it to hold
        self._called = False  # at least one call was made

    # -- what a family writes ------------------------------------------------------------------------

    def _opener(self, scanner: Scanner, out: list[Span]) -> Control | None:
        """The first state: the scanner stands at the opener."""
        raise NotImplementedError

    def _cut(self, rest: str) -> str:
        """What the rest of the text means for the arguments of a call that is cut off there."""
        return rest

    # -- what the states use -------------------------------------------------------------------------

    def _literal(self, scanner: Scanner, literals: tuple[str, ...]) -> str | None:
        """The one of these that stands next, or ""; None while that is open."""
        if not literals:
            return ""
        known = tags(*literals)
        rest = scanner.peek(max(map(len, literals)))
        if known.may_start(rest):
            return None
        return next((literal for literal in known.all if rest.startswith(literal)), "")

    def _hold(self, raw: str) -> None:
        """Structure that belongs to what comes next."""
        if raw:
            self._held.append(raw)
            self._held_size += len(raw)

    def _hold_space(self, scanner: Scanner) -> None:
        """White space that belongs to what comes next; more than any header has is left, and fits nothing."""
        self._hold(scanner.take_space(max(0, self._settings.limits.markup_chars_max - self._held_size)))

    def _room(self) -> int:
        """How many characters of arguments may be taken at once: a call that has not started holds them."""
        waits = not (self._calling or self._refused)
        return self._settings.limits.arguments_chars_max + 1 - self._early_size if waits else sys.maxsize

    def _too_long(self) -> bool:
        """Whether what is held, and no call yet, is longer than any real header, or any real arguments."""
        if self._calling or self._refused:
            return False
        limits = self._settings.limits
        return self._held_size > limits.markup_chars_max or self._early_size > limits.arguments_chars_max

    def _start(self, name: str, out: list[Span], call_id: str = "") -> None:
        """The tool is known and arguments follow: start the call, or refuse it."""
        if self._settings.may_call(name):
            self._calling = self._called = True
            self._give_out(out, name, call_id)
        else:
            self._refuse(out)

    def _refuse(self, out: list[Span]) -> None:
        """It may not be called, or is no call: it is text, to its end."""
        self._refused = True
        out.append(spans.repair("markup_given_back"))
        self._give_out(out)

    def _give_out(self, out: list[Span], name: str = "", call_id: str = "") -> None:
        early, behind = self._early, self._taken_held()
        header, behind = (self._front, behind) if early else (behind, "")
        self._front, self._early, self._early_size = "", [], 0
        out.append(Span(Kind.CALL, header, name, call_id) if self._calling else spans.text(header))
        for raw, value in early:
            self._argue(raw, value, out)
        self._hold(behind)

    def _argue(self, raw: str, value: str, out: list[Span]) -> None:
        """More arguments: what stood there, and the JSON text that it is."""
        if self._calling and not value:
            self._spill(raw, out)
        elif self._calling or self._refused:
            if raw := self._taken() + raw:
                out.append(Span(Kind.ARGUMENTS, raw, value) if self._calling else spans.text(raw))
            self._spilling = False
        elif self._early:
            self._early.append((self._taken_held() + raw, value))
            self._early_size += len(raw)
        else:
            self._front, self._early = self._taken_held(), [(raw, value)]
            self._early_size = len(raw)

    def _spill(self, raw: str, out: list[Span]) -> None:
        """Hold what says nothing until it is known what it belongs to; of more than a header, the last character."""
        self._hold(raw)
        self._spilling |= self._held_size > self._settings.limits.markup_chars_max
        if self._spilling:
            held = self._taken()
            out.append(Span(Kind.ARGUMENTS, held[:-1]))
            self._hold(held[-1:])

    def _end(self, raw: str, out: list[Span]) -> None:
        """The call is over; `raw` is its closer."""
        raw = self._taken() + raw
        if self._calling:
            out.append(Span(Kind.CALL_END, raw))
        elif raw:
            out.append(spans.text(raw))
        self._calling = self._refused = self._spilling = False

    def _skip(self, raw: str, out: list[Span]) -> None:
        """Structure around the calls."""
        if raw := self._taken() + raw:
            out.append(spans.markup(raw) if self._called else spans.text(raw))

    def _fail(self, scanner: Scanner, out: list[Span]) -> Control:
        """It is no call after all: what was held is text, but for what else may begin in it."""
        raw = self._taken()
        if len(raw) <= self._settings.limits.markup_chars_max:
            raw, rest = raw[:1], raw[1:]
            scanner.put_back(rest)
        if raw:
            out.append(spans.text(raw))
        return Control.NOT_MINE

    def _taken(self) -> str:
        raw = self._front + "".join(raw for raw, _ in self._early) + self._taken_held()
        self._front, self._early, self._early_size = "", [], 0
        return raw

    def _taken_held(self) -> str:
        raw = "".join(self._held)
        self._held, self._held_size = [], 0
        return raw

    # -- the reader ----------------------------------------------------------------------------------

    def feed(self, scanner: Scanner, out: list[Span], /) -> Control:
        """Read on."""
        while (control := self._state(self, scanner, out)) is None:
            if self._too_long():
                return self._fail(scanner, out)
        # Behind calls that were all refused, the text just goes on.
        return Control.NOT_MINE if control is Control.OVER and not self._called else control

    def close(self, scanner: Scanner, out: list[Span], /) -> bool:
        """The text ends inside the block: a call that was started is cut; anything else is text."""
        rest = scanner.take_all()
        if self._calling:
            if rest:
                self._argue(rest, self._cut(rest), out)
            self._end("", out)
        elif raw := self._taken() + rest:
            out.append(spans.text(raw) if raw.strip(_BETWEEN) or not self._called else spans.markup(raw))
        return False

    def copy(self) -> Self:
        """An independent reader in the same state."""
        twin = self.__class__.__new__(self.__class__)
        twin.__dict__.update(self.__dict__)
        twin._held, twin._early = self._held.copy(), self._early.copy()
        return twin
