"""A client's connection holds little, and leaves nothing; what it knows of a head, others with that head know."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, NamedTuple

import pytest
from loops import Run
from raw_http import WITHIN_S, Client, Reply, chat_body, connected, served
from test_gateway_repeating import CHAT, KEY, OTHER_KEY, ask, config_of, request_of, shown, until

from headgate.gateway import Gateway, create_app
from headgate.gateway.repeating import Repeating
from headgate.testing.fake_engine import HANG, Answer, FakeEngine, chunk, said, sse, streamed

OURS = ("headgate.gateway", "uvicorn", "httptools")


class Stage(NamedTuple):
    """A gateway whose connections can be looked at."""

    app: Gateway
    engine: FakeEngine
    url: str
    connections: list[Repeating]

    @property
    def known(self) -> int:
        """How many heads are known."""
        return len(self.connections[0].known)

    async def first(self, raw: bytes) -> Reply:
        """The reply to the first request of a connection, which is closed afterwards."""
        async with connected(self.url) as client:
            return await ask(client, raw)

    async def closed(self, left: int = 0) -> None:
        """Wait until no more than `left` connections are open."""
        await until(lambda: len(self.connections[0].server_state.connections) == left)


@asynccontextmanager
async def staged(monkeypatch: pytest.MonkeyPatch, answer: Answer, **config: Any) -> AsyncGenerator[Stage]:
    connections: list[Repeating] = []
    original = Repeating.connection_made

    def noted(self: Repeating, transport: asyncio.Transport) -> None:
        connections.append(self)
        original(self, transport)

    monkeypatch.setattr(Repeating, "connection_made", noted)
    async with FakeEngine(answer) as engine:
        app = create_app(config_of(engine.url, **config))
        async with served(app) as url:
            yield Stage(app, engine, url, connections)


@contextmanager
def parses(monkeypatch: pytest.MonkeyPatch) -> Generator[list[int]]:
    """How many heads are parsed meanwhile."""
    parsed: list[int] = []
    original = Repeating.on_headers_complete

    def noted(self: Repeating) -> None:
        parsed.append(1)
        original(self)

    with monkeypatch.context() as patched:
        patched.setattr(Repeating, "on_headers_complete", noted)
        yield parsed


# What is known of a head


@pytest.mark.parametrize("in_pieces", [False, True])
def test_the_first_request_of_another_connection_with_the_same_head_is_not_parsed_and_answered_the_same(
    run: Run, monkeypatch: pytest.MonkeyPatch, *, in_pieces: bool
) -> None:
    body = chat_body(user="x" * 1000)

    async def main() -> None:
        async with (
            staged(monkeypatch, streamed(said("hi")), api_keys=(KEY,)) as stage,
            connected(stage.url) as client,
            connected(stage.url) as second,
        ):
            first = await ask(client, request_of(CHAT))
            with parses(monkeypatch) as parsed:
                other = await ask(second, request_of(body), in_two=in_pieces)

            assert shown(first) == shown(other)
            assert first.headers["x-request-id"] != other.headers["x-request-id"]
            assert [] == parsed
            assert "x" * 1000 == stage.engine.asked[1].json()["user"]
            assert 1 == stage.known

    run(main())


def test_another_head_is_parsed(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with (
            staged(monkeypatch, streamed(said("hi")), api_keys=(KEY, OTHER_KEY)) as stage,
            connected(stage.url) as client,
        ):
            await ask(client, request_of(CHAT))
            with parses(monkeypatch) as parsed:
                wrong = await stage.first(request_of(CHAT, x_api_key="sk-wrong"))
                other = await stage.first(request_of(CHAT, x_api_key=OTHER_KEY))

            assert (401, 200) == (wrong.status, other.status)
            assert 2 == len(parsed)

    run(main())


def test_a_head_is_forgotten_when_the_last_connection_that_has_it_is_closed(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with staged(monkeypatch, streamed(said("hi"))) as stage:
            async with connected(stage.url) as client:
                await ask(client, request_of(CHAT))
                await stage.first(request_of(CHAT))
                await stage.closed(left=1)
                stage.connections[1:] = []
                assert 1 == stage.known
            await stage.closed()
            known = stage.connections[0].known
            stage.connections.clear()

            assert 0 == len(known)

    run(main())


def test_no_decision_outlives_a_reload_on_any_connection(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with (
            staged(monkeypatch, streamed(said("hi")), api_keys=(KEY,)) as stage,
            connected(stage.url) as client,
            connected(stage.url) as second,
        ):
            before = [(await ask(one, request_of(CHAT))).status for one in (client, second)]
            stage.app.reload(config_of(stage.engine.url, api_keys=(OTHER_KEY,)))
            new = (await stage.first(request_of(CHAT))).status
            after = [(await ask(one, request_of(CHAT))).status for one in (client, second)]
            stage.app.reload(config_of(stage.engine.url, api_keys=(KEY,)))
            with parses(monkeypatch) as parsed:
                again = [(await ask(one, request_of(CHAT))).status for one in (client, second)]

            assert ([200, 200], 401, [401, 401], [200, 200]) == (before, new, after, again)
            assert 1 == len(parsed)  # what was decided anew holds for both

    run(main())


# What a connection holds


def test_a_stream_holds_no_parser_no_cycle_and_no_flow_of_uvicorns(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        begun = sse(chunk({"content": "Hel"}))
        async with staged(monkeypatch, streamed(begun, HANG)) as stage, connected(stage.url) as client:
            client.writer.write(request_of(CHAT))
            await client.head()
            connection = stage.connections[0]

            assert (None, None, ()) == (connection.parser, connection.flow, connection.waiting)
            assert "Turn" == type(connection.answering).__name__
            assert not hasattr(connection, "__dict__")
            assert 400 > sys.getsizeof(connection)

    run(main())


async def asks_twice(client: Client) -> None:
    await client.chat()
    await client.chat()


async def asks_for_a_whole_reply(client: Client) -> None:
    await client.chat(stream=False)


async def asks_in_two(client: Client) -> None:
    await ask(client, request_of(CHAT, x_two="1"), in_two=True)


async def asks_for_a_page(client: Client) -> None:
    await client.ask("GET", "/health")


async def asks_at_once(client: Client) -> None:
    client.send_chat()
    client.send("GET", "/health")
    await client.reply()
    await client.reply()


async def asks_and_goes(client: Client) -> None:
    client.send_chat()
    await client.head()
    client.vanish()


async def is_refused(client: Client) -> None:
    client.writer.write(b"nonsense\r\n\r\n")
    await client.reply()


async def stops_in_a_head(client: Client) -> None:
    client.writer.write(b"GET /he")
    await asyncio.sleep(0.01)


async def stops_in_a_body(client: Client) -> None:
    await ask(client, request_of(CHAT))
    client.writer.write(request_of(CHAT)[:-1])
    await asyncio.sleep(0.01)


async def says_nothing(client: Client) -> None:
    del client


@pytest.mark.parametrize(
    "play",
    [
        asks_twice,
        asks_for_a_whole_reply,
        asks_in_two,
        asks_for_a_page,
        asks_at_once,
        asks_and_goes,
        is_refused,
        stops_in_a_head,
        stops_in_a_body,
        says_nothing,
    ],
)
def test_a_connection_leaves_nothing_to_the_garbage_collector(
    run: Run, monkeypatch: pytest.MonkeyPatch, play: Callable[[Client], Awaitable[None]]
) -> None:
    async def main() -> None:
        async with staged(monkeypatch, streamed(said("hi"))) as stage:

            async def once() -> None:
                async with connected(stage.url) as client:
                    async with asyncio.timeout(WITHIN_S):
                        await play(client)
                await stage.closed()
                await asyncio.sleep(0.01)  # tasks that end with their client

            await once()
            state = stage.connections[0].server_state
            assert not state.tasks
            stage.connections[1:] = []
            with collected() as garbage:
                await once()
                stage.connections[1:] = []

            assert [] == garbage

    run(main())


@contextmanager
def collected() -> Generator[list[str]]:
    """The kinds of objects of ours, and of uvicorn's and llhttp's, that only the garbage collector frees."""
    found: list[str] = []
    gc.collect()
    gc.disable()
    try:
        yield found
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        kinds = [f"{type(one).__module__}.{type(one).__name__}" for one in gc.garbage]
        found += [kind for kind in kinds if kind.startswith(OURS)]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
