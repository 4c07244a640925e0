"""A stream's events -> one whole reply, behind the seam of an encoder.

Strategy: for a client that wants no stream the gateway differs only in its encoder: this one says nothing until
every choice has ended, and then everything. Of a failure it says nothing at all: nothing was sent, so that becomes
an HTTP status.
Spec: ours (`docs/decisions/0007-always-stream-from-the-engine.md`)
"""

from __future__ import annotations

from collections.abc import Sequence

from headgate.accumulate import Accumulator
from headgate.events import Event, MessageEnd, MessageStart, ReasoningDelta, StreamError, TextDelta
from headgate.surfaces.base import Surface, Writing


class WholeEncoder:
    """Writes one whole reply.

    Args:
        surface: whose form it takes.
        writing: the reply's identity and what it is to hold.
    """

    def __init__(self, surface: Surface, writing: Writing) -> None:
        self.done = False
        self.failed = False
        self._surface = surface
        self._writing = writing
        self._gathered = Accumulator()
        self._open: set[int] = set()
        self._ended = False

    def feed(self, events: Sequence[Event], /) -> bytes:
        """Gather events; the reply, once no choice is open any more."""
        for event in events:
            self._gathered.feed(event)
            match event:
                case MessageStart():
                    self._open.add(event.choice)
                case MessageEnd():
                    self._open.discard(event.choice)
                    self._ended = True
                case StreamError():
                    self.done = self.failed = True
                    return b""
                case _:
                    pass  # the accumulator has it
        if not self._ended or self._open or self.done:
            return b""
        self.done = True
        return self._surface.whole(self._gathered.messages, self._writing)

    def frame(self, delta: TextDelta | ReasoningDelta, /) -> None:
        """None: nothing is written before the end."""
        del delta

    def close(self) -> bytes:
        """Nothing: an end that did not come is a failure, and is told by a status."""
        return b""
