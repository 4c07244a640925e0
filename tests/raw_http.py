"""A client that sees the bytes: HTTP libraries hide how a body ends, and whether a connection closes."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from headgate.config import Config, UpstreamConfig
from headgate.conform import check_stream
from headgate.gateway import create_app
from headgate.gateway.server import listen, make_server, url_of
from headgate.limits import Limits
from headgate.testing.fake_engine import Answer, FakeEngine

WITHIN_S = 10.0
"""What a busy machine may take for anything here."""


class Reply(NamedTuple):
    """A whole reply. `ended` says whether its body came to its proper end."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    ended: bool

    def json(self) -> Any:
        return json.loads(self.body)

    def records(self) -> list[Any]:
        """The data of each event; every stream that a test reads passes the contract here."""
        assert self.headers["content-type"] == "text/event-stream", self
        assert [] == check_stream(self.body)

        lines = [line.removeprefix(b"data: ") for line in self.body.split(b"\n") if line.startswith(b"data: ")]
        return [line.decode() if line == b"[DONE]" else json.loads(line) for line in lines]

    def text(self) -> str:
        """What the first choice says."""
        deltas = [
            record["choices"][0]["delta"] for record in self.records() if record != "[DONE]" and record.get("choices")
        ]
        return "".join(delta.get("content", "") for delta in deltas)


class Client:
    """One connection."""

    def __init__(self, url: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.url = url
        self.reader = reader
        self.writer = writer

    async def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> Reply:
        self.send(method, path, body, **headers)
        return await self.reply()

    async def chat(self, *, stream: bool = True, path: str = "/v1/chat/completions", **fields: Any) -> Reply:
        self.send_chat(stream=stream, path=path, **fields)
        return await self.reply()

    def send(self, method: str, path: str, body: bytes = b"", **headers: str) -> None:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        named = {"host": "localhost", "content-length": str(len(body)), **given}
        lines = "".join(f"{name}: {value}\r\n" for name, value in named.items())
        self.writer.write(f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode() + body)

    def send_chat(self, *, stream: bool = True, path: str = "/v1/chat/completions", **fields: Any) -> None:
        headers: dict[str, str] = fields.pop("headers", {})
        self.send("POST", path, chat_body(stream=stream, **fields), **headers)

    async def reply(self) -> Reply:
        async with asyncio.timeout(WITHIN_S):
            status, headers = await self.head()
            body, ended = await self._body(headers)
        return Reply(status, headers, body, ended)

    async def head(self) -> tuple[int, dict[str, str]]:
        async with asyncio.timeout(WITHIN_S):
            raw = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        line, *lines = raw.rstrip().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (text.partition(":") for text in lines)}
        return int(line.split(" ")[1]), headers

    async def chunk(self) -> bytes:
        """The next chunk of a chunked body; b"" is the last."""
        async with asyncio.timeout(WITHIN_S):
            size = int(await self.reader.readline(), 16)
            return (await self.reader.readexactly(size + 2))[:-2]

    async def is_closed(self, within_s: float = WITHIN_S) -> bool:
        """Whether the other side closes, with nothing more to say."""
        try:
            async with asyncio.timeout(within_s):
                return await self.reader.read(1) == b""
        except TimeoutError:
            return False
        except ConnectionError:
            return True

    def vanish(self) -> None:
        """Be gone at once, as a process that is killed."""
        sock: socket.socket = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def _body(self, headers: Mapping[str, str]) -> tuple[bytes, bool]:
        if "content-length" in headers:
            return await self.reader.readexactly(int(headers["content-length"])), True
        pieces: list[bytes] = []
        try:
            while piece := await self.chunk():
                pieces.append(piece)
        except (asyncio.IncompleteReadError, ConnectionError, ValueError):
            return b"".join(pieces), False
        return b"".join(pieces), True


def chat_body(*, stream: bool = True, **fields: Any) -> bytes:
    asked = {"model": "m", "messages": [{"role": "user", "content": "hello"}], "stream": stream, **fields}
    return json.dumps(asked).encode()


@asynccontextmanager
async def connected(url: str) -> AsyncGenerator[Client]:
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        yield Client(url, reader, writer)
    finally:
        writer.transport.abort()


@asynccontextmanager
async def served(app: Any, *, send_buffer: int | None = None) -> AsyncGenerator[str]:
    """Serve an app in this event loop, and yield its URL.

    As `server.serve` does, but without signals and without its pauses of 0.1 s. A small `send_buffer` (in bytes) lets
    what a client does not read wait in the server, where the system would hold some megabytes.
    """
    sockets = listen("127.0.0.1", 0)
    for opened in sockets if send_buffer is not None else ():
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer or 0)
    server = make_server(app)
    server.config.load()
    server.lifespan = server.config.lifespan_class(server.config)
    await server.startup(sockets=sockets)
    try:
        yield url_of(sockets)
    finally:
        for listener in server.servers:
            listener.close()
        for connection in list(server.server_state.connections):
            connection.shutdown()
        await asyncio.sleep(0)
        await _finish(server.server_state.tasks)
        for connection in list(server.server_state.connections):
            connection.transport.abort()  # as the end of a process does
        await asyncio.sleep(0)
        await server.lifespan.shutdown()


async def _finish(tasks: set[asyncio.Task[None]]) -> None:
    running = set(tasks)
    if running:
        _, running = await asyncio.wait(running, timeout=1)
    for task in running:
        task.cancel()
    if running:
        await asyncio.wait(running)


@asynccontextmanager
async def gateway(
    answer: Answer, *, limits: Limits | None = None, **upstream: Any
) -> AsyncGenerator[tuple[FakeEngine, Client]]:
    """A gateway over one engine, and a client of it."""
    async with FakeEngine(answer) as engine:
        config = Config(upstreams=(UpstreamConfig(name="u", url=engine.url, **upstream),))
        async with served(create_app(config, limits=limits or Limits())) as url, connected(url) as client:
            yield engine, client


def answers(answer: Answer, *, stream: bool = True, limits: Limits | None = None, **fields: Any) -> Reply:
    """The reply to one chat."""

    async def main() -> Reply:
        async with gateway(answer, limits=limits) as (_, client):
            return await client.chat(stream=stream, **fields)

    return asyncio.run(main())


def error_of(reply: Reply) -> dict[str, Any]:
    """The error of a reply: its body, or the only and last frame of its stream."""
    if reply.status != 200:
        return dict(reply.json()["error"])
    records = reply.records()
    assert ["error" in record for record in records] == [False] * (len(records) - 1) + [True]
    return dict(records[-1]["error"])
