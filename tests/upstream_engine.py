"""An engine on a real socket that writes exact bytes, and a receiver that writes down what it hears."""

from __future__ import annotations

import asyncio
import functools
import inspect
import socket
import ssl
import struct
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeAlias

import pytest

from headgate.errors import UpstreamError
from headgate.limits import DEFAULTS, Limits
from headgate.messages import HttpRequest
from headgate.upstream.http import HttpUpstream

Script: TypeAlias = "Callable[[Engine, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]"

CHAT = HttpRequest(
    path="/v1/chat/completions", headers=(("content-type", "application/json"),), body=b'{"stream":true}'
)
PLAIN = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED_HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
PROMPT_S = 2.0
"""What counts as at once on a busy machine."""
TEST_S_MAX = 30.0


def on_each_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Make a plain test of a coroutine: it runs in a new event loop, of each kind that there is."""

    @functools.wraps(test)
    def run(loop: str, **arguments: object) -> None:
        factory = None if loop == "asyncio" else pytest.importorskip("uvloop").new_event_loop
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(asyncio.wait_for(test(**arguments), TEST_S_MAX))

    signature = inspect.signature(test)
    loop = inspect.Parameter("loop", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    run.__dict__["__signature__"] = signature.replace(parameters=[loop, *signature.parameters.values()])
    each: Callable[..., None] = pytest.mark.parametrize("loop", ["asyncio", "uvloop"])(run)
    return each


class Engine:
    """A server whose every connection runs the script. `requests` holds what came; `writers`, one per connection."""

    def __init__(self, script: Script) -> None:
        self.requests: list[bytes] = []
        self.writers: list[asyncio.StreamWriter] = []
        self.accepted = asyncio.Event()
        """Set at the first connection."""
        self.asked = asyncio.Event()
        """Set when a request has been read."""
        self.left = asyncio.Event()
        """Set when the other side has closed or reset a connection."""
        self._script = script

    @property
    def connections(self) -> int:
        """How many were accepted."""
        return len(self.writers)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Run the script until it ends or its client has gone."""
        self.writers.append(writer)
        self.accepted.set()
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            await self._script(self, reader, writer)
        writer.close()

    async def request(self, reader: asyncio.StreamReader) -> bytes:
        """Read one request."""
        head = await reader.readuntil(b"\r\n\r\n")
        lengths = [line for line in head.split(b"\r\n") if line.startswith(b"content-length:")]
        body = await reader.readexactly(int(lengths[0].split(b":")[1]) if lengths else 0)
        self.requests.append(head + body)
        self.asked.set()
        return body

    async def wait_left(self, reader: asyncio.StreamReader) -> None:
        """Wait until the other side has closed or reset, and set `left`."""
        with suppress(ConnectionError):
            while await reader.read(65536):
                pass
        self.left.set()


@asynccontextmanager
async def engine_at(script: Script, context: ssl.SSLContext | None = None) -> AsyncGenerator[tuple[Engine, int]]:
    """Run an engine on a free port."""
    engine = Engine(script)
    server = await asyncio.start_server(engine.serve, "127.0.0.1", 0, ssl=context)
    try:
        yield engine, server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in engine.writers:
            writer.transport.abort()
        await asyncio.sleep(0.01)  # the scripts end, and the transports with them


@asynccontextmanager
async def serving(
    script: Script, *, limits: Limits = DEFAULTS, prefix: str = ""
) -> AsyncGenerator[tuple[Engine, HttpUpstream]]:
    """Run an engine, and an upstream towards it."""
    async with engine_at(script) as (engine, port):
        upstream = HttpUpstream("engine", f"http://127.0.0.1:{port}{prefix}", limits=limits)
        yield engine, upstream
        await upstream.close()


def always(*pieces: bytes, close: bool = False) -> Script:
    """Answer every request with these writes, several ones each in a packet of its own; then close, if told to."""

    async def script(engine: Engine, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await engine.request(reader):
            for piece in pieces:
                writer.write(piece)
                await asyncio.sleep(0.001 if len(pieces) > 1 else 0)
            if close:
                return

    return script


def once(*pieces: bytes) -> Script:
    """Answer one request with these writes, and then wait for the other side to leave."""

    async def script(engine: Engine, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await engine.request(reader)
        for piece in pieces:
            writer.write(piece)
        await engine.wait_left(reader)

    return script


async def mute(engine: Engine, reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    """Say nothing at all, not even TLS."""
    await engine.wait_left(reader)


def reset(writer: asyncio.StreamWriter) -> None:
    """Close as a crashing process does: with a reset instead of an end."""
    no_linger = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_linger)
    writer.transport.abort()


class Log:
    """A receiver that writes down what it hears."""

    through = None

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.status = 0
        self.headers: Sequence[tuple[str, str]] = ()
        self.pieces: list[bytes] = []
        self.error: UpstreamError | None = None
        self.first = asyncio.Event()
        self.over = asyncio.Event()

    @property
    def body(self) -> bytes:
        """The body so far."""
        return b"".join(self.pieces)

    def head(self, status: int, headers: Sequence[tuple[str, str]], /) -> None:
        """Write down the head."""
        self.heard.append("head")
        self.status = status
        self.headers = headers

    def data(self, data: bytes, /) -> None:
        """Write down a piece of the body."""
        self.heard.append("data")
        self.pieces.append(data)
        self.first.set()

    def end(self) -> None:
        """Write down the end."""
        self.heard.append("end")
        self.over.set()

    def failed(self, error: UpstreamError, /) -> None:
        """Write down the failure."""
        self.heard.append("failed")
        self.error = error
        self.over.set()


class Acting(Log):
    """A log that does something, set as `act`, at its first head, data or end."""

    def __init__(self, when: str) -> None:
        super().__init__()
        self.act: Callable[[], object] = str
        self._when = when

    def head(self, status: int, headers: Sequence[tuple[str, str]], /) -> None:
        """Write down the head, then perhaps act."""
        super().head(status, headers)
        self._at("head")

    def data(self, data: bytes, /) -> None:
        """Write down a piece of the body, then perhaps act."""
        super().data(data)
        self._at("data")

    def end(self) -> None:
        """Write down the end, then perhaps act."""
        super().end()
        self._at("end")

    def _at(self, moment: str) -> None:
        if moment == self._when:
            self._when = ""
            self.act()


async def failure(upstream: HttpUpstream, request: HttpRequest = CHAT) -> UpstreamError:
    """Open a request and return the error that it fails with."""
    log = Log()
    upstream.open(request, log)
    await log.over.wait()
    assert log.error is not None
    return log.error
