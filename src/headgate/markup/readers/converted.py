"""What families share whose arguments are no JSON: a reader that converts them, and starts a call when it is sure.

Strategy: a call is held until it is whole, or until so much of it makes sense that it can be nothing else; a short one
that turns out to be none is text, and the calls beside it are still calls. Where nothing but the calls themselves says
that there are calls, the whole block is held, and is text unless all of it makes sense.
Spec: ours (`docs/decisions/0011-a-call-needs-its-arguments.md`).
"""

from __future__ import annotations

from typing import NamedTuple, Protocol, Self

from headgate.markup import spans
from headgate.markup.family import Control, Settings
from headgate.markup.readers.calls import CallReader
from headgate.markup.scanner import Scanner, tags
from headgate.markup.spans import Kind, Span

SURE = 256
"""How many characters of arguments make sense only in a call. No client waits for so few of them."""

_BRACKETS = ("(", ")", "[", "]", "{", "}")


class Reading(NamedTuple):
    """What was taken of the arguments: source, its JSON, and source behind it that does not say anything yet."""

    source: str
    json: str
    behind: str = ""


class Arguments(Protocol):
    """Converts one call's arguments."""

    done: bool
    """The arguments are whole."""
    wrong: bool
    """What stands there cannot be converted."""
    begun: bool
    """There is a value, or there are no arguments at all."""
    closer: str
    """The bracket that closes them."""

    @property
    def depth(self) -> int:
        """How many brackets are open."""
        ...

    def read(self, scanner: Scanner, /) -> Reading:
        """Take what is decided."""
        ...

    def finish(self) -> None:
        """No text follows."""
        ...

    def copy(self) -> Arguments:
        """Independent arguments in the same state."""
        ...


class ConvertedCalls(CallReader):
    """Reads a block of calls; each family says how they begin (`_opener`) and what stands behind them.

    Args:
        settings: what to decide by.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._closers: tuple[str, ...] = ()
        self._whole = False  # the block must be whole before any of it is given out
        self._whole_spans: list[Span] = []
        self._whole_size = 0
        self._final = False  # no text follows
        self._name = ""
        self._arguments: Arguments  # of the call that is being read; `_read_call` sets them
        self._in_call = False
        self._unsaid = ""  # JSON that waits for its source
        self._silent = False  # the last source waits for its JSON
        self._size = 0
        self._depth = 0

    def copy(self) -> Self:
        """An independent reader in the same state."""
        twin = super().copy()
        if self._in_call:
            twin._arguments = self._arguments.copy()
        twin._whole_spans = self._whole_spans.copy()
        return twin

    # -- what a family writes ------------------------------------------------------------------------

    def _behind_call(self, scanner: Scanner, out: list[Span]) -> Control | None:
        """The state behind a call: another one, or the block's end."""
        raise NotImplementedError

    # -- a call --------------------------------------------------------------------------------------

    def _read_call(self, name: str, arguments: Arguments) -> None:
        """A call's arguments follow."""
        self._name, self._arguments, self._size, self._in_call = name, arguments, 0, True
        self._unsaid, self._silent = "", False
        self._state = ConvertedCalls._in_arguments

    def _in_arguments(self, scanner: Scanner, out: list[Span]) -> Control | None:
        arguments = self._arguments
        reading = arguments.read(scanner)
        self._convert(reading, out)
        self._size += len(reading.source) + len(reading.behind)
        if self._undecided and (arguments.done or self._size > SURE):
            self._start(self._name, out)
        if arguments.wrong:
            self._depth = arguments.depth
            self._state = ConvertedCalls._broken
            return None
        if not arguments.done:
            return Control.MORE
        self._end_call(out)
        return None

    def _convert(self, reading: Reading, out: list[Span]) -> None:
        """More arguments; JSON for which no source stands there goes with the source before it, or else behind it."""
        source, value, behind = reading
        value, self._unsaid = self._unsaid + value, ""
        if source or (value and self._silent):
            self._argue(source, value, out)
            self._silent = False
        else:
            self._unsaid = value
        if behind:
            self._argue(behind, "", out)
            self._silent = True

    def _broken(self, scanner: Scanner, out: list[Span]) -> Control | None:
        """Behind a mistake: find the call's end by its brackets, as quotes may be what is wrong."""
        text, _, tag = scanner.until(tags(*self._closers, *_BRACKETS))
        ends = tag in self._closers
        if ends and tag:
            scanner.position -= len(tag)
            tag = ""
        self._lose(scanner, text + (tag or ""), out)
        if self._too_long():
            return None
        if ends or self._closes_call(tag):
            self._end_call(out)
        return Control.MORE if tag is None else None

    def _closes_call(self, bracket: str | None) -> bool:
        if not bracket:
            return False
        if bracket in "([{":
            self._depth += 1
        elif self._depth > 1:
            self._depth -= 1
        elif bracket == self._arguments.closer:
            return True
        return False

    def _lose(self, scanner: Scanner, text: str, out: list[Span]) -> None:
        """What is wrong in a call that was started is its own; else it is held, as much as a header may be."""
        if not self._undecided:
            self._convert(Reading(text, text), out)
            return
        room = max(0, self._settings.limits.markup_chars_max + 1 - self._held_size)
        scanner.position -= len(text[room:])
        self._hold(text[:room])

    def _end_call(self, out: list[Span]) -> None:
        if self._undecided:
            self._refuse(out)
        elif self._unsaid:
            self._argue("", self._unsaid, out)
        self._end("", out)
        self._in_call = False
        self._state = type(self)._behind_call

    @property
    def _undecided(self) -> bool:
        return not (self._calling or self._refused)

    # -- the block -----------------------------------------------------------------------------------

    def feed(self, scanner: Scanner, out: list[Span], /) -> Control:
        """Read on."""
        if not self._whole:
            return super().feed(scanner, out)
        start = len(self._whole_spans)
        control = super().feed(scanner, self._whole_spans)
        self._whole_size += sum(len(span.raw) for span in self._whole_spans[start:])
        too_long = self._whole_size > self._settings.limits.arguments_chars_max
        if control is Control.MORE and not too_long:
            return Control.MORE
        if control is Control.OVER and not too_long and not self._any_refused():
            self._give_whole(out)
            return Control.OVER
        raw = self._taken_whole()
        scanner.put_back(raw[1:])
        if raw:
            out.append(spans.text(raw[0]))
        return Control.NOT_MINE

    def _any_refused(self) -> bool:
        return any(span.kind is Kind.REPAIR for span in self._whole_spans)

    def _give_whole(self, out: list[Span]) -> None:
        out += self._whole_spans
        self._whole_spans = []

    def _taken_whole(self) -> str:
        raw = "".join(span.raw for span in self._whole_spans) + self._taken()
        self._whole_spans = []
        return raw

    def close(self, scanner: Scanner, out: list[Span], /) -> bool:
        """The text ends: what a call that has begun lacks is cut off; a block that must be whole and is not is text."""
        self._final = True
        if self._in_call:
            self._arguments.finish()
        found: list[Span] = []
        over = self.feed(scanner, found) is Control.OVER
        out += found
        if self._whole and not over:
            out.append(spans.text(self._taken_whole() + scanner.take_all()))
            return False
        if self._in_call and self._undecided and self._arguments.begun and not self._arguments.wrong:
            self._start(self._name, out)
        if self._calling:
            # Nothing closed the call: what was held is its own, whatever was taken together with it.
            if raw := self._taken() + scanner.take_all():
                out.append(Span(Kind.ARGUMENTS, raw, self._unsaid))
            self._end("", out)
            return False
        if self._called and not "".join(self._held).strip():
            self._skip("", out)
        return super().close(scanner, out)
