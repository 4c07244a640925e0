"""What a client may do on the wire, from raw sockets: the shapes, the sizes, the times."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import pytest
from raw_http import WITHIN_S, Client, chat_body, connected, served

from headgate.config import Config, UpstreamConfig
from headgate.gateway import create_app
from headgate.gateway.policy import MemoryPolicy
from headgate.limits import Limits
from headgate.testing.fake_engine import HANG, Answer, FakeEngine, chunk, said, sse, streamed

GET = b"GET /health HTTP/1.1\r\nHost: localhost\r\n"
POST = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
NEXT = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
BODY = chat_body(stream=False)


class Stage(NamedTuple):
    engine: FakeEngine
    policy: MemoryPolicy
    url: str

    @asynccontextmanager
    async def client(self) -> AsyncGenerator[Client]:
        async with connected(self.url) as client:
            yield client

    async def says(self, *raw: bytes, pause_s: float = 0.0, half_close: bool = False) -> bytes:
        """Everything that comes back until the connection closes."""
        async with self.client() as client:
            for piece in raw:
                client.writer.write(piece)
                await asyncio.sleep(pause_s)
            if half_close:
                client.writer.write_eof()
            return await rest(client)


async def rest(client: Client) -> bytes:
    """What comes until the other side closes; that it does is a part of every claim here."""
    async with asyncio.timeout(WITHIN_S):
        return await client.reader.read()


async def pour(client: Client, piece: bytes, pause_s: float) -> int:
    """Write on and on until the other side closes; how many pieces that were."""
    closed = asyncio.create_task(client.reader.read())
    pieces = 0
    try:
        async with asyncio.timeout(WITHIN_S):
            while not closed.done():
                client.writer.write(piece)
                pieces += 1
                await client.writer.drain()
                await asyncio.sleep(pause_s)
    except ConnectionError:
        pass
    closed.cancel()
    return pieces


def play(
    scene: Callable[[Stage], Coroutine[Any, Any, None]], answer: Answer | None = None, limits: Limits | None = None
) -> None:
    async def main() -> None:
        policy = MemoryPolicy()
        async with FakeEngine(answer or streamed(said("ok"))) as engine:
            config = Config(upstreams=(UpstreamConfig(name="u", url=engine.url),))
            app = create_app(config, limits=limits or Limits(), policy=policy)
            async with served(app) as url:
                await scene(Stage(engine, policy, url))

    asyncio.run(main())


def statuses(raw: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 ([0-9]{3}) ", raw)]


# Ambiguous or malformed: 400, closed, and nothing behind it is read

HEADS = {
    "length and chunks": POST + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and length": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
    "two equal lengths": POST + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
    "two lengths": POST + b"Content-Length: 3\r\nContent-Length: 30\r\n\r\nabc",
    "a list of lengths": POST + b"Content-Length: 3, 3\r\n\r\nabc",
    "a length with a sign": POST + b"Content-Length: +3\r\n\r\nabc",
    "a negative length": POST + b"Content-Length: -3\r\n\r\nabc",
    "a length with an underscore": POST + b"Content-Length: 1_0\r\n\r\nabcdefghij",
    "a hexadecimal length": POST + b"Content-Length: 0x3\r\n\r\nabc",
    "an empty length": POST + b"Content-Length:\r\n\r\nabc",
    "an endless length": POST + b"Content-Length: 99999999999999999999999\r\n\r\nabc",
    "chunked twice": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked, chunked": POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "identity": POST + b"Transfer-Encoding: identity\r\n\r\n",
    "identity, chunked": POST + b"Transfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n",
    "gzip, chunked": POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunked, gzip": POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "xchunked": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "a tab after chunked, and more": POST + b"Transfer-Encoding: chunked\tx\r\n\r\n0\r\n\r\n",
    "a vertical tab before chunked": POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "chunked in quotes": POST + b'Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n',
    "chunks in HTTP/1.0": POST.replace(b"1.1", b"1.0") + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "bare line feeds": GET.replace(b"\r\n", b"\n") + b"\n",
    "a bare line feed after a header": GET + b"X: y\n\r\n",
    "a bare carriage return": GET + b"X: y\rZ: z\r\n\r\n",
    "a folded header": GET + b"X: y\r\n z\r\n\r\n",
    "a folded first header": b"GET /health HTTP/1.1\r\n Host: localhost\r\n\r\n",
    "a space before a colon": b"GET /health HTTP/1.1\r\nHost : localhost\r\n\r\n",
    "a header without a name": GET + b": y\r\n\r\n",
    "a header without a colon": GET + b"XY\r\n\r\n",
    "a NUL in a value": GET + b"X: a\0b\r\n\r\n",
    "a NUL in a name": GET + b"X\0: a\r\n\r\n",
    "no host": b"GET /health HTTP/1.1\r\n\r\n",
    "no host in HTTP/1.0": b"GET /health HTTP/1.0\r\n\r\n",
    "an empty host": b"GET /health HTTP/1.1\r\nHost:\r\n\r\n",
    "two hosts": GET + b"Host: localhost\r\n\r\n",
    "two other hosts": GET + b"Host: evil.test\r\n\r\n",
    "a host with a path": b"GET /health HTTP/1.1\r\nHost: localhost/x?\r\n\r\n",
    "a host with a user": b"GET /health HTTP/1.1\r\nHost: localhost@evil.test\r\n\r\n",
    "a list of hosts": b"GET /health HTTP/1.1\r\nHost: localhost, evil.test\r\n\r\n",
    "HTTP/0.9": b"GET /health\r\n\r\n",
    "HTTP/1.2": b"GET /health HTTP/1.2\r\nHost: localhost\r\n\r\n",
    "HTTP/2.0": b"GET /health HTTP/2.0\r\nHost: localhost\r\n\r\n",
    "an HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a TLS hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"x" * 64,
    "an absolute target": b"GET http://evil.test/health HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "an asterisk": b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a tunnel": b"CONNECT evil.test:443 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a method of one's own": b"GETX /health HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a method in lower case": b"get /health HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a target that is not ASCII": b"GET /\xff HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a target with a NUL": b"GET /\0 HTTP/1.1\r\nHost: localhost\r\n\r\n",
}
CHUNKS = {
    "a chunk size that is none": b"zz\r\n",
    "a chunk size with a prefix": b"0x3\r\nabc\r\n0\r\n\r\n",
    "a chunk size with a sign": b"+3\r\nabc\r\n0\r\n\r\n",
    "a negative chunk size": b"-3\r\nabc\r\n0\r\n\r\n",
    "an empty chunk size": b"\r\nabc\r\n0\r\n\r\n",
    "a chunk size with a space": b"3 \r\nabc\r\n0\r\n\r\n",
    "a chunk size over 64 bits": b"10000000000000003\r\nabc\r\n0\r\n\r\n",
    "a bare line feed after a chunk size": b"3\nabc\r\n0\r\n\r\n",
    "a bare line feed after an extension": b"3;a\nabc\r\n0\r\n\r\n",
    "a bare carriage return in an extension": b"3;a\rb\r\nabc\r\n0\r\n\r\n",
    "a bare line feed after a chunk": b"3\r\nabc\n0\r\n\r\n",
    "a chunk that is longer than its size": b"3\r\nabcXX0\r\n\r\n",
    "a trailer that is none": b"0\r\nX\r\n\r\n",
}


@pytest.mark.parametrize("raw", HEADS.values(), ids=HEADS)
def test_an_ambiguous_head_is_refused_before_anything_is_started_for_it(raw: bytes) -> None:
    async def scene(stage: Stage) -> None:
        said_back = await stage.says(raw + NEXT)

        assert [400] == statuses(said_back)
        assert b"connection: close" in said_back
        assert b'"invalid_request"' in said_back
        assert (0, 0) == (stage.policy.authorised, stage.engine.connections)

    play(scene)


@pytest.mark.parametrize("raw", CHUNKS.values(), ids=CHUNKS)
def test_a_body_that_is_framed_wrongly_ends_the_connection(raw: bytes) -> None:
    async def scene(stage: Stage) -> None:
        assert [400] == statuses(await stage.says(CHUNKED + raw + NEXT))
        assert 0 == stage.engine.connections

    play(scene)


@pytest.mark.parametrize(
    "name", ["two hosts", "identity, chunked", "chunks in HTTP/1.0", "bare line feeds", "HTTP/0.9"]
)
def test_it_is_the_same_byte_by_byte(name: str) -> None:
    async def scene(stage: Stage) -> None:
        raw = [HEADS[name][place : place + 1] for place in range(len(HEADS[name]))]

        assert [400] == statuses(await stage.says(*raw))

    play(scene)


def test_a_refusal_behind_a_running_reply_is_never_mixed_into_it() -> None:
    """The 400 of uvicorn itself would stand in the middle of the stream."""

    async def scene(stage: Stage) -> None:
        async with stage.client() as client:
            client.send_chat()
            client.writer.write(HEADS["two hosts"] + NEXT)
            reply = await client.reply()

            assert (200, "ok", True) == (reply.status, reply.text(), reply.ended)
            assert b"" == await rest(client)

    play(scene)


def test_what_a_client_sends_is_not_repeated_to_it_or_to_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")

    async def scene(stage: Stage) -> None:
        said_back = await stage.says(b"GET /sesame HTTP/1.1\r\nHost: sesame/\r\nAuthorization: Bearer sesame\r\n\r\n")

        assert b"sesame" not in said_back

    play(scene)
    assert "sesame" not in caplog.text


# Good requests stay good


@pytest.mark.parametrize(
    "raw",
    [
        POST + b"content-length: %d\r\n\r\n" % len(BODY) + BODY,
        CHUNKED + b"%x\r\n" % len(BODY) + BODY + b"\r\n0\r\n\r\n",
        CHUNKED.replace(b"chunked", b"Chunked") + b"%x;a=b\r\n" % len(BODY) + BODY + b"\r\n0\r\nX-Sum: 1\r\n\r\n",
        b"\r\n" + POST + b"Expect: 100-continue\r\ncontent-length: %d\r\n\r\n" % len(BODY) + BODY,
        b"".join([CHUNKED, *(b"1\r\n%c\r\n" % byte for byte in BODY), b"0\r\n\r\n"]),
    ],
)
def test_every_lawful_framing_is_read(raw: bytes) -> None:
    async def scene(stage: Stage) -> None:
        async with stage.client() as client:
            client.writer.write(raw)
            status, headers = await client.head()
            if status == 100:
                status, headers = await client.head()

            assert (200, "application/json") == (status, headers["content-type"])

    play(scene)


def test_only_who_is_let_in_is_told_to_send_its_body() -> None:
    """A body may be long, and whoever waits with it does so to be spared of that."""
    asking = b"Expect: 100-continue\r\ncontent-length: %d\r\n\r\n" % len(BODY)

    async def scene(stage: Stage) -> None:
        async with stage.client() as client, stage.client() as page:
            client.writer.write(POST + asking)
            assert 100 == (await client.head())[0]
            client.writer.write(BODY)
            assert 200 == (await client.reply()).status

            page.writer.write(POST + b"Origin: https://evil.test\r\n" + asking)
            assert 403 == (await page.reply()).status

    play(scene)


def test_a_trailer_is_no_header() -> None:
    async def scene(stage: Stage) -> None:
        raw = CHUNKED + b"%x\r\n" % len(BODY) + BODY + b"\r\n0\r\nx-request-id: smuggled\r\n\r\n"
        async with stage.client() as client:
            client.writer.write(raw)
            reply = await client.reply()

            assert 200 == reply.status
            assert "smuggled" != reply.headers["x-request-id"]

    play(scene)


def test_a_stream_over_http_1_0_ends_with_its_connection() -> None:
    """It knows no chunks."""

    async def scene(stage: Stage) -> None:
        body = chat_body()
        raw = POST.replace(b"1.1", b"1.0") + b"content-length: %d\r\n\r\n" % len(body) + body
        head, _, text = (await stage.says(raw)).partition(b"\r\n\r\n")

        assert b"transfer-encoding" not in head.lower()
        assert (True, True) == (text.startswith(b"data: {"), text.endswith(b"data: [DONE]\n\n"))

    play(scene)


def test_an_upgrade_is_not_made_and_the_request_is_answered() -> None:
    """So curl offers HTTP/2 this way."""

    async def scene(stage: Stage) -> None:
        raw = GET + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n"

        assert [200] == statuses(await stage.says(raw))

    play(scene)


# Sizes


@pytest.mark.parametrize(
    "raw",
    [
        b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /" + b"a" * 5000,
        GET + b"X: " + b"a" * 5000 + b"\r\n\r\n",
        GET + b"X: " + b"a" * 5000,
        GET + b"X" * 5000,
        GET + b"X: y\r\n" * 700 + b"\r\n",
        GET + b"X: y\r\n" * 101 + b"\r\n",
    ],
)
def test_a_head_that_is_too_long_or_has_too_many_fields_is_a_431(raw: bytes) -> None:
    async def scene(stage: Stage) -> None:
        assert [431] == statuses(await stage.says(raw))

    play(scene, limits=Limits(request_head_bytes_max=4096))


def test_an_endless_head_is_stopped_at_the_limit() -> None:
    async def scene(stage: Stage) -> None:
        async with stage.client() as client:
            client.writer.write(GET + b"X: ")
            sent = await pour(client, b"a" * 65536, 0)

            assert sent < 64

    play(scene, limits=Limits(linger_s=0.2))


def test_a_head_at_the_limits_is_read() -> None:
    async def scene(stage: Stage) -> None:
        async with stage.client() as client:
            client.writer.write(GET + b"X: y\r\n" * 99 + b"\r\n")

            assert 200 == (await client.reply()).status

    play(scene, limits=Limits(request_head_bytes_max=len(GET) + 99 * 6))


@pytest.mark.parametrize(
    "endless",
    [
        b"1;" + b"a" * 40_000 + b"\r\na\r\n",
        b"1;" + b"a" * 40_000,
        b"0\r\n" + b"X: y\r\n" * 102,
        b"0\r\nX: " + b"y" * 40_000,
    ],
)
def test_a_body_of_nothing_but_framing_is_refused(endless: bytes) -> None:
    """CVE-2024-22019: Node read chunk extensions for ever."""

    async def scene(stage: Stage) -> None:
        async with stage.client() as client:
            client.writer.write(CHUNKED)
            await asyncio.sleep(0.01)
            client.writer.write(endless)

            assert statuses(await rest(client))[0] in {400, 431}

    play(scene, limits=Limits(request_head_bytes_max=4096))


def test_a_body_over_the_limit_is_a_413_and_the_rest_of_it_is_not_waited_for() -> None:
    async def scene(stage: Stage) -> None:
        started_s = time.monotonic()
        said_back = await stage.says(POST + b"Content-Length: 10000000000\r\n\r\n" + b"x" * 100_000)

        assert [413] == statuses(said_back)
        assert time.monotonic() - started_s < WITHIN_S

    play(scene, limits=Limits(body_bytes_max=1000))


# Times

HURRIED = Limits(request_head_s=0.15, request_body_s=0.15, request_body_rate_min=1000, linger_s=0.1)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"", []),
        (b"GET /hea", [408]),
        (GET, [408]),
        (b"\r\n\r\n", [408]),
        (POST + b"Content-Length: 10\r\n\r\n", [408]),
        (POST + b"Content-Length: 10\r\n\r\nabc", [408]),
        (CHUNKED, [408]),
        (CHUNKED + b"3\r\nab", [408]),
    ],
)
def test_a_client_that_stops_in_the_middle_is_told_so_and_closed(raw: bytes, expected: list[int]) -> None:
    async def scene(stage: Stage) -> None:
        assert expected == statuses(await stage.says(raw))
        assert 0 == stage.engine.connections

    play(scene, limits=HURRIED)


@pytest.mark.parametrize("start", [b"", GET + b"X: ", POST + b"Content-Length: 1000\r\n\r\n", CHUNKED + b"ff\r\n"])
def test_trickling_earns_no_time(start: bytes) -> None:
    """Slowloris: a byte now and then keeps naive deadlines from passing."""

    async def scene(stage: Stage) -> None:
        started_s = time.monotonic()
        async with stage.client() as client:
            client.writer.write(start)
            await pour(client, b"a" if start else b"\r\n", 0.02)

        assert time.monotonic() - started_s < WITHIN_S

    play(scene, limits=HURRIED)


def test_a_body_that_keeps_its_rate_is_waited_for() -> None:
    body = chat_body(stream=False, user="x" * 2000)

    async def scene(stage: Stage) -> None:
        async with stage.client() as client:
            client.writer.write(POST + b"Content-Length: %d\r\n\r\n" % len(body))
            for start in range(0, len(body), 500):
                client.writer.write(body[start : start + 500])
                await asyncio.sleep(0.08)

            assert 200 == (await client.reply()).status

    play(scene, limits=HURRIED)


def test_no_body_takes_longer_than_all_the_time_there_is() -> None:
    async def scene(stage: Stage) -> None:
        async with stage.client() as client:
            client.writer.write(POST + b"Content-Length: 1000000\r\n\r\n" + b"x" * 100_000)

            assert [408] == statuses(await rest(client))

    play(scene, limits=Limits(request_body_s=60, request_body_total_s=0.1, linger_s=0.1))


def test_a_long_stream_has_nothing_to_do_with_a_requests_deadlines() -> None:
    async def scene(stage: Stage) -> None:
        async with stage.client() as client:
            client.send_chat()
            client.writer.write(b"GET /heal")  # and nothing more of it: that clock begins when the stream is over
            reply = await client.reply()

            assert ("Hello", True) == (reply.text(), reply.ended)
            assert [408] == statuses(await rest(client))

    play(scene, streamed(sse(chunk({"content": "Hel"})), 0.4, said("lo")), HURRIED)


def test_slow_clients_harm_no_others() -> None:
    async def scene(stage: Stage) -> None:
        slow = [await asyncio.open_connection(*stage.url.removeprefix("http://").split(":")) for _ in range(200)]
        for place, (_, writer) in enumerate(slow):
            writer.write((b"", b"G", GET, POST + b"Content-Length: 9\r\n\r\n")[place % 4])

        async with stage.client() as client:
            assert "ok" == (await client.chat()).text()

        for reader, writer in slow:
            async with asyncio.timeout(WITHIN_S):
                await reader.read()
            writer.close()

    play(scene, limits=Limits(request_head_s=0.5, request_body_s=0.5, linger_s=0.1))


# Pipelining


def test_requests_in_one_packet_are_answered_in_their_order() -> None:
    async def scene(stage: Stage) -> None:
        async with stage.client() as client:
            for path in ("/health", "/nothing", "/v1/models"):
                client.send("GET", path)

            assert [200, 404, 200] == [(await client.reply()).status for _ in range(3)]

    play(scene)


def test_a_flood_of_requests_behind_a_slow_one_is_bounded() -> None:
    async def scene(stage: Stage) -> None:
        async with stage.client() as client:
            client.send_chat()
            client.writer.write(NEXT * 5000)
            reply = await client.reply()
            answered = statuses(await rest(client))

            assert "ok" == reply.text()
            assert [200] * len(answered) == answered
            assert 0 < len(answered) <= 17

    play(scene)


def test_a_client_that_goes_with_requests_in_the_queue_leaves_nothing() -> None:
    async def scene(stage: Stage) -> None:
        async with stage.client() as client:
            for _ in range(3):
                client.send_chat()
            while not stage.engine.asked:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            client.vanish()
        await stage.engine.left()

    play(scene, [HANG])
