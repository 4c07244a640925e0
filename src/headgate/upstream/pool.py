"""The connections to one engine, the calls that use them, and the one timer that watches them all."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable

from headgate.errors import UpstreamError
from headgate.limits import Limits
from headgate.upstream import faults
from headgate.upstream.call import HttpCall
from headgate.upstream.connection import Connection
from headgate.upstream.request import Origin

_SWEEP_S_MAX = 0.5
"""Deadlines are seconds, so they may be late by this much; a timer per call costs more than the whole sweep."""


class Pool:
    """Last in, first out: the connection used last is the least likely to be stale, and old ones may fall idle.

    Everything but the sweep takes the same time however many connections there are.
    """

    def __init__(self, origin: Origin, limits: Limits, ssl_context: ssl.SSLContext | None) -> None:
        self.where = origin.where
        self.limits = limits
        self._origin = origin
        self._ssl = ssl_context
        self._calls: set[HttpCall] = set()
        self.settled: Callable[[HttpCall], None] = self._calls.discard
        """Drop a call that is over."""
        self._kept: dict[Connection, float] = {}  # idle connections and since when, the latest last
        self._timer: asyncio.TimerHandle | None = None
        self.clock: Callable[[], float] = time.monotonic  # the loop's, once one runs
        shortest_s = min(limits.connect_s, limits.first_byte_s, limits.idle_s, limits.pool_idle_s)
        self._sweep_s = min(_SWEEP_S_MAX, shortest_s / 4)

    def __repr__(self) -> str:
        return f"<Pool {self.where}: {len(self._calls)} in use, {len(self._kept)} kept>"

    def start(self, call: HttpCall, /) -> None:
        """Send a new call on a kept connection, or else on a new one."""
        self._calls.add(call)
        if self._timer is None:
            self._arm()
        while self._kept:
            if call.send_on(self._kept.popitem()[0], reused=True):
                return
        self.connect(call)

    def connect(self, call: HttpCall, /) -> None:
        """Send a call on a new connection."""
        connection = Connection(self.where, self.limits.head_bytes_max, self)
        # Not `create_task`: an eager factory would run it at once, and a failure would be told before `open` returns.
        task = asyncio.Task(self._connect(call, connection), loop=asyncio.get_running_loop())
        call.connecting(connection, task)

    def keep(self, connection: Connection, /) -> None:
        """Keep an idle connection for the next call."""
        self._kept[connection] = self.clock()

    def forget(self, connection: Connection, /) -> None:
        """Drop a connection that is gone."""
        self._kept.pop(connection, None)

    def close(self, error: UpstreamError, /) -> None:
        """Close kept connections and fail the calls in use."""
        for connection in tuple(self._kept):
            connection.abort()
        for call in tuple(self._calls):
            call.fail(error)
        if self._timer is not None:
            self._timer.cancel()

    async def _connect(self, call: HttpCall, connection: Connection) -> None:
        origin, loop = self._origin, asyncio.get_running_loop()
        try:
            await loop.create_connection(lambda: connection, origin.host, origin.port, ssl=self._ssl)
        except (OSError, UnicodeError) as error:  # the latter from a name that no name server could know
            call.refused(faults.no_connection(origin, error))
            return
        if not call.send_on(connection, reused=False):
            call.refused(faults.truncated(self.where, "got a connection that closed at once"))

    def _arm(self) -> None:
        loop = asyncio.get_running_loop()
        self.clock = loop.time
        self._timer = loop.call_later(self._sweep_s, self._sweep)

    def _sweep(self) -> None:
        self._timer = None
        if self._calls or self._kept:
            self._arm()
        now_s = self.clock()
        late = [(call, error) for call in self._calls if (error := call.overdue(now_s)) is not None]
        for call, error in late:
            call.fail(error)
        idle_since_s = now_s - self.limits.pool_idle_s
        for connection in [connection for connection, since_s in self._kept.items() if since_s <= idle_since_s]:
            connection.abort()
