"""The scripted engine does what its script says, to the byte."""

from __future__ import annotations

import asyncio

import pytest
from raw_http import connected

from headgate.conform import check_stream
from headgate.testing.fake_engine import (
    CLOSE,
    CUT,
    HANG,
    FakeEngine,
    chunk,
    head,
    plain,
    said,
    sse,
    streamed,
    until_close,
)


def test_a_request_is_recorded_as_it_came_and_answered_by_the_script() -> None:
    async def main() -> None:
        async with FakeEngine(plain(b'{"ok":1}', 201, x_extra="yes")) as engine, connected(engine.url) as client:
            reply = await client.ask("POST", "/path?q", b'{"a": 1}', x_mine="1")

            assert (201, {"ok": 1}, "yes") == (reply.status, reply.json(), reply.headers["x-extra"])
            asked = engine.asked[0]
            assert ("POST", "/path?q", "1", {"a": 1}) == (
                asked.method,
                asked.path,
                asked.headers["x-mine"],
                asked.json(),
            )

    asyncio.run(main())


def test_the_answer_may_depend_on_the_request() -> None:
    async def main() -> None:
        async with FakeEngine(lambda asked: plain(asked.path.encode())) as engine, connected(engine.url) as client:
            assert [b"/a", b"/b"] == [(await client.ask("GET", path)).body for path in ("/a", "/b")]
            assert 1 == engine.connections

    asyncio.run(main())


def test_a_request_in_pieces_and_two_in_one_are_requests() -> None:
    async def main() -> None:
        async with FakeEngine(plain(b"x")) as engine, connected(engine.url) as client:
            for piece in (b"POST / HTTP/1.1\r\ncontent-", b"length: 3\r\n\r\n", b"ab"):
                client.writer.write(piece)
                await asyncio.sleep(0.01)
            assert [] == engine.asked
            client.writer.write(b"cGET /next HTTP/1.1\r\n\r\n")

            assert [b"x", b"x"] == [(await client.reply()).body, (await client.reply()).body]
            assert ([b"abc", b""], "/next") == ([asked.body for asked in engine.asked], engine.asked[1].path)

    asyncio.run(main())


def test_pieces_are_written_apart_and_a_number_waits() -> None:
    async def main() -> None:
        async with FakeEngine(streamed(b"one", 0.05, b"two")) as engine, connected(engine.url) as client:
            client.send("GET", "/")
            await client.head()
            assert b"one" == await client.chunk()
            written = engine.written_bytes
            assert b"two" == await client.chunk()
            assert written < engine.written_bytes

    asyncio.run(main())


def test_an_event_waits_for_the_test() -> None:
    async def main() -> None:
        go_on = asyncio.Event()
        async with FakeEngine(streamed(go_on, b"done")) as engine, connected(engine.url) as client:
            client.send("GET", "/")
            await client.head()
            assert not await client.is_closed(0.02)
            go_on.set()
            assert b"done" == await client.chunk()

    asyncio.run(main())


def test_close_comes_after_everything_and_cut_is_a_reset() -> None:
    async def main() -> None:
        async with FakeEngine(until_close(b"x" * 100_000)) as engine, connected(engine.url) as client:
            client.send("GET", "/")
            await client.head()
            assert 100_000 == len(await client.reader.read())
        async with FakeEngine([head(), CUT]) as engine, connected(engine.url) as client:
            client.send("GET", "/")
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                await client.reader.readexactly(1000)

    asyncio.run(main())


@pytest.mark.parametrize("waiting", [HANG, 60.0, asyncio.Event])
def test_a_client_that_leaves_is_noticed_whatever_the_script_waits_for(waiting: object) -> None:
    async def main() -> None:
        step = waiting() if waiting is asyncio.Event else waiting
        async with FakeEngine([head(), step, b"never"]) as engine:  # type: ignore[list-item]  # of three types
            async with connected(engine.url) as client:
                client.send("GET", "/")
                await client.head()
                assert 1 == engine.open_connections
            await engine.left()

            assert (0, len(head())) == (engine.open_connections, engine.written_bytes)

    asyncio.run(main())


def test_nobody_who_left_is_a_timeout() -> None:
    async def main() -> None:
        async with FakeEngine([HANG]) as engine:
            with pytest.raises(TimeoutError):
                await engine.left(0.01)

    asyncio.run(main())


def test_it_ends_with_clients_in_the_middle_of_a_script() -> None:
    async def main() -> None:
        async with FakeEngine([60.0]) as engine:
            reader, writer = await asyncio.open_connection(*engine.url.removeprefix("http://").split(":"))
            writer.write(b"GET / HTTP/1.1\r\n\r\n")
            await asyncio.sleep(0.01)
        assert b"" == await reader.read()
        writer.close()

    asyncio.run(main())


def test_its_streams_are_streams_that_engines_send() -> None:
    assert b'data: {"a": 1}\n\ndata: [DONE]\n\n' == sse({"a": 1}, done=True)
    assert b"data: verbatim\n\n" == sse("verbatim")
    assert said("x").count(b"data: ") == 4
    assert [] != check_stream(said("x"))  # an engine's stream, not ours: role and content in one chunk
    assert {"timings": {}} == {key: value for key, value in chunk(timings={}).items() if key == "timings"}
    assert CLOSE is until_close()[-1]
