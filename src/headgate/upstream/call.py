"""One exchange with an engine over HTTP: `base.Call` for who opened it, `connection.Exchange` for its connection."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import Enum
from typing import Protocol

from headgate.errors import UpstreamError
from headgate.limits import Limits
from headgate.upstream import faults
from headgate.upstream.base import Receiver
from headgate.upstream.connection import Connection


class Phase(Enum):
    """Where a call stands."""

    CONNECTING = "connecting"  # no connection yet; connect_s runs
    WAITING = "waiting"  # sent, no body byte yet; first_byte_s runs (uvicorn sends the head before the prompt is read)
    STREAMING = "streaming"  # body bytes came; idle_s runs
    OVER = "over"  # ended, failed or aborted; the receiver hears nothing more


_CONNECTING, _WAITING = Phase.CONNECTING, Phase.WAITING  # globals are found sooner than members


class Connector(Protocol):
    """What a call asks of the pool it belongs to."""

    where: str
    limits: Limits
    clock: Callable[[], float]
    """The event loop's, in seconds."""

    def connect(self, call: HttpCall, /) -> None:
        """Send the call on a new connection."""

    @property
    def settled(self) -> Callable[[HttpCall], None]:
        """What drops a call that is over."""
        ...


class HttpCall:
    """One exchange. Pause, resume and abort are the opener's; the rest belongs to the pool and the connection."""

    __slots__ = (
        "_body",
        "_connection",
        "_deadline_s",
        "_head",
        "_passed_bytes",
        "_paused",
        "_pool",
        "_reused",
        "_task",
        "heard",
        "phase",
        "receiver",
    )

    def __init__(self, pool: Connector, receiver: Receiver, head: bytes, body: bytes) -> None:
        self.receiver = receiver
        self.heard = False
        self.phase = _CONNECTING
        self._pool = pool
        self._head = head
        self._body = body
        self._connection: Connection | None = None
        self._task: asyncio.Task[None] | None = None
        self._reused = False
        self._paused = False
        self._passed_bytes = 0  # beside the parser, as of the last sweep
        self._deadline_s = 0.0

    def pause(self) -> None:
        """Stop reading from the engine; no deadline of the reply runs meanwhile."""
        self._paused = True
        if self._connection is not None:
            self._connection.pause()

    def resume(self) -> None:
        """Read on; the wait for the next bytes begins anew."""
        if self._paused and self._connection is not None and self.phase is not Phase.CONNECTING:
            limits = self._pool.limits
            self._enter(self.phase, limits.first_byte_s if self.phase is Phase.WAITING else limits.idle_s)
            self._connection.resume()
        self._paused = False

    def abort(self) -> None:
        """Close the connection, or stop making it, at once; the receiver hears nothing more. Idempotent."""
        if self.phase is Phase.OVER:
            return
        task, connection = self._task, self._connection
        self._settle()
        if task is not None:
            task.cancel()
        if connection is not None:
            connection.abort()

    def fail(self, error: UpstreamError, /) -> None:
        """Abort, and tell the receiver why, unless the call is already over."""
        if self.phase is not Phase.OVER:
            self.abort()
            self.receiver.failed(error)

    def connecting(self, connection: Connection, task: asyncio.Task[None], /) -> None:
        """A connection is being made by this task."""
        self._connection, self._task = connection, task
        self._enter(_CONNECTING, self._pool.limits.connect_s)

    def refused(self, error: UpstreamError, /) -> None:
        """The task made no connection; it is about to end."""
        self._task = None
        self.fail(error)

    def send_on(self, connection: Connection, /, *, reused: bool) -> bool:
        """Send the request; false if the connection is gone. `reused`: it has served before and may be stale."""
        if not connection.send(self, self._head, self._body):
            return False
        self._connection, self._task, self._reused = connection, None, reused
        self._enter(_WAITING, self._pool.limits.first_byte_s)
        if self._paused:
            connection.pause()
        return True

    def over(self) -> None:
        """The reply is whole."""
        self._settle()
        self.receiver.end()

    def broken(self, error: UpstreamError, /, *, untouched: bool) -> None:
        """The reply will never be whole; try once more if a kept connection turned out to be stale."""
        if untouched and self._reused:
            self._pool.connect(self)  # which makes it not reused: there is no third time
        else:
            self._settle()
            self.receiver.failed(error)

    def overdue(self, now_s: float, /) -> UpstreamError | None:
        """Say which deadline has passed at `now_s` (the loop's clock), if any. Called by every sweep."""
        through = self.receiver.through
        before_bytes, self._passed_bytes = self._passed_bytes, 0 if through is None else through.passed_bytes
        if self.heard or self._passed_bytes != before_bytes:
            self.heard = False
            self._head = self._body = b""  # a reply has begun, so it will not be sent again
            # The clock is read once per sweep, not once per read.
            self.phase, self._deadline_s = Phase.STREAMING, now_s + self._pool.limits.idle_s
        if now_s < self._deadline_s or (self._paused and self.phase is not Phase.CONNECTING):
            return None
        late = {Phase.CONNECTING: faults.late_connection, Phase.WAITING: faults.late_reply}
        return late.get(self.phase, faults.late_rest)(self._pool.where, self._pool.limits)

    def _enter(self, phase: Phase, patience_s: float) -> None:
        self.phase = phase
        self._deadline_s = self._pool.clock() + patience_s

    def _settle(self) -> None:
        self.phase = Phase.OVER
        self._connection = self._task = None
        self._head = self._body = b""
        self._pool.settled(self)
