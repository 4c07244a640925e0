"""A relay of bytes on uvloop that parses nothing: what Python and its event loop cost, and no more.

relay.py PORT ENGINE_PORT
"""

from __future__ import annotations

import asyncio
import sys
from typing import cast

import uvloop

_BACKLOG = 8192


class Upstream(asyncio.Protocol):
    """The engine's side of one client's connection."""

    def __init__(self, client: asyncio.Transport) -> None:
        self._client = client

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The engine has taken the connection."""
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Pass on."""
        self._client.write(data)

    def pause_writing(self) -> None:
        """The engine reads more slowly than the client writes."""
        self._client.pause_reading()

    def resume_writing(self) -> None:
        """It has caught up."""
        self._client.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """The engine is gone."""
        self._client.close()


class Client(asyncio.Protocol):
    """One client's connection; the engine's is opened beside it."""

    def __init__(self, engine_port: int) -> None:
        self._engine_port = engine_port
        self._upstream: Upstream | None = None
        self._early: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Open the way to the engine."""
        self._transport = cast("asyncio.Transport", transport)
        self._opening = asyncio.get_running_loop().create_task(self._open())

    async def _open(self) -> None:
        loop = asyncio.get_running_loop()
        _, self._upstream = await loop.create_connection(
            lambda: Upstream(self._transport), "127.0.0.1", self._engine_port
        )
        for data in self._early:
            self._upstream.transport.write(data)

    def data_received(self, data: bytes) -> None:
        """Pass on, now or once the engine is there."""
        if self._upstream is None:
            self._early.append(data)
        else:
            self._upstream.transport.write(data)

    def pause_writing(self) -> None:
        """The client reads more slowly than the engine writes."""
        if self._upstream is not None:
            self._upstream.transport.pause_reading()

    def resume_writing(self) -> None:
        """It has caught up."""
        if self._upstream is not None:
            self._upstream.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        if self._upstream is not None:
            self._upstream.transport.close()


async def main(port: int, engine_port: int) -> None:
    """Serve until the process is ended."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Client(engine_port), "127.0.0.1", port, backlog=_BACKLOG)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), int(sys.argv[2])))
