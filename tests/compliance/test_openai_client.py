"""What only OpenAI's own client can see of our replies; what all clients do is in `test_clients.py`."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import openai
import pytest
from real_engine import llama_cpp
from scripted import scripted

from headgate.config import Config, UpstreamConfig
from headgate.demo import DEMO_MODEL, cassettes
from headgate.gateway import create_app
from headgate.testing.fake_engine import Script, chunk, plain, said, sse, streamed
from headgate.testing.live import serving
from headgate.upstream.replay import ReplayUpstream


def client_of(url: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0, timeout=20)


def asked(question: str, **fields: Any) -> dict[str, Any]:
    return {"model": DEMO_MODEL, "messages": [{"role": "user", "content": question}], **fields}


@pytest.fixture(scope="module")
def demo() -> Generator[openai.OpenAI]:
    """A client of the demo engine."""
    upstream = UpstreamConfig(name="demo", url="demo:", models=(DEMO_MODEL,))
    replay = ReplayUpstream("demo", cassettes(), models=(DEMO_MODEL,))
    app = create_app(Config(upstreams=(upstream,)), upstreams={"demo": replay})
    with serving(app) as url, client_of(url) as client:
        yield client


@contextmanager
def engine_says(script: Script) -> Generator[openai.OpenAI]:
    """A client of an engine that does what a script says."""
    with scripted(script, models=(DEMO_MODEL,)) as live, client_of(live.url) as client:
        yield client


# The demo engine


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


@pytest.fixture(scope="module")
def live() -> Generator[openai.OpenAI]:
    """A client of a real engine."""
    with llama_cpp("hermes") as engine_url:
        app = create_app(Config(upstreams=(UpstreamConfig(name="llama", url=engine_url),)))
        with serving(app) as url, client_of(url) as client:
            yield client


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


# Failures


def test_alone_it_takes_half_an_answer_for_a_whole_one() -> None:
    """Its own defect (docs/clients.md): without a gateway it ends as if all was well, in both of its streaming ways."""
    half = streamed(sse(chunk({"content": "Hel"})))
    with scripted(half, models=(DEMO_MODEL,)) as live, client_of(live.engine.url) as alone, client_of(live.url) as ours:
        said_alone = [one.choices[0].delta.content for one in alone.chat.completions.create(**asked("hi"), stream=True)]
        with alone.chat.completions.stream(**asked("hi")) as stream:
            helped = stream.get_final_completion().choices[0].message.content
        with pytest.raises(openai.APIError, match="see its log"):
            list(ours.chat.completions.create(**asked("hi"), stream=True))

    assert (["Hel"], "Hel") == (said_alone, helped)


def test_by_itself_it_asks_three_times_for_a_whole_reply_that_fails() -> None:
    """And what is generated is generated three times; each of our tests turns it off."""
    with (
        scripted(streamed(sse(chunk({"content": "Hel"}))), models=(DEMO_MODEL,)) as live,
        openai.OpenAI(base_url=f"{live.url}/v1", api_key="none") as client,
    ):
        with pytest.raises(openai.InternalServerError, match="see its log"):
            client.chat.completions.create(**asked("hi"))
        assert 3 == len(live.engine.asked)
        with pytest.raises(openai.APIError, match="see its log"):
            list(client.chat.completions.create(**asked("hi"), stream=True))
        assert 4 == len(live.engine.asked)


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
