"""An engine that we run ourselves: `EmbeddedUpstream`.

Strategy: a process serves HTTP on loopback (`embedded_engine.py`), and whoever makes HTTP upstreams makes one for it,
and another when it was started anew. What is asked while it starts waits for it, as for a connection.

    embedded_engine.py   keeps the process running    embedded_restarts.py  how often
    embedded_start.py    one start, or why not        embedded_log.py       what it prints
    embedded_child.py    the process's own program    embedded_orphans.py   what a killed gateway left behind
"""

from __future__ import annotations

import asyncio
import contextlib
import weakref
from collections.abc import Callable, Sequence
from typing import Protocol

from headgate.errors import UpstreamError, UsageError
from headgate.limits import DEFAULTS, Limits
from headgate.messages import HttpRequest
from headgate.upstream.base import Call, Receiver, Reply, Through, Upstream
from headgate.upstream.embedded_engine import Phase, Status
from headgate.upstream.fetch import fetch

Connect = Callable[[str, str], Upstream]
"""Makes the upstream for a URL and a key."""


class Process(Protocol):
    """What keeps an engine running: `embedded_engine.EmbeddedEngine`."""

    @property
    def status(self) -> Status:
        """Where it is now."""
        ...

    def listen(self, listener: Callable[[], None]) -> None:
        """Have a function called, in any thread, whenever the status has changed."""

    def start(self) -> Status:
        """Start it, unless it runs."""
        ...

    def stop(self) -> None:
        """End it for good, without waiting."""

    def join(self) -> None:
        """Wait until a stopped one has ended."""


class EmbeddedUpstream:
    """An engine in a process of its own. Use one upstream in one event loop.

    Args:
        name: what configuration and logs call it.
        process: the engine; it is started at the first request, unless somebody has started it, and stopped when this
            is closed or nobody holds it any more.
        connect: makes what speaks with it.
        limits: `connect_s` is how long a request waits for an engine that starts; `body_bytes_max` is for `fetch`.
    """

    def __init__(self, name: str, process: Process, connect: Connect, *, limits: Limits = DEFAULTS) -> None:
        self.name = name
        self.process = process
        self._connect = connect
        self._limits = limits
        self._loop: asyncio.AbstractEventLoop | None = None
        self._current: tuple[Status, Upstream] | None = None
        self._waiting: set[_EmbeddedCall] = set()
        self._closed = False
        weakref.finalize(self, process.stop)
        known: weakref.ref[EmbeddedUpstream] = weakref.ref(self)
        process.listen(lambda: _wake(known))

    def open(self, request: HttpRequest, receiver: Receiver, /) -> Call:
        """Send a request; the reply goes to the receiver, never before this returns. Call it in a running event loop.

        Raises:
            UsageError: if the request cannot be written as HTTP, or the upstream is closed.
        """
        if self._closed:
            raise UsageError(f"the upstream {self.name} is closed. Make a new one.")
        self._loop = asyncio.get_running_loop()
        call = _EmbeddedCall(self, request, receiver)
        self._waiting.add(call)
        status = self.process.start()
        if status.phase is Phase.READY:
            call.look(status)
        elif status.phase is not Phase.STARTING:
            self._loop.call_soon(self._changed)
        return call

    async def fetch(self, request: HttpRequest, /) -> Reply:
        """Send a request and wait for the whole reply (at most `limits.body_bytes_max` bytes).

        Raises:
            UpstreamError: as `Receiver.failed` would say, or `body_too_large`.
            UsageError: as `open` says.
        """
        return await fetch(self, request, body_bytes_max=self._limits.body_bytes_max)

    async def close(self) -> None:
        """Close every connection and end the process. Calls in use fail, so that nobody waits for ever."""
        self._closed = True
        for call in tuple(self._waiting):
            call.give_up(f"the upstream {self.name} was closed here before it was ready.")
        if self._current is not None:
            await self._current[1].close()
        self.process.stop()
        await asyncio.to_thread(self.process.join)

    def wake(self) -> None:
        """Look at the engine's status soon. May be called in any thread."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended, and with it everybody who waited
                self._loop.call_soon_threadsafe(self._changed)

    def behind(self, status: Status, /) -> Upstream:
        """What speaks with a process that is ready."""
        # The upstream of a process that has died has no connections left, and needs no closing.
        if self._current is None or self._current[0] != status:
            self._current = status, self._connect(status.url, status.key)
        return self._current[1]

    def wait(self, call: _EmbeddedCall, /, *, waits: bool) -> None:
        """Note whether a call waits for the engine."""
        (self._waiting.add if waits else self._waiting.discard)(call)

    @property
    def connect_s(self) -> float:
        """How long a call waits for an engine that starts."""
        return self._limits.connect_s

    def _changed(self) -> None:
        status = self.process.status
        for call in tuple(self._waiting):
            try:
                call.look(status)
            except UsageError as error:
                call.give_up(str(error))


_OF_THE_DEAD = frozenset({"upstream_connect", "upstream_truncated"})
"""How a request fails whose process has died."""


class _EmbeddedCall:
    """A call that waits for the engine, and then is one to it. It holds the upstream, which holds the process.

    A process that has just died refuses connections, or breaks them, before its end is noticed: a request that was not
    answered by a single byte waits once for the next process.
    """

    def __init__(self, upstream: EmbeddedUpstream, request: HttpRequest, receiver: Receiver) -> None:
        self._upstream = upstream
        self._request = request
        self._receiver = receiver
        self._call: Call | None = None
        self._tried: Status | None = None
        self._refusal: UpstreamError | None = None
        self._paused = self._heard = False
        self._timer = asyncio.get_running_loop().call_later(upstream.connect_s, self._late)
        # The rest goes straight to whoever asked.
        self.data = receiver.data
        self.end = receiver.end

    @property
    def through(self) -> Through | None:
        """As the receiver's."""
        return self._receiver.through

    def look(self, status: Status, /) -> None:
        """Ask the engine if it is ready now, or tell the receiver that there is none."""
        if status.phase is Phase.STARTING or status == self._tried:
            return
        self._settle()
        if status.phase is not Phase.READY:
            self._fail(status.reason or "the engine was stopped.")
            return
        self._tried = status
        self._call = self._upstream.behind(status).open(self._request, self)
        if self._paused:
            self._call.pause()

    def head(self, status: int, headers: Sequence[tuple[str, str]], /) -> None:
        """The reply begins: from now on it is this process's or nobody's."""
        self._heard = True
        self._receiver.head(status, headers)

    def failed(self, error: UpstreamError, /) -> None:
        """Tell the receiver, or wait for the next process."""
        if self._heard or self._refusal is not None or error.code not in _OF_THE_DEAD:
            self._receiver.failed(error)
            return
        self._call, self._refusal = None, error
        self._timer = asyncio.get_running_loop().call_later(self._upstream.connect_s, self._late)
        self._upstream.wait(self, waits=True)
        self.look(self._upstream.process.status)

    def pause(self) -> None:
        """Stop reading from the engine until `resume`."""
        self._paused = True
        if self._call is not None:
            self._call.pause()

    def resume(self) -> None:
        """Read on."""
        self._paused = False
        if self._call is not None:
            self._call.resume()

    def abort(self) -> None:
        """Close the connection, or wait no more; the receiver hears nothing more. Idempotent."""
        self._settle()
        if self._call is not None:
            self._call.abort()

    def give_up(self, why: str, /) -> None:
        """Tell the receiver, who waits, that there will be no engine."""
        self._settle()
        self._fail(why)

    def _late(self) -> None:
        limit = f"{self._upstream.connect_s:g} s (limits.connect_s)"
        self.give_up(f"expected the embedded engine {self._upstream.name} to start within {limit}. It still does.")

    def _fail(self, why: str) -> None:
        self._receiver.failed(self._refusal or UpstreamError("upstream_connect", why))

    def _settle(self) -> None:
        self._timer.cancel()
        self._upstream.wait(self, waits=False)


def _wake(known: weakref.ref[EmbeddedUpstream]) -> None:
    upstream = known()
    if upstream is not None:
        upstream.wake()
