"""The way to one client of our own server: what an exchange writes leaves in the same call.

Strategy: a lane over uvicorn's connection instead of over ASGI's `send`. No task, future, queue or `await` is spent on
a chunk; the task that was made for the request waits once, for the end. uvicorn's own account of the request is kept,
so that its next one, its shutdown and our guards go on as if `send` had been called.
Spec: https://www.rfc-editor.org/rfc/rfc9112#section-7.1; why: `docs/decisions/0013-a-direct-lane-to-the-client.md`
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any, Protocol

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from headgate.gateway.asgi import Headers, Scope, Send
from headgate.gateway.lane import EXTENSION, Source
from headgate.gateway.ticker import Ticker
from headgate.limits import Limits

_are_fields = re.compile(rb"(?:[!#$%&'*+\-.^_`|~0-9a-z]++: [^\x00-\x08\x0a-\x1f\x7f]*+\r\n)*+").fullmatch
_LAST_CHUNK = b"0\r\n\r\n"

Opener = Callable[[Limits, Ticker, Headers], "DirectLane"]


class Event(Protocol):
    """What may be waited for."""

    def set(self) -> None:
        """It has come."""
        ...


class Connection(Protocol):
    """What a lane needs of the server's connection."""

    transport: asyncio.Transport
    lane: DirectLane | None
    """Who hears `paused`, `resumed` and `lost`; one reply is written at a time."""

    def resume_reading(self) -> None:
        """Read on, if reading was stopped."""
        ...


def opener(scope: Scope, send: Send) -> Opener | None:
    """What opens a direct lane for this request.

    None on other hosts, and where somebody stands between the server and the app, who must see every message.
    """
    offered: dict[str, Any] = (scope.get("extensions") or {}).get(EXTENSION, {})
    return offered["lane"] if offered.get("send") == send else None


class Account(Protocol):
    """The server's account of one request."""

    default_headers: Headers
    disconnected: bool
    keep_alive: bool
    response_complete: bool
    response_started: bool

    @property
    def message_event(self) -> Event | None:
        """What a task waits for, if there is one."""
        ...

    @property
    def on_response(self) -> Any:  # a callable; pyright binds one in slots as a method
        """Called once the reply is whole."""
        ...

    @property
    def transport(self) -> Any:  # uvicorn's type says more than what stands there can
        """What is closed where the connection is not kept."""
        ...


class DirectLane:
    """A `Lane` over a connection.

    Args:
        connection: the client's.
        cycle: the server's account of the request.
        limits: `write_bytes_mark` and `write_stall_s`.
        ticker: watches for the latter.
        more: headers of every reply.
    """

    __slots__ = (
        "_connection",
        "_cycle",
        "_done",
        "_head",
        "_is_chunked",
        "_limits",
        "_more",
        "_over",
        "_paused",
        "_source",
        "_taken_s",
        "_ticker",
        "_transport",
        "_waiting_bytes",
        "started",
    )

    def __init__(self, connection: Connection, cycle: Account, limits: Limits, ticker: Ticker, more: Headers) -> None:
        self.started = False
        self._connection = connection
        self._transport = connection.transport
        self._cycle = cycle
        self._limits = limits
        self._ticker = ticker
        self._more = more
        self._head = b""
        self._is_chunked = False
        self._paused = self._over = False
        self._source: Source | None = None
        self._done: asyncio.Future[None] | None = None  # where a task waits for the end
        self._waiting_bytes = 0
        self._taken_s = 0.0

    # The exchange calls these.

    @property
    def raw(self) -> Callable[[bytes], None] | None:
        """See `Lane.raw`."""
        begun = self.started and not self._head and not self._over
        return self._transport.write if begun and self._is_chunked else None

    def start(self, status: int, headers: Headers, /) -> None:
        """Give the reply's head; it leaves with the first bytes, or with the end."""
        self.started = self._cycle.response_started = True
        fields = [*self._cycle.default_headers, *headers, *self._more]
        self._is_chunked = b"content-length" not in dict(headers)
        if self._is_chunked:
            fields.append((b"transfer-encoding", b"chunked"))
        if not self._cycle.keep_alive:
            fields.append((b"connection", b"close"))
        self._head = _head(status, fields)

    def write(self, data: bytes, /) -> None:
        """Give more of the body, in one write."""
        if self._over or not data:
            return
        if self._is_chunked:
            data = b"%x\r\n%b\r\n" % (len(data), data)
        if self._head:
            data, self._head = self._head + data, b""
        self._transport.write(data)

    def end(self, last: bytes = b"", /, *, clean: bool) -> None:
        """The body is over after this; it leaves in one write."""
        if self._over:
            return
        self._over = True
        cycle = self._cycle
        cycle.keep_alive = cycle.keep_alive and clean
        if self._is_chunked:
            last = b"%x\r\n%b\r\n%b" % (len(last), last, _LAST_CHUNK) if last else _LAST_CHUNK
        if self._head or last:
            self._transport.write(self._head + last)
        self._release()
        cycle.response_complete = True
        if cycle.message_event is not None:
            cycle.message_event.set()
        if not cycle.keep_alive:
            cycle.transport.close()
        cycle.on_response()

    def cut(self) -> None:
        """Break the connection at once."""
        self._transport.abort()  # `lost` comes of it

    # The connection calls these.

    def paused(self) -> None:
        """More than `limits.write_bytes_mark` bytes wait for the client."""
        if not self._over:
            self._paused = True
            self._waiting_bytes = self._transport.get_write_buffer_size()
            self._taken_s = asyncio.get_running_loop().time()
            self._ticker.add(self, self._limits.write_stall_s)
            if self._source is not None:
                self._source.pause()

    def resumed(self) -> None:
        """Little waits any more."""
        if self._paused and not self._over:
            self._paused = False
            self._ticker.discard(self)
            if self._source is not None:
                self._source.resume()

    def lost(self) -> None:
        """Nobody is there any more."""
        self._leave()

    # The app calls one of these, the ticker the next.

    def begin(self, source: Source) -> None:
        """Carry what the source writes, from now on. Of a reply that is over already, this is nothing."""
        if self._over:
            return
        self._source = source
        self._connection.lane = self
        if self._cycle.disconnected:
            self._leave()

    async def run(self, source: Source) -> None:
        """Begin, and wait until the reply is whole or its client is gone. When cancelled, the source hears `gone`."""
        self.begin(source)
        if self._over:
            return
        self._transport.set_write_buffer_limits(high=self._limits.write_bytes_mark)
        self._connection.resume_reading()  # to hear of the client's end
        self._done = asyncio.get_running_loop().create_future()
        try:
            await self._done
        finally:
            self._leave()

    def tick(self, now_s: float, /) -> None:
        """Give up a client that has read nothing for `limits.write_stall_s`."""
        before, self._waiting_bytes = self._waiting_bytes, self._transport.get_write_buffer_size()
        if not self._paused or self._waiting_bytes < before:
            self._taken_s = now_s
        elif now_s - self._taken_s >= self._limits.write_stall_s:
            self.cut()

    def _leave(self) -> None:
        if not self._over:
            self._over = True
            source = self._release()
            if source is not None:
                source.gone()

    def _release(self) -> Source | None:
        """Let go of all that refers to this, so that nothing is left to the garbage collector."""
        self._connection.lane = None
        source, self._source = self._source, None
        if self._paused:
            self._ticker.discard(self)
        if self._done is not None and not self._done.done():
            self._done.set_result(None)
        return source


def _head(status: int, fields: Headers) -> bytes:
    """A reply's head.

    Raises:
        ValueError: for a field that would be read as something else.
    """
    head = b"".join([b"%b: %b\r\n" % field for field in fields])
    # All of them at once, which is as strict: only our own line ends are in it, each behind a name and a value.
    if head.count(b"\n") != len(fields) or not _are_fields(head):
        names = b", ".join(name for name, _ in fields)
        raise ValueError(f"expected header fields of one line each, got some among {names!r} that are not")
    return b"%b%b\r\n" % (STATUS_LINE[status], head)
