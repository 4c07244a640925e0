"""The gateway's paths over real sockets: what each answers, alone and mounted in somebody's app."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import fastapi
import pytest
from raw_http import Client, chat_body, connected, served
from starlette.applications import Starlette
from starlette.routing import Mount

from headgate.config import Config, UpstreamConfig
from headgate.errors import ConfigError
from headgate.gateway import Gateway, create_app
from headgate.limits import Limits
from headgate.testing.fake_engine import HANG, Answer, Asked, FakeEngine, Script, plain, said, streamed

ENDPOINTS = Path(__file__).parent / "fixtures" / "endpoints"


def listed(*ids: str) -> bytes:
    return json.dumps({"object": "list", "data": [{"id": id_, "created": 7} for id_ in ids]}).encode()


def serving(models: bytes, *texts: str) -> Callable[[Asked], Script]:
    """An engine that lists these models, and says these texts."""
    return lambda asked: plain(models) if asked.method == "GET" else streamed(said(*texts))


def app_for(*upstreams: UpstreamConfig, limits: Limits | None = None) -> Gateway:
    return create_app(Config(upstreams=upstreams), environ={"KEY": "sesame"}, limits=limits or Limits())


@asynccontextmanager
async def gateway(*answers: Answer, limits: Limits | None = None) -> AsyncGenerator[tuple[list[FakeEngine], Client]]:
    """A gateway over engines that are called a, b, c, …, and a client of it."""
    async with AsyncExitStack() as stack:
        engines = [await stack.enter_async_context(FakeEngine(answer)) for answer in answers]
        upstreams = [UpstreamConfig(name="abc"[place], url=engine.url) for place, engine in enumerate(engines)]
        url = await stack.enter_async_context(served(app_for(*upstreams, limits=limits)))
        yield engines, await stack.enter_async_context(connected(url))


@asynccontextmanager
async def client_of(app: Any) -> AsyncGenerator[Client]:
    async with served(app) as url, connected(url) as client:
        yield client


def ids(reply: Any) -> list[str]:
    return [entry["id"] for entry in reply.json()["data"]]


# Paths and methods


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/chat/completions", "/v1/chat/completions?x=y"])
def test_a_chat_is_answered_on_both_paths(path: str) -> None:
    async def main() -> None:
        async with gateway(streamed(said("Hel", "lo"))) as (engines, client):
            reply = await client.chat(path=path)

            assert (200, "Hello") == (reply.status, reply.text())
            assert ["/v1/chat/completions"] == [asked.path for asked in engines[0].asked]

    asyncio.run(main())


def test_health_names_the_upstreams_and_asks_nobody() -> None:
    async def main() -> None:
        async with gateway([HANG], [HANG]) as (engines, client):
            reply = await client.ask("GET", "/health")

            assert (200, {"status": "ok", "upstreams": ["a", "b"]}) == (reply.status, reply.json())
            assert "no-cache" == reply.headers["cache-control"]
            assert [0, 0] == [engine.connections for engine in engines]

    asyncio.run(main())


def test_a_head_request_gets_the_head_alone() -> None:
    async def main() -> None:
        async with gateway([HANG]) as (_, client):
            client.send("HEAD", "/health")
            status, headers = await client.head()

            assert (200, True) == (status, int(headers["content-length"]) > 0)
            assert 200 == (await client.ask("GET", "/health")).status  # nothing stands between the two replies

    asyncio.run(main())


@pytest.mark.parametrize("path", ["/v1", "/v1/chat/completions/", "/v1/embeddings/", "/%ff%fe", "//health", "//"])
def test_another_path_is_not_found_in_the_envelope(path: str) -> None:
    async def main() -> None:
        async with gateway([HANG]) as (_, client):
            reply = await client.ask("GET", path)

            assert 404 == reply.status
            assert ("not_found", "invalid_request_error") == (
                reply.json()["error"]["code"],
                reply.json()["error"]["type"],
            )
            assert "/v1/chat/completions" in reply.json()["error"]["message"]

    asyncio.run(main())


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("GET", "/v1/chat/completions", "POST"), ("POST", "/v1/models", "GET, HEAD"), ("DELETE", "/health", "GET, HEAD")],
)
def test_another_method_is_refused_with_those_that_are_not(method: str, path: str, allowed: str) -> None:
    async def main() -> None:
        async with gateway([HANG]) as (_, client):
            reply = await client.ask(method, path)

            assert (405, allowed) == (reply.status, reply.headers["allow"])
            assert "method_not_allowed" == reply.json()["error"]["code"]

    asyncio.run(main())


# Requests


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"", None),
        (b"{", None),
        (b"[]", None),
        (b'{"model":"m"}', None),
        (b'{"model":1,"messages":[]}', "/model"),
        (b'{"model":"m","messages":[]}', "/messages"),
        (b'{"model":"m","messages":[{"role":"user","content":1}]}', "/messages/0/content"),
    ],
)
def test_a_request_that_cannot_be_read_is_a_400_that_names_the_field(body: bytes, param: str | None) -> None:
    async def main() -> None:
        async with gateway([HANG]) as (engines, client):
            reply = await client.ask("POST", "/v1/chat/completions", body)

            assert (400, "invalid_request") == (reply.status, reply.json()["error"]["code"])
            assert param in {None, reply.json()["error"]["param"]}
            assert 0 == engines[0].connections

    asyncio.run(main())


def test_a_body_over_the_limit_is_a_413_before_it_is_read() -> None:
    async def main() -> None:
        async with gateway([HANG], limits=Limits(body_bytes_max=1000)) as (_, client):
            client.send("POST", "/v1/chat/completions", b"", content_length="1001")
            reply = await client.reply()

            assert (413, "body_too_large") == (reply.status, reply.json()["error"]["code"])

    asyncio.run(main())


def test_a_body_of_unknown_length_is_cut_off_at_the_limit() -> None:
    async def main() -> None:
        async with gateway([HANG], limits=Limits(body_bytes_max=1000)) as (_, client):
            client.writer.write(
                b"POST /chat/completions HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n"
            )
            client.writer.write(b"3e9\r\n" + b"x" * 1001 + b"\r\n")

            assert 413 == (await client.reply()).status

    asyncio.run(main())


def test_a_body_at_the_limit_is_read() -> None:
    body = chat_body()

    async def main() -> None:
        async with gateway(streamed(said("ok")), limits=Limits(body_bytes_max=len(body))) as (_, client):
            assert 200 == (await client.ask("POST", "/v1/chat/completions", body)).status

    asyncio.run(main())


def test_headers_of_the_client_never_reach_the_engine() -> None:
    """A key for the gateway is none of the engine's business, and the other way round."""

    async def main() -> None:
        async with FakeEngine(streamed(said("ok"))) as engine:
            upstream = UpstreamConfig(name="u", url=engine.url, api_key_env="KEY", headers=(("x-team", "blue"),))
            async with client_of(app_for(upstream)) as client:
                await client.chat(headers={"authorization": "Bearer mine", "x-mine": "1", "cookie": "c=1"})

        headers = engine.asked[0].headers
        assert ("Bearer sesame", "blue") == (headers["authorization"], headers["x-team"])
        assert set() == {"x-mine", "cookie"} & set(headers)

    asyncio.run(main())


# Models


def test_models_are_those_of_all_engines() -> None:
    async def main() -> None:
        async with gateway(plain(listed("small", "large")), plain(listed("tiny"))) as (_, client):
            reply = await client.ask("GET", "/v1/models")

        entry = {"id": "small", "object": "model", "created": 7, "owned_by": "a"}
        assert ("list", entry) == (reply.json()["object"], reply.json()["data"][0])
        assert ["small", "large", "tiny"] == ids(reply)

    asyncio.run(main())


def test_a_model_of_two_engines_is_listed_so_that_both_can_be_asked() -> None:
    async def main() -> None:
        answers = [serving(listed("same"), "from a"), serving(listed("same"), "from b")]
        async with gateway(*answers) as (_, client):
            assert ["same", "b/same"] == ids(await client.ask("GET", "/v1/models"))
            assert "from a" == (await client.chat(model="same")).text()
            assert "from b" == (await client.chat(model="b/same")).text()

    asyncio.run(main())


@pytest.mark.parametrize(
    "answer",
    [
        [HANG],
        plain(b"{}", 500),
        plain(b"<html>", content_type="text/html"),
        plain(b'{"data": 1}'),
        plain(b"[" * 100_000),
        plain(b'{"data": null}'),
    ],
)
def test_a_dead_engine_hides_no_other(answer: Sequence[Any]) -> None:
    async def main() -> None:
        async with gateway(answer, plain(listed("tiny")), limits=Limits(models_s=0.1)) as (_, client):
            assert ["tiny"] == ids(await client.ask("GET", "/v1/models"))

    asyncio.run(main())


def test_an_engine_that_cannot_be_reached_hides_no_other_and_keeps_its_configured_models() -> None:
    async def main() -> None:
        async with FakeEngine([]) as gone:
            url = gone.url
        async with FakeEngine(plain(listed("tiny"))) as engine:
            dead = UpstreamConfig(name="dead", url=url, models=("promised",))
            async with client_of(app_for(dead, UpstreamConfig(name="u", url=engine.url))) as client:
                assert ["promised", "tiny"] == ids(await client.ask("GET", "/v1/models"))

                reply = await client.chat(model="promised")
                assert (502, "upstream_connect") == (reply.status, reply.json()["error"]["code"])

    asyncio.run(main())


def test_engines_are_asked_for_their_models_once_in_a_while() -> None:
    async def main() -> None:
        async with gateway(plain(listed("tiny"))) as (engines, client):
            for _ in range(3):
                assert ["tiny"] == ids(await client.ask("GET", "/v1/models"))

            assert 1 == len(engines[0].asked)

    asyncio.run(main())


def test_real_lists_of_models_are_read() -> None:
    llamacpp = (ENDPOINTS / "llamacpp" / "llamacpp.hermes.get.models" / "response.raw").read_bytes()
    tags = (ENDPOINTS / "ollama" / "ollama.get.tags" / "response.raw").read_bytes()

    async def main() -> None:
        async with FakeEngine(plain(llamacpp)) as first, FakeEngine(plain(tags)) as second:
            upstreams = [
                UpstreamConfig(name="llama", url=first.url),
                UpstreamConfig(name="ollama", url=second.url, dialect="ollama"),
            ]
            async with client_of(app_for(*upstreams)) as client:
                reply = await client.ask("GET", "/v1/models")

        assert ["/v1/models", "/api/tags"] == [first.asked[0].path, second.asked[0].path]
        assert ["tiny", "tinyplain:latest", "tiny:latest"] == ids(reply)[:3]
        assert [1795219006, 1795214476] == [entry["created"] for entry in reply.json()["data"][:2]]

    asyncio.run(main())


def test_ollamas_default_tag_may_be_left_out() -> None:
    tags = b'{"models":[{"name":"qwen3:latest","modified_at":"never"},{"name":"qwen3:8b"},{}]}'
    said_so = b'{"model":"qwen3","message":{"content":"ok"},"done":true,"done_reason":"stop"}\n'

    def ollama(asked: Asked) -> Script:
        return plain(tags if asked.method == "GET" else said_so)

    async def main() -> None:
        async with FakeEngine(plain(listed("tiny"))) as first, FakeEngine(ollama) as second:
            upstreams = [
                UpstreamConfig(name="a", url=first.url),
                UpstreamConfig(name="b", url=second.url, dialect="ollama"),
            ]
            async with client_of(app_for(*upstreams)) as client:
                assert "ok" == (await client.chat(model="qwen3")).text()
                assert ["tiny", "qwen3:latest", "qwen3:8b"] == ids(await client.ask("GET", "/v1/models"))

        assert "qwen3" == second.asked[-1].json()["model"]

    asyncio.run(main())


def test_a_model_is_asked_where_it_is_served() -> None:
    async def main() -> None:
        answers = [serving(listed("small"), "from a"), serving(listed("large"), "from b")]
        async with gateway(*answers) as (engines, client):
            assert "from b" == (await client.chat(model="large")).text()
            assert "large" == engines[1].asked[-1].json()["model"]
            assert "from a" == (await client.chat(model="a/unlisted")).text()
            assert "unlisted" == engines[0].asked[-1].json()["model"]

    asyncio.run(main())


def test_an_unknown_model_is_a_404_that_lists_what_there_is() -> None:
    async def main() -> None:
        async with gateway(plain(listed("small")), plain(listed("large"))) as (_, client):
            reply = await client.chat(model="medium")

        assert (404, "model_not_found") == (reply.status, reply.json()["error"]["code"])
        assert "There are small, large." in reply.json()["error"]["message"]

    asyncio.run(main())


# Somebody's app


def test_it_can_be_mounted_in_starlette() -> None:
    async def main() -> None:
        async with FakeEngine(streamed(said("ok"))) as engine:
            gateway_app = app_for(UpstreamConfig(name="u", url=engine.url))
            async with client_of(Starlette(routes=[Mount("/ai", app=gateway_app)])) as client:
                assert "ok" == (await client.chat(path="/ai/v1/chat/completions")).text()
                assert 200 == (await client.ask("GET", "/ai/health")).status
                assert 404 == (await client.ask("GET", "/ai/nothing")).status
                assert 404 == (await client.ask("GET", "/health")).status
            await gateway_app.close()

    asyncio.run(main())


def test_it_can_be_mounted_in_fastapi_without_lifespan() -> None:
    """FastAPI does not pass its lifespan on to what is mounted."""

    async def main() -> None:
        async with FakeEngine(streamed(said("ok"))) as engine:
            gateway_app = app_for(UpstreamConfig(name="u", url=engine.url))
            app = fastapi.FastAPI()
            app.mount("/ai", gateway_app)
            async with client_of(app) as client:
                assert "ok" == (await client.chat(path="/ai/v1/chat/completions")).text()
                assert 0 < engine.open_connections
            await gateway_app.close()
            await engine.left()

    asyncio.run(main())


@pytest.mark.parametrize("path", ["/ai/health", "/health"])
def test_root_path_may_or_may_not_be_in_the_path(path: str) -> None:
    """ASGI hosts have changed their minds about it."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError("nothing to receive")

    async def main() -> None:
        app = app_for(UpstreamConfig(name="u", url="http://127.0.0.1:1"))
        scope = {"type": "http", "method": "GET", "path": path, "root_path": "/ai", "headers": []}
        await app(scope, receive, send)

    asyncio.run(main())

    assert 200 == sent[0]["status"]


def test_lifespan_closes_the_connections_to_engines() -> None:
    async def main() -> None:
        async with FakeEngine(streamed(said("ok"))) as engine:
            async with client_of(app_for(UpstreamConfig(name="u", url=engine.url))) as client:
                await client.chat()
                assert 1 == engine.open_connections
            await engine.left()

    asyncio.run(main())


def test_a_websocket_is_closed() -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    asyncio.run(app_for(UpstreamConfig(name="u", url="http://h"))({"type": "websocket"}, receive, send))

    assert [{"type": "websocket.close", "code": 1008}] == sent


@pytest.mark.parametrize(
    ("upstreams", "message"),
    [
        ((), "expected at least one upstream, got none."),
        ((UpstreamConfig(name="u", url="http://h:99999"),), "upstream u: expected a host and a port"),
        ((UpstreamConfig(name="u", url="http://h", headers=(("a b", "c"),)),), "upstream u: expected a header name"),
        ((UpstreamConfig(name="u", url="http://h", markup="nope"),), "upstream u: expected markup"),
        ((UpstreamConfig(name="u", url="http://h", dialect="nope"),), "upstream u: expected a dialect"),
        ((UpstreamConfig(name="u", url="http://h", api_key_env="NO"),), "upstream u: the environment variable NO is"),
    ],
)
def test_a_configuration_that_cannot_be_used_is_refused_at_once(
    upstreams: tuple[UpstreamConfig, ...], message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        app_for(*upstreams)

    assert str(caught.value).startswith(message)
