"""An ASGI app that passes every request on to one upstream, whatever its path and dialect: `Relay`.

Strategy: nothing is read or translated. A body goes on as it came, and what HTTP says about one connection (framing,
keep-alive) is left to each connection. Web pages and other hosts' names are refused, as by the gateway.
Spec: https://www.rfc-editor.org/rfc/rfc9110.html#section-7.6
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from headgate.config import Config
from headgate.errors import PeerError, RequestError, UpstreamError, UsageError
from headgate.gateway.asgi import ClientGoneError, Headers, Receive, Scope, Send, read_body, respond
from headgate.gateway.door import Door
from headgate.gateway.lane import AsgiLane
from headgate.gateway.ticker import Ticker
from headgate.limits import DEFAULTS, Limits
from headgate.messages import HttpRequest
from headgate.upstream.base import Call, Upstream

_NOT_PASSED_ON = frozenset(
    "accept-encoding connection content-length expect host keep-alive proxy-connection te trailer transfer-encoding "
    "upgrade user-agent".split()
)
"""Of a request: what each connection decides by itself, and what the upstream's writer says itself."""

_NOT_PASSED_BACK = frozenset("connection date keep-alive proxy-connection te trailer transfer-encoding upgrade".split())


class Relay:
    """The app. It ends its upstream with its lifespan.

    Args:
        upstream: who answers everything.
        host: the address that the server listens on.
        limits: `body_bytes_max` of a request, `write_bytes_mark` and `write_stall_s`.
    """

    def __init__(self, upstream: Upstream, *, host: str = "127.0.0.1", limits: Limits = DEFAULTS) -> None:
        self._upstream = upstream
        self._limits = limits
        self._door = Door(Config(host=host))
        self._ticker = Ticker()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI scope."""
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._lifespan(receive, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await self._upstream.close()
        self._ticker.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        lane = AsgiLane(scope, receive, send, self._limits, self._ticker)
        try:
            self._door.check_host(scope["headers"])
            self._door.origin(scope["headers"])
            body = await read_body(scope, receive, self._limits.body_bytes_max)
            passage = _Passage(lane)
            passage.call = self._upstream.open(_request(scope, body), passage)
        except ClientGoneError:
            return
        except PeerError as error:
            await respond(scope, send, error.status, _said(error))
        except UsageError as error:
            await respond(scope, send, 400, _said(RequestError("invalid_request", str(error))))
        else:
            await lane.run(passage)


class _Passage:
    """One exchange: the receiver of what the engine says, and the source of what the client gets."""

    call: Call
    through = None

    def __init__(self, lane: AsgiLane) -> None:
        self._lane = lane

    # The upstream calls these.

    def head(self, status: int, headers: Sequence[tuple[str, str]], /) -> None:
        passed: Headers = [
            (name.encode("latin-1"), value.encode("latin-1")) for name, value in headers if name not in _NOT_PASSED_BACK
        ]
        self._lane.start(status, passed)

    def data(self, data: bytes, /) -> None:
        self._lane.write(data)

    def end(self) -> None:
        self._lane.end(clean=True)

    def failed(self, error: UpstreamError, /) -> None:
        if self._lane.started:
            self._lane.break_off(reset=error.reset)
            return
        body = _said(error)
        length = str(len(body)).encode()
        self._lane.start(error.status, [(b"content-type", b"application/json"), (b"content-length", length)])
        self._lane.write(body)
        self._lane.end(clean=True)

    # The lane calls these.

    def pause(self) -> None:
        self.call.pause()

    def resume(self) -> None:
        self.call.resume()

    def gone(self) -> None:
        self.call.abort()


def _request(scope: Scope, body: bytes) -> HttpRequest:
    path = scope.get("raw_path") or scope["path"].encode()
    query = b"?" + scope["query_string"] if scope.get("query_string") else b""
    pairs = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in scope["headers"]]
    return HttpRequest(
        # Without a body either way; the server leaves out what a HEAD does not get.
        method="GET" if scope["method"] == "HEAD" else scope["method"],
        path=(path + query).decode("latin-1"),
        headers=tuple((name, value) for name, value in pairs if name not in _NOT_PASSED_ON),
        body=body,
    )


def _said(error: PeerError) -> bytes:
    return msgspec.json.encode({"error": {"message": error.message, "type": "headgate", "code": error.code}})
