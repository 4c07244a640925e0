"""The way to one client: an exchange writes, and the lane gets the bytes there.

Strategy: `write` only appends; a pump, in the task that the ASGI host made for the request, awaits `send`. So an
exchange never waits, and hears through `Source` when to slow down and when nobody listens any more.
Spec: https://asgi.readthedocs.io/en/latest/specs/www.html#response-body-send-event
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

from headgate.gateway.asgi import DISCONNECT, Headers, Receive, Scope, Send
from headgate.gateway.ticker import Ticker
from headgate.limits import Limits

EXTENSION = "headgate.connection"
"""The ASGI scope extension that our own server offers: `close_after()` closes the connection once the reply is out,
`abort()` closes it at once, `break_off(reset)` once what was written has left."""


class Source(Protocol):
    """What a lane tells the exchange that feeds it."""

    def pause(self) -> None:
        """More than `limits.write_bytes_mark` bytes wait for the client."""

    def resume(self) -> None:
        """Nothing waits any more."""

    def gone(self) -> None:
        """The client has left before its reply was whole; nothing that is written arrives."""


class Lane(Protocol):
    """What an exchange needs of a client's connection."""

    started: bool
    """Whether the reply's head has been given, so that no other status can be."""

    @property
    def raw(self) -> Callable[[bytes], None] | None:
        """What writes to the client's connection as it is, where the body leaves in chunks and has begun."""
        ...

    def start(self, status: int, headers: Headers, /) -> None:
        """Give the reply's head."""

    def write(self, data: bytes, /) -> None:
        """Give more of the body."""

    def end(self, last: bytes = b"", /, *, clean: bool) -> None:
        """The body is over after `last`. Unless it is `clean`, the connection does not serve another request."""

    def cut(self) -> None:
        """Break the connection: the body cannot be ended, and its client must not take it for whole."""


class AsgiLane:
    """A lane over an ASGI host's `receive` and `send`.

    Args:
        scope: the request's.
        receive: the host's.
        send: the host's.
        limits: `write_bytes_mark` and `write_stall_s`.
        ticker: watches for the latter.
    """

    raw = None  # the host frames the body

    def __init__(self, scope: Scope, receive: Receive, send: Send, limits: Limits, ticker: Ticker) -> None:
        self.started = False
        self._receive = receive
        self._send = send
        self._limits = limits
        self._ticker = ticker
        # Any: an extension is whatever its name says.
        self._connection: dict[str, Any] = (scope.get("extensions") or {}).get(EXTENSION, {})
        self._head: tuple[int, Headers] | None = None
        self._pieces: list[bytes] = []
        self._waiting_bytes = 0
        self._paused = False
        self._ended = False
        self._clean = True
        self._over = False
        self._reset: bool | None = None  # how the connection is to be broken, if it is
        self._wake = asyncio.Event()
        self._sends = 0
        self._sending = False
        self._watched = (-1, 0.0)  # the send that was seen last, and since when

    # The exchange calls these.

    def start(self, status: int, headers: Headers, /) -> None:
        """Give the reply's head; it leaves with the first bytes, or alone."""
        self.started = True
        self._head = status, headers
        self._wake.set()

    def write(self, data: bytes, /) -> None:
        """Give more of the body; it leaves in the loop's next turn, with all that came until then."""
        self._pieces.append(data)
        self._waiting_bytes += len(data)
        self._wake.set()
        if self._waiting_bytes >= self._limits.write_bytes_mark and not self._paused:
            self._paused = True
            self._source.pause()

    def end(self, last: bytes = b"", /, *, clean: bool) -> None:
        """The body is over after this."""
        if last:
            self.write(last)
        self._ended, self._clean = True, clean
        self._wake.set()

    def cut(self) -> None:
        """Break the connection at once. On a host that cannot, the reply is left without an end."""
        abort = self._connection.get("abort")
        if abort is None:
            self._stop()
        else:
            abort()  # the host sees it closed, and says so

    def break_off(self, *, reset: bool) -> None:
        """Break the connection once all that was written has left, by a reset or a close in the body's midst."""
        self._reset = reset
        self._wake.set()

    # The app calls this, the ticker the next.

    async def run(self, source: Source) -> None:
        """Carry the reply until it is whole or its client is gone. When cancelled, the source hears `gone`."""
        self._source = source
        self._ticker.add(self, self._limits.write_stall_s)
        watcher = asyncio.get_running_loop().create_task(self._watch())
        try:
            async with asyncio.timeout(None) as self._patience:
                await self._pump()
        except OSError:
            # The client is gone: hosts may raise it from `send`, and `_stop` does as a TimeoutError.
            self._leave()
        finally:
            watcher.cancel()
            self._ticker.discard(self)
            self._leave()

    def tick(self, now_s: float, /) -> None:
        """Give up a client that has read nothing for `limits.write_stall_s`."""
        seen, since_s = self._watched
        if not self._sending or self._sends != seen:
            self._watched = self._sends, now_s
        elif now_s - since_s >= self._limits.write_stall_s:
            self.cut()

    async def _watch(self) -> None:
        while (await self._receive())["type"] != DISCONNECT:
            pass
        self._leave()
        self._stop()

    async def _pump(self) -> None:
        while not self._over:
            await self._wake.wait()
            self._wake.clear()
            if self._head is not None:
                (status, headers), self._head = self._head, None
                await self._carry({"type": "http.response.start", "status": status, "headers": headers})
            if self._pieces or self._ended or self._reset is not None:
                await self._carry_body()
            if self._reset is not None and not self._pieces:
                self._break(reset=self._reset)

    async def _carry_body(self) -> None:
        data, ended = b"".join(self._pieces), self._ended
        self._pieces.clear()
        self._waiting_bytes = 0
        if ended and not self._clean:
            self._offered("close_after")()
        # A host waits between two messages, never within one: a large one would hide whether its client reads.
        size = self._limits.write_bytes_mark
        last = max(0, len(data) - 1) // size * size
        for start in range(0, last, size):
            await self._carry({"type": "http.response.body", "body": data[start : start + size], "more_body": True})
        await self._carry({"type": "http.response.body", "body": data[last:], "more_body": not ended})
        if ended:
            self._over = True
        elif self._paused and not self._waiting_bytes:
            self._paused = False
            self._source.resume()

    def _break(self, *, reset: bool) -> None:
        offered = self._connection.get("break_off")
        if offered is None:
            self._stop()
        else:
            offered(reset=reset)  # the host sees it closed, and says so

    async def _carry(self, message: dict[str, Any]) -> None:
        self._sending = True
        await self._send(message)
        self._sending = False
        self._sends += 1

    def _leave(self) -> None:
        """The reply is whole, or nobody is there for the rest of it."""
        if not self._over:
            self._over = True
            self._source.gone()

    def _stop(self) -> None:
        if not self._patience.expired():
            self._patience.reschedule(asyncio.get_running_loop().time())

    def _offered(self, name: str) -> Callable[[], None]:
        offered: Callable[[], None] = self._connection.get(name, _nothing)
        return offered


def _nothing() -> None:
    """What a host offers that offers nothing."""
