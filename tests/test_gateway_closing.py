"""How a client's connection ends: its last answer can be read, and nobody who reads nothing keeps it for ever."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from loops import Run
from raw_http import WITHIN_S, Client, chat_body, connected, served

from headgate.config import Config, UpstreamConfig
from headgate.gateway import create_app
from headgate.gateway.policy import MemoryPolicy, Outcome
from headgate.limits import Limits
from headgate.testing.fake_engine import HANG, Answer, FakeEngine, chunk, said, sse, streamed

KEY, PAGE = "sk-of-the-closing", "https://chat.example"
BODY_BYTES = 1_000_000
"""Far more than the server reads before it answers."""


@asynccontextmanager
async def gateway(
    answer: Answer, limits: Limits, *, send_buffer: int | None = None, **config: Any
) -> AsyncGenerator[tuple[str, MemoryPolicy]]:
    policy = MemoryPolicy()
    async with FakeEngine(answer) as engine:
        upstreams = (UpstreamConfig(name="u", url=engine.url),)
        app = create_app(Config(upstreams=upstreams, **config), limits=limits, policy=policy)
        async with served(app, send_buffer=send_buffer) as url:
            yield url, policy


async def until(is_true: Callable[[], bool], within_s: float = WITHIN_S) -> None:
    """Wait for something that no event tells."""
    async with asyncio.timeout(within_s):
        while not is_true():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


# A client that still sends can read why it was refused


def head(path: str = "/v1/chat/completions", method: str = "POST", **headers: str) -> bytes:
    given = {"host": "localhost", "x-api-key": KEY, "connection": "close", "content-length": str(BODY_BYTES)}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = "".join(f"{name}: {value}\r\n" for name, value in given.items() if value)
    return f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode()


REFUSED = {
    400: head(host="localhost/x"),
    401: head(x_api_key="sk-wrong"),
    403: head(origin="https://evil.test"),
    404: head("/nothing"),
    405: head(method="PUT"),
    413: head(),
    415: head(origin=PAGE, content_type="text/plain"),
    421: head(host="evil.test"),
    431: head(**{f"x_{number}": "y" for number in range(101)}),
}


@pytest.mark.parametrize("status", REFUSED)
def test_a_client_that_reads_only_after_its_whole_body_can_read_why_it_was_refused(run: Run, status: int) -> None:
    """A socket that closes over unread bytes is reset, and the reset overtakes the answer: it did, each time."""

    async def main() -> None:
        limits = Limits(body_bytes_max=1000)
        async with gateway([HANG], limits, api_keys=(KEY,), cors_origins=(PAGE,)) as (url, _):
            for _ in range(50):
                answer = await sends_and_reads(url, REFUSED[status] + b"x" * BODY_BYTES)
                lines, _, body = answer.partition(b"\r\n\r\n")

                assert lines.startswith(b"HTTP/1.1 %d " % status)
                assert b"\r\nconnection: close" in lines
                assert {"message", "type", "code", "param"} == set(json.loads(body)["error"])

    run(main())


async def sends_and_reads(url: str, request: bytes) -> bytes:
    """All that comes back to a client that first sends and then reads, as most of them do."""
    loop = asyncio.get_running_loop()
    with client_of(url) as client:
        await loop.sock_sendall(client, request)
        pieces: list[bytes] = []
        while piece := await loop.sock_recv(client, 65536):
            pieces.append(piece)
    return b"".join(pieces)


@contextmanager
def client_of(url: str, receive_buffer: int | None = None) -> Generator[socket.socket]:
    """A connected socket; a small buffer (in bytes) is what its system holds for it."""
    host, _, port = url.removeprefix("http://").partition(":")
    with socket.socket() as client:
        if receive_buffer is not None:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        client.connect((host, int(port)))
        client.setblocking(False)
        yield client


@pytest.mark.parametrize("connection", ["close", "keep-alive"])
def test_a_reply_that_begins_before_its_request_is_whole_says_that_it_is_the_last(run: Run, connection: str) -> None:
    async def main() -> None:
        async with gateway([HANG], Limits(), api_keys=(KEY,)) as (url, _), connected(url) as client:
            client.writer.write(head(x_api_key="", connection=connection))
            reply = await client.reply()

            assert (401, "close") == (reply.status, reply.headers["connection"])
            assert await client.is_closed()

    run(main())


def test_a_refused_request_that_is_whole_keeps_its_connection(run: Run) -> None:
    async def main() -> None:
        async with gateway([HANG], Limits(), api_keys=(KEY,)) as (url, _), connected(url) as client:
            for _ in range(3):
                reply = await client.ask("POST", "/v1/chat/completions", b"{}")

                assert (401, None) == (reply.status, reply.headers.get("connection"))

    run(main())


def test_reading_goes_on_where_a_body_that_nobody_had_read_was_refused(run: Run) -> None:
    """The beginning of the body had paused it; a client that hangs in its `send` reads no answer."""
    chunk_and_nonsense = b"%x\r\n" % 100_000 + b"x" * 10 * BODY_BYTES
    sent = head(content_length="", transfer_encoding="chunked") + chunk_and_nonsense

    async def main() -> None:
        async with gateway([HANG], Limits(linger_s=WITHIN_S), api_keys=(KEY,)) as (url, _):
            answer = await asyncio.wait_for(sends_and_reads(url, sent), WITHIN_S / 2)

            assert answer.startswith(b"HTTP/1.1 400 ")

    run(main())


def test_what_a_refused_client_still_sends_is_read_and_dropped(run: Run) -> None:

    async def main() -> None:
        limits = Limits(linger_s=WITHIN_S)
        async with gateway([HANG], limits, api_keys=(KEY,)) as (url, _), connected(url) as client:
            client.writer.write(head(x_api_key="", content_length="100000000") + b"x" * BODY_BYTES)
            assert 401 == (await client.reply()).status
            async with asyncio.timeout(WITHIN_S / 2):
                for _ in range(32):
                    client.writer.write(b"x" * BODY_BYTES)
                    await client.writer.drain()

    run(main())


def test_a_refused_client_that_sends_for_ever_is_cut(run: Run) -> None:
    async def main() -> None:
        async with gateway([HANG], Limits(linger_s=0.2), api_keys=(KEY,)) as (url, _), connected(url) as client:
            client.writer.write(head(x_api_key="", content_length="10000000000"))
            with pytest.raises(ConnectionError):
                await asyncio.wait_for(sends_for_ever(client), WITHIN_S)

    run(main())


async def sends_for_ever(client: Client) -> None:
    while True:
        client.writer.write(b"x" * 10_000)
        await client.writer.drain()
        await asyncio.sleep(0.01)


def test_what_follows_the_last_request_is_not_answered(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with gateway(streamed(said("ok")), Limits()) as (url, policy), connected(url) as client:
            client.send_chat(headers={"connection": "close"})
            client.send("GET", "/health")
            reply = await client.reply()

            assert ("ok", "close") == (reply.text(), reply.headers["connection"])
            assert await client.is_closed()
            assert 1 == policy.authorised

    run(main())
    assert "" == caplog.text


# A client that does not read


async def asks_and_stops(client: socket.socket, *headers: str) -> None:
    """Ask for a chat, read the beginning of the reply's head, and no more."""
    loop = asyncio.get_running_loop()
    body = chat_body()
    lines = "".join(f"{line}\r\n" for line in ("Host: localhost", f"Content-Length: {len(body)}", *headers))
    await loop.sock_sendall(client, f"POST /v1/chat/completions HTTP/1.1\r\n{lines}\r\n".encode() + body)
    assert (await loop.sock_recv(client, 12)).startswith(b"HTTP/1.1 200")


def open_files() -> int:
    """How many files are open; both sides of a connection are in this process, and each has one."""
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - only how many


async def what_waits(client: socket.socket) -> bytes:
    """What a client that read nothing can still read, until it notices that it was cut."""
    pieces: list[bytes] = []
    try:
        while piece := await asyncio.get_running_loop().sock_recv(client, 65536):
            pieces.append(piece)
    except ConnectionError:
        pass
    return b"".join(pieces)


needs_proc = pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts open files as Linux shows them")
TEXTS = ["x" * 8000] * 8
"""A reply that waits whole in the server: less than the mark at which the exchange would be told to wait."""
WHOLE = streamed(*[sse(chunk({"content": text})) for text in TEXTS], said())


@needs_proc
@pytest.mark.parametrize("headers", [(), ("Connection: close",)])
def test_a_client_that_never_reads_the_end_of_its_reply_is_cut(run: Run, headers: tuple[str, ...]) -> None:
    """Its exchange is over and settled; a close that waits until all is written would wait for ever."""
    clients = 20

    async def main() -> None:
        async with gateway(WHOLE, Limits(write_stall_s=0.3, pool_idle_s=0.1), send_buffer=4096) as (url, policy):
            files = open_files()
            with ExitStack() as opened:
                slow = [opened.enter_context(client_of(url, 4096)) for _ in range(clients)]
                for client in slow:
                    await asks_and_stops(client, *headers)
                await until(lambda: clients == policy.outcomes[Outcome.OK])
                await until(lambda: open_files() <= files + clients)  # the clients' own

                assert all([len(await what_waits(client)) < sum(map(len, TEXTS)) for client in slow])
            await until(lambda: open_files() <= files)
            assert {Outcome.OK: clients} == policy.outcomes

    run(main())


def test_a_client_that_reads_on_slowly_has_all_the_time_it_takes(run: Run) -> None:
    async def main() -> None:
        async with gateway(WHOLE, Limits(write_stall_s=0.5), send_buffer=4096) as (url, policy):
            received = 0
            with client_of(url, 4096) as client:
                await asks_and_stops(client, "Connection: close")
                while piece := await asyncio.get_running_loop().sock_recv(client, 4096):
                    received += len(piece)
                    await asyncio.sleep(0.03)

            assert sum(map(len, TEXTS)) < received
            assert {Outcome.OK: 1} == policy.outcomes

    run(main())


@needs_proc
def test_a_client_that_reads_nothing_of_many_replies_is_cut(run: Run) -> None:
    """A reply that waits for the one before it to be read has no watch of its own."""

    async def main() -> None:
        models = tuple(f"model-{number:0100d}" for number in range(1000))
        async with FakeEngine([HANG]) as engine:
            upstreams = (UpstreamConfig(name="u", url=engine.url, models=models),)
            app = create_app(Config(upstreams=upstreams), limits=Limits(write_stall_s=0.3, models_s=0.05))
            async with served(app, send_buffer=4096) as url:
                with client_of(url, 4096) as client:
                    client.send(b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n" * 10)
                    await asyncio.get_running_loop().sock_recv(client, 1)
                    files = open_files()
                    await until(lambda: files - 1 >= open_files())

                    assert 0 < len(await what_waits(client)) < 10 * sum(map(len, models))

    run(main())


def test_a_long_silence_of_the_engine_is_no_stall_of_the_client(run: Run) -> None:
    async def main() -> None:
        answer = streamed(sse(chunk({"content": "Hel"})), 0.2, said("lo"))
        async with gateway(answer, Limits(write_stall_s=0.04)) as (url, _), connected(url) as client:
            assert "Hello" == (await client.chat()).text()
            await asyncio.sleep(0.1)
            assert "Hello" == (await client.chat()).text()

    run(main())


def test_a_reply_behind_which_something_is_refused_is_still_read_whole(run: Run) -> None:
    body = chat_body()
    first = b"POST /chat HTTP/1.1\r\nHost: localhost\r\ncontent-length: %d\r\n\r\n" % len(body)

    async def main() -> None:
        async with gateway(streamed(said("ok")), Limits()) as (url, _):
            for _ in range(20):
                answer = await sends_and_reads(url, first + body + b"nonsense\r\n\r\n" + b"x" * BODY_BYTES)

                assert answer.startswith(b"HTTP/1.1 200 ")
                assert answer.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")

    run(main())
