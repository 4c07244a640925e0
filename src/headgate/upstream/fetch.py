"""A whole reply from an upstream that pushes: `Upstream.fetch` for every upstream."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from headgate.errors import UpstreamError
from headgate.messages import HttpRequest
from headgate.upstream.base import Reply, Upstream


async def fetch(upstream: Upstream, request: HttpRequest, /, *, body_bytes_max: int) -> Reply:
    """Open an exchange and wait for its whole reply. When cancelled, the exchange is aborted at once.

    Raises:
        UpstreamError: as `Receiver.failed` says, or `body_too_large` past `body_bytes_max` bytes.
        UsageError: as `Upstream.open` says.
    """
    collector = _Collector(body_bytes_max)
    call = upstream.open(request, collector)
    try:
        return await collector.reply
    finally:
        call.abort()  # of a call that is over, this is nothing


class _Collector:
    """A receiver that keeps everything until the end."""

    through = None

    def __init__(self, body_bytes_max: int) -> None:
        self.reply: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._max = body_bytes_max
        self._bytes = 0
        self._status = 0
        self._headers: Sequence[tuple[str, str]] = ()
        self._pieces: list[bytes] = []

    def head(self, status: int, headers: Sequence[tuple[str, str]], /) -> None:
        self._status = status
        self._headers = headers

    def data(self, data: bytes, /) -> None:
        self._bytes += len(data)
        if self._bytes <= self._max:
            self._pieces.append(data)
        else:
            sentence = f"expected a reply of at most {self._max:,} bytes, got more. Raise limits.body_bytes_max."
            self.failed(UpstreamError("body_too_large", sentence, status=502))

    def end(self) -> None:
        if not self.reply.done():
            self.reply.set_result(Reply(self._status, self._headers, b"".join(self._pieces)))

    def failed(self, error: UpstreamError, /) -> None:
        if not self.reply.done():
            self.reply.set_exception(error)
