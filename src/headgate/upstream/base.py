"""The seam between an exchange and whatever answers it.

Push, not pull: `open` returns at once, and the upstream calls the receiver as things happen, so that
no task, future or queue stands between a read and the write it causes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from headgate.errors import UpstreamError
from headgate.messages import HttpRequest


class Reply(NamedTuple):
    """A whole reply: status, headers (names in lower case, in the order received) and body."""

    status: int
    headers: Sequence[tuple[str, str]]
    body: bytes


class Through(Protocol):
    """What takes reads of a chunked reply as they are, framing and all; see `Receiver.through`."""

    @property
    def passed_bytes(self) -> int:
        """How many bytes of body were taken so far."""
        ...

    def take(self, data: bytes, /) -> bool:
        """Take a read that begins between two chunks, if it is one chunk; else it is parsed as ever. Must not raise."""
        ...


class Receiver(Protocol):
    """What an upstream calls. After `end` or `failed`, or once `Call.abort` was called, nothing more comes.

    `head` comes once and first, then `data` any number of times, then exactly one of `end` and
    `failed`; `failed` may also come instead of `head`. None of them may raise.
    """

    @property
    def through(self) -> Through | None:
        """What takes reads before they are parsed, from now on.

        An upstream may look for it after each `data`; it need not, and one that has no such reads does not.
        """
        ...

    def head(self, status: int, headers: Sequence[tuple[str, str]], /) -> None:
        """The reply begins. Header names are in lower case."""

    def data(self, data: bytes, /) -> None:
        """Body bytes, de-chunked, exactly as one read brought them."""

    def end(self) -> None:
        """The body is over, as far as HTTP can tell: a close-delimited body ends at any close."""

    def failed(self, error: UpstreamError, /) -> None:
        """The exchange failed: no connection, a deadline, a reset, a broken frame."""


class Call(Protocol):
    """One exchange under way."""

    def pause(self) -> None:
        """Stop reading from the engine until `resume`; what was already read may still be delivered once."""

    def resume(self) -> None:
        """Read on."""

    def abort(self) -> None:
        """Close the connection at once, at whatever stage; the receiver hears nothing more. Idempotent."""


class Upstream(Protocol):
    """One engine that can be asked."""

    name: str

    def open(self, request: HttpRequest, receiver: Receiver, /) -> Call:
        """Send a request; the reply goes to the receiver, never before this returns."""
        ...

    async def fetch(self, request: HttpRequest, /) -> Reply:
        """Send a request and wait for the whole reply (at most `limits.body_bytes_max`).

        Raises:
            UpstreamError: as `Receiver.failed` would say.
        """
        ...

    async def close(self) -> None:
        """Close idle connections and abort those in use."""
