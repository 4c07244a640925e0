"""What only Anthropic's own client can see of our replies; what all clients do is in `test_clients.py`."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import anthropic
import pytest
from engine.corpus import STORY, UNICODE
from real_engine import llama_cpp
from scripted import scripted

from headgate.config import Config, UpstreamConfig
from headgate.conform import check_stream
from headgate.demo import DEMO_MODEL, cassettes
from headgate.gateway import create_app
from headgate.limits import DEFAULTS, Limits
from headgate.signatures import UNSIGNED
from headgate.testing.fake_engine import Script, chunk, plain, said, sse, streamed
from headgate.testing.live import serving
from headgate.upstream.replay import ReplayUpstream

TOOLS: Any = [
    {
        "name": name,
        "description": "A tool.",
        "input_schema": {"type": "object", "properties": {"command": {"type": "string"}}},
    }
    for name in ("run_command", "get_time")
]
SCHEMA: Any = {
    "type": "object",
    "properties": {"answer": {"type": "integer"}},
    "required": ["answer"],
    "additionalProperties": False,
}
LIST: Any = {"command": "ls"}
BOTH: Any = {"type": "auto", "disable_parallel_tool_use": False}
DIALECTS = Path(__file__).parents[1] / "fixtures" / "dialects"
FREE_S = 2.0
"""Within this time a slot must be free again."""

Ask: TypeAlias = Callable[..., anthropic.types.Message]


class Stand(NamedTuple):
    """The engine's URL, a client of the gateway before it, and the template that the engine runs with."""

    engine_url: str
    client: anthropic.Anthropic
    template: str


def client_of(url: str) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=url, api_key="none", max_retries=0, timeout=30)


def asked(question: str | list[Any], **fields: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": question}] if isinstance(question, str) else question
    # The client knows no temperature any more; the API still does.
    return {"model": "tiny", "max_tokens": 1000, "messages": messages, "extra_body": {"temperature": 0}, **fields}


@pytest.fixture(scope="module", params=["hermes", "harmony"])
def stand(request: pytest.FixtureRequest) -> Generator[Stand]:
    with llama_cpp(request.param) as engine_url:
        app = create_app(Config(upstreams=(UpstreamConfig(name="llama", url=engine_url),)))
        with serving(app) as url, client_of(url) as client:
            yield Stand(engine_url, client, request.param)


@pytest.fixture(params=["streamed", "whole"])
def ask(request: pytest.FixtureRequest, stand: Stand) -> Ask:
    """Ask a question in either way."""
    return asking(stand.client, streamed=request.param == "streamed")


def asking(client: anthropic.Anthropic, *, streamed: bool) -> Ask:
    def ask(question: str | list[Any], **fields: Any) -> anthropic.types.Message:
        if not streamed:
            message: anthropic.types.Message = client.messages.create(**asked(question, **fields))
            return message
        with client.messages.stream(**asked(question, **fields)) as stream:
            return stream.get_final_message()

    return ask


def text_of(message: anthropic.types.Message) -> str:
    return "".join(block.text for block in message.content if block.type == "text")


def thought_of(message: anthropic.types.Message) -> str:
    return "".join(block.thinking for block in message.content if block.type == "thinking")


def calls_of(message: anthropic.types.Message) -> list[anthropic.types.ToolUseBlock]:
    return [block for block in message.content if block.type == "tool_use"]


# The real llama.cpp


def test_text(ask: Ask) -> None:
    message = ask("what is your name?")

    assert ("My name is Neo Vim.", "end_turn", "tiny") == (text_of(message), message.stop_reason, message.model)
    assert message.usage.output_tokens > 0
    assert 0 < message.usage.input_tokens + (message.usage.cache_read_input_tokens or 0)


@pytest.mark.parametrize(("question", "text"), [("tell me a story", STORY), ("say something in unicode", UNICODE)])
def test_long_text_and_every_character(ask: Ask, question: str, text: str) -> None:
    assert text == text_of(ask(question))


def test_reasoning_and_its_way_back(ask: Ask) -> None:
    message = ask("think: what is 2 + 2?")
    thoughts = [block for block in message.content if block.type == "thinking"]

    assert ("2 + 2 = 4.", "end_turn") == (text_of(message), message.stop_reason)
    assert "That is 4." in thought_of(message)
    assert [UNSIGNED] == [block.signature for block in thoughts]
    history = [
        {"role": "user", "content": "think: what is 2 + 2?"},
        {"role": "assistant", "content": message.content},
        {"role": "user", "content": "what is your name?"},
    ]
    assert text_of(ask(history))


def test_a_limit_is_told(ask: Ask) -> None:
    assert "max_tokens" == ask("tell me a story", max_tokens=5).stop_reason


@pytest.mark.parametrize("streamed", [True, False])
def test_a_prompt_that_is_too_long_is_the_engines_400(stand: Stand, *, streamed: bool) -> None:
    with pytest.raises(anthropic.BadRequestError, match="exceeds the available context size") as caught:
        asking(stand.client, streamed=streamed)("hello " * 40_000)

    assert "invalid_request_error" == error_of(caught.value)["type"]


def error_of(error: anthropic.APIStatusError) -> dict[str, Any]:
    body: Any = error.body
    found: dict[str, Any] = body["error"]
    return found


# Cancelling


# Recordings


@pytest.fixture(scope="module")
def demo() -> Generator[anthropic.Anthropic]:
    """A client of recorded exchanges."""
    upstream = UpstreamConfig(name="demo", url="demo:", models=(DEMO_MODEL,))
    replay = ReplayUpstream("demo", cassettes(), models=(DEMO_MODEL,))
    with (
        serving(create_app(Config(upstreams=(upstream,)), upstreams={"demo": replay})) as url,
        client_of(url) as client,
    ):
        yield client


def test_a_request_of_ours_that_is_wrong_names_the_field(demo: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.BadRequestError, match="expected at least one message at /messages") as caught:
        demo.messages.create(model=DEMO_MODEL, max_tokens=5, messages=[])

    assert ("/messages", "invalid_request") == (error_of(caught.value)["param"], error_of(caught.value)["code"])


# Bad engines


@contextmanager
def engine_says(script: Script, limits: Limits = DEFAULTS, dialect: str = "openai") -> Generator[anthropic.Anthropic]:
    """A client of an engine that does what a script says."""
    with scripted(script, dialect, limits, models=("tiny",)) as live, client_of(live.url) as client:
        yield client


@pytest.mark.parametrize("streamed_to_client", [True, False])
@pytest.mark.parametrize(
    "case",
    [
        "ollama/ollama.tiny.think",
        "ollama/ollama.tiny.tool.pair",
        "ollama/ollama.tinyharmony.tool.pair",
        "ollama/ollama.tiny.unicode",
        "openai/llamacpp-2026.8.10566.hermes.tool.pair",
        "openai/llamacpp-2026.8.10566.harmony.tool",
        "openai/ollama.tinyqwen3.v1.tool.pair",
    ],
)
def test_what_engines_were_recorded_to_say_arrives(case: str, *, streamed_to_client: bool) -> None:
    """The expected messages come from what the models were taught, and not from our decoder."""
    folder = DIALECTS / case
    dialect = case.partition("/")[0]
    (expected,) = json.loads((folder / "message.json").read_bytes())
    kind = "application/x-ndjson" if dialect == "ollama" else "text/event-stream"
    script = streamed((folder / "response.raw").read_bytes(), content_type=kind)
    with engine_says(script, dialect=dialect) as client:
        message = asking(client, streamed=streamed_to_client)("hello", tools=TOOLS)

    assert (expected["content"] or "") == text_of(message)
    assert (expected["reasoning_content"] or "") == thought_of(message)
    assert [json.loads(call["function"]["arguments"]) for call in expected["tool_calls"]] == [
        call.input for call in calls_of(message)
    ]
    assert {"tool_calls": "tool_use", "stop": "end_turn"}[expected["finish_reason"]] == message.stop_reason
    if expected["usage"]:
        cached = message.usage.cache_read_input_tokens or 0
        assert expected["usage"]["prompt_tokens"] == message.usage.input_tokens + cached
        assert expected["usage"]["completion_tokens"] == message.usage.output_tokens


def test_an_error_in_the_stream_raises_with_its_message() -> None:
    script = streamed(sse(chunk({"content": "Hel"})), 0.02, sse({"error": {"message": "out of memory"}}))
    texts: list[str] = []
    with (
        engine_says(script) as client,
        client.messages.stream(**asked("hello")) as stream,
        pytest.raises(anthropic.APIStatusError, match="out of memory") as caught,
    ):
        texts += (text for text in stream.text_stream)

    assert (["Hel"], "upstream_error") == (texts, error_of(caught.value)["code"])


def test_a_call_that_is_cut_raises_so_that_nobody_runs_it() -> None:
    function = {"name": "run_command", "arguments": '{"command": "rm'}
    call = {"tool_calls": [{"index": 0, "id": "a", "type": "function", "function": function}]}
    script = streamed(sse(chunk(call), chunk({}, "tool_calls"), done=True))
    with engine_says(script) as client, pytest.raises(anthropic.APIStatusError, match="Do not run it"):
        asking(client, streamed=True)("hello", tools=TOOLS)


@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize("body", [b'{"error":"the model is gone"}', b'{"error":{"message":"the model is gone"}}'])
def test_an_engines_error_reaches_the_user_in_words(body: bytes, *, streamed: bool) -> None:
    with engine_says(plain(body, 404)) as client, pytest.raises(anthropic.NotFoundError, match="the model is gone"):
        asking(client, streamed=streamed)("hello")


def test_pings_before_the_first_token_and_between_tokens_disturb_nothing() -> None:
    """A long prompt is read before anything is generated."""
    script = streamed(0.3, sse(chunk({"content": "Hel"})), 0.3, sse(chunk({"content": "lo"})), said(""))
    with engine_says(script, Limits(keepalive_s=0.1)) as client:
        raw = client.messages.with_streaming_response.create(**asked("hello"), stream=True)
        with raw as response:
            data = b"".join(response.iter_bytes())
        with client.messages.stream(**asked("hello")) as stream:
            message = stream.get_final_message()

    assert data.startswith(b"event: ping\n")
    assert data.count(b"event: ping\n") >= 3
    assert [] == check_stream(data, "anthropic")
    assert ("Hello", "end_turn") == (text_of(message), message.stop_reason)


def test_a_connection_serves_many_requests() -> None:
    with engine_says(streamed(said("ok"))) as client:
        for _ in range(3):
            assert ["ok"] * 2 == [text_of(asking(client, streamed=way)("hello")) for way in (True, False)]
