"""How a client's connection ends: so that its last answer can be read, and never so that it takes for ever.

Strategy: a socket that closes while bytes of its client are unread is reset, and the reset can overtake the answer.
So a client that is answered before its request is whole is told that nothing more comes, and what still arrives is
read and dropped for a while. Beside that a coarse watch cuts clients that take nothing of what waits for them: without
it a close waits for them for ever.
Spec: https://www.rfc-editor.org/rfc/rfc9112#section-9.6
"""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.flow_control import FlowControl

from headgate.gateway.direct import Account
from headgate.limits import DEFAULTS, Limits


class Closing(asyncio.Protocol):
    """A connection that ends; `limits` are the class's, since uvicorn makes the instances.

    `answering` is the account of the request whose reply is due, and `waiting` are those of the requests behind it.
    `flow` tells who writes replies by `await` when to wait; there is none until somebody does.
    """

    __slots__ = (
        "_lingering_since_s",
        "_taken_s",
        "_waiting_bytes",
        "answering",
        "flow",
        "loop",
        "transport",
        "waiting",
    )
    limits: Limits = DEFAULTS
    transport: asyncio.Transport

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.answering: Account | None = None
        self.waiting: tuple[Account, ...] = ()
        self.flow: FlowControl | None = None
        self._lingering_since_s: float | None = None
        self._waiting_bytes = 0
        self._taken_s = 0.0

    # The transport calls these, and the rounds the next.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # it is a socket's
        """A client is there."""
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody is there any more: the request that is answered hears of it, and those that wait behind it."""
        del exc
        for account in (self.answering, *self.waiting):
            if account is not None:
                leave(account)
        self.answering, self.waiting = None, ()

    def tick(self, now_s: float, /) -> None:
        """End what takes too long."""
        waiting_bytes = self.transport.get_write_buffer_size()
        if waiting_bytes or self._waiting_bytes:
            self._watch_client(waiting_bytes, now_s)
        if self._lingering_since_s is not None:
            self._linger_on(self._lingering_since_s, now_s)

    # How it ends.

    def close(self) -> None:
        """Close after what was written."""
        self.transport.close()

    def linger(self) -> None:
        """Close after what was written, and read what still comes: the client can read its answer then."""
        self.waiting = ()
        if self.transport.is_closing() or not self.transport.can_write_eof():
            self.transport.close()
        elif self._lingering_since_s is None:
            self.resume_reading()
            self.transport.write_eof()
            self._lingering_since_s = self.loop.time()

    def resume_reading(self) -> None:
        """Read on, if reading was stopped."""
        if self.flow is not None:
            self.flow.resume_reading()

    def _linger_on(self, since_s: float, now_s: float) -> None:
        """End the lingering, unless the client has not got its answer yet; whether it reads is the watch's business."""
        if self._waiting_bytes:
            self._lingering_since_s = now_s
        elif now_s - since_s >= self.limits.linger_s:
            self.transport.abort()

    def _watch_client(self, waiting_bytes: int, now_s: float) -> None:
        """Cut a client that has taken nothing for `limits.write_stall_s` of what waits for it."""
        before, self._waiting_bytes = self._waiting_bytes, waiting_bytes
        if not before or waiting_bytes < before or self._is_written():
            self._taken_s = now_s
        elif now_s - self._taken_s >= self.limits.write_stall_s:
            self.transport.abort()

    def _is_written(self) -> bool:
        """Whether a reply is being written: what waits grows then, and whoever writes it sees when nobody reads."""
        account = self.answering
        return account is not None and account.response_started and not account.response_complete


def leave(account: Account) -> None:
    """Let whoever answers a request know that nobody is there for its reply any more."""
    account.disconnected = not account.response_complete
    wake(account)


def wake(account: Account) -> None:
    """Wake the task that answers a request, if there is one."""
    if account.message_event is not None:
        account.message_event.set()
