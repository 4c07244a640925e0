"""What only Ollama's own Python client can see of our replies; what all clients do is in `test_clients.py`.

Its own defects are in `docs/clients.md`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import msgspec
import ollama
import pytest
from engine.corpus import tool
from real_engine import llama_cpp
from scripted import Scripted, scripted

from headgate.cassette import Cassette
from headgate.config import Config, UpstreamConfig
from headgate.demo import DEMO_MODEL, cassettes
from headgate.gateway import create_app
from headgate.limits import DEFAULTS, Limits
from headgate.testing.fake_engine import CUT, Script, chunk, plain, said, sse, streamed
from headgate.testing.live import serving
from headgate.upstream.replay import ReplayUpstream

TOOLS: Any = [tool("run_command"), tool("get_time")]
TOOL_CASES = ("tool.nonstream", "tool.pair", "tool.result")
FIXTURES = Path(__file__).parents[1] / "fixtures" / "dialects" / "ollama"
SCHEMA = {"type": "object", "properties": {"answer": {"type": "integer"}, "unit": {"type": "string"}}}


class Stand(NamedTuple):
    """A client, and the name of its model."""

    client: ollama.Client
    model: str


class Answer(NamedTuple):
    """What the client understood."""

    content: str
    thinking: str
    calls: list[Any]
    last: Any

    @property
    def ran(self) -> list[tuple[str, Any]]:
        """The calls, by name and arguments."""
        return [(call.function.name, dict(call.function.arguments)) for call in self.calls]


Ask = Callable[..., Answer]


@pytest.fixture(scope="module", params=["recordings of llama.cpp", "recordings of Ollama", "llama.cpp"])
def stand(request: pytest.FixtureRequest) -> Generator[Stand]:
    """Recordings, and a real engine; all know the same questions."""
    if request.param != "llama.cpp":
        is_ollama = request.param == "recordings of Ollama"
        dialect = "ollama" if is_ollama else "openai"
        upstream = UpstreamConfig(name="demo", url="demo:", dialect=dialect, models=(DEMO_MODEL,))
        replay = ReplayUpstream("demo", of_ollama() if is_ollama else cassettes(), models=(DEMO_MODEL,))
        app = create_app(Config(upstreams=(upstream,)), upstreams={"demo": replay})
        with serving(app) as url, client_of(url) as client:
            yield Stand(client, DEMO_MODEL)
        return
    with llama_cpp("hermes") as engine_url:
        app = create_app(Config(upstreams=(UpstreamConfig(name="llama", url=engine_url),)))
        with serving(app) as url, client_of(url) as client:
            yield Stand(client, "tiny")


def of_ollama() -> list[Cassette]:
    """What a real Ollama said to the questions below."""
    folders = [FIXTURES / f"ollama.tiny.{case}" for case in ("name", "think", *TOOL_CASES)]
    return [Cassette.load({file.name: file.read_bytes() for file in folder.iterdir()}) for folder in folders]


def client_of(url: str) -> ollama.Client:
    return ollama.Client(host=url, timeout=20)


@pytest.fixture(params=["streamed", "whole"])
def ask(request: pytest.FixtureRequest, stand: Stand) -> Ask:
    """Ask a question in either way."""
    return functools.partial(ask_streamed if request.param == "streamed" else ask_whole, stand)


def asked(stand: Stand, question: str | list[Any], fields: dict[str, Any]) -> dict[str, Any]:
    messages = [{"role": "user", "content": question}] if isinstance(question, str) else question
    return {"model": stand.model, "messages": messages, "options": {"temperature": 0}, **fields}


def ask_whole(stand: Stand, question: str | list[Any], **fields: Any) -> Answer:
    reply = stand.client.chat(**asked(stand, question, fields))
    message = reply.message
    return Answer(message.content or "", message.thinking or "", list(message.tool_calls or ()), reply)


def ask_streamed(stand: Stand, question: str | list[Any], **fields: Any) -> Answer:
    parts = list(stand.client.chat(**asked(stand, question, fields), stream=True))
    return Answer(
        "".join(part.message.content or "" for part in parts),
        "".join(part.message.thinking or "" for part in parts),
        [call for part in parts for call in part.message.tool_calls or ()],
        parts[-1],
    )


# Answers


def test_text_arrives_with_its_counts(ask: Ask) -> None:
    answer = ask("what is your name?")

    assert ("My name is Neo Vim.", [], True, "stop") == (
        answer.content,
        answer.calls,
        answer.last.done,
        answer.last.done_reason,
    )
    assert min(answer.last.prompt_eval_count, answer.last.eval_count, answer.last.total_duration) > 0


def test_a_prompt_is_answered_in_both_ways(stand: Stand) -> None:
    whole = stand.client.generate(model=stand.model, prompt="what is your name?", options={"temperature": 0})
    parts = list(stand.client.generate(model=stand.model, prompt="what is your name?", stream=True))

    assert "My name is Neo Vim." == whole.response == "".join(part.response or "" for part in parts)
    assert (True, "stop") == (parts[-1].done, parts[-1].done_reason)


def test_a_model_that_is_loaded_says_so(stand: Stand) -> None:
    """Ollama's command line and Home Assistant ask for it before they chat."""
    if stand.model == DEMO_MODEL:
        pytest.skip("a recording of Ollama is asked itself, and this was not recorded with the others")
    assert ("load", "") == (
        (reply := stand.client.generate(model=stand.model, keep_alive="5m")).done_reason,
        reply.response,
    )


def test_a_limit_is_told_as_length(stand: Stand) -> None:
    if stand.model == DEMO_MODEL:
        pytest.skip("a recording has its own length")
    answer = ask_streamed(stand, "tell me a story", options={"temperature": 0, "num_predict": 5})

    assert ("length", 5) == (answer.last.done_reason, answer.last.eval_count)


# What the engine is asked


@contextmanager
def engine_says(script: Script, dialect: str = "openai", limits: Limits = DEFAULTS) -> Generator[Talk]:
    """A client of an engine that does what a script says."""
    with scripted(script, dialect, limits) as live, client_of(live.url) as client:
        yield Talk(live, client)


class Talk(NamedTuple):
    """What a script speaks for, and a client of it."""

    live: Scripted
    client: ollama.Client

    def chat(self, **fields: Any) -> Any:
        """Say hello; with `stream=True` it is an iterator."""
        return self.client.chat(model="m", messages=[{"role": "user", "content": "hello"}], **fields)

    def heard(self, **fields: Any) -> list[Any]:
        """Say hello, and take all that comes, however it comes."""
        return list(self.chat(**fields)) if fields.get("stream") else [self.chat(**fields)]


def body_of(live: Scripted) -> Any:
    return next(one for one in reversed(live.engine.asked) if one.path.endswith("/chat/completions")).json()


def test_the_engine_is_asked_what_the_client_asked() -> None:
    with engine_says(streamed(said("{}"))) as talk:
        talk.client.chat(
            model="m",
            messages=[ollama.Message(role="user", content="see", images=[ollama.Image(value=b"\x89PNG\r\n\x1a\nx")])],
            tools=[run_command],
            format=SCHEMA,
            think="low",
            options=ollama.Options(num_predict=64, temperature=0.5, stop=["END"], num_ctx=4096),
            keep_alive="5m",
        )
        body = body_of(talk.live)

    assert [{"text", "image_url"}] == [{part["type"] for part in one["content"]} for one in body["messages"]]
    assert body["messages"][0]["content"][1]["image_url"]["url"].startswith("data:image/png;base64,iVBORw0KGgp4")
    assert SCHEMA == body["response_format"]["json_schema"]["schema"]
    assert ("run_command", ["command"]) == (
        body["tools"][0]["function"]["name"],
        body["tools"][0]["function"]["parameters"]["required"],
    )
    assert (64, 0.5, ["END"], "low") == tuple(
        body[name] for name in ("max_tokens", "temperature", "stop", "reasoning_effort")
    )
    assert not {"num_ctx", "keep_alive", "think", "format", "options"} & body.keys()


def run_command(command: str) -> str:
    """Run a shell command.

    Args:
        command: The command to run.

    Returns:
        What it wrote.
    """
    return command


def test_an_ollama_engine_is_asked_in_its_own_words() -> None:
    line = (
        b'{"model":"m","created_at":"2026-11-21T00:00:00Z","message":{"role":"assistant","content":"hi"},"done":true,'
    )
    end = line + b'"done_reason":"stop","total_duration":9,"eval_count":3}\n'
    with engine_says(streamed(end, content_type="application/x-ndjson"), "ollama") as talk:
        options = {"num_ctx": 4096, "temperature": 0.5, "num_predict": -1}
        reply = talk.client.chat("m", [{"role": "user", "content": "hi"}], options=options, keep_alive=-1)
        sent = next(one for one in reversed(talk.live.engine.asked) if one.path == "/api/chat").json()

    assert ("hi", 9, 3) == (reply.message.content, reply.total_duration, reply.eval_count)
    assert (options, -1, True) == (sent["options"], sent["keep_alive"], sent["stream"])


# Failures


def test_alone_it_takes_half_an_answer_for_a_whole_one() -> None:
    """Its own defect (docs/clients.md): without a gateway it ends as if all was well."""
    line = b'{"model":"m","created_at":"2026-11-21T00:00:00Z","message":{"role":"assistant","content":"Hel"},'
    half = streamed(line + b'"done":false}\n', content_type="application/x-ndjson")
    with engine_says(half, "ollama") as talk:
        with client_of(talk.live.engine.url) as alone:
            parts = list(alone.chat("m", [{"role": "user", "content": "hello"}], stream=True))
        with pytest.raises(ollama.ResponseError, match="see its log"):
            talk.heard(stream=True)

    assert [("Hel", False)] == [(part.message.content, part.done) for part in parts]


def test_it_forgets_the_ids_of_calls() -> None:
    """Its own defect (docs/clients.md): an id that it was sent is nowhere in what it keeps."""
    call = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "run_command", "arguments": "{}"}}
    with engine_says(streamed(sse(chunk({"tool_calls": [call]}), chunk(finish="tool_calls"), done=True))) as talk:
        with httpx.Client(base_url=talk.live.url) as bare:
            asked_ = {"model": "m", "messages": [{"role": "user", "content": "hello"}], "stream": False}
            told = bare.post("/api/chat", json=asked_).json()["message"]["tool_calls"]
        kept = talk.chat().message.model_dump_json()

    assert ["call_1"] == [one["id"] for one in told]
    assert ("run_command" in kept, "call_1" in kept) == (True, False)


@pytest.mark.parametrize("end", [(), (CUT,)])
def test_a_stream_that_is_cut_raises_instead_of_passing_for_a_whole_one(end: Any) -> None:
    """Left alone, this client takes a stream without an end for a whole answer."""
    with engine_says(streamed(sse(chunk({"content": "Hel"})), *end)) as talk:
        with pytest.raises(ollama.ResponseError, match="see its log"):
            list(talk.chat(stream=True))
        with pytest.raises(ollama.ResponseError, match="see its log") as refused:
            talk.chat()

    assert 502 == refused.value.status_code


@pytest.mark.parametrize("stream", [True, False])
def test_arguments_that_are_no_object_raise_with_a_sentence(*, stream: bool) -> None:
    """Left alone, this client raises a validation error of its own, which says nothing to its user."""
    call = {"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": "[1]"}}
    script = streamed(sse(chunk({"tool_calls": [call]}), chunk(finish="tool_calls"), done=True))
    with engine_says(script) as talk, pytest.raises(ollama.ResponseError, match="expected an object"):
        talk.heard(stream=stream)


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("body", [b'{"error":"the model is gone"}', b'{"error":{"message":"the model is gone"}}'])
def test_an_engines_error_reaches_the_user_in_words(body: bytes, *, stream: bool) -> None:
    """OpenAI's form alone would be shown as a dictionary by this client."""
    with engine_says(plain(body, 404)) as talk, pytest.raises(ollama.ResponseError) as refused:
        talk.heard(stream=stream)

    assert ("the model is gone", 404) == (refused.value.error, refused.value.status_code)


def test_a_request_that_is_wrong_says_where() -> None:
    with engine_says(streamed(said("ok"))) as talk:
        with pytest.raises(ollama.ResponseError, match="/options/temperature") as refused:
            talk.chat(options={"temperature": "hot"})
        with pytest.raises(ollama.ResponseError, match="template"):
            talk.client.generate(model="m", prompt="x", template="{{ .Prompt }}")

    assert 400 == refused.value.status_code


# Waiting and leaving


def test_a_client_that_waits_is_kept_waiting_by_lines_it_can_read() -> None:
    """A blank line or a comment would end this client with an error of its JSON parser."""
    script = streamed(0.4, sse(chunk({"content": "ok"}), chunk(finish="stop"), done=True))
    patient = msgspec.structs.replace(DEFAULTS, keepalive_s=0.05)
    with engine_says(script, limits=patient) as talk:
        parts = list(talk.chat(stream=True))
        prompted = list(talk.client.generate(model="m", prompt="hi", stream=True))

    assert len(parts) > 2
    assert ("ok", "ok") == (
        "".join(part.message.content or "" for part in parts),
        "".join(part.response or "" for part in prompted),
    )
    assert {"m"} == {part.model for part in parts[:-2]}


def test_a_connection_serves_many_requests() -> None:
    with engine_says(streamed(said("ok"))) as talk:
        for _ in range(3):
            assert "ok" == talk.chat().message.content
            assert list(talk.chat(stream=True))
