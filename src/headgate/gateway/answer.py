"""The client's side of one exchange: one head, the bytes, and exactly one end, which is settled.

Strategy: whatever begins the reply goes through one place, so that every reply, a failure included, has the same
headers; whatever ends it goes through another, so that a request is settled once and before its last bytes leave.
Spec: ours (`docs/reliability.md`)
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from headgate.errors import PeerError
from headgate.events import StreamError
from headgate.gateway.asgi import Headers, json_headers
from headgate.gateway.lane import Lane
from headgate.gateway.plan import Plan
from headgate.gateway.policy import Entry, Outcome

logger = logging.getLogger("headgate")

Frame = Callable[[list[StreamError]], bytes]


class Answer:
    """What one client is given.

    Args:
        plan: whose surface and whose headers.
        lane: the way to the client.
        entry: what is known of the request.
    """

    __slots__ = ("_busy_since_s", "_entry", "_lane", "_own_s", "_plan", "_status", "outcome")

    def __init__(self, plan: Plan, lane: Lane, entry: Entry) -> None:
        self.outcome: Outcome | None = None
        self._plan = plan
        self._lane = lane
        self._entry = entry
        self._status = 0
        self._own_s = 0.0
        self._busy_since_s = entry.parsed_s
        entry.upstream = plan.upstream.name

    @property
    def begun(self) -> bool:
        """Whether the client has a head, so that a failure can only be a frame."""
        return self._lane.started

    # What Headgate adds before the first byte is the time in which it works; the engine's does not count.

    def work(self) -> None:
        """Headgate works from now on, as it has since the request was parsed."""
        if not self._lane.started:
            self._busy_since_s = self._entry.clock()

    def rest(self) -> None:
        """Headgate waits for the engine from now on."""
        if self._busy_since_s is not None:
            self._own_s += self._entry.clock() - self._busy_since_s
            self._busy_since_s = None

    # What the client is given.

    def write(self, out: bytes, /) -> None:
        """Give more of the reply, and its head with the first of it."""
        self._count(out)
        self._lane.write(out)

    def finish(self, last: bytes) -> None:
        """With this the reply is whole."""
        self._count(last)
        self.settle(Outcome.OK)
        self._lane.end(last, clean=True)

    def broke(self, last: bytes) -> None:
        """This is the last, and tells the failure that the engine's stream told, or that its encoder found."""
        error = self._plan.watch.error
        self._count(last)
        self.settle(Outcome.UPSTREAM_FAILED, error.code if error else "tool_call_incomplete")
        self._lane.end(last, clean=False)

    def fail(self, outcome: Outcome, error: PeerError, frame: Frame, more: Headers) -> None:
        """End with a failure: a status with `more` headers if that is still possible, else a frame."""
        begun = self._lane.started
        if begun:
            out = frame([error.event()])
        else:
            status, out = self._plan.surface.error(error)
            self._start(status, [*json_headers(out), *more])
        self._entry.wrote(len(out))
        self.settle(outcome, error.code)
        self._lane.end(out, clean=not begun)

    def cut(self) -> None:
        """Break the connection: not even the failure can be told."""
        self.settle(Outcome.INTERRUPTED, "internal")
        self._lane.cut()

    def gone(self) -> None:
        """The client has left."""
        self.settle(Outcome.CLIENT_GONE, "cancelled")

    def settle(self, outcome: Outcome, code: str | None = None) -> None:
        """Note how it ended; only the first time counts."""
        if self.outcome is not None:
            return
        self.outcome = outcome
        if outcome is Outcome.UPSTREAM_FAILED:
            logger.warning("%s: %s (HTTP %d)", self._plan.upstream.name, code, self._status)
        plan, entry = self._plan, self._entry
        entry.usage, entry.repairs = plan.watch.usage, plan.watch.repairs
        entry.answered_model = plan.answered_model
        entry.measured = plan.watch.measured()
        entry.settle(outcome, code, self._status)

    def _start(self, status: int, headers: Headers) -> None:
        self.rest()
        self._status = status
        told = (b"x-headgate-overhead-us", b"%d" % round(self._own_s * 1_000_000))
        self._lane.start(status, [*headers, *self._plan.identity(), told, *self._entry.headers])

    def _count(self, out: bytes) -> None:
        """Note what is about to be written, and give the head if it is the first of it."""
        if not self._lane.started:
            self._start(200, self._plan.headers(out))
        self._entry.wrote(len(out))
