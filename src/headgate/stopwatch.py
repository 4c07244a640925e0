"""When a response's events came -> how long it took, beside what the engine says of it.

Strategy: whoever has a clock tells when each batch of events came. Only two moments are kept, the first reasoning and
the first content, and all else is worked out at the end, where the usage is. So the deltas in between need not be shown
here, which is what lets them take the shortcut (`headgate.shortcut`).
Spec: ours (`docs/events.md`)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from msgspec.structs import replace

from headgate.events import (
    BlockEnd,
    Event,
    MessageEnd,
    ReasoningStart,
    Repair,
    StreamError,
    TextStart,
    Timings,
    ToolCallStart,
    Usage,
)

Measure = Callable[[list[Event]], list[Event]]
"""Takes a batch of events at the moment at which it came, and returns it with what was measured."""

MEASURED = ("first_reasoning_ms", "first_content_ms", "measured_ms", "measured_per_second")
"""The fields of `Timings` that are measured here."""

_TOKENS_MAX = 2**53
"""What counts as a number of tokens; engines may write anything, and what is larger is no exact float."""

_MOVED = "reasoning_unopened"
_ENDS = frozenset({Usage, MessageEnd, StreamError})
_NO_USAGE, _NO_TIMINGS = Usage(), Timings()


class Stopwatch:
    """Measures one response.

    Args:
        sent_s: when the request was sent, in seconds on any clock that never goes back; `start` sets it anew. Every
            other time that it is given is on the same clock.
    """

    __slots__ = ("_came_whole", "_content", "_content_s", "_first", "_measured", "_reasoning_s", "_sent_s", "_tokens")

    def __init__(self, sent_s: float = 0.0) -> None:
        self._sent_s = sent_s
        self._reasoning_s: float | None = None
        self._content_s: float | None = None
        self._content: tuple[int, int] | None = None  # the choice and the block of the first content
        self._first: tuple[int, int] | None = None  # those of the first words of any kind
        self._came_whole = False  # whether these came in one piece, so that they say nothing about speed
        self._tokens: int | None = None
        self._measured: Timings | None = None  # once the response has ended

    def start(self, sent_s: float) -> None:
        """The request is sent."""
        self._sent_s = sent_s

    def note(self, events: list[Event], now_s: float) -> list[Event]:
        """Take a batch of events that came at `now_s`; return it with what was measured in its usage.

        Where the engine told no usage, one that holds nothing else goes before the response's end. Batches of nothing
        but deltas need not be given.
        """
        if self._measured is not None:
            return events
        marks = self._marks
        for place, event in enumerate(events):
            kind = type(event)
            if kind in marks:
                marks[kind](self, event, now_s)
            elif kind in _ENDS:
                return self._ended(events, place, now_s)  # no block begins or ends behind it
        return events

    def measured(self, now_s: float) -> Timings:
        """What was measured, and nothing else; until the response's end, of what there is by `now_s`."""
        return self._at(now_s, None) if self._measured is None else self._measured

    def _at(self, now_s: float, per_second: float | None) -> Timings:
        sent_s, reasoning_s, content_s = self._sent_s, self._reasoning_s, self._content_s
        return Timings(
            first_reasoning_ms=None if reasoning_s is None else _ms(reasoning_s - sent_s),
            first_content_ms=None if content_s is None else _ms(content_s - sent_s),
            measured_ms=_ms(now_s - sent_s),
            measured_per_second=per_second,
        )

    def _think(self, event: ReasoningStart, now_s: float) -> None:
        if self._first is None:
            self._first = event.choice, event.index
        if self._reasoning_s is None:
            self._reasoning_s = now_s

    def _begin(self, event: TextStart | ToolCallStart, now_s: float) -> None:
        block = event.choice, event.index
        if self._first is None:
            self._first = block
        if self._content_s is None:
            self._content_s, self._content = now_s, block

    def _end(self, event: BlockEnd, now_s: float) -> None:
        if (event.choice, event.index) == self._first:
            self._came_whole = now_s == self._first_s

    def _move(self, event: Repair, now_s: float) -> None:
        del now_s
        if event.code == _MOVED and (event.choice, event.index) == self._content:
            # What seemed to be content was the thought; only the closing tag told.
            self._reasoning_s = self._content_s if self._reasoning_s is None else self._reasoning_s
            self._content_s = self._content = None

    _marks: Mapping[type[Event], Callable[[Any, Any, float], None]] = {  # each takes what it stands beside
        TextStart: _begin,
        ToolCallStart: _begin,
        ReasoningStart: _think,
        BlockEnd: _end,
        Repair: _move,
    }

    def _ended(self, events: list[Event], place: int, now_s: float) -> list[Event]:
        found = events[place]
        usage, rest = (found, place + 1) if isinstance(found, Usage) else (_NO_USAGE, place)
        told = usage.timings or _NO_TIMINGS
        self._tokens = told.predicted_n if usage.output_tokens is None else usage.output_tokens
        self._measured = self._at(now_s, self._per_second(now_s))
        timings = self._measured if told is _NO_TIMINGS else _beside(told, self._measured)
        return [*events[:place], replace(usage, timings=timings), *events[rest:]]

    @property
    def _first_s(self) -> float | None:
        if self._reasoning_s is None or self._content_s is None:
            return self._content_s if self._reasoning_s is None else self._reasoning_s
        return min(self._reasoning_s, self._content_s)

    def _per_second(self, ended_s: float) -> float | None:
        """How fast tokens came after the first, with which the time began."""
        first_s, tokens = self._first_s, self._tokens or 0
        if first_s is None or self._came_whole or ended_s <= first_s or not 1 < tokens < _TOKENS_MAX:
            return None
        return round((tokens - 1) / (ended_s - first_s), 3)


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)


def _beside(told: Timings, measured: Timings) -> Timings:
    """The engine's own timings, with ours in their own fields; another gateway's in those give way."""
    return replace(
        told,
        first_reasoning_ms=measured.first_reasoning_ms,
        first_content_ms=measured.first_content_ms,
        measured_ms=measured.measured_ms,
        measured_per_second=measured.measured_per_second,
    )
