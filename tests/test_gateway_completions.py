"""Text completions at the gateway: which path each engine is asked by, and what the client gets, over real sockets."""

from __future__ import annotations

import asyncio
import json
from typing import Any, NamedTuple

import pytest
from raw_http import connected, served

from headgate.config import Config, UpstreamConfig
from headgate.conform import check_stream
from headgate.gateway import create_app
from headgate.testing.fake_engine import CUT, FakeEngine, Script, plain, sse, streamed

THOUGHT = "<think>\nhm\n</think>\n<tool_call>\n"
OPENAI = [
    {"object": "text_completion", "choices": [{"index": 0, "text": THOUGHT, "finish_reason": None}]},
    {"object": "text_completion", "choices": [{"index": 0, "text": "x", "finish_reason": "stop"}]},
]
NATIVE = [
    {"index": 0, "content": THOUGHT, "stop": False},
    {"index": 0, "content": "x", "stop": False},
    {"index": 0, "content": "", "stop": True, "stop_type": "eos", "tokens_predicted": 2, "tokens_evaluated": 3},
]
OLLAMA = [
    {"model": "m", "created_at": "2026-11-21T10:00:00Z", "response": THOUGHT, "done": False},
    {"model": "m", "created_at": "2026-11-21T10:00:00Z", "response": "x", "done": False},
    {"model": "m", "created_at": "2026-11-21T10:00:00Z", "response": "", "done": True, "done_reason": "stop"},
]
LINES = b"".join(json.dumps(record).encode() + b"\n" for record in OLLAMA)

ENGINES: dict[str, tuple[dict[str, Any], Script]] = {
    "openai": ({}, streamed(sse(*OPENAI, done=True))),
    "llama.cpp": ({"return_progress": True}, streamed(sse(*NATIVE))),
    "ollama": ({"dialect": "ollama"}, streamed(LINES, content_type="application/x-ndjson")),
}


class Told(NamedTuple):
    """What the client got, and what the engine was asked."""

    status: int
    body: bytes
    headers: dict[str, str]
    path: str
    asked: dict[str, Any]

    @property
    def text(self) -> str:
        """All text of a reply, or of a stream."""
        if self.headers["content-type"].startswith("application/json"):
            return str(json.loads(self.body)["choices"][0]["text"])
        lines = [line.removeprefix(b"data: ") for line in self.body.split(b"\n\n") if line.startswith(b"data: {")]
        return "".join(choice["text"] for line in lines for choice in json.loads(line).get("choices", ()))


def ask(
    engine: str, script: Script | None = None, path: str = "/v1/completions", *, config: Any = None, **fields: Any
) -> Told:
    settings, usual = ENGINES[engine]

    async def run() -> Told:
        async with FakeEngine(usual if script is None else script) as fake:
            upstream = UpstreamConfig(name="u", url=fake.url, models=("m",), **{**settings, **(config or {})})
            async with served(create_app(Config(upstreams=(upstream,)))) as url, connected(url) as client:
                body = {"model": "m", "prompt": "a", **fields}
                reply = await client.ask("POST", path, json.dumps(body).encode())
                asked = [one for one in fake.asked if one.method == "POST"]
                last = (asked[-1].path, asked[-1].json()) if asked else ("", {})
                return Told(reply.status, reply.body, dict(reply.headers), *last)

    return asyncio.run(run())


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("engine", "path", "gap"),
    [
        ("openai", "/v1/completions", "/v1/completions"),
        ("llama.cpp", "/completion", "/infill"),
        ("ollama", "/api/generate", "/api/generate"),
    ],
)
def test_each_engine_is_asked_by_its_own_path_and_its_text_is_exact(
    engine: str, path: str, gap: str, *, stream: bool
) -> None:
    """A file that holds tags of any model's must come out as it went in."""
    plain_one, filled = ask(engine, stream=stream), ask(engine, stream=stream, suffix="b")

    assert (200, path, THOUGHT + "x") == (plain_one.status, plain_one.path, plain_one.text)
    assert (200, gap, THOUGHT + "x") == (filled.status, filled.path, filled.text)
    assert {"b"} == {filled.asked.get("suffix", filled.asked.get("input_suffix"))}
    assert [] == (check_stream(plain_one.body, "completions") if stream else [])
    assert ("text/event-stream" if stream else "application/json") == plain_one.headers["content-type"]


def test_the_other_path_answers_too() -> None:
    assert THOUGHT + "x" == ask("openai", path="/completions").text


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("fields", [{"raw": True}, {"suffix": "b"}])
def test_ollamas_clients_ask_for_the_same(engine: str, fields: dict[str, Any]) -> None:
    told = ask(engine, path="/api/generate", stream=False, **fields)

    assert (200, THOUGHT + "x") == (told.status, json.loads(told.body)["response"])
    assert told.asked.get("raw") is (True if engine == "ollama" and "raw" in fields else None)


def test_what_the_operator_says_of_markup_is_not_for_texts() -> None:
    """The prompt of a chat opens the thought; a bare text has no such prompt."""
    config = {"starts_in_reasoning": True, "markup": ("think", "hermes")}

    assert THOUGHT + "x" == ask("openai", config=config).text


def test_how_far_a_prompt_is_read_is_asked_where_it_is_known() -> None:
    """Without it llama.cpp notices only at the prompt's end that a client has gone."""
    assert (True, None) == tuple(ask(engine).asked.get("return_progress") for engine in ("llama.cpp", "openai"))


def test_what_is_not_sent_on_is_named() -> None:
    assert "odd, reasoning_effort" == ask("openai", odd=1, reasoning_effort="low").headers["x-headgate-dropped"]


@pytest.mark.parametrize(
    ("engine", "fields", "param"),
    [
        ("llama.cpp", {"echo": True}, "/echo"),
        ("ollama", {"echo": True}, "/echo"),
        ("ollama", {"n": 2}, "/n"),
        ("ollama", {"prompt": [1, 2]}, "/prompt"),
        ("openai", {"prompt": ["a", "b"]}, "/prompt"),
        ("openai", {"best_of": 2}, "/best_of"),
    ],
)
def test_what_cannot_be_done_is_a_400_and_no_engine_is_asked(engine: str, fields: dict[str, Any], param: str) -> None:
    told = ask(engine, **fields)

    assert (400, "") == (told.status, told.path)
    assert ("unsupported", param) == tuple(json.loads(told.body)["error"][name] for name in ("code", "param"))


def test_an_engines_refusal_keeps_its_status_and_its_sentence() -> None:
    body = b'{"error":{"code":501,"message":"Infill is not supported by this model","type":"not_supported_error"}}'
    told = ask("llama.cpp", plain(body, status=501), suffix="b")

    assert 501 == told.status
    assert "Infill is not supported by this model" in json.loads(told.body)["error"]["message"]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_stream_that_breaks_off_ends_with_an_error(engine: str) -> None:
    records = {"openai": sse(OPENAI[0]), "llama.cpp": sse(NATIVE[0]), "ollama": LINES.split(b"\n")[0] + b"\n"}
    kind = "application/x-ndjson" if engine == "ollama" else "text/event-stream"
    told = ask(engine, streamed(records[engine], 0.05, CUT, content_type=kind, end=False), stream=True)

    assert THOUGHT == told.text
    assert b'"error":{"message":' in told.body.rpartition(b"data: ")[2]
    assert b"[DONE]" not in told.body
    assert [] == check_stream(told.body, "completions")


@pytest.mark.parametrize("engine", ENGINES)
def test_a_broken_stream_is_no_whole_answer(engine: str) -> None:
    records = {"openai": sse(OPENAI[0]), "llama.cpp": sse(NATIVE[0]), "ollama": LINES.split(b"\n")[0] + b"\n"}
    kind = "application/x-ndjson" if engine == "ollama" else "text/event-stream"
    told = ask(engine, streamed(records[engine], content_type=kind))

    assert (502, "upstream_truncated") == (told.status, json.loads(told.body)["error"]["code"])


def test_an_empty_prompt_is_no_wish_to_load_the_model() -> None:
    """It is one in Ollama's API only; here the model may begin where it likes."""
    told = ask("openai", prompt="")

    assert (200, "/v1/completions", "") == (told.status, told.path, told.asked["prompt"])
