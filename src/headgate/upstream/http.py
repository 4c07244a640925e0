"""An engine behind HTTP/1.1: `HttpUpstream`.

Strategy: a call takes the connection that was used last, or makes one in a task; from then on everything is a plain
call from the read to the receiver. A kept connection that closes before it sends a byte was stale: its request goes out
once more, on a new one. Redirects are not followed, nothing is decompressed, and connections are as many as calls.

    request.py   URL, headers, request -> bytes        pool.py   connections, calls, deadlines
    reply.py     bytes -> head, body, end              call.py   one exchange
    reply_head.py  a head's bytes -> what it says      faults.py   what went wrong, in words
    connection.py  one transport between them
"""

from __future__ import annotations

import asyncio
import ssl

from headgate.errors import UpstreamError, UsageError
from headgate.limits import DEFAULTS, Limits
from headgate.messages import HttpRequest
from headgate.upstream.base import Call, Receiver, Reply
from headgate.upstream.call import HttpCall
from headgate.upstream.fetch import fetch
from headgate.upstream.pool import Pool
from headgate.upstream.request import Headers, RequestWriter, parse_base_url


class HttpUpstream:
    """An engine at a base URL. Use one upstream in one event loop.

    Args:
        name: what configuration and logs call it.
        base_url: such as `http://127.0.0.1:8080`, or `https://host/prefix` to put the prefix before every path.
        headers: sent with every request, such as `("authorization", "Bearer …")`; they win over the request's.
        limits: `connect_s`, `first_byte_s` (until the first body byte), `idle_s`, `pool_idle_s`, `head_bytes_max`, and
            `body_bytes_max` for `fetch`. A deadline may be noticed up to a second late.
        ssl_context: for https; the default trusts the system's authorities.

    Raises:
        UsageError: if the URL or a header cannot be used.
    """

    def __init__(
        self,
        name: str,
        base_url: str,
        *,
        headers: Headers = (),
        limits: Limits = DEFAULTS,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        origin = parse_base_url(base_url)
        self.name = name
        self._limits = limits
        self._writer = RequestWriter(origin, headers)
        self._pool = Pool(origin, limits, (ssl_context or ssl.create_default_context()) if origin.tls else None)
        self._closed = False

    def __repr__(self) -> str:
        return f"<HttpUpstream {self.name}: {self._pool}>"

    def open(self, request: HttpRequest, receiver: Receiver, /) -> Call:
        """Send a request; the reply goes to the receiver, never before this returns. Call it in a running event loop.

        Raises:
            UsageError: if the request cannot be written as HTTP, or the upstream is closed.
        """
        if self._closed:
            raise UsageError(f"the upstream {self.name} is closed. Make a new one.")
        call = HttpCall(self._pool, receiver, self._writer.head(request), request.body)
        self._pool.start(call)
        return call

    async def fetch(self, request: HttpRequest, /) -> Reply:
        """Send a request and wait for the whole reply (at most `limits.body_bytes_max` bytes).

        Raises:
            UpstreamError: as `Receiver.failed` would say, or `body_too_large`.
            UsageError: as `open` says.
        """
        return await fetch(self, request, body_bytes_max=self._limits.body_bytes_max)

    async def close(self) -> None:
        """Close every connection. Calls in use fail with `upstream_truncated`, so that nobody waits for ever."""
        self._closed = True
        error = UpstreamError("upstream_truncated", f"the upstream {self.name} was closed here while it replied.")
        self._pool.close(error)
        await asyncio.sleep(0)  # the transports close in the loop's next turn
