"""A request that is answered in plain calls: no task is made for it, and none waits for its end.

Strategy: uvicorn keeps its account of a request in an object of which most serves the task that runs an ASGI app. Where
no task is made, a `Turn` stands in for it, with as much as the guards, the lanes and the end of a connection use. It is
all that a connection holds of a request while its reply is written, so it is small.
Why: `docs/decisions/0017-plain-calls-for-a-head-that-comes-again.md`
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from headgate.errors import PeerError
from headgate.gateway.asgi import Headers, json_headers
from headgate.gateway.direct import Account, DirectLane
from headgate.gateway.entrance import Admitted
from headgate.gateway.fault import internal
from headgate.gateway.policy import Entry
from headgate.gateway.visit import settled


class ServerState(Protocol):
    """What a turn reads of uvicorn's."""

    default_headers: Headers


class Served(Protocol):
    """A connection whose turn it is."""

    @property
    def server_state(self) -> ServerState:
        """Whose headers every reply carries."""
        ...

    def close(self) -> None:
        """Close after what was written."""
        ...

    def on_response_complete(self) -> None:
        """The reply is whole."""
        ...


class Turn:
    """The account of one request, in the place of a `RequestResponseCycle`.

    Args:
        connection: the client's.
        keep_alive: whether it serves another request afterwards.
    """

    __slots__ = (
        "connection",
        "default_headers",
        "disconnected",
        "keep_alive",
        "response_complete",
        "response_started",
    )
    message_event = None  # no task waits

    def __init__(self, connection: Served, *, keep_alive: bool) -> None:
        self.connection = connection
        self.default_headers = connection.server_state.default_headers
        self.keep_alive = keep_alive
        self.disconnected = self.response_started = self.response_complete = False

    @property
    def transport(self) -> Served:
        """What is closed after the reply, where it is the connection's last."""
        return self.connection

    def on_response(self) -> None:
        """The reply is whole."""
        self.connection.on_response_complete()


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
