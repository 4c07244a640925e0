"""One TCP or TLS connection to an engine: request bytes out, a reply to one exchange in.

Strategy: `data_received` -> `ReplyReader` -> receiver, one plain call each; at most one `data` per read, and no task,
future or timer per chunk. Whether a broken exchange may be tried again is not decided here.
Spec: https://www.rfc-editor.org/rfc/rfc9112.html#section-9
"""

from __future__ import annotations

import asyncio
import socket
from typing import Protocol, cast

from headgate.errors import UpstreamError
from headgate.upstream import faults
from headgate.upstream.base import Receiver, Through
from headgate.upstream.reply import ReplyReader

_JOIN_BYTES_MAX = 64 * 1024
"""Up to here head and body of a request are copied into one write, hence one segment; a copy costs less than a send."""


class Exchange(Protocol):
    """What a connection tells about the reply it reads. After `over` or `broken` the connection has let go of it."""

    receiver: Receiver
    heard: bool
    """Set at every read that brought body bytes."""

    def over(self) -> None:
        """The reply is whole."""

    def broken(self, error: UpstreamError, /, *, untouched: bool) -> None:
        """The reply will never be whole; `untouched` says that the engine closed before it sent a single byte."""


class Pool(Protocol):
    """Who keeps connections between two exchanges."""

    def keep(self, connection: Connection, /) -> None:
        """The connection is idle and may serve again."""

    def forget(self, connection: Connection, /) -> None:
        """The connection is gone, if it was kept at all."""


class Connection(asyncio.Protocol):
    """One connection, with at most one exchange at a time.

    A read that its receiver takes as it is (`Receiver.through`) is not parsed: where it begins and ends between two
    chunks, the parser's state is the same before and after.

    Args:
        where: `host:port`, for error messages.
        head_bytes_max: limit of a response head, in bytes.
        pool: told when the connection becomes idle, and when it is gone.
    """

    __slots__ = (
        "_exchange",
        "_head_sent",
        "_pool",
        "_reader",
        "_through",
        "_transport",
        "_where",
    )

    def __init__(self, where: str, head_bytes_max: int, pool: Pool) -> None:
        self._where = where
        self._pool = pool
        self._reader = ReplyReader(head_bytes_max)
        self._transport: asyncio.Transport | None = None
        self._exchange: Exchange | None = None
        self._through: Through | None = None  # where the next read begins between two chunks
        self._head_sent = False

    def send(self, exchange: Exchange, head: bytes, body: bytes, /) -> bool:
        """Send a request; the reply goes to `exchange`, never before this returns.

        False if the connection is gone or going; nothing was sent then.
        """
        transport = self._live()
        if transport is None:
            return False
        self._exchange = exchange
        self._through = None
        self._head_sent = False
        self._reader.renew()
        if len(body) <= _JOIN_BYTES_MAX:
            transport.write(head + body)
        else:
            transport.write(head)
            transport.write(body)
        return True

    def pause(self) -> None:
        """Stop reading."""
        transport = self._live()
        if transport is not None:
            transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        transport = self._live()
        if transport is not None:
            transport.resume_reading()

    def abort(self) -> None:
        """Let go of the exchange and close at once, whatever is still unsent. Idempotent."""
        self._exchange = self._through = None
        if self._transport is not None:
            self._transport.abort()

    # asyncio calls these.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember the transport and send small writes at once."""
        # A stream protocol gets a full-duplex transport; typeshed promises less, and uvloop's own class is no subclass.
        self._transport = cast("asyncio.Transport", transport)
        sock: socket.socket | None = transport.get_extra_info("socket")
        if sock is not None and sock.family in {socket.AF_INET, socket.AF_INET6}:
            # asyncio and uvloop do this themselves; another loop may not, and it is worth 40 ms per request.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data: bytes) -> None:
        """Parse one read and hand on what it brought."""
        through = self._through
        if through is not None and through.take(data):
            return
        exchange = self._exchange
        if exchange is None:
            self.abort()  # nobody asked: a 408 before an idle close, or nonsense
            return
        reader = self._reader
        body = reader.feed(data)
        if not self._head_sent and reader.head is not None:
            self._head_sent = True
            exchange.receiver.head(*reader.head)
        # Every call of the receiver may have aborted the exchange.
        if body and self._exchange is exchange:
            exchange.heard = True
            receiver = exchange.receiver
            receiver.data(body)
            through = receiver.through
            self._through = through if through is not None and reader.is_between_chunks(data) else None
        if (reader.complete or reader.fault is not None) and self._exchange is exchange:
            self._finish(exchange)

    def eof_received(self) -> None:
        """The engine will send no more, so nobody waits for the rest of a request either."""
        self._closed(reset=False)
        self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._transport = None
        self._reader.release()
        self._pool.forget(self)
        self._closed(reset=exc is not None)

    def _live(self) -> asyncio.Transport | None:
        transport = self._transport
        return None if transport is None or transport.is_closing() else transport

    def _finish(self, exchange: Exchange) -> None:
        fault = self._reader.fault
        self._exchange = self._through = None
        if fault is not None:
            self.abort()
            exchange.broken(faults.not_http(self._where, fault), untouched=False)
            return
        transport = self._live()
        # An engine that answered before it read the whole request would take the rest for the next one.
        if transport is not None and self._reader.keep_alive and transport.get_write_buffer_size() == 0:
            transport.resume_reading()
            self._pool.keep(self)
        else:
            self.abort()
        exchange.over()

    def _closed(self, *, reset: bool) -> None:
        exchange, self._exchange = self._exchange, None
        if exchange is None:
            return
        through = exchange.receiver.through
        passed_bytes = 0 if through is None else through.passed_bytes
        break_off = self._reader.closed(reset=reset, passed_bytes=passed_bytes)
        if break_off is None:
            exchange.over()
        else:
            exchange.broken(faults.truncated(self._where, break_off, reset=reset), untouched=not self._reader.touched)
