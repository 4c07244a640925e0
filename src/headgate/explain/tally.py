"""Records -> the summary at the end; counts only, so that its size does not grow with the stream."""

from __future__ import annotations

from collections import Counter

from headgate.events import (
    Event,
    MessageEnd,
    MessageStart,
    ReasoningDelta,
    ReasoningStart,
    Repair,
    StreamError,
    TextDelta,
    TextStart,
    Timings,
    ToolCallDelta,
    ToolCallStart,
    Usage,
)
from headgate.explain.values import Choice, Summary
from headgate.stopwatch import Stopwatch

_KINDS = {TextStart: "text", ReasoningStart: "reasoning", ToolCallStart: "tool call"}


class _Counts:
    """One choice so far."""

    def __init__(self) -> None:
        self.end: MessageEnd | None = None
        self.blocks: Counter[str] = Counter()
        self.characters: Counter[str] = Counter()


class Tally:
    """Counts what a stream comes to."""

    def __init__(self) -> None:
        self.records = 0
        self.size = 0
        self._last_s: float | None = None
        self._stopwatch = Stopwatch()
        self._choices: dict[int, _Counts] = {}
        self._usage: Usage | None = None
        self._repairs: Counter[str] = Counter()
        self._error: StreamError | None = None

    def read(self, size: int, at_s: float | None) -> None:
        """Count a read."""
        self.size += size
        self._last_s = self._last_s if at_s is None else at_s

    def events(self, events: list[Event], at_s: float | None) -> None:
        """Count the events that one record caused; `at_s` is when it was there."""
        for event in events:
            self._event(event)
        if at_s is not None:
            self._stopwatch.note(events, at_s)

    def _event(self, event: Event) -> None:
        match event:
            case TextDelta() | ReasoningDelta() | ToolCallDelta():
                text, kind = _delta(event)
                self._choices[event.choice].characters[kind] += len(text)
            case TextStart() | ReasoningStart() | ToolCallStart():
                self._choices[event.choice].blocks[_KINDS[type(event)]] += 1
            case Repair():
                self._repairs[event.code] += 1
            case MessageStart():
                self._choices[event.choice] = _Counts()
            case MessageEnd():
                self._choices[event.choice].end = event
            case Usage():
                self._usage = event
            case StreamError():
                self._error = event
            case _:
                pass  # what opens, closes or decorates is not counted

    def summary(self, dialect: str | None, shape: str, reads: int) -> Summary:
        """What it comes to so far."""
        return Summary(
            dialect=dialect,
            shape=shape,
            records=self.records,
            reads=reads,
            size=self.size,
            last_s=self._last_s,
            measured=Timings() if self._last_s is None else self._stopwatch.measured(self._last_s),
            choices=tuple(_choice(number, counts) for number, counts in sorted(self._choices.items())),
            usage=self._usage,
            repairs=dict(self._repairs),
            error=self._error,
        )


def _delta(event: TextDelta | ReasoningDelta | ToolCallDelta) -> tuple[str, str]:
    if isinstance(event, ToolCallDelta):
        return event.json, "tool call"
    return event.text, "text" if isinstance(event, TextDelta) else "reasoning"


def _choice(number: int, counts: _Counts) -> Choice:
    end = counts.end
    blocks, characters = dict(counts.blocks), dict(counts.characters)
    return Choice(number, end.reason if end else "", end.raw_reason if end else None, blocks, characters)
