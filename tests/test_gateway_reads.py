"""What the gateway says of itself: `/ready`, one model, names, its OpenAPI document, and its drain."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from raw_http import WITHIN_S, Client, connected, served

from headgate.config import Config, UpstreamConfig
from headgate.errors import ConfigError
from headgate.gateway import Gateway, create_app
from headgate.gateway.openapi import document as openapi_document
from headgate.gateway.operations.table import OPERATIONS
from headgate.limits import Limits
from headgate.surfaces import surfaces
from headgate.testing.fake_engine import HANG, Answer, Asked, FakeEngine, Script, chunk, plain, said, sse, streamed

MODELS = b'{"data":[{"id":"org/model:8b"},{"id":"plain"}]}'


def engine(asked: Asked) -> Script:
    return plain(MODELS) if asked.method == "GET" else streamed(said(asked.json()["model"]))


def app_of(*urls: str, **config: Any) -> Gateway:
    upstreams = tuple(UpstreamConfig(name=f"u{place}", url=url) for place, url in enumerate(urls))
    return create_app(Config(upstreams=upstreams, **config), limits=Limits(models_s=0.2))


@asynccontextmanager
async def gateway(answer: Answer = engine, **config: Any) -> AsyncGenerator[tuple[Gateway, Client]]:
    async with FakeEngine(answer) as fake:
        app = app_of(fake.url, **config)
        async with served(app) as url, connected(url) as client:
            yield app, client


# Ready


def test_ready_means_that_one_engine_answers() -> None:
    async def main() -> None:
        async with (
            FakeEngine(engine) as good,
            FakeEngine([HANG]) as bad,
            served(app_of(bad.url, good.url)) as url,
            connected(url) as client,
        ):
            reply = await client.ask("GET", "/ready")

            assert (200, {"u0": "no answer", "u1": "ok"}) == (reply.status, reply.json()["upstreams"])

    asyncio.run(main())


def test_without_any_engine_it_is_not_ready_and_still_alive() -> None:
    async def main() -> None:
        async with gateway([HANG]) as (_, client):
            reply = await client.ask("GET", "/ready")

            assert (503, {"u0": "no answer"}) == (reply.status, reply.json()["upstreams"])
            assert 200 == (await client.ask("GET", "/health")).status

    asyncio.run(main())


# One model


@pytest.mark.parametrize("path", ["/v1/models/org/model:8b", "/v1/models/org%2Fmodel%3A8b", "/v1/models/u0/plain"])
def test_a_models_id_may_hold_slashes_and_colons(path: str) -> None:
    async def main() -> None:
        async with gateway() as (_, client):
            reply = await client.ask("GET", path)

            assert (200, "u0") == (reply.status, reply.json()["owned_by"])
            assert reply.json()["id"] in {"org/model:8b", "u0/plain"}

    asyncio.run(main())


def test_an_unknown_model_is_a_404_with_near_names() -> None:
    async def main() -> None:
        async with gateway() as (_, client):
            reply = await client.ask("GET", "/v1/models/org/model:7b")

            assert (404, "model_not_found") == (reply.status, reply.json()["error"]["code"])
            assert "org/model:8b" in reply.json()["error"]["message"]

    asyncio.run(main())


@pytest.mark.parametrize("name", ["a%0d%0ax-evil:%201", "a%00", "a%1b[31m", "x" * 257])
def test_a_models_id_that_could_do_harm_is_a_400(name: str) -> None:
    async def main() -> None:
        async with gateway() as (_, client):
            assert 400 == (await client.ask("GET", f"/v1/models/{name}")).status

    asyncio.run(main())


@pytest.mark.parametrize("model", ["a\r\nx-evil: 1", "a\0", "x" * 257, "a\x1b[31m"])
def test_a_requests_model_that_could_do_harm_is_a_400(model: str) -> None:
    async def main() -> None:
        async with gateway() as (_, client):
            reply = await client.chat(model=model)

            assert (400, "invalid_request") == (reply.status, reply.json()["error"]["code"])

    asyncio.run(main())


# Names of the operator


def test_an_alias_is_asked_for_what_it_stands_for() -> None:
    async def main() -> None:
        async with gateway(aliases={"fast": "plain"}) as (_, client):
            assert "plain" == (await client.chat(model="fast")).text()

    asyncio.run(main())


@pytest.mark.parametrize("default", ["plain", None])
def test_a_request_without_a_model_gets_the_default_one_or_a_400(default: str | None) -> None:
    async def main() -> None:
        async with gateway(default_model=default) as (_, client):
            reply = await client.ask("POST", "/chat", b'{"prompt":"hello"}')

            assert (200 if default else 400) == reply.status
            if default:
                assert default == reply.text()

    asyncio.run(main())


# The document

DOCUMENT: dict[str, Any] = json.loads(openapi_document(tuple(surfaces().values()), OPERATIONS))


def test_the_document_describes_every_path() -> None:
    async def main() -> None:
        async with gateway() as (_, client):
            document = (await client.ask("GET", "/openapi.json")).json()

        posted = {path for one in surfaces().values() for path in one.paths}
        others = {"/openapi.json", *(operation.path for operation in OPERATIONS)}
        assert ("3.1.0", posted | others) == (document["openapi"], set(document["paths"]))
        assert {"/v1/models/{id}", "/health", "/api/tags", "/v1/embeddings"} < others
        assert {"head", "post"} == set(document["paths"]["/api/blobs/{digest}"])

    asyncio.run(main())


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("/chat", {"prompt", "messages", "tools", "stream_options"}),
        ("/v1/chat/completions", {"messages", "tools", "stream_options"}),
        ("/v1/completions", {"prompt", "suffix", "best_of"}),
        ("/v1/messages", {"messages", "system", "max_tokens", "stop_sequences"}),
        ("/v1/messages/count_tokens", {"messages", "system", "tools"}),
        ("/api/chat", {"messages", "tools", "options", "think"}),
        ("/api/generate", {"prompt", "suffix", "options", "context"}),
        ("/api/embed", {"input", "dimensions"}),
        ("/api/embeddings", {"prompt"}),
        ("/api/show", {"name"}),
    ],
)
def test_the_document_has_the_fields_of_each_body(path: str, names: set[str]) -> None:
    shapes = DOCUMENT["components"]["schemas"]

    assert {"model", *names} <= set(shapes[component(body_of(path))]["properties"])


def test_only_bodies_that_are_passed_on_have_no_shape_in_the_document() -> None:
    asked = {path for path, methods in DOCUMENT["paths"].items() if "requestBody" in methods.get("post", {})}

    assert {"/v1/embeddings", "/v1/rerank", "/rerank"} == {path for path in asked if not component(body_of(path))}


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("/v1/messages/count_tokens", {"input_tokens"}),
        ("/api/version", {"version"}),
        ("/api/embed", {"model", "embeddings", "prompt_eval_count"}),
        ("/api/embeddings", {"embedding"}),
    ],
)
def test_the_document_has_the_fields_of_simple_answers(path: str, names: set[str]) -> None:
    (method,) = DOCUMENT["paths"][path].values()
    answer = method["responses"]["200"]["content"]["application/json"]["schema"]

    assert names == set(DOCUMENT["components"]["schemas"][component(answer)]["properties"])


def test_every_reference_of_the_document_leads_to_a_component() -> None:
    """Each API's shapes have its name in front, so that one API's `Message` is not another's."""
    shapes = DOCUMENT["components"]["schemas"]
    named = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(DOCUMENT)))

    assert named == set(shapes)
    assert {"chat", "completions", "anthropic", "ollama", "ollama_generate", "headgate"} <= {
        name.partition(".")[0] for name in shapes
    }


def body_of(path: str) -> dict[str, Any]:
    """The schema of what is posted to a path."""
    schema: dict[str, Any] = DOCUMENT["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
    return schema


def component(schema: dict[str, Any]) -> str:
    """What a schema refers to; "" if it says nothing but that it is an object."""
    return str(schema.get("$ref", "")).removeprefix("#/components/schemas/")


# Reload


def test_a_reload_changes_who_may_ask_and_a_bad_one_changes_nothing() -> None:
    async def main() -> None:
        async with gateway() as (app, client):
            config = app.config
            with pytest.raises(ConfigError):
                app.reload(Config(upstreams=config.upstreams, cors_origins=("*",)))
            assert 200 == (await client.ask("GET", "/v1/models")).status

            app.reload(Config(upstreams=config.upstreams, api_keys=("sk-new",)))
            assert 401 == (await client.ask("GET", "/v1/models")).status
            assert 200 == (await client.ask("GET", "/v1/models", x_api_key="sk-new")).status

    asyncio.run(main())


# Drain


def test_a_draining_gateway_says_so_and_begins_nothing() -> None:
    async def main() -> None:
        async with gateway() as (app, client):
            app.drain()

            assert (503, "draining") == (
                (reply := await client.ask("GET", "/ready")).status,
                reply.json()["status"],
            )
            reply = await client.chat()
            assert (503, "shutting_down") == (reply.status, reply.json()["error"]["code"])

    asyncio.run(main())


def test_a_request_that_still_looks_for_its_model_when_all_is_over_asks_nobody() -> None:
    async def main() -> None:
        async with FakeEngine([HANG]) as first, FakeEngine(engine) as second:
            app = app_of(first.url, second.url)
            async with served(app) as url, connected(url) as client:
                client.send_chat(model="plain")
                while not second.asked:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
                app.stop()
                reply = await client.reply()

            assert (503, "shutting_down") == (reply.status, reply.json()["error"]["code"])
            assert {"GET"} == {asked.method for asked in (*first.asked, *second.asked)}

    asyncio.run(main())


PROGRAM = """
import sys
from headgate.config import Config, UpstreamConfig
from headgate.gateway import create_app
from headgate.gateway.server import listen, make_server, url_of
from headgate.limits import Limits

config = Config(upstreams=(UpstreamConfig(name="u", url=sys.argv[1], models=("m",)),), drain_s=float(sys.argv[2]))
sockets = listen("127.0.0.1", 0)
try:
    app = create_app(config, limits=Limits(linger_s=0.2))
    make_server(app, on_start=lambda: print(url_of(sockets), flush=True)).run(sockets=sockets)
except KeyboardInterrupt:
    sys.exit(130)
"""


class Process:
    """The gateway as a process of its own, so that signals are real."""

    def __init__(self, engine_url: str, drain_s: float) -> None:
        command = [sys.executable, "-c", PROGRAM, engine_url, str(drain_s)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().strip()

    async def ended(self) -> int:
        _, errors = await asyncio.to_thread(self.process.communicate, timeout=10)
        assert "Traceback" not in errors
        return self.process.returncode


@asynccontextmanager
async def process_of(answer: Answer, drain_s: float) -> AsyncGenerator[tuple[Process, FakeEngine, Client]]:
    async with FakeEngine(answer) as fake:
        process = await asyncio.to_thread(Process, fake.url, drain_s)
        try:
            async with connected(process.url) as client:
                yield process, fake, client
        finally:
            process.process.kill()
            process.process.communicate()


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_a_stream_that_runs_when_the_signal_comes_is_finished_and_nobody_new_is_let_in(sent: signal.Signals) -> None:
    async def main() -> None:
        go_on = asyncio.Event()
        script = streamed(sse(chunk({"content": "Hel"})), go_on, said("lo"))
        async with process_of(script, 5) as (process, _, client):
            client.send_chat()
            await client.head()
            first = await client.chunk()
            process.process.send_signal(sent)
            await refuses(process.url)
            go_on.set()
            rest = first + b"".join([piece async for piece in chunks(client)])

            assert (True, True) == (b"Hel" in rest and b"lo" in rest, rest.endswith(b"data: [DONE]\n\n"))
            assert (130 if sent is signal.SIGINT else -sent) == await process.ended()

    asyncio.run(main())


def test_a_stream_that_is_not_finished_in_time_is_told_why() -> None:
    async def main() -> None:
        async with process_of(streamed(sse(chunk({"content": "Hel"})), HANG), 0.2) as (process, fake, client):
            client.send_chat()
            await client.head()
            await client.chunk()
            process.process.send_signal(signal.SIGTERM)
            rest = b"".join([piece async for piece in chunks(client)])

            assert "shutting_down" == json.loads(rest.split(b"data: ")[-1])["error"]["code"]
            assert b"[DONE]" not in rest
            assert await client.is_closed()
            await fake.left()
            assert -signal.SIGTERM == await process.ended()

    asyncio.run(main())


def test_a_whole_reply_that_is_not_ready_in_time_is_a_503() -> None:
    async def main() -> None:
        async with process_of([HANG], 0.2) as (process, fake, client):
            client.send_chat(stream=False)
            while not fake.asked:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            process.process.send_signal(signal.SIGTERM)
            reply = await client.reply()

            assert (503, "shutting_down") == (reply.status, reply.json()["error"]["code"])
            assert -signal.SIGTERM == await process.ended()

    asyncio.run(main())


def test_a_request_whose_body_never_comes_does_not_hold_up_the_end() -> None:
    async def main() -> None:
        async with process_of([HANG], 0.2) as (process, _, client):
            client.send("POST", "/v1/chat/completions", b"", content_length="10", expect="100-continue")
            assert 100 == (await client.head())[0]  # so that it waits for the body now
            process.process.send_signal(signal.SIGTERM)

            assert 503 == (await client.reply()).status
            assert -signal.SIGTERM == await process.ended()

    asyncio.run(main())


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_at_once(second: signal.Signals) -> None:
    async def main() -> None:
        async with process_of(streamed(sse(chunk({"content": "Hel"})), HANG), 60) as (process, _, client):
            client.send_chat()
            await client.head()
            process.process.send_signal(signal.SIGTERM)
            await refuses(process.url)
            process.process.send_signal(second)

            assert 0 != await process.ended()  # long before the drain is over

    asyncio.run(main())


async def chunks(client: Client) -> AsyncGenerator[bytes]:
    while piece := await client.chunk():
        yield piece


async def refuses(url: str) -> None:
    """Wait until nobody is let in any more."""
    async with asyncio.timeout(WITHIN_S):
        while True:
            try:
                async with connected(url):
                    await asyncio.sleep(0.01)
            except OSError:
                return
