"""What our own server offers an app beyond ASGI, for one request: the scope extension `headgate.connection`.

Spec: https://asgi.readthedocs.io/en/latest/extensions.html
"""

from __future__ import annotations

import os
import socket
import struct

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from headgate.gateway.asgi import Headers
from headgate.gateway.direct import Connection, DirectLane
from headgate.gateway.lane import EXTENSION
from headgate.gateway.ticker import Ticker
from headgate.limits import Limits

_LINGER_NOT = struct.pack("ii" if os.name == "posix" else "hh", 1, 0)
"""Closed with nothing to wait for, a connection is reset."""


class Offer:
    """Ways to end a connection, and a direct lane to its client; `lane.AsgiLane` and `direct.opener` know them.

    Args:
        connection: the client's.
        cycle: uvicorn's account of the request.
    """

    __slots__ = ("_connection", "_cycle")

    def __init__(self, connection: Connection, cycle: RequestResponseCycle) -> None:
        self._connection = connection
        self._cycle = cycle

    def extensions(self) -> dict[str, dict[object, object]]:
        """The scope's. HTTP/1.0 gets no lane: it knows no chunks."""
        transport, cycle = self._connection.transport, self._cycle
        offered: dict[object, object] = {
            "close_after": self.close_after,
            "abort": transport.abort,
            "break_off": self.break_off,
        }
        if cycle.scope["http_version"] == "1.1":
            offered |= {"send": cycle.send, "lane": self.lane}
        return {EXTENSION: offered}

    def close_after(self) -> None:
        """Close the connection once the reply is out."""
        self._cycle.keep_alive = False

    def break_off(self, *, reset: bool) -> None:
        """Close the connection once what was written has left, or `reset` it."""
        transport = self._connection.transport
        sock: socket.socket | None = transport.get_extra_info("socket")
        if reset and sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
        transport.close()

    def lane(self, limits: Limits, ticker: Ticker, more: Headers) -> DirectLane:
        """Open a direct lane."""
        return DirectLane(self._connection, self._cycle, limits, ticker, more)
