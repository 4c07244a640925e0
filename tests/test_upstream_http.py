"""`headgate.upstream.http` on real sockets: every framing, TLS, and what each fault is called.

Keeping connections and deadlines are in `test_upstream_pool.py`, aborting and pausing in `test_upstream_cancel.py`.
"""

from __future__ import annotations

import asyncio
import socket
import ssl

import pytest
import trustme
from upstream_engine import (
    CHAT,
    CHUNKED_HEAD,
    PLAIN,
    PROMPT_S,
    Engine,
    Log,
    always,
    engine_at,
    failure,
    on_each_loop,
    once,
    reset,
    serving,
)

from headgate.errors import UpstreamError, UsageError
from headgate.limits import Limits
from headgate.messages import HttpRequest
from headgate.upstream.base import Reply
from headgate.upstream.http import HttpUpstream

FRAMINGS = {
    "length": (PLAIN, False),
    "chunked": (CHUNKED_HEAD + b"2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nTrailer: 1\r\n\r\n", False),
    "continued": (b"HTTP/1.1 100 Continue\r\n\r\n" + PLAIN, False),
    "closed": (b"HTTP/1.1 200 OK\r\n\r\nhello", True),
    "mlx-lm": (b"HTTP/1.0 200 OK\r\nContent-Type: text/event-stream\r\n\r\nhello", True),
}


@on_each_loop
@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("split", ["whole", "bytes"])
async def test_every_framing_gives_the_same_reply(framing: str, split: str) -> None:
    raw, close = FRAMINGS[framing]
    pieces = [raw] if split == "whole" else [raw[at : at + 1] for at in range(len(raw))]
    async with serving(always(*pieces, close=close)) as (_, upstream):
        log = Log()
        upstream.open(CHAT, log)
        await log.over.wait()

        assert (200, b"hello", None) == (log.status, log.body, log.error)
        assert ["head", "data", "end"] == list(dict.fromkeys(log.heard))


@on_each_loop
async def test_a_close_delimited_body_ends_at_close() -> None:
    """mlx-lm answers in HTTP/1.0; only the dialect can tell whether its stream is whole."""
    async with serving(always(b"HTTP/1.0 200 OK\r\n\r\n", b"hel", b"lo", close=True)) as (engine, upstream):
        log = Log()
        upstream.open(CHAT, log)
        await log.over.wait()

        assert (b"hello", "end", 1) == (log.body, log.heard[-1], engine.connections)


@on_each_loop
@pytest.mark.parametrize("status", [204, 304])
async def test_a_reply_without_body_ends_with_its_head(status: int) -> None:
    async with serving(always(b"HTTP/1.1 %d x\r\n\r\n" % status)) as (engine, upstream):
        assert Reply(status, (), b"") == await upstream.fetch(CHAT)
        await upstream.fetch(CHAT)

        assert 1 == engine.connections


@on_each_loop
async def test_one_read_is_one_data() -> None:
    """However many chunks a read holds, the exchange writes once."""
    async with serving(always(CHUNKED_HEAD + b"1\r\nx\r\n" * 1000 + b"0\r\n\r\n")) as (_, upstream):
        log = Log()
        upstream.open(CHAT, log)
        await log.over.wait()

        assert (["head", "data", "end"], b"x" * 1000) == (log.heard, log.body)


@on_each_loop
async def test_a_redirect_is_only_a_status() -> None:
    """Following one would send the request, and the key, to somebody else."""
    moved = b"HTTP/1.1 307 Moved\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"
    async with serving(always(moved)) as (engine, upstream):
        reply = await upstream.fetch(CHAT)

        assert (307, 1) == (reply.status, len(engine.requests))


@on_each_loop
async def test_nothing_is_decompressed() -> None:
    """A compressed megabyte may unfold to a gigabyte."""
    raw = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x08\x00"
    async with serving(always(raw)) as (engine, upstream):
        assert b"\x1f\x8b\x08\x00" == (await upstream.fetch(CHAT)).body
        assert b"\r\naccept-encoding: identity\r\n" in engine.requests[0]


@on_each_loop
async def test_the_request_arrives_as_it_was_given() -> None:
    """A big body too, which goes out in pieces while nobody reads it yet."""
    big = HttpRequest(path="/v1/embeddings?x=1", body=b"y" * 3_000_000)
    async with serving(always(PLAIN), prefix="/up/") as (engine, upstream):
        assert b"hello" == (await upstream.fetch(big)).body
        assert engine.requests[0].startswith(b"POST /up/v1/embeddings?x=1 HTTP/1.1\r\nhost: 127.0.0.1:")
        assert engine.requests[0].endswith(b"\r\n\r\n" + big.body)


@on_each_loop
async def test_small_writes_are_sent_at_once() -> None:
    """Without TCP_NODELAY a request in two segments waits 40 ms for the first one's acknowledgement."""
    async with serving(once()) as (engine, upstream):
        upstream.open(CHAT, Log())
        await engine.asked.wait()
        (call,) = upstream._pool._calls
        assert call._connection is not None
        assert call._connection._transport is not None
        sock = call._connection._transport.get_extra_info("socket")

        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@on_each_loop
async def test_open_never_calls_before_it_returns() -> None:
    async with serving(always(PLAIN)) as (_, upstream):
        for _ in range(2):  # on a new connection, then on a kept one
            log = Log()
            upstream.open(CHAT, log)
            heard = log.heard.copy()
            await log.over.wait()

            assert [] == heard


# Faults


@on_each_loop
@pytest.mark.parametrize(
    ("raw", "body", "got"),
    [
        (b"", b"", "got nothing, then it closed the connection"),
        (b"HTTP/1.1 200 OK\r\nCont", b"", "got part of a response head, then it closed"),
        (PLAIN[:-1], b"hell", "got 4 of 5 body bytes, then it closed"),
        (CHUNKED_HEAD + b"5\r\nhello\r\n", b"hello", "got 5 body bytes and no last chunk, then it closed"),
        (CHUNKED_HEAD + b"5\r\nhell", b"hell", "got 4 body bytes and no last chunk, then it closed"),
    ],
)
async def test_a_reply_that_ends_early_is_truncated(raw: bytes, body: bytes, got: str) -> None:
    async with serving(always(raw, close=True)) as (_, upstream):
        log = Log()
        upstream.open(CHAT, log)
        await log.over.wait()

        assert (body, "failed", 1) == (log.body, log.heard[-1], log.heard.count("failed"))
        assert log.error is not None
        assert ("upstream_truncated", True) == (log.error.code, log.error.retryable)
        assert got in log.error.message


@on_each_loop
async def test_a_reset_is_never_an_end() -> None:
    """Not even of a body that ends at close: a crashed engine resets."""

    async def crash(engine: Engine, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await engine.request(reader)
        writer.write(b"HTTP/1.0 200 OK\r\n\r\nhello")
        await asyncio.sleep(0.05)
        reset(writer)

    async with serving(crash) as (_, upstream):
        error = await failure(upstream)

        assert "upstream_truncated" == error.code
        assert "got 5 body bytes, then it reset the connection" in error.message


@on_each_loop
async def test_what_is_not_http_is_a_protocol_error() -> None:
    async with serving(always(b"SSH-2.0-OpenSSH_9.2\r\n")) as (_, upstream):
        error = await failure(upstream)

        assert ("upstream_protocol", False) == (error.code, error.retryable)
        assert "Check the URL's scheme (http or https) and port" in error.message
        assert "0 in use, 0 kept" in repr(upstream)


def head_of(head_bytes: int) -> bytes:
    start = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: "
    return start + b"x" * (head_bytes - len(start) - 4) + b"\r\n\r\n"


@on_each_loop
async def test_a_head_of_64_kib_is_read_and_one_byte_more_is_not() -> None:
    limit = Limits().head_bytes_max
    async with serving(always(head_of(limit) + b"hello")) as (_, upstream):
        assert b"hello" == (await upstream.fetch(CHAT)).body
    async with serving(always(head_of(limit + 1) + b"hello")) as (_, upstream):
        error = await failure(upstream)

        assert "upstream_protocol" == error.code
        assert "a response head of more than 65,536 bytes (limits.head_bytes_max)" in error.message


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@on_each_loop
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_refused_connection_names_the_place_and_the_next_step(host: str) -> None:
    """The error that everybody meets first; a name may have two addresses, each of which refuses."""
    port = free_port()
    error = await failure(HttpUpstream("engine", f"http://{host}:{port}/secret", headers=[("x", "secret")]))
    expected = f"nothing listens at {host}:{port} (connection refused). Start the engine, or correct the URL."

    assert f"upstream_connect: {expected}" == str(error)
    assert error.retryable


@on_each_loop
@pytest.mark.parametrize("host", ["engine.invalid", "a..b"])
async def test_an_unknown_name_is_named(host: str) -> None:
    error = await failure(HttpUpstream("engine", f"http://{host}:1"))

    assert "upstream_connect" == error.code
    assert f"no address is known for {host} (" in error.message


@on_each_loop
async def test_no_error_repeats_a_key_or_a_path() -> None:
    async with serving(once()) as (engine, upstream):
        request = HttpRequest(path="/v1?key=secret", headers=(("x", "secret"),), body=b"secret")
        log = Log()
        upstream.open(request, log)
        await engine.asked.wait()
        await upstream.close()

        assert "secret" not in str(log.error)


@on_each_loop
@pytest.mark.parametrize(
    "request_", [HttpRequest(path="/\r\nx: y"), HttpRequest(path="/", headers=(("x", "a\r\nb: c"),))]
)
async def test_a_bad_request_is_refused_before_anything_is_sent(request_: HttpRequest) -> None:
    async with serving(always(PLAIN)) as (engine, upstream):
        with pytest.raises(UsageError):
            upstream.open(request_, Log())
        with pytest.raises(UsageError):
            await upstream.fetch(request_)

        assert "0 in use, 0 kept" in repr(upstream)
        assert [] == engine.requests


# Fetching and closing


@on_each_loop
async def test_fetch_returns_the_whole_reply() -> None:
    raw = b"HTTP/1.1 503 Busy\r\nRetry-After: 3\r\nContent-Length: 2\r\n\r\n{}"
    async with serving(always(raw)) as (engine, upstream):
        expected = Reply(503, (("retry-after", "3"), ("content-length", "2")), b"{}")
        request = HttpRequest(method="POST", path="/v1/models", body=b"{}")

        assert expected == await upstream.fetch(request)
        assert 1 == len(engine.requests)


@on_each_loop
async def test_fetch_reads_up_to_its_limit() -> None:
    async with serving(always(PLAIN), limits=Limits(body_bytes_max=5)) as (_, upstream):
        assert b"hello" == (await upstream.fetch(CHAT)).body
    async with serving(always(PLAIN), limits=Limits(body_bytes_max=4)) as (_, upstream):
        with pytest.raises(UpstreamError, match=r"at most 4 bytes, got more") as raised:
            await upstream.fetch(CHAT)

        assert ("body_too_large", 502) == (raised.value.code, raised.value.status)


@on_each_loop
async def test_fetch_raises_what_failed() -> None:
    async with serving(always(PLAIN[:-1], close=True)) as (_, upstream):
        with pytest.raises(UpstreamError, match="upstream_truncated"):
            await upstream.fetch(CHAT)


@on_each_loop
async def test_close_fails_calls_in_use_and_closes_what_is_kept() -> None:
    """Nobody is left waiting: each exchange still gets its one end."""

    async def second_hangs(engine: Engine, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await (always(PLAIN) if engine.connections == 1 else once())(engine, reader, writer)

    async with serving(second_hangs) as (engine, upstream):
        logs = [Log(), Log(), Log()]
        upstream.open(CHAT, logs[0])
        upstream.open(CHAT, logs[1])
        await logs[0].over.wait()
        upstream._pool.forget(kept := next(iter(upstream._pool._kept)))
        upstream.open(CHAT, logs[2])  # still connecting
        upstream._pool.keep(kept)
        await upstream.close()
        await asyncio.wait_for(engine.left.wait(), PROMPT_S)

        assert [["head", "data", "end"], ["failed"], ["failed"]] == [log.heard for log in logs]
        assert "the upstream engine was closed here" in str(logs[1].error)
        with pytest.raises(UsageError, match="is closed"):
            upstream.open(CHAT, Log())


# TLS


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def certified(authority: trustme.CA, name: str = "127.0.0.1") -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@on_each_loop
@pytest.mark.parametrize("framing", FRAMINGS)
async def test_tls_carries_every_framing(authority: trustme.CA, framing: str) -> None:
    raw, close = FRAMINGS[framing]
    async with engine_at(always(raw, close=close), certified(authority)) as (engine, port):
        upstream = HttpUpstream("tls", f"https://127.0.0.1:{port}", ssl_context=trusting(authority))
        assert b"hello" == (await upstream.fetch(CHAT)).body
        assert b"hello" == (await upstream.fetch(CHAT)).body
        await upstream.close()

        assert (2 if close else 1) == engine.connections


@on_each_loop
async def test_an_abort_reaches_the_engine_through_tls(authority: trustme.CA) -> None:
    raw = CHUNKED_HEAD + b"5\r\nhello\r\n"
    async with engine_at(once(raw), certified(authority)) as (engine, port):
        upstream = HttpUpstream("tls", f"https://127.0.0.1:{port}", ssl_context=trusting(authority))
        log = Log()
        call = upstream.open(CHAT, log)
        await log.first.wait()
        call.abort()
        await asyncio.wait_for(engine.left.wait(), PROMPT_S)
        await upstream.close()

        assert ["head", "data"] == log.heard


@on_each_loop
async def test_a_certificate_of_an_unknown_authority_is_refused(authority: trustme.CA) -> None:
    async with engine_at(always(PLAIN), certified(authority)) as (engine, port):
        error = await failure(HttpUpstream("tls", f"https://127.0.0.1:{port}"))

        assert "upstream_connect" == error.code
        assert f"127.0.0.1:{port} is not trusted (" in error.message
        assert [] == engine.requests


@on_each_loop
async def test_a_certificate_for_another_name_is_refused(authority: trustme.CA) -> None:
    async with engine_at(always(PLAIN), certified(authority, "other.example")) as (engine, port):
        error = await failure(HttpUpstream("tls", f"https://127.0.0.1:{port}", ssl_context=trusting(authority)))

        assert "is not trusted (" in error.message
        assert [] == engine.requests


@on_each_loop
async def test_https_towards_plain_http_is_told() -> None:
    async def plain(_: Engine, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

    async with engine_at(plain) as (_, port):
        error = await failure(HttpUpstream("tls", f"https://127.0.0.1:{port}"))

        assert "upstream_connect" == error.code
        assert f"no TLS with 127.0.0.1:{port} (" in error.message
        assert "Does it speak plain http?" in error.message
