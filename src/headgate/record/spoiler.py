"""An upstream that breaks every reply at one byte, as a broken engine would: `Spoiler`.

Strategy: it counts the bytes of the body that pass, and does its one thing at its byte; replies that are shorter pass
unharmed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

from headgate.errors import UpstreamError, UsageError
from headgate.limits import DEFAULTS, Limits
from headgate.messages import HttpRequest
from headgate.upstream.base import Call, Receiver, Reply, Upstream
from headgate.upstream.fetch import fetch

_read = re.compile(r"(cut|stall|reset|corrupt)@([0-9]{1,12})").fullmatch


class Kind(Enum):
    """What happens to a reply."""

    CUT = "cut"  # the connection is closed
    STALL = "stall"  # nothing more comes, and nothing is closed
    RESET = "reset"  # the connection is reset
    CORRUPT = "corrupt"  # every bit of the byte is turned over


class Fault(NamedTuple):
    """What happens, and after how many bytes of the body."""

    kind: Kind
    at: int


def parse_fault(text: str, /) -> Fault:
    """Read `cut@N`, `stall@N`, `reset@N` or `corrupt@N`.

    Raises:
        UsageError: if it is something else.
    """
    words = _read(text)
    if words is None:
        raise UsageError(f"expected a fault of the form cut@N, stall@N, reset@N or corrupt@N, got {text[:40]!r}.")
    return Fault(Kind(words[1]), int(words[2]))


class Spoiler:
    """An upstream whose replies all have the same fault; else it is what it wraps.

    Args:
        upstream: who answers.
        fault: what becomes of it.
        limits: `body_bytes_max`, for `fetch`.
    """

    def __init__(self, upstream: Upstream, fault: Fault, *, limits: Limits = DEFAULTS) -> None:
        self.name = upstream.name
        self._upstream = upstream
        self._fault = fault
        self._limits = limits

    def open(self, request: HttpRequest, receiver: Receiver, /) -> Call:
        """As `Upstream.open`."""
        spoiled = _Spoiled(receiver, self._fault)
        spoiled.call = self._upstream.open(request, spoiled)
        return spoiled

    async def fetch(self, request: HttpRequest, /) -> Reply:
        """As `Upstream.fetch`."""
        return await fetch(self, request, body_bytes_max=self._limits.body_bytes_max)

    async def close(self) -> None:
        """As `Upstream.close`."""
        await self._upstream.close()


class _Spoiled:
    """Between an engine and whoever asks: the receiver of the one, the call of the other."""

    call: Call
    through = None  # it sees every byte

    def __init__(self, receiver: Receiver, fault: Fault) -> None:
        self._receiver = receiver
        self._kind, self._left = fault
        self._done = False  # the fault has happened

    # The engine calls these.

    def head(self, status: int, headers: Sequence[tuple[str, str]], /) -> None:
        self._receiver.head(status, headers)
        if self._left == 0 and self._kind is not Kind.CORRUPT:
            self._spoil()

    def data(self, data: bytes, /) -> None:
        if self._done or len(data) < self._left or (self._kind is Kind.CORRUPT and len(data) == self._left):
            self._left -= len(data)
            self._receiver.data(data)
        elif self._kind is Kind.CORRUPT:
            at, self._done = self._left, True
            self._receiver.data(data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :])
        else:
            if self._left:
                self._receiver.data(data[: self._left])
            self._spoil()

    def end(self) -> None:
        self._receiver.end()

    def failed(self, error: UpstreamError, /) -> None:
        self._receiver.failed(error)

    # Whoever asks calls these.

    def pause(self) -> None:
        self.call.pause()

    def resume(self) -> None:
        if not (self._done and self._kind is Kind.STALL):
            self.call.resume()

    def abort(self) -> None:
        self.call.abort()

    def _spoil(self) -> None:
        self._done = True
        if self._kind is Kind.STALL:
            self.call.pause()
            return
        self.call.abort()
        error = UpstreamError("upstream_truncated", "the reply was broken here on purpose (--fault).")
        error.reset = self._kind is Kind.RESET
        self._receiver.failed(error)
