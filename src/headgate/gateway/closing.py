"""How a client's connection ends: so that its last answer can be read, and never so that it takes for ever.

Strategy: a socket that closes while bytes of its client are unread is reset, and the reset can overtake the answer.
So a client that is answered before its request is whole is told that nothing more comes, and what still arrives is
read and dropped for a while. Beside that a coarse watch cuts clients that take nothing of what waits for them: without
it a close waits for them for ever.
Spec: https://www.rfc-editor.org/rfc/rfc9112#section-9.6
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from headgate.limits import DEFAULTS, Limits

_LOOKS = 4
"""How often within `limits.write_stall_s` a client is looked at."""


class Way:
    """A cycle's way to its transport: closing goes through the protocol, and a write costs what it did."""

    __slots__ = ("close", "is_closing", "write")

    def __init__(self, transport: asyncio.Transport, close: Callable[[], None]) -> None:
        self.write = transport.write
        self.is_closing = transport.is_closing
        self.close = close


class Closing(HttpToolsProtocol):
    """uvicorn's protocol, whose connections end; `limits` are the class's, since uvicorn makes the instances."""

    limits: Limits = DEFAULTS

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._cycles: list[RequestResponseCycle] = []  # those whose replies are due
        self._lingering: asyncio.TimerHandle | None = None
        self._looking: asyncio.TimerHandle | None = None
        self._waiting_bytes = 0
        self._taken_s = 0.0
        self._idle_since_s = 0.0

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way, so that the connection is only kept for a request that may come."""
        return not self.is_due

    @property
    def is_due(self) -> bool:
        """Whether a request waits for its reply, or for the rest of it."""
        return bool(self._cycles) and not self.cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """A client is there."""
        super().connection_made(transport)
        self._way = Way(transport, self.close)

    def on_headers_complete(self) -> None:
        """Begin to answer: from now on there is something to end."""
        super().on_headers_complete()
        self.cycle.transport = self._way  # type: ignore[assignment]  # all that a cycle uses
        self._expect_reply(self.cycle)

    def on_response_complete(self) -> None:
        """Begin with the next request that waits, or keep the connection for one; as uvicorn's, but for the timer."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
            return
        self._idle_since_s = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._keep_for(self.timeout_keep_alive)

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection that was kept long enough. One timer serves many requests: they only say when it began."""
        self.timeout_keep_alive_task = None
        left_s = self._idle_since_s + self.timeout_keep_alive - self.loop.time()
        if not self.is_idle:
            return  # its reply begins the time anew
        if left_s > 0:
            self._keep_for(left_s)
        else:
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody is there any more. uvicorn tells only the newest request; the one that is answered may be older."""
        for alarm in (self._lingering, self._looking, self.timeout_keep_alive_task):
            if alarm is not None:
                alarm.cancel()
        for cycle in self._cycles:
            cycle.disconnected = not cycle.response_complete
            cycle.message_event.set()
        super().connection_lost(exc)

    def close(self) -> None:
        """Close after what was written; a cycle calls this after its connection's last reply."""
        self.transport.close()

    def linger(self) -> None:
        """Close after what was written, and read what still comes: the client can read its answer then."""
        self._unset_keepalive_if_required()
        self.pipeline.clear()
        if self.transport.is_closing() or not self.transport.can_write_eof():
            self.transport.close()
        elif self._lingering is None:
            self.flow.resume_reading()
            self.transport.write_eof()
            self._lingering = self.loop.call_later(self.limits.linger_s, self._drop)

    def _drop(self) -> None:
        """End the lingering, unless the client has not got its answer yet; whether it reads is the watch's business."""
        if self.transport.get_write_buffer_size():
            self._watch_client()
            self._lingering = self.loop.call_later(self.limits.linger_s, self._drop)
        else:
            self.transport.abort()

    def _keep_for(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(seconds, self.timeout_keep_alive_handler)

    def _expect_reply(self, cycle: RequestResponseCycle) -> None:
        """A reply is due from now on."""
        self._cycles = [*(one for one in self._cycles if not one.response_complete), cycle]
        if self._looking is None:
            self._watch_client()

    # The watch: one timer per connection, from a request until nothing waits for its client.

    def _watch_client(self) -> None:
        if self._looking is None:
            self._waiting_bytes = 0
            self._look_later()

    def _look_later(self) -> None:
        self._looking = self.loop.call_later(self.limits.write_stall_s / _LOOKS, self._look)

    def _look(self) -> None:
        self._looking = None
        before, self._waiting_bytes = self._waiting_bytes, self.transport.get_write_buffer_size()
        if not before or self._waiting_bytes < before or self._is_written():
            self._taken_s = self.loop.time()
        elif self.loop.time() - self._taken_s >= self.limits.write_stall_s:
            self.transport.abort()
            return
        if self._waiting_bytes or self.is_due:
            self._look_later()

    def _is_written(self) -> bool:
        """Whether a reply is being written: what waits grows then, and whoever writes it sees when nobody reads."""
        return any(cycle.response_started and not cycle.response_complete for cycle in self._cycles)
