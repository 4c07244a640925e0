"""`headgate.gateway.direct`: the lane of our own server says what ASGI's would, in one write for each read."""

from __future__ import annotations

import asyncio
import re
from types import SimpleNamespace
from typing import Any

import pytest
from raw_http import Client, connected, served

from headgate.config import Config, UpstreamConfig
from headgate.gateway import create_app
from headgate.gateway.asgi import Receive, Scope, Send
from headgate.gateway.direct import DirectLane, opener
from headgate.gateway.lane import EXTENSION
from headgate.gateway.ticker import Ticker
from headgate.limits import Limits
from headgate.testing.fake_engine import FakeEngine, said, streamed

_CHANGING = re.compile(rb"(req_|chatcmpl-)\w+|(?<=overhead-us: )\d+|(?<=created\":)\d+|(?<=date: )[^\r]+")
"""What differs between two replies to one request: ids and times."""


class Transport:
    """What a transport is told."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.waiting = 0
        self.closed = self.aborted = False

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def get_write_buffer_size(self) -> int:
        return self.waiting

    def set_write_buffer_limits(self, *, high: int) -> None:
        self.high = high

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.aborted = True


class Source:
    """What an exchange is told."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def pause(self) -> None:
        self.heard.append("pause")

    def resume(self) -> None:
        self.heard.append("resume")

    def gone(self) -> None:
        self.heard.append("gone")


class Way:
    """A lane with everything around it."""

    def __init__(self, *, keep_alive: bool = True, **limits: Any) -> None:
        self.transport, self.source, self.ticker = Transport(), Source(), Ticker()
        self.responded = 0
        cycle: Any = SimpleNamespace(
            response_started=False,
            response_complete=False,
            keep_alive=keep_alive,
            disconnected=False,
            default_headers=[(b"date", b"today")],
            message_event=asyncio.Event(),
            transport=self.transport,
            on_response=self._on_response,
        )
        connection: Any = SimpleNamespace(transport=self.transport, lane=None, resume_reading=lambda: None)
        self.cycle, self.connection = cycle, connection
        self.lane = DirectLane(connection, cycle, Limits(**limits), self.ticker, [(b"vary", b"origin")])
        self.running = asyncio.get_running_loop().create_task(self.lane.run(self.source))

    def _on_response(self) -> None:
        self.responded += 1


async def way(**options: Any) -> Way:
    made = Way(**options)
    await asyncio.sleep(0)
    return made


def test_the_last_bytes_and_the_end_are_one_write() -> None:
    async def main() -> None:
        made = await way()
        made.lane.start(200, [(b"content-type", b"text/event-stream")])
        made.lane.write(b"one")
        made.lane.end(b"two", clean=True)
        await made.running

        assert [b"3\r\ntwo\r\n0\r\n\r\n"] == made.transport.written[1:]

    asyncio.run(main())


def test_head_and_first_bytes_are_one_write_and_so_is_each_later_one() -> None:
    async def main() -> None:
        made = await way()
        made.lane.start(200, [(b"content-type", b"text/event-stream")])
        made.lane.write(b"one")
        made.lane.write(b"two")
        made.lane.end(clean=True)
        await made.running

        head = b"HTTP/1.1 200 OK\r\ndate: today\r\ncontent-type: text/event-stream\r\nvary: origin\r\n"
        first = head + b"transfer-encoding: chunked\r\n\r\n3\r\none\r\n"
        assert [first, b"3\r\ntwo\r\n", b"0\r\n\r\n"] == made.transport.written
        assert made.cycle.response_complete
        assert made.cycle.message_event.is_set()
        assert 1 == made.responded
        assert not made.transport.closed
        assert made.connection.lane is None
        assert [] == made.source.heard
        assert 0 == len(made.ticker)

    asyncio.run(main())


def test_a_body_of_known_length_has_no_chunks() -> None:
    async def main() -> None:
        made = await way()
        made.lane.start(404, [(b"content-length", b"2")])
        made.lane.write(b"no")
        made.lane.end(clean=True)
        await made.running

        head = b"HTTP/1.1 404 Not Found\r\ndate: today\r\ncontent-length: 2\r\nvary: origin\r\n\r\n"
        assert [head + b"no"] == made.transport.written

    asyncio.run(main())


def test_an_empty_write_is_no_end() -> None:
    """A chunk of no bytes ends a body."""

    async def main() -> None:
        made = await way()
        made.lane.start(200, [])
        made.lane.write(b"")

        assert [] == made.transport.written
        made.running.cancel()

    asyncio.run(main())


def test_a_body_that_ends_in_an_error_closes_the_connection() -> None:
    async def main() -> None:
        made = await way()
        made.lane.start(200, [])
        made.lane.write(b"error")
        made.lane.end(clean=False)
        await made.running

        assert made.transport.closed
        assert 1 == made.responded

    asyncio.run(main())


def test_a_connection_that_serves_no_other_request_says_so() -> None:
    async def main() -> None:
        made = await way(keep_alive=False)
        made.lane.start(200, [])
        made.lane.end(clean=True)
        await made.running

        assert b"connection: close\r\n" in made.transport.written[0]
        assert made.transport.closed

    asyncio.run(main())


@pytest.mark.parametrize("field", [(b"x", b"1\r\ny: 2"), (b"x\n", b"1"), (b"x:y", b"1"), (b"x", b"1\x00")])
def test_a_field_that_is_none_is_never_sent(field: tuple[bytes, bytes]) -> None:
    async def main() -> None:
        made = await way()
        with pytest.raises(ValueError, match="header field"):
            made.lane.start(200, [field])

        assert [] == made.transport.written
        made.running.cancel()

    asyncio.run(main())


def test_a_client_that_reads_slowly_pauses_its_engine() -> None:
    async def main() -> None:
        made = await way(write_bytes_mark=1234)
        made.lane.paused()
        made.lane.resumed()
        made.lane.resumed()

        assert ["pause", "resume"] == made.source.heard
        assert 1234 == made.transport.high
        made.running.cancel()

    asyncio.run(main())


def test_a_client_that_reads_nothing_is_cut_and_one_that_reads_a_little_is_not() -> None:
    async def main() -> None:
        made = await way(write_stall_s=1.0)
        now_s = asyncio.get_running_loop().time()
        made.transport.waiting = 100
        made.lane.tick(now_s + 50)
        made.lane.paused()
        made.lane.tick(now_s + 0.9)
        made.transport.waiting = 99
        made.lane.tick(now_s + 1.8)
        cut = [made.transport.aborted]
        made.lane.tick(now_s + 2.9)
        cut.append(made.transport.aborted)

        assert [False, True] == cut
        made.running.cancel()

    asyncio.run(main())


def test_a_client_that_left_is_written_nothing_more() -> None:
    async def main() -> None:
        made = await way()
        made.lane.start(200, [])
        made.lane.lost()
        made.lane.write(b"one")
        made.lane.end(clean=True)
        await made.running

        assert ["gone"] == made.source.heard
        assert [] == made.transport.written
        assert 0 == made.responded

    asyncio.run(main())


def test_a_client_that_left_while_its_request_was_prepared_is_gone_at_once() -> None:
    async def main() -> None:
        made = Way()
        made.cycle.disconnected = True
        await made.running

        assert ["gone"] == made.source.heard

    asyncio.run(main())


def test_a_host_that_cancels_the_request_ends_it() -> None:
    async def main() -> None:
        made = await way()
        made.running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await made.running

        assert ["gone"] == made.source.heard
        assert 0 == len(made.ticker)

    asyncio.run(main())


# -- who gets one ---------------------------------------------------------------------------------------------------


class Noted:
    """An app that notes whether its requests could have a direct lane, and passes them on with their own `send`."""

    def __init__(self, app: Any, *, wrapped: bool) -> None:
        self.app = app
        self.wrapped = wrapped
        self.direct: list[bool] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def passed(message: Any) -> None:
            await send(message)

        used = passed if self.wrapped else send
        if scope["type"] == "http":
            self.direct.append(opener(scope, used) is not None)
        await self.app(scope, receive, used)


async def replies(*, wrapped: bool, stream: bool, version: str = "1.1") -> tuple[bytes, list[bool]]:
    """All that a client reads, from its request to the end of the connection."""
    async with FakeEngine(streamed(said("Hel", "lo"))) as engine:
        config = Config(upstreams=(UpstreamConfig(name="u", url=engine.url),))
        app = Noted(create_app(config), wrapped=wrapped)
        async with served(app) as url, connected(url) as client:
            return await _asked(client, stream=stream, version=version), app.direct


async def _asked(client: Client, *, stream: bool, version: str) -> bytes:
    body = b'{"model":"m","stream":%b,"messages":[{"role":"user","content":"x"}]}' % (b"true" if stream else b"false")
    head = f"POST /v1/chat/completions HTTP/{version}\r\nHost: localhost\r\nConnection: close\r\n"
    client.writer.write(head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    return _CHANGING.sub(b"*", await client.reader.read())


@pytest.mark.parametrize("stream", [True, False])
def test_both_lanes_say_the_same(*, stream: bool) -> None:
    direct, noted = asyncio.run(replies(wrapped=False, stream=stream))
    through_asgi, wrapped = asyncio.run(replies(wrapped=True, stream=stream))

    assert [True] == noted
    assert [False] == wrapped
    assert _fields(through_asgi) == _fields(direct)
    assert _body(through_asgi) == _body(direct)
    assert b"Hel" in direct


def _fields(reply: bytes) -> list[bytes]:
    return sorted(reply.partition(b"\r\n\r\n")[0].split(b"\r\n"))


def _body(reply: bytes) -> bytes:
    """The body without its framing: where chunks begin and end is nobody's business."""
    return re.sub(rb"(?:\A|\r\n)[0-9a-f]+\r\n", b"", reply.partition(b"\r\n\r\n")[2])


def test_a_client_of_http_1_0_is_written_without_chunks() -> None:
    reply, direct = asyncio.run(replies(wrapped=False, stream=True, version="1.0"))

    assert [False] == direct
    assert b"transfer-encoding" not in reply
    assert b"data: [DONE]\n\n" in reply


def test_another_host_offers_none() -> None:
    async def send(message: Any) -> None:
        raise AssertionError(message)

    assert opener({"type": "http"}, send) is None
    assert opener({"type": "http", "extensions": {EXTENSION: {}}}, send) is None
