"""One timer for all connections of a server: their deadlines are seconds, and a timer of its own costs a request more.

Strategy: connections that are open are gone through several times within the shortest deadline. Nothing is armed or
cancelled for a request, and an open connection holds no timer; a deadline is noticed so much later. While nobody is
connected there are no rounds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Protocol

from headgate.limits import Limits

_ROUND_S_MAX = 0.5
"""Between two rounds; the exchanges with engines are looked at as often (`ticker.py`)."""
_ROUNDS = 4
"""Within the shortest deadline."""


class Watched(Protocol):
    """A connection that wants to know how late it is."""

    def tick(self, now_s: float, /) -> None:
        """Some time has passed; `now_s` is the loop's clock."""


class Rounds:
    """Calls `tick` of every connection, again and again.

    Args:
        limits: those that a client's connection has: `request_head_s`, `request_body_s`, `request_body_total_s`,
            `linger_s`, `write_stall_s`.
    """

    def __init__(self, limits: Limits) -> None:
        of_requests = (limits.request_head_s, limits.request_body_s, limits.request_body_total_s)
        self.every_s = min(_ROUND_S_MAX, min(*of_requests, limits.linger_s, limits.write_stall_s) / _ROUNDS)
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, loop: asyncio.AbstractEventLoop, connections: Collection[Watched]) -> None:
        """Go round from now on, as long as there is a connection. Call it for each; of several calls the first counts.

        `connections` is the server's own set of them.
        """
        if self._timer is None:
            self._timer = loop.call_later(self.every_s, self._run, loop, connections)

    def _run(self, loop: asyncio.AbstractEventLoop, connections: Collection[Watched]) -> None:
        self._timer = None
        if connections:
            self.begin(loop, connections)  # first of all: a fault in one round must not end them
        now_s = loop.time()
        for connection in tuple(connections):
            connection.tick(now_s)
