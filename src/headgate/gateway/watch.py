"""The events of one reply -> what its exchange must know of them: whose they are, how they end, how long they took.

Spec: ours (`docs/events.md`)
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType

from headgate.events import Event, MessageStart, Repair, StreamError, Timings, Usage
from headgate.gateway.policy import NO_REPAIRS
from headgate.stopwatch import Stopwatch
from headgate.tool_names import ToolNames

_WATCHED = frozenset({MessageStart, StreamError, Usage, Repair})


class Watch:
    """A translator's tap, and what measures for it.

    Args:
        names: of the request's tools.
        sent_s: when the engine is asked, by `time.perf_counter()`.

    `heard` says that any event came, `begun` that a message did, and `model` which one the engine says it is of;
    `repairs` counts each kind.
    """

    __slots__ = ("_names", "_stopwatch", "begun", "error", "heard", "model", "repairs", "usage")

    def __init__(self, names: ToolNames, sent_s: float) -> None:
        self.heard = self.begun = False
        self.model: str | None = None
        self.error: StreamError | None = None
        self.usage: Usage | None = None
        self.repairs: Mapping[str, int] = NO_REPAIRS
        self._names = names if names.differ else None
        self._stopwatch = Stopwatch(sent_s)

    def __call__(self, events: Sequence[Event], /) -> None:
        """Note what matters; most events are deltas, of which nothing does."""
        self.heard = True
        for event in events:
            if type(event) not in _WATCHED:
                continue
            if isinstance(event, MessageStart):
                self.begun = True
                self.model = self.model or event.model
            elif isinstance(event, Usage):
                self.usage = event
            elif isinstance(event, StreamError):
                self.error = event
            elif isinstance(event, Repair):
                self.repairs = _with(self.repairs, event.code)

    def measure(self, events: list[Event], /) -> list[Event]:
        """The events with the client's own names of tools, and with what was measured in their usage."""
        if self._names is not None:
            events = self._names.to_client(events)
        return self._stopwatch.note(events, time.perf_counter())

    def measured(self) -> Timings:
        """How long the reply took, or takes until now."""
        return self._stopwatch.measured(time.perf_counter())


def _with(repairs: Mapping[str, int], code: str) -> Mapping[str, int]:
    return {**repairs, code: repairs.get(code, 0) + 1} if repairs else _once(code)


@lru_cache(maxsize=128)  # more than there are codes
def _once(code: str) -> Mapping[str, int]:
    """One repair, which is what most replies need, if any; held once for all of them."""
    return MappingProxyType({code: 1})
