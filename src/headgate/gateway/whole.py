"""A stream's events -> one whole reply, behind the seam of an encoder.

Strategy: for a client that wants no stream the gateway differs only in its encoder: this one says nothing until
every choice has ended, and then everything. Of a failure it says nothing at all: nothing was sent, so that becomes
an HTTP status.
Spec: ours (`docs/decisions/0007-always-stream-from-the-engine.md`)
"""

from __future__ import annotations

from collections.abc import Sequence

from headgate.accumulate import Accumulator
from headgate.events import Event, ReasoningDelta, TextDelta
from headgate.surfaces.base import Surface, Writing


class WholeEncoder:
    """Writes one whole reply.

    Args:
        surface: whose form it takes.
        writing: the reply's identity and what it is to hold.
    """

    __slots__ = ("_gathered", "_surface", "_writing", "done", "failed")

    def __init__(self, surface: Surface, writing: Writing) -> None:
        self.done = self.failed = False
        self._surface = surface
        self._writing = writing
        self._gathered = Accumulator()

    def feed(self, events: Sequence[Event], /) -> bytes:
        """Gather events; the reply, once no choice is open any more."""
        gathered = self._gathered
        gathered.feed_all(events)
        if gathered.error is not None:
            self.done = self.failed = True
        if self.done or not gathered.ended:
            return b""
        self.done = True
        return self._surface.whole(gathered.messages, self._writing)

    def frame(self, delta: TextDelta | ReasoningDelta, /) -> None:
        """None: nothing is written before the end."""
        del delta

    def close(self) -> bytes:
        """Nothing: an end that did not come is a failure, and is told by a status."""
        return b""
