"""How exchanges end, what happens while nothing happens, and clients that read slowly."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from loops import Run
from raw_http import WITHIN_S, Client, Reply, answers, chat_body, connected, error_of, gateway, served

from headgate.config import Config, UpstreamConfig
from headgate.dialects import dialect
from headgate.gateway import create_app
from headgate.gateway.asgi import Headers
from headgate.gateway.engines import Engine
from headgate.gateway.exchange import Exchange
from headgate.gateway.plan import plan
from headgate.gateway.ticker import Ticker
from headgate.limits import Limits
from headgate.markup import families_named
from headgate.surfaces import surface
from headgate.testing.fake_engine import (
    CUT,
    HANG,
    FakeEngine,
    Step,
    chunk,
    head,
    plain,
    said,
    sse,
    streamed,
    until_close,
)
from headgate.upstream.http import HttpUpstream

# Ends


def test_a_good_stream_leaves_both_connections_open() -> None:
    async def main() -> None:
        async with gateway(streamed(said("Hel", "lo"))) as (engine, client):
            for _ in range(3):
                assert "Hello" == (await client.chat()).text()

            assert 1 == engine.connections

    asyncio.run(main())


@pytest.mark.parametrize("stream", [True, False])
def test_after_a_finish_nobody_waits_for_long(*, stream: bool) -> None:
    finished = sse(chunk({"content": "Hello"}), chunk(finish="stop"))

    async def main() -> None:
        async with gateway(streamed(finished, HANG), limits=Limits(after_finish_s=0.1)) as (engine, client):
            reply = await client.chat(stream=stream)

            assert (200, "[DONE]") == (reply.status, reply.records()[-1] if stream else "[DONE]")
            await engine.left()

    asyncio.run(main())


def test_usage_that_follows_a_finish_is_waited_for() -> None:
    usage = {**chunk(), "choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}}
    script = streamed(sse(chunk({"content": "x"}), chunk(finish="stop")), 0.05, sse(usage, done=True))

    records = answers(script, stream_options={"include_usage": True}).records()

    assert 2 == records[-2]["usage"]["total_tokens"]


@pytest.mark.parametrize("end", [[], [CUT]])
def test_an_engine_that_closes_after_its_finish_has_finished(end: list[Step]) -> None:
    script: list[Step] = [head(content_type="text/event-stream"), sse(chunk({"content": "x"}), chunk(finish="stop"))]

    reply = answers([*script, *end] if end else until_close(*script[1:]))

    assert "[DONE]" == reply.records()[-1]


def test_an_engine_that_breaks_after_its_end_harms_nobody() -> None:
    async def main() -> None:
        go_on = asyncio.Event()
        async with gateway(streamed(said("Hello"), go_on, CUT)) as (engine, client):
            assert "Hello" == (await client.chat()).text()
            go_on.set()
            await engine.left()
            assert "Hello" == (await client.chat()).text()

            assert 2 == engine.connections

    asyncio.run(main())


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_has_its_reply_before_the_engines_body_ends_and_the_connection_serves_again(*, stream: bool) -> None:
    async def main() -> None:
        go_on = asyncio.Event()
        async with FakeEngine(streamed(said("Hello"), go_on)) as engine:
            upstream = HttpUpstream("u", engine.url)
            config = Config(upstreams=(UpstreamConfig(name="u", url=engine.url),))
            async with served(create_app(config, upstreams={"u": upstream})) as url, connected(url) as client:
                assert 200 == (await client.chat(stream=stream)).status  # while the engine still holds its body open
                go_on.set()
                async with asyncio.timeout(WITHIN_S):
                    while "0 in use" not in repr(upstream):  # noqa: ASYNC110
                        await asyncio.sleep(0.005)
                assert 200 == (await client.chat(stream=stream)).status

                assert 1 == engine.connections

    asyncio.run(main())


def test_an_engine_that_goes_on_after_its_end_is_left() -> None:
    async def main() -> None:
        more: list[Step] = [step for _ in range(2000) for step in (b": more\n\n", 0.02)]
        async with gateway(streamed(said("Hello"), *more), limits=Limits(after_finish_s=0.1)) as (engine, client):
            assert "Hello" == (await client.chat()).text()
            await engine.left(WITHIN_S)

    asyncio.run(main())


# Silence


def test_a_waiting_client_gets_keep_alives_and_then_the_reply() -> None:
    script = streamed(said("Hello"))

    async def main() -> None:
        async with gateway([0.2, *script], limits=Limits(keepalive_s=0.04)) as (_, client):
            reply = await client.chat()

        assert "Hello" == reply.text()
        assert reply.body.startswith(b": keep-alive\n\n: keep-alive\n\n")

    asyncio.run(main())


def test_a_silent_stream_is_kept_alive_too() -> None:
    reply = answers(
        streamed(sse(chunk({"content": "Hel"})), 0.2, said("lo")), limits=Limits(keepalive_s=0.04, idle_s=5.0)
    )

    assert "Hello" == reply.text()
    assert 2 <= reply.body.count(b": keep-alive\n\n") <= 6


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ([0.1, *plain(b'{"error":"no"}', 500)], "upstream_error"),
        ([0.1, CUT], "upstream_truncated"),
        ([HANG], "upstream_timeout"),
        ([0.1, *streamed(sse({"error": {"message": "no"}}))], "upstream_error"),
    ],
)
def test_after_a_keep_alive_a_failure_is_a_frame(script: Sequence[Step], code: str) -> None:
    async def main() -> None:
        async with gateway(script, limits=Limits(keepalive_s=0.02, first_byte_s=0.3)) as (_, client):
            reply = await client.chat()

            assert (200, code) == (reply.status, error_of(reply)["code"])
            assert await client.is_closed()

    asyncio.run(main())


def test_a_client_that_wants_a_whole_reply_is_told_a_status_however_late() -> None:
    reply = answers([0.1, *plain(b'{"error":"no"}', 500)], stream=False, limits=Limits(keepalive_s=0.02))

    assert (500, b": keep-alive" in reply.body) == (reply.status, False)


# Slow clients


def test_a_client_that_reads_slowly_stops_the_engine_and_loses_nothing(run: Run) -> None:
    """Bounded on our side: what the systems' sockets hold is theirs."""
    texts = [f"{number:06d}" + "x" * 8000 for number in range(4000)]  # 32 MB

    async def main() -> None:
        async with gateway(streamed(*[sse(chunk({"content": text})) for text in texts], said())) as (engine, client):
            client.send_chat()
            await client.head()
            before = -1
            while before != engine.written_bytes:
                before = engine.written_bytes
                await asyncio.sleep(0.1)
            assert before < 16_000_000

            reply = Reply(200, {"content-type": "text/event-stream"}, await whole_body(client), ended=True)
            assert texts == [
                record["choices"][0]["delta"]["content"]
                for record in reply.records()
                if "choices" in record and "content" in record["choices"][0]["delta"]
            ]

    run(main())


async def whole_body(client: Client) -> bytes:
    pieces: list[bytes] = []
    while piece := await client.chunk():
        pieces.append(piece)
    return b"".join(pieces)


def test_a_client_that_reads_nothing_is_given_up(run: Run) -> None:
    endless = [sse(chunk({"content": "x" * 8000}))] * 4000

    async def main() -> None:
        async with gateway(streamed(*endless), limits=Limits(write_stall_s=0.2)) as (engine, client):
            client.send_chat()
            await client.head()
            await engine.left(WITHIN_S)

            async with connected(client.url) as other:  # nobody else is harmed
                engine.answer = streamed(said("ok"))
                assert "ok" == (await other.chat()).text()

    run(main())


def test_a_paused_engine_is_not_taken_for_a_silent_one() -> None:
    """While the client holds everything up neither the engine's deadlines nor keep-alives run."""
    limits = Limits(idle_s=0.4, after_finish_s=0.4, keepalive_s=0.4)
    texts = ["x" * 8000] * 2000

    async def main() -> None:
        async with gateway(streamed(*[sse(chunk({"content": text})) for text in texts], said()), limits=limits) as (
            _,
            client,
        ):
            client.send_chat()
            await client.head()
            await asyncio.sleep(0.9)
            reply = Reply(200, {"content-type": "text/event-stream"}, await whole_body(client), ended=True)

            assert sum(map(len, texts)) == len(reply.text())
            assert b": keep-alive" not in reply.body

    asyncio.run(main())


class Noted:
    """A lane that keeps what it is given."""

    raw = None

    def __init__(self) -> None:
        self.started = False
        self.given = b""

    def start(self, status: int, headers: Headers, /) -> None:
        self.started = True

    def write(self, data: bytes, /) -> None:
        self.given += data

    def end(self, last: bytes = b"", /, *, clean: bool) -> None:
        raise AssertionError

    def cut(self) -> None:
        raise AssertionError


def test_a_client_that_has_just_caught_up_needs_no_keep_alive() -> None:
    """However long it took to read: what was written to it last is on its way."""
    nothing: Any = SimpleNamespace(pause=lambda: None, resume=lambda: None, abort=lambda: None)

    def asked(*given: object) -> Any:
        del given
        return nothing

    upstream: Any = SimpleNamespace(name="u", open=asked)

    async def main() -> None:
        limits = Limits(keepalive_s=10)
        config = UpstreamConfig(name="u", url="http://127.0.0.1:1")
        engine = Engine(config, upstream, dialect("openai"), families_named("off"), limits)
        chat = surface("chat").parse("/v1/chat/completions", {}, chat_body())
        lane, ticker = Noted(), Ticker()
        exchange = Exchange(plan(surface("chat"), engine, chat, "m", limits), lane, limits, ticker)
        exchange.open()
        now_s = asyncio.get_running_loop().time()
        exchange.head(200, [("content-type", "text/event-stream")])
        exchange.data(sse(chunk({"content": "Hel"})))

        exchange.tick(now_s)
        exchange.pause()
        exchange.tick(now_s + 100)
        exchange.resume()
        exchange.tick(now_s + 101)
        assert b"keep-alive" not in lane.given
        exchange.tick(now_s + 110)
        assert b"keep-alive" not in lane.given
        exchange.tick(now_s + 111)
        assert 1 == lane.given.count(b"keep-alive")
        ticker.close()

    asyncio.run(main())
