"""A request that is answered in plain calls: no task is made for it, and none waits for its end.

Strategy: uvicorn keeps its account of a request in an object of which most serves the task that runs an ASGI app. Where
no task is made, a `Turn` stands in for it, with as much as the guards, the lanes and the end of a connection use.
Why: `docs/decisions/0017-plain-calls-for-a-head-that-comes-again.md`
"""

from __future__ import annotations

from typing import Any, NamedTuple

from headgate.errors import PeerError
from headgate.gateway.asgi import Headers, json_headers
from headgate.gateway.closing import Way
from headgate.gateway.direct import Account, DirectLane
from headgate.gateway.entrance import Admitted
from headgate.gateway.fault import internal
from headgate.gateway.policy import Entry
from headgate.gateway.visit import settled


class _Nobody:
    """In place of the event that a task waits for."""

    def set(self) -> None:
        """Wake nobody."""


_NOBODY = _Nobody()


class Turn:
    """The account of one request, in the place of a `RequestResponseCycle`.

    Args:
        transport: the way to the client.
        flow: uvicorn's, of the connection.
        default_headers: of every reply.
        on_response: a callable; called once the reply is whole.
    """

    __slots__ = (
        "default_headers",
        "disconnected",
        "flow",
        "keep_alive",
        "on_response",
        "response_complete",
        "response_started",
        "transport",
    )
    message_event = _NOBODY

    def __init__(self, transport: Way, flow: Any, default_headers: Headers, on_response: Any) -> None:
        self.transport = transport
        self.flow = flow
        self.default_headers = default_headers
        self.on_response = on_response
        self.keep_alive = True
        self.disconnected = self.response_started = self.response_complete = False


class Arrival(NamedTuple):
    """A request whose head was let in, and which is answered in plain calls."""

    admitted: Admitted
    entry: Entry
    turn: Account
    lane: DirectLane

    def gone(self) -> None:
        """Settle it: its client left before it was whole."""
        self.entry.gone()

    def turn_away(self, error: Exception) -> None:
        """Settle it with an error, or a fault of ours, and tell its client."""
        told = settled(self.entry, error if isinstance(error, PeerError) else internal(error))
        if self.lane.started:  # by a fault of ours in the midst of its beginning
            self.lane.cut()
        elif not self.turn.disconnected:
            status, body = self.admitted.head.surface.error(told)
            self.lane.start(status, [*json_headers(body), *self.entry.headers])
            self.lane.end(body, clean=True)
