"""What the real OpenAI client makes of our streams, good and bad."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import openai
import pytest
from engine.corpus import AFTER_TOOL
from real_engine import llama_cpp
from scripted import scripted

from headgate.config import Config, UpstreamConfig
from headgate.demo import DEMO_MODEL, cassettes
from headgate.gateway import create_app
from headgate.testing.fake_engine import CUT, HANG, FakeEngine, Script, chunk, plain, said, sse, streamed
from headgate.testing.live import serving
from headgate.upstream.replay import ReplayUpstream

TOOL: Any = {"type": "function", "function": {"name": "run_command", "parameters": {"type": "object"}}}


def client_of(url: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0, timeout=20)


def asked(question: str, **fields: Any) -> dict[str, Any]:
    return {"model": DEMO_MODEL, "messages": [{"role": "user", "content": question}], **fields}


@pytest.fixture(scope="module")
def demo() -> Generator[openai.OpenAI]:
    """A client of the demo engine."""
    upstream = UpstreamConfig(name="demo", url="demo:", models=(DEMO_MODEL,))
    replay = ReplayUpstream("demo", cassettes(), models=(DEMO_MODEL,))
    with serving(create_app(Config(upstreams=(upstream,)), upstreams={"demo": replay})) as url:
        yield client_of(url)


@contextmanager
def engine_says(script: Script) -> Generator[openai.OpenAI]:
    """A client of an engine that does what a script says; the engine runs in a loop of its own."""
    ready, stop = threading.Event(), threading.Event()
    urls: list[str] = []

    async def run() -> None:
        async with FakeEngine(script) as engine:
            urls.append(engine.url)
            ready.set()
            await asyncio.to_thread(stop.wait)

    thread = threading.Thread(target=lambda: asyncio.run(run()), name="engine")
    thread.start()
    ready.wait()
    try:
        with serving(create_app(Config(upstreams=(UpstreamConfig(name="u", url=urls[0]),)))) as url:
            yield client_of(url)
    finally:
        stop.set()
        thread.join()


# The demo engine


def test_text_arrives_in_both_ways(demo: openai.OpenAI) -> None:
    whole = demo.chat.completions.create(**asked("what is your name?"))
    with demo.chat.completions.stream(**asked("what is your name?")) as stream:
        content = stream.get_final_completion().choices[0].message.content

    assert "My name is Neo Vim." == whole.choices[0].message.content == content


def test_parallel_calls_arrive_apart(demo: openai.OpenAI) -> None:
    question = asked("list the files twice", tools=[TOOL])
    whole = demo.chat.completions.create(**question).choices[0]
    with demo.chat.completions.stream(**question) as stream:
        streamed_choice = stream.get_final_completion().choices[0]

    for choice in (whole, streamed_choice):
        calls = [call for call in choice.message.tool_calls or [] if call.type == "function"]
        assert "tool_calls" == choice.finish_reason
        assert ["run_command"] * 2 == [call.function.name for call in calls]
        assert 2 == len({call.id for call in calls})


def test_reasoning_arrives_apart_from_the_answer(demo: openai.OpenAI) -> None:
    stream = demo.chat.completions.create(**asked("think: what is 2 + 2?"), stream=True)
    deltas = [chunk.choices[0].delta for chunk in stream if chunk.choices]

    assert "2 + 2 = 4." == "".join(delta.content or "" for delta in deltas)
    assert "That is 4." in "".join((delta.model_extra or {}).get("reasoning_content", "") for delta in deltas)


def test_usage_is_a_chunk_of_its_own(demo: openai.OpenAI) -> None:
    options: Any = {"include_usage": True}
    chunks = list(demo.chat.completions.create(**asked("what is your name?"), stream=True, stream_options=options))

    assert [] == chunks[-1].choices
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens > 0
    assert all(chunk.usage is None for chunk in chunks[:-1])


def test_the_demo_is_listed(demo: openai.OpenAI) -> None:
    assert [DEMO_MODEL] == [model.id for model in demo.models.list()]


# llama.cpp

SCHEMA = {"type": "object", "properties": {"answer": {"type": "integer"}}, "required": ["answer"]}


@pytest.fixture(scope="module")
def live() -> Generator[openai.OpenAI]:
    """A client of a real engine."""
    with llama_cpp("hermes") as engine_url:
        app = create_app(Config(upstreams=(UpstreamConfig(name="llama", url=engine_url),)))
        with serving(app) as url:
            yield client_of(url)


@pytest.mark.parametrize("is_streamed", [True, False])
@pytest.mark.parametrize(
    ("question", "commands"), [("list the files", ["ls"]), ("list the files twice", ["ls", "ls -la"])]
)
def test_calls_arrive_and_their_results_are_sent_back(
    live: openai.OpenAI, question: str, commands: list[str], *, is_streamed: bool
) -> None:
    fields = asked(question, tools=[TOOL], temperature=0)
    message = said_by(live, fields, is_streamed=is_streamed)
    calls = message["tool_calls"]
    results = [{"role": "tool", "tool_call_id": call["id"], "content": "README.md"} for call in calls]
    fields["messages"] += [message, *results]

    assert commands == [json.loads(call["function"]["arguments"])["command"] for call in calls]
    assert AFTER_TOOL["hermes"] == said_by(live, fields, is_streamed=is_streamed)["content"]


def said_by(client: openai.OpenAI, fields: dict[str, Any], *, is_streamed: bool) -> dict[str, Any]:
    """The message for the history, as the client itself writes it."""
    if is_streamed:
        with client.chat.completions.stream(**fields) as stream:
            message: Any = stream.get_final_completion().choices[0].message
    else:
        message = client.chat.completions.create(**fields).choices[0].message
    return dict(message.to_dict())


def test_a_structured_answer_is_one(live: openai.OpenAI) -> None:
    wanted: Any = {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA}}
    reply = live.chat.completions.create(**asked("answer in json", response_format=wanted, temperature=0))

    assert ["answer"] == list(json.loads(reply.choices[0].message.content or ""))


@pytest.mark.parametrize("spelling", ["reasoning_content", "reasoning", "tags", "none"])
def test_a_thought_is_where_it_was_asked_for(live: openai.OpenAI, spelling: str) -> None:
    headers = {"x-headgate-reasoning": spelling}
    reply = live.chat.completions.create(**asked("think: what is 2 + 2?", temperature=0), extra_headers=headers)
    message = reply.choices[0].message
    fields = {
        name for name in ("reasoning_content", "reasoning") if "That is 4." in (message.model_extra or {}).get(name, "")
    }

    assert ({spelling} & {"reasoning_content", "reasoning"}) == fields
    assert (spelling == "tags") == (message.content or "").startswith("<think>")
    assert (message.content or "").strip().endswith("2 + 2 = 4.")


def test_a_stream_that_is_closed_stops_the_engine() -> None:
    with scripted(streamed(sse(chunk({"content": "Hel"})), HANG)) as live:
        stream = client_of(live.url).chat.completions.create(**asked("hello"), stream=True)
        assert "Hel" in [chunk.choices[0].delta.content for _, chunk in zip(range(2), stream, strict=False)]
        stream.close()
        live.left()


# Failures


def test_an_error_in_the_stream_raises_with_its_message() -> None:
    script = streamed(sse(chunk({"content": "Hel"})), 0.02, sse({"error": {"message": "out of memory"}}))
    with engine_says(script) as client:
        stream = client.chat.completions.create(**asked("hello"), stream=True)
        texts: list[str | None] = []

        with pytest.raises(openai.APIError, match="out of memory"):
            texts += (chunk.choices[0].delta.content for chunk in stream)

    assert "Hel" in texts


@pytest.mark.parametrize("end", [(), (CUT,)])
def test_a_stream_that_is_cut_raises_instead_of_passing_for_a_whole_one(end: Any) -> None:
    """Left alone, this client takes a stream without a finish for a whole answer."""
    with engine_says(streamed(sse(chunk({"content": "Hel"})), *end)) as client:
        with pytest.raises(openai.APIError, match="see its log"):
            list(client.chat.completions.create(**asked("hello"), stream=True))

        with pytest.raises(openai.APIStatusError, match="see its log"):
            client.chat.completions.create(**asked("hello"))


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("body", [b'{"error":"the model is gone"}', b'{"error":{"message":"the model is gone"}}'])
def test_an_engines_error_reaches_the_user_in_words(body: bytes, *, stream: bool) -> None:
    """Ollama's form alone loses its text in this client."""
    with engine_says(plain(body, 404)) as client, pytest.raises(openai.NotFoundError, match="the model is gone"):
        client.chat.completions.create(**asked("hello"), stream=stream)


def test_a_request_of_ours_that_is_wrong_names_the_field(demo: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        demo.chat.completions.create(model=DEMO_MODEL, messages=[])

    assert ("/messages", "invalid_request") == (caught.value.param, caught.value.code)


def test_a_connection_serves_many_requests() -> None:
    with engine_says(streamed(said("ok"))) as client:
        for _ in range(3):
            assert "ok" == client.chat.completions.create(**asked("hello")).choices[0].message.content
            assert list(client.chat.completions.create(**asked("hello"), stream=True))
