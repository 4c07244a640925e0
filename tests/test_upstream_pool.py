"""`headgate.upstream.pool` and `call`: which connection a call gets, when it is tried again, and every deadline."""

from __future__ import annotations

import asyncio
from functools import partial
from itertools import pairwise
from typing import Any

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
    failure,
    mute,
    on_each_loop,
    once,
    reset,
    serving,
)

from headgate.limits import Limits
from headgate.messages import HttpRequest
from headgate.upstream.base import Call
from headgate.upstream.http import HttpUpstream


@on_each_loop
async def test_a_connection_is_kept_and_the_last_used_is_used_first() -> None:
    """The last used is the least likely to be stale, and after a burst the others may fall idle."""
    async with serving(always(PLAIN)) as (engine, upstream):
        logs = [Log() for _ in range(3)]
        for log in logs:
            upstream.open(CHAT, log)
        for log in logs:
            await log.over.wait()
        kept = list(upstream._pool._kept)
        for _ in range(5):
            await upstream.fetch(CHAT)

        assert 3 == engine.connections
        assert kept == list(upstream._pool._kept)
        assert "0 in use, 3 kept" in repr(upstream)


@on_each_loop
async def test_who_asks_again_before_the_end_is_read_makes_no_connection_each_time() -> None:
    """A client has its whole answer with `[DONE]`, and an engine may write the end of the body later."""
    unended: list[asyncio.StreamWriter] = []

    async def script(engine: Engine, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await engine.request(reader):
            while unended:
                unended.pop().write(b"0\r\n\r\n")
            await asyncio.sleep(0.005)
            writer.write(CHUNKED_HEAD + b"8\r\n[DONE]\n\n\r\n")
            unended.append(writer)

    async with serving(script) as (engine, upstream):
        logs = [Acting("data") for _ in range(10)]
        for log, following in pairwise(logs):
            log.act = partial(upstream.open, CHAT, following)
        upstream.open(CHAT, logs[0])
        await logs[-1].first.wait()

        assert [b"[DONE]\n\n"] * 10 == [log.body for log in logs]
        assert 2 == engine.connections


@on_each_loop
async def test_the_next_request_may_be_opened_at_the_end_of_the_last() -> None:
    async with serving(always(PLAIN)) as (engine, upstream):
        second = Log()
        first = Acting("end")
        first.act = lambda: upstream.open(CHAT, second)
        upstream.open(CHAT, first)
        await second.over.wait()

        assert (b"hello", b"hello", 1) == (first.body, second.body, engine.connections)


@on_each_loop
@pytest.mark.parametrize(
    "raw",
    [
        PLAIN.replace(b"OK", b"OK\r\nConnection: close"),
        PLAIN.replace(b"1.1", b"1.0"),
        PLAIN + b"HTTP/1.1 200",
        PLAIN.replace(b"OK", b"OK\r\nConnection: close") + b"HTTP/1.1 200",
    ],
)
async def test_a_connection_that_cannot_be_trusted_again_is_closed(raw: bytes) -> None:
    async with serving(always(raw)) as (engine, upstream):
        assert b"hello" == (await upstream.fetch(CHAT)).body
        assert b"hello" == (await upstream.fetch(CHAT)).body
        assert 2 == engine.connections


@on_each_loop
async def test_a_reply_before_the_request_is_read_ends_the_connection() -> None:
    """What is left of the request would be read as the next one."""

    async def early(engine: Engine, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        await asyncio.sleep(0.05)
        await engine.wait_left(reader)

    async with serving(early) as (engine, upstream):
        big = HttpRequest(path="/", body=bytes(20_000_000))
        assert 413 == (await upstream.fetch(big)).status
        assert "0 in use, 0 kept" in repr(upstream)
        assert 1 == engine.connections


@on_each_loop
async def test_an_engine_that_will_not_answer_gets_no_more_of_the_request() -> None:
    """It has closed its side, so the rest would be sent for nothing."""
    size = 20_000_000
    read: list[int] = []

    async def half(engine: Engine, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write_eof()
        await asyncio.sleep(0.1)
        try:
            while data := await reader.read(65536):
                read.append(len(data))
        finally:
            engine.left.set()

    async with serving(half) as (engine, upstream):
        error = await failure(upstream, HttpRequest(path="/", body=bytes(size)))
        await asyncio.wait_for(engine.left.wait(), PROMPT_S)

        assert "upstream_truncated" == error.code
        assert sum(read) < size


@on_each_loop
async def test_unasked_bytes_close_a_kept_connection() -> None:
    """Such as a 408 before an idle close: taken for the next reply, it would answer somebody's question."""
    async with serving(always(PLAIN)) as (engine, upstream):
        await upstream.fetch(CHAT)
        engine.writers[0].write(b"HTTP/1.1 408 Timeout\r\nContent-Length: 0\r\n\r\n")
        await asyncio.sleep(0.05)

        assert "0 in use, 0 kept" in repr(upstream)
        assert 200 == (await upstream.fetch(CHAT)).status


@on_each_loop
async def test_a_connection_that_the_engine_closes_is_forgotten() -> None:
    async with serving(always(PLAIN)) as (engine, upstream):
        await upstream.fetch(CHAT)
        engine.writers[0].close()
        await asyncio.sleep(0.05)

        assert "0 in use, 0 kept" in repr(upstream)


@on_each_loop
async def test_an_unused_connection_is_closed_in_time() -> None:
    async with serving(always(PLAIN), limits=Limits(pool_idle_s=0.1)) as (_, upstream):
        await upstream.fetch(CHAT)
        assert "0 in use, 1 kept" in repr(upstream)
        await asyncio.sleep(0.3)

        assert "0 in use, 0 kept" in repr(upstream)


# A stale connection is tried again


def stale(connections: int, *, by_reset: bool = False, answer: bytes = b"") -> Script:
    """Answer a connection's first request, break it at the second; after so many connections break every one."""

    async def script(engine: Engine, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await engine.request(reader)
        if engine.connections <= connections:
            writer.write(PLAIN)
            await engine.request(reader)
            writer.write(answer)
        if by_reset:
            reset(writer)

    return script


@on_each_loop
@pytest.mark.parametrize("by_reset", [False, True])
async def test_a_stale_connection_is_retried_once_on_a_new_one(by_reset: bool) -> None:  # noqa: FBT001 - a table
    """The engine closed it while the request was under way."""
    async with serving(stale(2, by_reset=by_reset)) as (engine, upstream):
        assert b"hello" == (await upstream.fetch(CHAT)).body
        assert b"hello" == (await upstream.fetch(CHAT)).body
        assert (3, 2) == (len(engine.requests), engine.connections)


@on_each_loop
async def test_a_new_connection_that_closes_is_not_retried() -> None:
    """A request that the engine may have seen is not sent again: it may be what makes it crash."""
    async with serving(stale(1)) as (engine, upstream):
        await upstream.fetch(CHAT)
        error = await failure(upstream)  # stale, then closed again

        assert ("upstream_truncated", 3) == (error.code, len(engine.requests))
        assert "got nothing, then it closed the connection" in error.message


@on_each_loop
async def test_a_kept_connection_that_breaks_inside_the_head_is_not_retried() -> None:
    async with serving(stale(1, answer=b"HTTP/1.1 200 OK\r\n")) as (engine, upstream):
        await upstream.fetch(CHAT)
        error = await failure(upstream)

        assert ("upstream_truncated", 2) == (error.code, len(engine.requests))


# Deadlines


@on_each_loop
async def test_a_connection_that_is_not_made_in_time_fails() -> None:
    """A name server or a handshake may hang for minutes."""
    async with engine_at(mute) as (engine, port):
        upstream = HttpUpstream("tls", f"https://127.0.0.1:{port}", limits=Limits(connect_s=0.1))
        error = await asyncio.wait_for(failure(upstream), PROMPT_S)
        await asyncio.wait_for(engine.left.wait(), PROMPT_S)

        assert "upstream_timeout" == error.code
        assert f"a connection to 127.0.0.1:{port} within 0.1 s (limits.connect_s), got none" in error.message


@on_each_loop
@pytest.mark.parametrize("pieces", [(), (b"HTTP/1.1 200 OK\r\n",), (CHUNKED_HEAD,), (CHUNKED_HEAD, b"5;x=y\r\n")])
async def test_a_reply_whose_body_does_not_begin_in_time_fails(pieces: tuple[bytes, ...]) -> None:
    """A head alone is no sign of life: uvicorn sends it before the prompt is read."""
    async with serving(once(*pieces), limits=Limits(first_byte_s=0.2, idle_s=0.04)) as (engine, upstream):
        started_s = asyncio.get_running_loop().time()
        error = await asyncio.wait_for(failure(upstream), PROMPT_S)
        waited_s = asyncio.get_running_loop().time() - started_s
        await asyncio.wait_for(engine.left.wait(), PROMPT_S)

        assert "upstream_timeout" == error.code
        assert "within 0.2 s (limits.first_byte_s), got none" in error.message
        assert waited_s >= 0.199  # uvloop counts milliseconds


@on_each_loop
async def test_silence_inside_a_reply_fails_but_slowness_does_not() -> None:
    async def slow(engine: Engine, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await engine.request(reader)
        writer.write(CHUNKED_HEAD)
        for _ in range(8):
            writer.write(b"1\r\nx\r\n")
            await asyncio.sleep(0.1)
        await engine.wait_left(reader)

    async with serving(slow, limits=Limits(first_byte_s=0.5, idle_s=0.5)) as (_, upstream):
        log = Log()
        upstream.open(CHAT, log)
        await asyncio.wait_for(log.over.wait(), PROMPT_S + 2)

        assert (b"x" * 8, ["head", "failed"]) == (log.body, [word for word in log.heard if word != "data"])
        assert log.error is not None
        assert "upstream_timeout" == log.error.code
        assert "got 0.5 s (limits.idle_s) of silence" in log.error.message


@on_each_loop
@pytest.mark.parametrize("raw", [b"", CHUNKED_HEAD + b"1\r\nx\r\n"], ids=["waiting", "streaming"])
async def test_the_wait_begins_anew_after_a_pause(raw: bytes) -> None:
    """The silence of a pause is ours, not the engine's."""
    async with serving(once(raw), limits=Limits(first_byte_s=0.3, idle_s=0.3)) as (engine, upstream):
        log = Log()
        call = upstream.open(CHAT, log)
        await (log.first if raw else engine.asked).wait()
        call.pause()
        await asyncio.sleep(0.6)
        paused = log.error
        resumed_s = asyncio.get_running_loop().time()
        call.resume()
        await asyncio.wait_for(log.over.wait(), PROMPT_S)

        assert paused is None
        assert asyncio.get_running_loop().time() - resumed_s >= 0.29


@on_each_loop
async def test_a_request_is_not_kept_while_its_reply_is_read() -> None:
    """A prompt may be long, and so may its reply."""
    raw = CHUNKED_HEAD + b"5\r\nhello\r\n"
    async with serving(once(raw), limits=Limits(idle_s=0.2)) as (_, upstream):
        log = Log()
        call: Any = upstream.open(CHAT, log)
        await log.first.wait()
        assert CHAT.body == call._body
        await asyncio.sleep(0.1)

        assert (b"", b"") == (call._head, call._body)
        call.abort()


@on_each_loop
async def test_a_pause_does_not_stop_the_clock_of_connecting() -> None:
    async with engine_at(mute) as (_, port):
        upstream = HttpUpstream("tls", f"https://127.0.0.1:{port}", limits=Limits(connect_s=0.1))
        log = Log()
        upstream.open(CHAT, log).pause()
        await asyncio.wait_for(log.over.wait(), PROMPT_S)

        assert "limits.connect_s" in str(log.error)


@on_each_loop
async def test_one_timer_serves_all_calls_and_none_is_left() -> None:
    """A timer per chunk, or per call, would be the dearest thing on the hot path."""
    async with serving(always(PLAIN), limits=Limits(pool_idle_s=0.1)) as (_, upstream):
        logs = [Log() for _ in range(10)]
        calls: list[Call] = []
        timers: set[object] = set()
        for log in logs:
            calls.append(upstream.open(CHAT, log))
            timers.add(upstream._pool._timer)
        for log in logs:
            await log.over.wait()
        await asyncio.sleep(0.3)

        assert 1 == len(timers)
        assert upstream._pool._timer is None
