"""A reload: another configuration for the next request, the old one for those that run."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

import pytest

from headgate.config import Config, UpstreamConfig
from headgate.errors import ConfigError, RequestError
from headgate.gateway import Gateway, create_app
from headgate.gateway.engines import engines
from headgate.gateway.fleet import Fleet
from headgate.gateway.models import Listed, Models
from headgate.limits import DEFAULTS
from headgate.messages import HttpRequest
from headgate.testing.fake_engine import Asked, FakeEngine, Script, Step, chunk, plain, said, sse, streamed
from headgate.upstream.base import Reply, Upstream


def one(name: str, url: str, **more: Any) -> UpstreamConfig:
    return UpstreamConfig(name=name, url=url, **more)


def serving(*models: str) -> Script:
    return plain(json.dumps({"data": [{"id": model, "created": 7} for model in models]}).encode())


def fleet_of(*upstreams: UpstreamConfig) -> Fleet:
    config = Config(upstreams=upstreams)
    return Fleet(config, engines(config, {}, {}, DEFAULTS), DEFAULTS, {})


async def heard(engine: FakeEngine, requests: int) -> None:
    """Wait until the engine has been asked."""
    async with asyncio.timeout(5):
        while len(engine.asked) < requests:  # noqa: ASYNC110 - the fake engine has no event for it
            await asyncio.sleep(0)


A, B = one("a", "http://127.0.0.1:1"), one("b", "http://127.0.0.1:2")


def test_an_engine_that_is_configured_as_before_keeps_its_connections() -> None:
    first = fleet_of(A, B)
    second = first.renewed(Config(upstreams=(one("a", A.url, markup="off", models=("m",)), one("b", "http://h"))))

    assert first.engines["a"].upstream is second.engines["a"].upstream
    assert ("m",) == second.engines["a"].models
    assert first.engines["b"].upstream is not second.engines["b"].upstream


@pytest.mark.parametrize("more", [{"api_key": "other"}, {"idle_s": 1.0}, {"headers": (("x", "y"),)}])
def test_an_engine_that_is_reached_otherwise_gets_new_connections(more: Mapping[str, Any]) -> None:
    first = fleet_of(A)
    second = first.renewed(Config(upstreams=(one("a", A.url, **more),)))

    assert first.engines["a"].upstream is not second.engines["a"].upstream


def test_an_engine_has_its_own_deadlines() -> None:
    fleet = fleet_of(one("a", A.url, idle_s=3), B)

    assert [3, DEFAULTS.idle_s] == [fleet.engines[name].limits.idle_s for name in "ab"]


@pytest.mark.parametrize("bad", [(), (one("a", "http://h?query"),), (one("a", A.url, api_key_env="NO"),)])
def test_a_bad_configuration_changes_nothing(bad: tuple[UpstreamConfig, ...]) -> None:
    fleet = fleet_of(A)

    with pytest.raises(ConfigError):
        fleet.renewed(Config(upstreams=bad))

    assert ["a"] == list(fleet.engines)


def test_aliases_count_from_the_next_request_on() -> None:
    async def run() -> None:
        fleet = fleet_of(A, B)

        engine, model = await fleet.renewed(Config(upstreams=(A, B), aliases={"fast": "b/small"})).choose("fast")

        assert ("b", "small") == (engine.name, model)

    asyncio.run(run())


def test_what_an_engine_reported_survives_a_reload() -> None:
    """A reload must not turn known models into 404 while a slow engine is asked again."""

    async def run() -> None:
        async with FakeEngine(serving("m")) as engine:
            first = fleet_of(one("a", engine.url), B)
            assert "a" == (await first.choose("m")).engine.name

            second = first.renewed(Config(upstreams=(B, one("a", engine.url))))

            assert {"a": ["m"]} == second.models.known
            await second.close()

    asyncio.run(run())


def test_an_engine_is_known_by_the_names_that_it_told_last() -> None:
    class Changing:
        name = "a"
        lists: Sequence[Any] = ([{"id": "m", "aliases": ["n"]}, {"id": "o"}], [{"id": "o"}])

        async def fetch(self, request: HttpRequest, /) -> Reply:
            assert "/v1/models" == request.path
            told, *self.lists = self.lists
            return Reply(200, (), json.dumps({"data": told}).encode())

    async def run() -> None:
        config = Config(upstreams=(A,))
        models = Models(engines(config, {"a": cast("Upstream", Changing())}, {}, DEFAULTS), DEFAULTS)
        found = []
        for _ in range(2):
            await models.look()
            found.append((models.known, [set(models.names_of("a", name)) for name in "mnop"]))
            models._looked_s = float("-inf")

        assert ({"a": ["m", "n", "o"]}, [{"m", "n"}, {"m", "n"}, {"o"}, set()]) == found[0]
        assert ({"a": ["o"]}, [set(), set(), {"o"}, set()]) == found[1]

    asyncio.run(run())


def test_a_running_exchange_keeps_its_engine_and_close_ends_it() -> None:
    async def run() -> None:
        go = asyncio.Event()
        async with FakeEngine([go, *serving("m")]) as engine:
            fleet = fleet_of(one("a", engine.url))
            asked = asyncio.ensure_future(fleet.engines["a"].upstream.fetch(HttpRequest(method="GET", path="/x")))
            await heard(engine, 1)
            fleet = fleet.renewed(Config(upstreams=(B,))).renewed(Config(upstreams=(A,)))
            go.set()

            assert 200 == (await asked).status
            await fleet.close()

    asyncio.run(run())


def test_closing_ends_what_still_runs_on_engines_of_before() -> None:
    async def run() -> None:
        async with FakeEngine([asyncio.Event()]) as engine:
            fleet = fleet_of(one("a", engine.url))
            asked = asyncio.ensure_future(fleet.engines["a"].upstream.fetch(HttpRequest(path="/x")))
            await heard(engine, 1)
            upstream = fleet.engines["a"].upstream
            fleet = fleet.renewed(Config(upstreams=(B,)))
            gc.collect()

            await fleet.close()

            del upstream
            with pytest.raises(Exception, match="closed"):
                await asked

    asyncio.run(run())


def listed(answer: Script, aliases: Mapping[str, str], name: str | None = None) -> list[tuple[str, str | None]]:
    """The models, or that one, each with the name of its engine."""

    async def run() -> list[Listed]:
        async with FakeEngine(answer) as engine:
            ready = engines(Config(upstreams=(one("a", engine.url, models=("mine",)), B)), {}, {}, DEFAULTS)
            models = Models(ready, DEFAULTS, aliases)
            return await models.listing() if name is None else [await models.one(name)]

    return [(found.id, found.engine and found.engine.name) for found in asyncio.run(run())]


def test_aliases_are_listed_after_what_the_engines_serve() -> None:
    found = listed(serving("m", "fast"), {"fast": "m", "best": "m"})

    assert [("mine", "a"), ("m", "a"), ("fast", "a"), ("best", None)] == found


@pytest.mark.parametrize(("name", "owner"), [("m", "a"), ("a/m", "a"), ("mine", "a"), ("nick", "a"), ("fast", None)])
def test_one_model_is_found_by_every_name_a_request_may_use(name: str, owner: str | None) -> None:
    answer = plain(b'{"data":[{"id":"m","created":7,"aliases":["nick"]}]}')

    assert [(name, owner)] == listed(answer, {"fast": "m"}, name)


def test_a_model_that_nobody_serves_is_refused_with_near_names() -> None:
    with pytest.raises(RequestError, match="There are mine and 1 more"):
        listed(serving("zzz"), {}, "minn")


def test_only_the_engine_that_serves_it_is_asked() -> None:
    async def run() -> None:
        def answer(asked: Asked) -> Script:
            return serving("n") if asked.path == "/v1/models" else plain(b"{}", 404)

        async with FakeEngine(answer) as engine:
            fleet = fleet_of(A, one("b", engine.url))
            assert ("b", "n") == ((await fleet.choose("n")).engine.name, (await fleet.choose("n")).model)
            with pytest.raises(RequestError):
                await fleet.choose("unknown")
            await fleet.close()

    asyncio.run(run())


def test_who_answers_is_decided_anew_when_an_engine_has_reported_its_models() -> None:
    """A choice is remembered, and a better one must not be missed: the first engine that was configured goes first."""

    class Reporting:
        def __init__(self, name: str) -> None:
            self.name, self.told = name, list[str]()

        async def fetch(self, request: HttpRequest, /) -> Reply:
            del request
            return Reply(200, (), json.dumps({"data": [{"id": name} for name in self.told]}).encode())

    async def run() -> None:
        first, second = Reporting("a"), Reporting("b")
        given = {"a": cast("Upstream", first), "b": cast("Upstream", second)}
        config = Config(upstreams=(A, B))
        fleet = Fleet(config, engines(config, given, {}, DEFAULTS), DEFAULTS)
        assert fleet.chosen("m") is None
        second.told = ["m"]
        assert ["b", "b"] == [(await fleet.choose("m")).engine.name for _ in range(2)]

        first.told = ["m"]
        assert "b" == (await fleet.choose("m")).engine.name  # nobody has asked
        fleet.models._looked_s = float("-inf")
        await fleet.models.look()

        chosen = fleet.chosen("m")
        assert chosen is not None
        assert "a" == chosen.engine.name

    asyncio.run(run())


def test_names_without_end_are_not_remembered_without_end() -> None:
    """A client may ask a single engine for whatever it likes."""
    fleet = fleet_of(A)
    names = [f"m{n}" for n in range(1000)]

    assert names == [chosen.model for name in names if (chosen := fleet.chosen(name)) is not None]
    assert 256 == len(fleet._chosen)


async def ask(gateway: Gateway) -> bytes:
    """Ask for a stream as an ASGI server would; returns its body."""
    asked = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "hi"}]}
    messages = [{"type": "http.request", "body": json.dumps(asked).encode(), "more_body": False}]
    body: list[bytes] = []

    async def receive() -> Any:
        return messages.pop() if messages else await asyncio.Event().wait()

    async def send(message: Any) -> None:
        body.append(message.get("body", b""))

    headers = [(b"host", b"127.0.0.1"), (b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": "/v1/chat/completions", "headers": headers, "extensions": {}}
    await gateway(scope, receive, send)
    return b"".join(body)


def test_a_running_stream_ends_with_its_engine_and_the_next_request_goes_to_the_new_one() -> None:
    async def run() -> None:
        go = asyncio.Event()
        words: list[Step] = [
            sse(chunk({"role": "assistant", "content": "old"})),
            go,
            sse(chunk(finish="stop"), done=True),
        ]
        async with FakeEngine(streamed(*words)) as old, FakeEngine(streamed(said("new"))) as new:
            gateway = create_app(Config(upstreams=(one("a", old.url),)), environ={})
            running = asyncio.ensure_future(ask(gateway))
            await heard(old, 1)

            gateway.reload(Config(upstreams=(one("a", new.url),)))

            assert b"new" in await ask(gateway)
            go.set()
            ended = await running
            assert b"old" in ended
            assert ended.endswith(b"[DONE]\n\n")
            await gateway.close()

    asyncio.run(run())
