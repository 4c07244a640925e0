"""Aborting and pausing an exchange at every stage: what the engine sees, and that the pool stays whole."""

from __future__ import annotations

import asyncio

import pytest
from upstream_engine import (
    CHAT,
    CHUNKED_HEAD,
    PLAIN,
    PROMPT_S,
    Acting,
    Engine,
    Log,
    Script,
    always,
    engine_at,
    mute,
    on_each_loop,
    once,
    serving,
)

from headgate.limits import Limits
from headgate.messages import HttpRequest
from headgate.upstream.call import HttpCall
from headgate.upstream.connection import Connection
from headgate.upstream.http import HttpUpstream

STREAMING = CHUNKED_HEAD + b"5\r\nhello\r\n"


@on_each_loop
@pytest.mark.parametrize("raw", [b"", b"HTTP/1.1 200", STREAMING], ids=["waiting", "inside the head", "streaming"])
async def test_abort_closes_the_engines_side_at_once(raw: bytes) -> None:
    """An engine that is not told goes on generating for nobody."""
    async with serving(once(raw)) as (engine, upstream):
        log = Log()
        call = upstream.open(CHAT, log)
        await (log.first if raw == STREAMING else engine.asked).wait()
        await asyncio.sleep(0.02)  # part of a head leaves no trace to wait for
        heard = log.heard.copy()
        call.abort()
        call.abort()
        await asyncio.wait_for(engine.left.wait(), PROMPT_S)

        assert heard == log.heard
        assert "0 in use, 0 kept" in repr(upstream)


@on_each_loop
async def test_abort_while_paused_closes_the_engines_side_at_once() -> None:
    async with serving(once(STREAMING)) as (engine, upstream):
        log = Log()
        call = upstream.open(CHAT, log)
        await log.first.wait()
        call.pause()
        await asyncio.sleep(0.01)
        call.abort()

        await asyncio.wait_for(engine.left.wait(), PROMPT_S)


@on_each_loop
async def test_abort_while_sending_a_big_body_closes_the_engines_side_at_once() -> None:
    """What is still unsent is dropped, not flushed."""
    async with serving(mute) as (engine, upstream):
        call = upstream.open(HttpRequest(path="/", body=bytes(50_000_000)), Log())
        await engine.accepted.wait()
        await asyncio.sleep(0.02)
        call.abort()

        await asyncio.wait_for(engine.left.wait(), PROMPT_S)


@on_each_loop
async def test_abort_before_anything_happened_leaves_nothing() -> None:
    async with serving(always(PLAIN)) as (engine, upstream):
        log = Log()
        upstream.open(CHAT, log).abort()
        await asyncio.sleep(0.05)

        assert ([], []) == (log.heard, engine.requests)
        assert "0 in use, 0 kept" in repr(upstream)


@on_each_loop
async def test_abort_while_connecting_closes_the_socket() -> None:
    """TCP is there, TLS is not: the peer never answers the handshake."""
    async with engine_at(mute) as (engine, port):
        upstream = HttpUpstream("tls", f"https://127.0.0.1:{port}")
        log = Log()
        call = upstream.open(CHAT, log)
        await engine.accepted.wait()
        call.abort()
        await asyncio.wait_for(engine.left.wait(), PROMPT_S)

        assert [] == log.heard
        assert "0 in use, 0 kept" in repr(upstream)


@on_each_loop
@pytest.mark.parametrize(("when", "expected"), [("head", ["head"]), ("data", ["head", "data"])])
async def test_nothing_is_heard_after_an_abort_inside_a_call(when: str, expected: list[str]) -> None:
    """The whole reply may be in one read; what follows in it is not for this receiver any more."""
    async with serving(always(PLAIN)) as (_, upstream):
        log = Acting(when)
        log.act = upstream.open(CHAT, log).abort
        await asyncio.sleep(0.05)

        assert expected == log.heard
        assert "0 in use, 0 kept" in repr(upstream)


@on_each_loop
async def test_a_late_abort_spares_the_connection_that_others_use() -> None:
    """A handle that is over must not touch what has been handed on."""
    async with serving(always(PLAIN)) as (engine, upstream):
        first, second = Log(), Log()
        done = upstream.open(CHAT, first)
        await first.over.wait()
        upstream.open(CHAT, second)
        done.pause()
        done.resume()
        done.abort()
        await second.over.wait()

        assert (b"hello", 1) == (second.body, engine.connections)


@on_each_loop
async def test_a_closing_connection_is_passed_over() -> None:
    """Its end is known to the transport before the pool hears of it."""
    async with serving(always(PLAIN)) as (engine, upstream):
        await upstream.fetch(CHAT)
        next(iter(upstream._pool._kept)).abort()
        reply = await upstream.fetch(CHAT)

        assert (b"hello", 2) == (reply.body, engine.connections)


@on_each_loop
async def test_a_connection_that_is_gone_before_the_request_fails_the_call() -> None:
    """An end that comes with the connection itself must not leave the call waiting."""

    class Gone(Connection):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            self.abort()

    async with serving(always(PLAIN)) as (_, upstream):
        pool, log = upstream._pool, Log()
        call = HttpCall(pool, log, b"", b"")
        await pool._connect(call, Gone(pool.where, 100, pool))

        assert ["failed"] == log.heard
        assert "got a connection that closed at once" in str(log.error)


async def echo(engine: Engine, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send every body back twice, in two packets."""
    while body := await engine.request(reader):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (2 * len(body)) + body)
        await asyncio.sleep(0)
        writer.write(body)


async def ask(upstream: HttpUpstream, number: int) -> None:
    """Ask for an echo; two of three leave after a few turns of the loop."""
    log = Log()
    call = upstream.open(HttpRequest(path="/", body=b"%06d" % number), log)
    for _ in range(number % 13):
        await asyncio.sleep(0)
    if number % 3:
        call.abort()
        return
    await log.over.wait()
    assert (b"%06d" % number * 2, None) == (log.body, log.error)


@on_each_loop
async def test_a_storm_of_aborts_hands_nobody_a_wrong_answer() -> None:
    """Other clients leave dirty connections behind, or a pool that serves nobody any more."""
    async with serving(echo) as (_, upstream):
        for start in range(0, 600, 30):
            await asyncio.gather(*(ask(upstream, start + number) for number in range(30)))

        assert "0 in use" in repr(upstream)
        assert b"000007000007" == (await upstream.fetch(HttpRequest(path="/", body=b"000007"))).body


@on_each_loop
async def test_a_cancelled_fetch_closes_the_engines_side_at_once() -> None:
    async with serving(once()) as (engine, upstream):
        task = asyncio.create_task(upstream.fetch(CHAT))
        await engine.asked.wait()
        task.cancel()
        await asyncio.wait_for(engine.left.wait(), PROMPT_S)

        assert task.cancelled()


# Pausing


def endless(sent: list[int]) -> Script:
    """Send chunks as fast as they are taken, noting each."""

    async def script(engine: Engine, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await engine.request(reader)
        writer.write(CHUNKED_HEAD)
        while True:
            writer.write(b"10000\r\n" + bytes(0x10000) + b"\r\n")
            await writer.drain()
            sent.append(0x10000)

    return script


async def settled(sent: list[int]) -> int:
    """Wait until no more is taken, and return how many chunks were."""
    before = -1
    while before != len(sent):
        before = len(sent)
        await asyncio.sleep(0.1)
    return before


@on_each_loop
async def test_pause_makes_the_engine_wait_and_resume_lets_it_go_on() -> None:
    """Else a client that stops reading fills our memory at the engine's speed."""
    sent: list[int] = []
    async with serving(endless(sent), limits=Limits(idle_s=0.2)) as (_, upstream):
        log = Log()
        call = upstream.open(CHAT, log)
        await log.first.wait()
        call.pause()
        paused_at = await settled(sent)
        pieces = len(log.pieces)
        await asyncio.sleep(0.5)  # longer than idle_s

        assert (paused_at, pieces, None) == (len(sent), len(log.pieces), log.error)

        call.resume()
        while len(sent) < paused_at + 100:  # noqa: ASYNC110 - polled, so that noting stays cheap
            await asyncio.sleep(0.01)
        call.abort()

        assert log.error is None


@on_each_loop
async def test_pause_before_there_is_a_connection_holds_the_reply_back() -> None:
    async with serving(always(PLAIN)) as (_, upstream):
        log = Log()
        call = upstream.open(CHAT, log)
        call.pause()
        await asyncio.sleep(0.1)
        paused = log.heard.copy()
        call.resume()
        await log.over.wait()

        assert ([], b"hello") == (paused, log.body)


@on_each_loop
async def test_a_connection_paused_at_the_end_serves_again() -> None:
    """The pause belonged to the call, not to the connection."""
    async with serving(always(PLAIN)) as (engine, upstream):
        log = Acting("data")
        log.act = upstream.open(CHAT, log).pause
        await log.over.wait()

        assert b"hello" == (await upstream.fetch(CHAT)).body
        assert 1 == engine.connections
