"""What clients ask beside replies, on the real llama.cpp server: vectors, ranks, counts, lists."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Generator
from typing import Any, NamedTuple

import anthropic
import ollama
import openai
import pytest
from real_engine import llama_cpp

from headgate.config import Config, UpstreamConfig
from headgate.gateway import create_app
from headgate.testing.live import serving

TEXTS = ["what is your name?", "tell me a story", "Grüße, 東京"]
VECTORS, RANKS, CHAT = ("embedding=1", "pooling_type=mean"), ("embedding=1", "pooling_type=rank"), ()


class Stand(NamedTuple):
    """The engine, the gateway before it, and clients of the gateway; `direct` is one of the engine."""

    engine_url: str
    url: str
    openai: openai.OpenAI
    direct: openai.OpenAI
    anthropic: anthropic.Anthropic
    ollama: ollama.Client


def stand(*settings: str) -> Generator[Stand]:
    options: dict[str, Any] = {"api_key": "none", "max_retries": 0, "timeout": 30}
    with llama_cpp("hermes", *settings) as engine_url:
        upstreams = (UpstreamConfig(name="llama", url=engine_url),)
        with (
            serving(create_app(Config(upstreams=upstreams, aliases={"nick": "tiny"}))) as url,
            openai.OpenAI(base_url=f"{url}/v1", **options) as through,
            openai.OpenAI(base_url=f"{engine_url}/v1", **options) as direct,
            anthropic.Anthropic(base_url=url, **options) as messages,
            ollama.Client(host=url, timeout=30) as api,
        ):
            yield Stand(engine_url, url, through, direct, messages, api)


@pytest.fixture(scope="module")
def vectors() -> Generator[Stand]:
    yield from stand(*VECTORS)


@pytest.fixture(scope="module")
def ranks() -> Generator[Stand]:
    yield from stand(*RANKS)


@pytest.fixture(scope="module")
def chat() -> Generator[Stand]:
    yield from stand(*CHAT)


def post(url: str, path: str, body: Any) -> bytes:
    asked = urllib.request.Request(url + path, json.dumps(body).encode(), {"content-type": "application/json"})
    with urllib.request.urlopen(asked, timeout=30) as reply:
        return bytes(reply.read())


# Vectors


@pytest.mark.parametrize("form", ["float", "base64"])
def test_the_openai_client_gets_the_engines_vectors(vectors: Stand, form: Any) -> None:
    expected = vectors.direct.embeddings.create(model="tiny", input=TEXTS, encoding_format=form).data
    found = vectors.openai.embeddings.create(model="nick", input=TEXTS, encoding_format=form).data

    assert [one.embedding for one in expected] == [one.embedding for one in found]
    assert len(TEXTS) == len(found)


def test_the_reply_is_the_engines_byte_for_byte(vectors: Stand) -> None:
    body = {"model": "tiny", "input": TEXTS}

    assert post(vectors.engine_url, "/v1/embeddings", body) == post(vectors.url, "/v1/embeddings", body)


def test_ollamas_client_gets_the_same_vectors(vectors: Stand) -> None:
    asked: dict[str, Any] = {"model": "tiny", "encoding_format": "float"}
    expected = [one.embedding for one in vectors.direct.embeddings.create(input=TEXTS, **asked).data]
    alone = vectors.direct.embeddings.create(input=TEXTS[0], **asked).data[0].embedding

    found = vectors.ollama.embed("tiny", TEXTS)

    assert (expected, True) == (found.embeddings, (found.prompt_eval_count or 0) > 0)
    assert alone == vectors.ollama.embeddings("tiny", TEXTS[0]).embedding  # computed in a batch it differs slightly


def test_what_the_engine_refuses_reaches_the_client_with_the_engines_words(vectors: Stand, chat: Stand) -> None:
    with pytest.raises(openai.BadRequestError, match='"input" or "content" must be provided'):
        vectors.openai.post("/embeddings", body={"model": "tiny"}, cast_to=object)
    with pytest.raises(openai.InternalServerError, match="does not support embeddings") as caught:
        chat.openai.embeddings.create(model="tiny", input="x")
    assert 501 == caught.value.status_code
    with pytest.raises(ollama.ResponseError, match="does not support embeddings"):
        chat.ollama.embed("tiny", "x")


# Ranks


@pytest.mark.parametrize("path", ["/v1/rerank", "/rerank"])
def test_documents_are_ranked_by_the_engine(ranks: Stand, path: str) -> None:
    asked = {"model": "tiny", "query": "a story", "documents": TEXTS}

    reply = post(ranks.url, path, {**asked, "model": "llama/tiny"})

    assert post(ranks.engine_url, path, asked) == reply
    assert len(TEXTS) == len(json.loads(reply)["results"])


# Counts


@pytest.mark.parametrize("tools", [False, True])
def test_anthropics_client_gets_the_count_that_the_prompt_has(chat: Stand, *, tools: bool) -> None:
    declared: Any = [{"name": "get_time", "input_schema": {"type": "object", "properties": {}}}] if tools else []
    messages: Any = [{"role": "user", "content": TEXTS[0]}]
    asked: dict[str, Any] = {"model": "tiny", "messages": messages, "system": "be brief", "tools": declared}

    told = chat.anthropic.messages.with_raw_response.count_tokens(**asked)
    counted = json.loads(post(chat.engine_url, "/v1/messages", {**asked, "max_tokens": 1}))["usage"]

    total = counted["input_tokens"] + counted.get("cache_read_input_tokens", 0)
    assert total == told.parse().input_tokens
    assert "x-headgate-estimate" not in told.headers


def test_anthropics_client_lists_models(chat: Stand) -> None:
    assert ["tiny", "nick"] == [model.id for model in chat.anthropic.models.list()]
    assert "tiny" == chat.anthropic.models.retrieve("tiny").display_name
    with pytest.raises(anthropic.NotFoundError, match="tiny"):
        chat.anthropic.models.retrieve("tinny")


# Lists


def test_ollamas_client_sees_what_the_server_serves(chat: Stand) -> None:
    listed = chat.ollama.list().models
    [loaded] = chat.ollama.ps().models
    shown = chat.ollama.show("nick")

    assert ["tiny", "nick"] == [model.model for model in listed]
    assert 783488 == (shown.modelinfo or {})["general.parameter_count"]
    [meta] = [model.model_extra["meta"] for model in chat.direct.models.list() if model.model_extra]
    assert (meta["n_ctx"], meta["size"]) == (loaded.context_length, listed[0].size)
    assert ["completion", "tools"] == shown.capabilities
    assert "tools" in (shown.template or "")
