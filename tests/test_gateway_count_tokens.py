"""Counting a request's tokens: by the engine where it counts, else an estimate that says that it is one."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from raw_http import Reply, connected, served

from headgate.config import Config, UpstreamConfig
from headgate.gateway import create_app
from headgate.gateway.operations.count_tokens import estimate
from headgate.testing.fake_engine import Answer, FakeEngine, plain
from headgate.testing.fake_engine import Asked as Sent

PATH = "/v1/messages/count_tokens"
HELLO: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}
NOT_FOUND = plain(b"404 page not found", status=404, content_type="text/plain")


def counted(answer: Answer, body: Any, **config: Any) -> tuple[Reply, list[Sent]]:
    async def main() -> tuple[Reply, list[Sent]]:
        async with FakeEngine(answer) as engine:
            upstreams = (UpstreamConfig(name="u", url=engine.url, dialect=config.pop("dialect", "openai")),)
            app = create_app(Config(upstreams=upstreams, **config))
            async with served(app) as url, connected(url) as client:
                return await client.ask("POST", PATH, json.dumps(body).encode()), engine.asked

    return asyncio.run(main())


def test_the_engines_own_count_is_no_estimate() -> None:
    reply, [asked] = counted(
        plain(b'{"input_tokens":97,"object":"x"}'), {**HELLO, "model": "nick"}, aliases={"nick": "m"}
    )

    assert (200, b'{"input_tokens":97}') == (reply.status, reply.body)
    assert "x-headgate-estimate" not in reply.headers
    assert (PATH, HELLO) == (asked.path, asked.json())


@pytest.mark.parametrize(
    "answer",
    [NOT_FOUND, plain(b'{"detail":"Not Found"}', status=404), plain(b"{}"), plain(b'{"input_tokens":"7"}')],
    ids=["Ollama", "FastAPI", "nothing", "text"],
)
def test_an_engine_that_does_not_count_leaves_an_estimate(answer: Answer) -> None:
    reply, _ = counted(answer, HELLO)

    assert (200, {"input_tokens": 2}, "bytes/4") == (reply.status, reply.json(), reply.headers["x-headgate-estimate"])


@pytest.mark.parametrize(
    ("answer", "status", "words"),
    [
        (plain(b'{"error":{"message":"image input is not supported"}}', status=500), 500, "image input"),
        (plain(b'{"error":"model \'m\' not found"}', status=404), 404, "not found"),
        (plain(b'{"error":"key"}', status=401), 502, "yours is fine"),
    ],
)
def test_an_engine_that_refuses_is_no_reason_to_estimate(answer: Answer, status: int, words: str) -> None:
    reply, _ = counted(answer, HELLO)

    assert (status, "error") == (reply.status, reply.json()["type"])
    assert words in reply.json()["error"]["message"]


@pytest.mark.parametrize("body", [{}, {"model": "m"}, {"model": "m", "messages": "hello"}, [], {"messages": []}])
def test_a_body_that_is_no_request_is_a_400_in_anthropics_form(body: Any) -> None:
    reply, asked = counted(plain(b'{"input_tokens":1}'), body)

    assert (400, "error", []) == (reply.status, reply.json()["type"], asked)
    assert "expected" in reply.json()["error"]["message"]


# The estimate


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, 0),
        ({"messages": []}, 0),
        ({"messages": [{"role": "user", "content": "four"}]}, 1),
        ({"messages": [{"role": "user", "content": "fives"}]}, 2),
        ({"messages": [{"role": "user", "content": "éé"}]}, 1),
        ({"system": "four", "messages": [{"role": "user", "content": "four"}]}, 2),
        ({"system": [{"type": "text", "text": "four", "cache_control": {"type": "ephemeral"}}]}, 1),
        (
            {
                "messages": [
                    {"role": "assistant", "content": [{"type": "thinking", "thinking": "four", "signature": "x"}]}
                ]
            },
            1,
        ),
        (
            {"messages": [{"content": [{"type": "tool_use", "id": "toolu_1", "name": "name", "input": {"a": 1}}]}]},
            3,  # four letters and {"a":1}
        ),
        ({"messages": [{"content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "four"}]}]}, 1),
        ({"messages": [{"content": [{"type": "image", "source": {"type": "base64", "data": "x" * 4000}}]}]}, 0),
        ({"tools": [{"name": "name", "description": "four", "input_schema": {"type": "object"}}]}, 7),
        ({"metadata": {"user_id": "x" * 400}, "messages": []}, 0),
    ],
)
def test_the_rule_is_a_token_for_four_bytes_of_what_a_prompt_holds(body: dict[str, Any], expected: int) -> None:
    assert expected == estimate(body)


@given(st.text(), st.text())
def test_more_text_is_never_fewer_tokens(text: str, more: str) -> None:
    def tokens(content: str) -> int:
        return estimate({"messages": [{"role": "user", "content": content}]})

    if not any("\ud800" <= letter <= "\udfff" for letter in text + more):
        assert tokens(text) <= tokens(text + more) <= tokens(text) + tokens(more)


# The models of the same API


def models(path: str = "/v1/models", **headers: Any) -> Any:
    async def main() -> Any:
        listed = plain(b'{"data":[{"id":"org/a","created":1700000000},{"id":"b"}]}')
        async with FakeEngine(listed) as engine:
            app = create_app(Config(upstreams=(UpstreamConfig(name="u", url=engine.url),), aliases={"nick": "b"}))
            async with served(app) as url, connected(url) as client:
                return (await client.ask("GET", path, **headers)).json()

    return asyncio.run(main())


def test_models_have_anthropics_form_for_who_speaks_it() -> None:
    assert {
        "data": [
            {"type": "model", "id": "org/a", "display_name": "org/a", "created_at": "2023-11-14T22:13:20Z"},
            {"type": "model", "id": "b", "display_name": "b", "created_at": "1970-01-01T00:00:00Z"},
            {"type": "model", "id": "nick", "display_name": "nick", "created_at": "1970-01-01T00:00:00Z"},
        ],
        "has_more": False,
        "first_id": "org/a",
        "last_id": "nick",
    } == models("/v1/models", anthropic_version="2023-06-01")
    assert "org/a" == models("/v1/models/org/a", anthropic_version="2023-06-01")["display_name"]
    assert "error" == models("/v1/models/nobody", anthropic_version="2023-06-01")["type"]


def test_models_have_openais_form_for_everybody_else() -> None:
    assert {
        "object": "list",
        "data": [
            {"id": "org/a", "object": "model", "created": 1700000000, "owned_by": "u"},
            {"id": "b", "object": "model", "created": 0, "owned_by": "u"},
            {"id": "nick", "object": "model", "created": 0, "owned_by": "headgate"},
        ],
    } == models("/v1/models")
    assert "headgate" == models("/v1/models/nick")["owned_by"]


def test_an_empty_list_has_no_ends() -> None:
    async def main() -> Any:
        async with FakeEngine(plain(b'{"data":[]}')) as engine:
            app = create_app(Config(upstreams=(UpstreamConfig(name="u", url=engine.url),)))
            async with served(app) as url, connected(url) as client:
                return (await client.ask("GET", "/v1/models", anthropic_version="2023-06-01")).json()

    assert {"data": [], "has_more": False, "first_id": None, "last_id": None} == asyncio.run(main())
