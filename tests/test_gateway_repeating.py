"""A head that comes again on its connection: its request goes the short way, and nobody can tell by what comes back."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from loops import Run
from raw_http import WITHIN_S, Client, Reply, chat_body, connected, served

from headgate.config import Config, UpstreamConfig
from headgate.gateway import Gateway, again, create_app
from headgate.gateway.again import KnownHead, KnownHeads
from headgate.gateway.policy import MemoryPolicy, Outcome
from headgate.gateway.repeating import Repeating
from headgate.gateway.server import listen, make_server, url_of
from headgate.limits import Limits
from headgate.testing.fake_engine import HANG, Answer, FakeEngine, chunk, plain, said, sse, streamed

KEY, OTHER_KEY, PAGE = "sk-of-the-short-way", "sk-of-later", "https://chat.example"
_CHANGING = re.compile(rb"(req_|chatcmpl-|msg_)\w+|(?<=overhead-us: )\d+|(?<=created\":)\d+|(?<=date: )[^\r]+")
"""What differs between two replies to one request: ids and times."""


@pytest.fixture
def ways(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which way each request to an exchange took, in their order: a task's, parsed without one, or not even parsed."""
    taken: list[str] = []

    def noting(of: type, name: str, way: str) -> None:
        original = getattr(of, name)

        def noted(self: Any, *given: Any) -> Any:
            result = original(self, *given)
            if result:
                taken.append(way)
            return result

        monkeypatch.setattr(of, name, noted)

    noting(Repeating, "_takes", "plain")
    noting(Repeating, "_repeats", "known")
    noting(Gateway, "_exchange", "task")  # a coroutine
    return taken


class Stage(NamedTuple):
    """A gateway, its engine, and a client whose first request has been answered."""

    app: Gateway
    engine: FakeEngine
    policy: MemoryPolicy
    client: Client


def config_of(url: str, **more: Any) -> Config:
    return Config(upstreams=(UpstreamConfig(name="u", url=url, models=("m",)),), **more)


@asynccontextmanager
async def staged(answer: Answer, limits: Limits | None = None, **config: Any) -> AsyncGenerator[Stage]:
    policy = MemoryPolicy()
    async with FakeEngine(answer) as engine:
        app = create_app(config_of(engine.url, **config), limits=limits or Limits(), policy=policy)
        async with served(app) as url, connected(url) as client:
            yield Stage(app, engine, policy, client)


async def until(is_true: Callable[[], bool]) -> None:
    """Wait for something that no event tells."""
    async with asyncio.timeout(WITHIN_S):
        while not is_true():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


def request_of(body: bytes, path: str = "/v1/chat/completions", **headers: str) -> bytes:
    given = {"host": "localhost", "x-api-key": KEY, "Content-Length": str(len(body)), "x-after": "1"}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = "".join(f"{name}: {value}\r\n" for name, value in given.items())
    return f"POST {path} HTTP/1.1\r\n{lines}\r\n".encode() + body


async def ask(client: Client, raw: bytes, *, in_two: bool = False) -> Reply:
    """Ask, with the head alone at first if it is to be `in_two`."""
    head_bytes = raw.index(b"\r\n\r\n") + 4 if in_two else 0
    client.writer.write(raw[:head_bytes])
    await asyncio.sleep(0.02 if in_two else 0)
    client.writer.write(raw[head_bytes:])
    return await client.reply()


def shown(reply: Reply) -> tuple[int, dict[str, bytes], bytes, bool]:
    headers = {name: _CHANGING.sub(b"*", f"{name}: {value}".encode()) for name, value in reply.headers.items()}
    return reply.status, headers, _CHANGING.sub(b"*", reply.body), reply.ended


# The same bytes, whichever way


CHAT, LONGER = chat_body(stream=True), chat_body(stream=True, messages=[{"role": "user", "content": "x" * 1000}])
MESSAGE = json.dumps({"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "x"}]}).encode()
ASKED = {
    "a stream": (CHAT, "/v1/chat/completions"),
    "a whole reply": (chat_body(stream=False), "/v1/chat/completions"),
    "another API": (MESSAGE, "/v1/messages"),
    "no JSON": (b"{", "/v1/chat/completions"),
    "nothing": (b"", "/v1/chat/completions"),
    "a model with a control character": (chat_body(model="m\n"), "/v1/chat/completions"),
}


@pytest.mark.parametrize("name", ASKED)
def test_every_way_says_the_same(run: Run, ways: list[str], name: str) -> None:
    body, path = ASKED[name]

    async def main() -> None:
        page = {"origin": PAGE, "content_type": "application/json"}
        async with staged(streamed(said("Hel", "lo")), api_keys=(KEY,), cors_origins=(PAGE,)) as stage:
            raw = request_of(body, path, **page)
            replies = [await ask(stage.client, raw, in_two=number == 0 and bool(body)) for number in range(3)]
            async with connected(stage.client.url) as client:
                replies.append(await ask(client, raw))

            assert [shown(replies[0])] * 3 == [shown(reply) for reply in replies[1:]]
            assert PAGE == replies[2].headers["access-control-allow-origin"]
            assert 4 == len({reply.headers["x-request-id"] for reply in replies})
            assert 4 == stage.policy.authorised
            assert [replies[0].status] * 4 == [one.status for one in stage.policy.settled]

    run(main())
    assert ["task" if body else "plain", "known", "known", "known"] == ways


@pytest.mark.parametrize("status", [401, 503])
def test_an_engines_error_is_the_same(run: Run, ways: list[str], status: int) -> None:
    async def main() -> None:
        async with staged(plain(b'{"error": "no"}', status)) as stage:
            first, second = [await ask(stage.client, request_of(CHAT), in_two=number == 0) for number in range(2)]

            assert shown(first) == shown(second)

    run(main())
    assert ["task", "known"] == ways


def test_only_the_length_may_differ(run: Run, ways: list[str]) -> None:
    async def main() -> None:
        async with staged(streamed(said("hi"))) as stage:
            for raw in (
                request_of(CHAT),
                request_of(LONGER),
                request_of(CHAT),
                request_of(CHAT, x_after="2"),
                request_of(CHAT, x_after="2"),
                request_of(MESSAGE, "/v1/messages"),
            ):
                assert 200 == (await ask(stage.client, raw)).status

    run(main())
    assert ["plain", "known", "known", "plain", "known", "plain"] == ways


def test_each_request_brings_its_own_body(run: Run) -> None:
    async def main() -> None:
        async with staged(streamed(said("hi"))) as stage:
            for number in range(4):
                await ask(stage.client, request_of(chat_body(seed=number, user="x" * number * 100)))

            assert [0, 1, 2, 3] == [asked.json()["seed"] for asked in stage.engine.asked]

    run(main())


# Bodies in pieces


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_it_is_the_same_at_every_split(data: st.DataObject) -> None:
    raw = request_of(CHAT) + request_of(LONGER) + request_of(b"{") + request_of(chat_body(stream=False))
    places = sorted(data.draw(st.sets(st.integers(1, len(raw) - 1), max_size=6)))
    pieces = [raw[start:end] for start, end in zip([0, *places], [*places, len(raw)], strict=True)]

    async def main() -> list[int]:
        async with staged(streamed(said("hi"))) as stage:
            replies = asyncio.gather(*[_sent(stage.client, pieces)])
            got = [await stage.client.reply() for _ in range(4)]
            await replies
            return [reply.status for reply in got]

    assert [200, 200, 400, 200] == asyncio.run(main())


async def _sent(client: Client, pieces: list[bytes]) -> None:
    for piece in pieces:
        client.writer.write(piece)
        await asyncio.sleep(0.001)


def test_a_body_may_follow_its_head_in_pieces_and_the_next_request_with_its_end(run: Run, ways: list[str]) -> None:
    async def main() -> None:
        async with staged(streamed(said("hi"))) as stage:
            await ask(stage.client, request_of(CHAT))
            raw = request_of(LONGER)
            head, body = raw[: -len(LONGER)], raw[-len(LONGER) :]
            for piece in (head, body[:1], body[1:500], body[500:] + request_of(chat_body(seed=7))):
                stage.client.writer.write(piece)
                await asyncio.sleep(0.02)
            replies = [await stage.client.reply() for _ in range(2)]

            assert ["hi", "hi"] == [reply.text() for reply in replies]
            assert [json.loads(LONGER)["messages"], 7] == [
                stage.engine.asked[1].json()["messages"],
                stage.engine.asked[2].json()["seed"],
            ]

    run(main())
    assert ["plain", "known", "task"] == ways


def test_a_client_that_stops_in_a_body_is_told_so_and_settled(run: Run) -> None:
    async def main() -> None:
        async with staged(streamed(said("hi")), Limits(request_body_s=0.1)) as stage:
            await ask(stage.client, request_of(CHAT))
            reply = await ask(stage.client, request_of(CHAT)[:-1])

            assert (408, "close") == (reply.status, reply.headers["connection"])
            assert [Outcome.OK, Outcome.CLIENT_GONE] == [one.outcome for one in stage.policy.settled]
            assert 2 == stage.policy.authorised
            assert await stage.client.is_closed()

    run(main())


def test_a_client_that_goes_in_a_body_is_settled_once(run: Run) -> None:
    async def main() -> None:
        async with staged(streamed(said("hi"))) as stage:
            await ask(stage.client, request_of(CHAT))
            stage.client.writer.write(request_of(CHAT)[:-1])
            await asyncio.sleep(0.02)
            stage.client.vanish()
            await until(lambda: len(stage.policy.settled) == 2)

            assert (Outcome.CLIENT_GONE, 0) == (stage.policy.settled[1].outcome, stage.policy.settled[1].status)
            assert 1 == len(stage.engine.asked)

    run(main())


def test_a_body_that_still_comes_when_a_drain_begins_is_waited_for(run: Run) -> None:
    async def main() -> None:
        async with staged(streamed(said("hi"))) as stage:
            await ask(stage.client, request_of(CHAT))
            stage.client.writer.write(request_of(CHAT)[:-1])
            await asyncio.sleep(0.02)
            stage.app.drain()
            reply = await ask(stage.client, CHAT[-1:])

            assert 200 == reply.status  # it had begun

    run(main())


def test_a_body_that_still_comes_when_the_drain_is_over_is_not_waited_for() -> None:
    async def main() -> None:
        async with FakeEngine(streamed(said("hi"))) as engine:
            app, sockets = create_app(config_of(engine.url, drain_s=0)), listen("127.0.0.1", 0)
            server = make_server(app)
            serving = asyncio.create_task(server.serve(sockets))
            async with connected(url_of(sockets)) as client:
                await ask(client, request_of(CHAT))
                client.writer.write(request_of(CHAT)[:-1])
                await asyncio.sleep(0.02)
                server.should_exit = True
                reply = await client.reply()

                assert (503, "shutting_down") == (reply.status, reply.json()["error"]["code"])
            await asyncio.wait_for(serving, WITHIN_S)

    asyncio.run(main())


# Its end


def test_a_client_that_reads_nothing_is_given_up(run: Run, ways: list[str]) -> None:
    async def main() -> None:
        piece = sse(chunk({"content": "x" * 60_000}))
        scripts = iter([streamed(said("hi")), streamed(*[piece] * 200)])
        policy = MemoryPolicy()
        async with FakeEngine(lambda _: next(scripts)) as engine:
            app = create_app(config_of(engine.url), limits=Limits(write_stall_s=0.3), policy=policy)
            async with served(app, send_buffer=4096) as url, connected(url) as client:
                await ask(client, request_of(CHAT))
                client.reader._transport.pause_reading()  # type: ignore[attr-defined]  # else asyncio reads on
                client.writer.write(request_of(CHAT))
                await engine.left(WITHIN_S)
                await until(lambda: len(policy.settled) == 2)

                assert Outcome.CLIENT_GONE is policy.settled[1].outcome
                assert engine.written_bytes < 200 * len(piece)

    run(main())
    assert ["plain", "known"] == ways


def test_a_client_that_goes_frees_the_engine(run: Run, ways: list[str]) -> None:
    async def main() -> None:
        scripts = iter([streamed(said("hi")), streamed(HANG)])
        async with staged(lambda _: next(scripts)) as stage:
            await ask(stage.client, request_of(CHAT))
            stage.client.writer.write(request_of(CHAT))
            await until(lambda: len(stage.engine.asked) == 2)
            stage.client.vanish()
            await stage.engine.left()

            assert [Outcome.OK, Outcome.CLIENT_GONE] == [one.outcome for one in stage.policy.settled]

    run(main())
    assert ["plain", "known"] == ways


@pytest.mark.parametrize("times", [1, 2])
def test_a_client_of_a_large_request_that_goes_frees_the_engine(run: Run, times: int) -> None:
    """Of a body, uvicorn reads no more than 64 KiB ahead."""
    raw = request_of(chat_body(user="x" * 90_000))

    async def main() -> None:
        scripts = iter([*[streamed(said("hi"))] * (times - 1), streamed(HANG)])
        async with staged(lambda _: next(scripts)) as stage:
            for number in range(times):
                stage.client.writer.write(raw)
                if number < times - 1:
                    await stage.client.reply()
            await until(lambda: len(stage.engine.asked) == times)
            stage.client.vanish()
            await stage.engine.left(WITHIN_S)

    run(main())


def test_a_request_that_closes_its_connection_is_never_known(run: Run, ways: list[str]) -> None:
    async def main() -> None:
        async with staged(streamed(said("hi"))) as stage:
            reply = await ask(stage.client, request_of(CHAT, connection="close"))

            assert "close" == reply.headers["connection"]
            assert await stage.client.is_closed()

    run(main())
    assert ["plain"] == ways


def test_an_idle_connection_is_kept_as_long_after_its_last_reply_and_then_closed(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Repeating, "kept_s", 0.3)

    async def main() -> None:
        async with staged(streamed(said("hi"))) as stage:
            for _ in range(4):
                await asyncio.sleep(0.15)
                await ask(stage.client, request_of(CHAT))
            began_s = asyncio.get_running_loop().time()

            assert await stage.client.is_closed()
            assert 0.2 <= asyncio.get_running_loop().time() - began_s

    run(main())


# What may change between two requests


def test_a_key_that_counts_no_longer_opens_no_door(run: Run) -> None:
    async def main() -> None:
        async with staged(streamed(said("hi")), api_keys=(KEY,)) as stage:
            before = [(await ask(stage.client, request_of(CHAT))).status for _ in range(2)]
            stage.app.reload(config_of(stage.engine.url, api_keys=(OTHER_KEY,)))
            after = [(await ask(stage.client, request_of(CHAT))).status for _ in range(2)]
            other = [(await ask(stage.client, request_of(CHAT, x_api_key=OTHER_KEY))).status for _ in range(2)]

            assert ([200, 200], [401, 401], [200, 200]) == (before, after, other)

    run(main())


def test_a_head_that_was_refused_is_refused_again(run: Run, ways: list[str]) -> None:
    async def main() -> None:
        async with staged(streamed(said("hi")), api_keys=(KEY,)) as stage:
            raw = request_of(CHAT, x_api_key="sk-wrong")
            assert [401, 401, 401] == [(await ask(stage.client, raw)).status for _ in range(3)]

    run(main())
    assert [] == ways


def test_a_drain_refuses_what_it_would_have_refused(run: Run) -> None:
    async def main() -> None:
        async with staged(streamed(said("hi"))) as stage:
            await ask(stage.client, request_of(CHAT))
            stage.app.drain()
            reply = await ask(stage.client, request_of(CHAT))

            assert (503, "shutting_down") == (reply.status, reply.json()["error"]["code"])

    run(main())


def test_a_body_over_the_limit_is_refused_before_it_comes(run: Run) -> None:
    async def main() -> None:
        async with staged(streamed(said("hi")), Limits(body_bytes_max=500)) as stage:
            await ask(stage.client, request_of(CHAT))
            reply = await ask(stage.client, request_of(LONGER)[: -len(LONGER)])

            assert (413, "body_too_large") == (reply.status, reply.json()["error"]["code"])

    run(main())


def test_a_model_that_nobody_is_known_to_serve_is_asked_for_as_before(run: Run, ways: list[str]) -> None:
    async def main() -> None:
        async with FakeEngine(streamed(said("hi"))) as one, FakeEngine(streamed(said("hi"))) as other:
            upstreams = tuple(
                UpstreamConfig(name=name, url=engine.url, models=(name,)) for name, engine in (("a", one), ("b", other))
            )
            async with served(create_app(Config(upstreams=upstreams))) as url, connected(url) as client:
                known, unknown = request_of(chat_body(model="a")), request_of(chat_body(model="c"))
                replies = [await ask(client, raw) for raw in (known, unknown, unknown, known)]

                assert [200, 404, 404, 200] == [reply.status for reply in replies]
                assert shown(replies[1]) == shown(replies[2])

    run(main())
    assert ["plain", "known", "known", "known"] == ways


def test_a_middleware_sees_every_request(run: Run, ways: list[str]) -> None:
    seen: list[str] = []

    async def main() -> None:
        async with FakeEngine(streamed(said("hi"))) as engine:
            app = create_app(config_of(engine.url))

            async def middleware(scope: Any, receive: Any, send: Any) -> None:
                seen.append(scope["type"])
                await app(scope, receive, send)

            async with served(middleware) as url, connected(url) as client:
                for _ in range(3):
                    await ask(client, request_of(CHAT))

    run(main())
    assert ["task"] * 3 == ways
    assert ["lifespan", "http", "http", "http"] == seen


# What is known of a head


ADMITTED: Any = object()
LENGTH = [(b"content-length", b"12")]
RAW = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 12\r\nX: y\r\n\r\n"


def learned(raw: bytes) -> KnownHead | None:
    return KnownHeads().learn(raw, LENGTH, ADMITTED)


def test_a_known_head_says_where_its_body_begins_and_how_long_it_is() -> None:
    known = learned(RAW + b"{}")

    assert known is not None
    assert (len(RAW), 12) == known.find(RAW + b"more")
    assert (len(RAW) + 2, 1234) == known.find(RAW.replace(b"12", b"1234"))


@pytest.mark.parametrize(
    "digits", [b"", b" 1", b"+1", b"1_0", b"0x1", b"1 ", b"1,1", b"\xd9\xa1", b"1" * 16, b"1\r\nContent-Length: 2"]
)
def test_what_is_no_plain_number_is_another_head(digits: bytes) -> None:
    heads = KnownHeads()
    known = heads.learn(RAW, LENGTH, ADMITTED)
    raw = RAW.replace(b"12", digits)

    assert known is not None
    assert known.find(raw) is None
    found = heads.find(raw)
    assert found is None or found.find(raw) is None


@pytest.mark.parametrize("cut", range(len(RAW)))
def test_a_part_of_a_head_is_not_that_head(cut: int) -> None:
    heads = KnownHeads()
    known = heads.learn(RAW, LENGTH, ADMITTED)

    assert known is not None
    assert known.find(RAW[:cut]) is None
    assert heads.find(RAW[:cut]) is None


@pytest.mark.parametrize(
    "raw",
    [
        RAW[:-1],
        RAW.replace(b"Content-Length: 12\r\n", b""),
        RAW.replace(b"X: y", b"Z: " + b"y" * again._BYTES_MAX),
        RAW.replace(b"12", b"13"),  # its digits are not those that the parser read
    ],
)
def test_a_head_that_cannot_be_told_by_its_bytes_is_not_known(raw: bytes) -> None:
    assert learned(raw) is None


def test_those_who_have_the_same_head_share_it_and_what_is_decided_last_holds() -> None:
    heads = KnownHeads()
    first = heads.learn(RAW, LENGTH, ADMITTED)
    anew: Any = object()
    second = heads.learn(RAW + b"{}", LENGTH, anew)

    assert first is not None
    assert first is second is heads.find(RAW.replace(b"12", b"7"))
    assert anew is first.admitted


def test_a_head_is_forgotten_with_the_last_who_has_it() -> None:
    heads = KnownHeads()
    known = heads.learn(RAW, LENGTH, ADMITTED)
    del known

    assert heads.find(RAW) is None
    assert 0 == len(heads)
