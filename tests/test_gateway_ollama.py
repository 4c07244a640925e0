"""Ollama's API at the gateway: what the engine is asked, and what the client gets, over real sockets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from raw_http import Client, connected, served

from headgate.config import Config, UpstreamConfig
from headgate.conform import check_stream
from headgate.gateway import create_app
from headgate.gateway.loading import LoadedUpstream
from headgate.gateway.policy import MemoryPolicy, Outcome
from headgate.messages import HttpRequest
from headgate.testing.fake_engine import FakeEngine, Script, chunk, plain, said, sse, streamed

MESSAGES = [{"role": "user", "content": "hi"}]
OLLAMAS_LOAD = (
    b'{"model":"m","created_at":"2026-11-21T00:00:00Z","message":{"role":"assistant","content":""},"done":true,'
)
CALL = {"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": "[1]"}}


@asynccontextmanager
async def stage(
    script: Script, dialect: str = "openai", policy: MemoryPolicy | None = None
) -> AsyncGenerator[tuple[FakeEngine, Client]]:
    async with FakeEngine(script) as engine:
        upstream = UpstreamConfig(name="u", url=engine.url, dialect=dialect, models=("m",))
        async with served(create_app(Config(upstreams=(upstream,)), policy=policy)) as url, connected(url) as client:
            yield engine, client


def ask(
    path: str, script: Script, dialect: str = "openai", policy: MemoryPolicy | None = None, **fields: Any
) -> tuple[int, bytes, list[Any], dict[str, str]]:
    """The status, the body, what the engine was asked to say, and the headers."""

    async def run() -> tuple[int, bytes, list[Any], dict[str, str]]:
        async with stage(script, dialect, policy) as (engine, client):
            reply = await client.ask("POST", path, json.dumps({"model": "m", **fields}).encode())
            asked = [one.json() for one in engine.asked if one.method == "POST"]
            return reply.status, reply.body, asked, dict(reply.headers)

    return asyncio.run(run())


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(("path", "name"), [("/api/chat", "ollama"), ("/api/generate", "ollama_generate")])
def test_both_paths_answer_in_both_ways(path: str, name: str, *, stream: bool) -> None:
    what: dict[str, Any] = {"messages": MESSAGES} if path == "/api/chat" else {"prompt": "hi"}
    status, body, asked, headers = ask(path, streamed(said("ok")), stream=stream, **what)
    last = json.loads(body.strip().split(b"\n")[-1])

    assert (200, MESSAGES, True) == (status, asked[0]["messages"], last["done"])
    assert ("application/x-ndjson" if stream else "application/json") == headers["content-type"].partition(";")[0]
    assert [] == (check_stream(body, name) if stream else check_stream(body + b"\n", name))


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(("path", "what"), [("/api/chat", {"messages": []}), ("/api/generate", {"prompt": ""})])
def test_a_model_is_loaded_without_a_word_to_an_engine_that_has_it(
    path: str, what: dict[str, Any], *, stream: bool
) -> None:
    """`ollama run` begins with it; llama.cpp would answer 400."""
    policy = MemoryPolicy()
    status, body, asked, headers = ask(path, streamed(said("no")), policy=policy, stream=stream, keep_alive=5, **what)
    reply = json.loads(body)

    assert (200, [], "u") == (status, asked, headers["x-headgate-upstream"])
    assert (True, "load", "m") == (reply["done"], reply["done_reason"], reply["model"])
    assert "" == (reply["message"]["content"] if path == "/api/chat" else reply["response"])


def test_an_ollama_engine_is_asked_to_load_its_model() -> None:
    load = streamed(OLLAMAS_LOAD + b'"done_reason":"unload"}\n', content_type="application/x-ndjson")
    status, body, asked, _ = ask("/api/chat", load, "ollama", keep_alive=0)

    assert (200, "unload") == (status, json.loads(body)["done_reason"])
    assert [{"model": "m", "messages": [], "keep_alive": 0, "stream": True}] == asked


def test_what_a_whole_reply_cannot_say_is_a_502_and_the_engines_failure() -> None:
    """A stream says it with an error line; a whole reply must not pass for one of ours, or for success."""
    policy = MemoryPolicy()
    script = streamed(sse(chunk({"tool_calls": [CALL]}), chunk(finish="tool_calls"), done=True))
    status, body, _, _ = ask("/api/chat", script, policy=policy, stream=False, messages=MESSAGES)

    assert (502, {"error"}) == (status, set(json.loads(body)))
    assert "expected an object" in json.loads(body)["error"]
    assert [(Outcome.UPSTREAM_FAILED, "tool_call_incomplete")] == [(one.outcome, one.code) for one in policy.settled]


def test_a_failure_has_ollamas_form() -> None:
    status, body, _, _ = ask("/api/chat", plain(b'{"error":{"message":"no such model"}}', 404), messages=MESSAGES)

    assert (404, {"error": "no such model"}) == (status, json.loads(body))


def test_an_upstream_that_has_loaded_says_so_at_once() -> None:
    async def run() -> None:
        upstream = LoadedUpstream("u")
        reply = await upstream.fetch(HttpRequest(path="/api/chat"))
        assert (200, "load") == (reply.status, json.loads(reply.body)["done_reason"])
        await upstream.close()

    asyncio.run(run())
