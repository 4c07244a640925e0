"""An engine that does exactly what a test says, over real sockets: every byte, pause and cut is scripted.

    from headgate.testing.fake_engine import CUT, FakeEngine, sse, streamed

    async with FakeEngine(streamed(sse({"choices": …}), 0.1, CUT)) as engine:
        ...                         # talk to engine.url, which answers every request so
        engine.asked[0].json()      # what it was asked
        await engine.left()         # wait until the client has closed the connection

A script is a list of steps: bytes are written as they are, a number waits so many seconds, an `asyncio.Event` waits
until the test sets it, `HANG` waits until the client goes away, `CLOSE` and `CUT` end the connection. The steps hold
the HTTP reply from its status line on; `streamed`, `plain` and `until_close` write that part. A script may be endless
(`itertools.repeat`): it goes on until the client has left.

`cut` and `drip` make a faulty script of a good one; `headgate.testing.unreachable` has engines that nobody reaches.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from http import HTTPStatus
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeAlias, cast


class Do(Enum):
    """What a script can do besides writing and waiting."""

    CLOSE = "close"  # end the connection after everything that was written, as a program does that returns
    CUT = "cut"  # reset the connection, as a program does that dies
    HANG = "hang"  # do nothing more until the client goes away


CLOSE, CUT, HANG = Do.CLOSE, Do.CUT, Do.HANG

Step: TypeAlias = bytes | float | asyncio.Event | Do
Script: TypeAlias = Iterable[Step]


class Asked(NamedTuple):
    """A request that the engine received. Header names are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)


Answer: TypeAlias = Script | Callable[[Asked], Script]
"""What every request gets, or what decides it."""


class FakeEngine:
    """The engine, on a free port of 127.0.0.1, from `async with` to its end.

    `asked` holds every request in order, `written_bytes` counts what the client's system has taken so far, and
    `connections` how many there were. Requests need a content-length, or no body.

    Args:
        answer: a script for every request, or a function from the request to its script.
    """

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.asked: list[Asked] = []
        self.written_bytes = 0
        self.connections = 0
        self.open_connections = 0
        self._lost: asyncio.Queue[None] = asyncio.Queue()
        self._links: set[_Link] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.get_running_loop().create_server(lambda: _Link(self), "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None  # noqa: S101 - entered before it is left
        self._server.close()
        await asyncio.gather(*(link.stop() for link in tuple(self._links)))

    @property
    def url(self) -> str:
        """Where it listens."""
        assert self._server is not None, "use `async with FakeEngine(...) as engine`"  # noqa: S101
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def left(self, within_s: float = 2.0) -> None:
        """Wait until a client has closed a connection; each connection counts once.

        Raises:
            TimeoutError: if none does.
        """
        async with asyncio.timeout(within_s):
            await self._lost.get()

    def opened(self, link: _Link) -> None:
        """A connection was made."""
        self.connections += 1
        self.open_connections += 1
        self._links.add(link)

    def closed(self, link: _Link) -> None:
        """A connection is gone."""
        self.open_connections -= 1
        self._links.discard(link)
        self._lost.put_nowait(None)

    def script(self, asked: Asked) -> Script:
        """Note a request, and decide what it gets."""
        self.asked.append(asked)
        return self.answer(asked) if callable(self.answer) else self.answer


class _Link(asyncio.Protocol):
    """One connection of the engine."""

    def __init__(self, engine: FakeEngine) -> None:
        self._engine = engine
        self._transport: asyncio.Transport | None = None
        self._received = b""
        self._task: asyncio.Task[None] | None = None
        self._writable = asyncio.Event()
        self._gone = asyncio.Event()

    # asyncio calls these.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # A stream protocol gets a full-duplex transport; typeshed promises less, and uvloop's own is no subclass.
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(0)  # so that `written_bytes` is what the system took
        self._writable.set()
        self._engine.opened(self)

    def data_received(self, data: bytes) -> None:
        self._received += data
        self._next()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._gone.set()
        self._writable.set()
        self._engine.closed(self)

    # The engine calls this.

    async def stop(self) -> None:
        """Close, and wait for the script to end."""
        if self._transport is not None:
            self._transport.abort()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        await self._gone.wait()

    def _next(self) -> None:
        """Answer the next request, if it is whole and the one before is answered."""
        if self._task is None and (asked := self._take_request()) is not None:
            script = self._engine.script(asked)
            self._task = asyncio.get_running_loop().create_task(self._answer(script))

    def _take_request(self) -> Asked | None:
        head, found, rest = self._received.partition(b"\r\n\r\n")
        if not found:
            return None
        line, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (text.partition(":") for text in lines)}
        length = int(headers.get("content-length", "0"))
        if len(rest) < length:
            return None
        self._received = rest[length:]
        method, path, _ = line.split(" ")
        return Asked(method, path, headers, rest[:length])

    async def _answer(self, script: Script) -> None:
        for step in script:
            if self._transport is None:
                break
            await self._do(step, self._transport)
        self._task = None
        self._next()

    async def _do(self, step: Step, transport: asyncio.Transport) -> None:
        match step:
            case bytes():
                transport.write(step)
                # A transport that has failed takes everything and never asks to wait; an endless script would not end.
                await (self._gone if transport.is_closing() else self._writable).wait()
                self._engine.written_bytes += len(step)
            case asyncio.Event():
                await self._either(step.wait())
            case Do.CLOSE:
                transport.close()
                await self._gone.wait()
            case Do.CUT:
                sock: socket.socket = transport.get_extra_info("socket")
                # Without lingering a close is a reset.
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                transport.abort()
                await self._gone.wait()
            case Do.HANG:
                await self._gone.wait()
            case _:
                await self._either(asyncio.sleep(step))

    async def _either(self, wait: Any) -> None:
        """Wait for that, or for the client to go away."""
        tasks = [asyncio.ensure_future(wait), asyncio.ensure_future(self._gone.wait())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()


def sse(*records: Any, done: bool = False) -> bytes:
    """Event-stream bytes: each record as JSON (or verbatim, if it is text), then `[DONE]` if the stream is whole."""
    texts = [record if isinstance(record, str) else json.dumps(record) for record in records]
    return "".join(f"data: {text}\n\n" for text in [*texts, *(["[DONE]"] if done else [])]).encode()


def chunk(delta: Mapping[str, Any] | None = None, finish: str | None = None, **more: Any) -> dict[str, Any]:
    """A `chat.completion.chunk` as engines send it; `more` goes to its top level."""
    choice = {"index": 0, "delta": delta or {}, "finish_reason": finish}
    identity = {"id": "chatcmpl-fake", "object": "chat.completion.chunk", "created": 1, "model": "fake"}
    return {**identity, "choices": [choice], **more}


def said(*texts: str, finish: str = "stop") -> bytes:
    """A whole stream that says these texts, each in a chunk of its own."""
    deltas = [chunk({"role": "assistant", "content": ""}), *(chunk({"content": text}) for text in texts)]
    return sse(*deltas, chunk(finish=finish), done=True)


def head(status: int = 200, **headers: str) -> bytes:
    """A status line and headers, whose names are written with `_` for `-`."""
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()


def streamed(*steps: Step, status: int = 200, content_type: str = "text/event-stream", end: bool = True) -> list[Step]:
    """A chunked reply: each piece of bytes is a chunk; without `end` the last chunk is left out."""
    pieces: list[Step] = [head(status, content_type=content_type, transfer_encoding="chunked")]
    pieces += [b"%x\r\n%b\r\n" % (len(step), step) if isinstance(step, bytes) else step for step in steps]
    return [*pieces, b"0\r\n\r\n"] if end else pieces


def plain(body: bytes, status: int = 200, content_type: str = "application/json", **headers: str) -> list[Step]:
    """A whole reply with its length."""
    return [head(status, content_type=content_type, content_length=str(len(body)), **headers) + body]


def until_close(*steps: Step, content_type: str = "text/event-stream") -> list[Step]:
    """A reply that ends when the connection does."""
    return [head(content_type=content_type, connection="close"), *steps, CLOSE]


def cut(script: Script, after_bytes: int, how: Do = CUT) -> list[Step]:
    """The same reply, as far as its first bytes; then its connection ends. Pauses are left out."""
    whole = b"".join(step for step in script if isinstance(step, bytes))
    return [whole[:after_bytes], how]


def drip(script: Script, every_s: float) -> list[Step]:
    """The same reply, byte by byte."""
    whole = b"".join(step for step in script if isinstance(step, bytes))
    return [step for at in range(len(whole)) for step in (whole[at : at + 1], every_s)]
