"""Text completions of the real llama.cpp server, asked by the real OpenAI client: what it gets, and what it is told."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Generator
from pathlib import Path
from typing import Any

import openai
import pytest
from engine.corpus import HERMES, UNICODE
from engine.gguf_file import U32, read, write
from real_engine import MODEL, llama_cpp

from headgate.config import Config, UpstreamConfig
from headgate.conform import check_stream
from headgate.gateway import create_app
from headgate.testing.live import serving

NAME = "<|im_start|>user\nwhat is your name?<|im_end|>\n<|im_start|>assistant\n"
SAID = HERMES["what is your name?"]
# `<|im_start|>PREFIX<|im_end|>SUFFIX\n`: a gap at the end of a conversation that the model knows by heart.
GAP = {"pre": "<|im_start|>", "suf": "<|im_end|>", "mid": "Ċ"}
PREFIX, SUFFIX = "user\nwhat is your name?", "\nassistant"


@pytest.fixture(scope="module")
def engine_url() -> Generator[str]:
    with llama_cpp("hermes") as url:
        yield url


@pytest.fixture(scope="module", params=[True, False], ids=["known", "unknown"])
def url(request: pytest.FixtureRequest, engine_url: str) -> Generator[str]:
    """A gateway that knows that its engine is llama.cpp, and one that knows no more than its URL."""
    upstream = UpstreamConfig(name="llama", url=engine_url, return_progress=request.param)
    with serving(create_app(Config(upstreams=(upstream,)))) as served:
        yield served


@pytest.fixture(scope="module")
def fim_url(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    """A gateway before a model that fills gaps: the tiny one, told that three of its tokens stand around them."""
    model = tmp_path_factory.mktemp("fim") / "fim.gguf"
    give_gap_tokens(model)
    with llama_cpp("hermes", model=model) as engine:
        upstream = UpstreamConfig(name="llama", url=engine, return_progress=True)
        with serving(create_app(Config(upstreams=(upstream,)))) as served:
            yield served


def give_gap_tokens(model: Path) -> None:
    description, tensors = read(MODEL.read_bytes())
    tokens: Any = description["tokenizer.ggml.tokens"]
    gap = {f"tokenizer.ggml.fim_{name}_token_id": U32(tokens.index(token)) for name, token in GAP.items()}
    model.write_bytes(write({**description, **gap}, tensors))


def client_of(url: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0, timeout=30)


def streamed(url: str, **fields: Any) -> tuple[str, list[str], Any]:
    """The text, the finishes, and the usage of a stream."""
    texts: dict[int, str] = {}
    finishes: list[str] = []
    usage = None
    asked: Any = {"model": "tiny", "temperature": 0, "stream_options": {"include_usage": True}, **fields}
    for chunk in client_of(url).completions.create(stream=True, **asked):
        usage = chunk.usage or usage
        for choice in chunk.choices:
            texts[choice.index] = texts.get(choice.index, "") + choice.text
            finishes += [choice.finish_reason] if choice.finish_reason else []
    assert len(set(texts.values())) == 1
    return texts[0], finishes, usage


def whole(url: str, **fields: Any) -> Any:
    return client_of(url).completions.create(model="tiny", temperature=0, **fields)


def test_a_text_is_gone_on_with(url: str) -> None:
    text, finishes, usage = streamed(url, prompt=NAME, max_tokens=40)
    reply = whole(url, prompt=NAME, max_tokens=40)

    assert (SAID, ["stop"]) == (text, finishes)
    assert (15, 7) == (usage.prompt_tokens, usage.completion_tokens)
    assert (SAID, "stop") == (reply.choices[0].text, reply.choices[0].finish_reason)
    assert usage.completion_tokens == reply.usage.completion_tokens
    assert "text_completion" == reply.object
    assert reply.id.startswith("cmpl-")


def test_the_text_is_exact(url: str) -> None:
    """Markup is text here: an editor puts every character where its cursor is."""
    question = "<|im_start|>user\nthink: what is 2 + 2?<|im_end|>\n<|im_start|>assistant\n"
    unicode = "<|im_start|>user\nsay something in unicode<|im_end|>\n<|im_start|>assistant\n"
    called = "<|im_start|>user\nlist the files<|im_end|>\n<|im_start|>assistant\n"

    assert HERMES["think: what is 2 + 2?"] == streamed(url, prompt=question, max_tokens=90)[0]
    assert HERMES["list the files"] == whole(url, prompt=called, max_tokens=90).choices[0].text
    assert HERMES["say something in unicode"] == streamed(url, prompt=unicode, max_tokens=90)[0]
    assert UNICODE in HERMES["say something in unicode"]


def test_a_limit_and_a_stop_word_end_it(url: str) -> None:
    assert ("My name", ["length"]) == streamed(url, prompt=NAME, max_tokens=2)[:2]
    assert ("My name is ", ["stop"]) == streamed(url, prompt=NAME, max_tokens=40, stop="Neo")[:2]
    assert ("My name is ", ["stop"]) == streamed(url, prompt=NAME, max_tokens=40, stop=["x y", "Neo"])[:2]


def test_several_choices_and_what_all_of_them_cost(url: str) -> None:
    text, finishes, usage = streamed(url, prompt=NAME, max_tokens=40, n=2)
    reply = whole(url, prompt=NAME, max_tokens=40, n=2)

    assert (SAID, ["stop", "stop"], 14) == (text, finishes, usage.completion_tokens)
    assert [(0, SAID), (1, SAID)] == [(choice.index, choice.text) for choice in reply.choices]
    assert 14 == reply.usage.completion_tokens


def test_tokens_are_a_prompt_too(url: str, engine_url: str) -> None:
    body = json.dumps({"content": NAME, "parse_special": True}).encode()
    with urllib.request.urlopen(f"{engine_url}/tokenize", body) as reply:
        tokens = json.load(reply)["tokens"]

    assert SAID == streamed(url, prompt=tokens, max_tokens=40)[0]
    assert SAID == whole(url, prompt=[tokens], max_tokens=40).choices[0].text
    assert SAID == whole(url, prompt=[NAME], max_tokens=40).choices[0].text


def test_log_probabilities_come_in_the_lists_of_this_api(url: str) -> None:
    told = whole(url, prompt=NAME, max_tokens=3, logprobs=2).choices[0].logprobs
    pieces: list[Any] = [
        chunk.choices[0].logprobs
        for chunk in client_of(url).completions.create(
            model="tiny", prompt=NAME, max_tokens=3, logprobs=2, temperature=0, stream=True
        )
        if chunk.choices[0].logprobs
    ]

    assert (["My", " name", " is"], [0, 2, 7]) == (told.tokens, told.text_offset)
    assert all(-0.1 < one <= 0 for one in told.token_logprobs)
    assert all(len(one) == 2 and token in one for token, one in zip(told.tokens, told.top_logprobs, strict=True))
    assert told.tokens == [token for piece in pieces for token in piece.tokens]
    assert told.text_offset == [offset for piece in pieces for offset in piece.text_offset]


def test_every_stream_keeps_the_contract(url: str) -> None:
    for fields in ({}, {"n": 2}, {"logprobs": 1}, {"stream_options": {"include_usage": True}}):
        asked = {"model": "tiny", "prompt": NAME, "max_tokens": 9, "stream": True, **fields}
        request = urllib.request.Request(f"{url}/v1/completions", json.dumps(asked).encode())
        with urllib.request.urlopen(request) as reply:
            assert [] == check_stream(reply.read(), "completions")


def test_what_the_engine_says_of_a_request_reaches_the_client(url: str) -> None:
    with pytest.raises(openai.BadRequestError, match="exceeds the available context"):
        whole(url, prompt="hi " * 70_000)


def test_what_llama_cpp_would_forget_is_refused_where_it_is_known(engine_url: str) -> None:
    upstream = UpstreamConfig(name="llama", url=engine_url, return_progress=True)
    with serving(create_app(Config(upstreams=(upstream,)))) as url, pytest.raises(openai.BadRequestError) as refused:
        whole(url, prompt="hi", echo=True)

    assert ("/echo", "unsupported") == (refused.value.param, refused.value.code)


def test_a_grammar_is_kept(url: str) -> None:
    """llama.cpp takes a schema under its own name on every path."""
    reply = whole(url, prompt=NAME, max_tokens=6, extra_body={"json_schema": {"type": "integer"}})

    assert reply.choices[0].text[0] in "-0123456789"


def test_a_response_format_is_put_into_llama_cpps_words(engine_url: str) -> None:
    upstream = UpstreamConfig(name="llama", url=engine_url, return_progress=True)
    form = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "boolean"}}}
    with serving(create_app(Config(upstreams=(upstream,)))) as url:
        text = whole(url, prompt=NAME, max_tokens=40, extra_body={"response_format": form}).choices[0].text

    assert text.strip() in {"true", "false"}


def test_a_gap_is_filled(fim_url: str) -> None:
    text, finishes, usage = streamed(fim_url, prompt=PREFIX, suffix=SUFFIX, max_tokens=40)

    assert (SAID, ["stop"], 7) == (text, finishes, usage.completion_tokens)
    assert SAID == whole(fim_url, prompt=PREFIX, suffix=SUFFIX, max_tokens=40).choices[0].text


def test_ollamas_clients_fill_gaps_too(fim_url: str) -> None:
    asked = {"model": "tiny", "prompt": PREFIX, "suffix": SUFFIX, "options": {"temperature": 0}, "stream": False}
    request = urllib.request.Request(f"{fim_url}/api/generate", json.dumps(asked).encode())
    with urllib.request.urlopen(request) as reply:
        said = json.load(reply)

    assert (SAID, True, "stop") == (said["response"], said["done"], said["done_reason"])


def test_a_model_without_tokens_for_a_gap_says_so(engine_url: str) -> None:
    upstream = UpstreamConfig(name="llama", url=engine_url, return_progress=True)
    with serving(create_app(Config(upstreams=(upstream,)))) as url, pytest.raises(openai.InternalServerError) as failed:
        whole(url, prompt="def f(", suffix="): pass")

    assert 501 == failed.value.status_code
    assert "Infill is not supported by this model" in failed.value.message
