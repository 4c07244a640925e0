"""What Ollama's own Python client makes of our streams, good and bad.

Its own defects, as of 0.6.3: it drops the ids of tool calls, so results name only their function; and it takes a stream
that ends without `"done": true` for a whole one.
"""

from __future__ import annotations

import asyncio
import functools
import json
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import msgspec
import ollama
import pytest
from engine.corpus import AFTER_TOOL, tool
from real_engine import llama_cpp
from scripted import Scripted, scripted

from headgate.cassette import Cassette
from headgate.config import Config, UpstreamConfig
from headgate.demo import DEMO_MODEL, cassettes
from headgate.gateway import create_app
from headgate.limits import DEFAULTS, Limits
from headgate.testing.fake_engine import CUT, HANG, Script, chunk, plain, said, sse, streamed
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


def test_reasoning_arrives_apart_from_the_answer(ask: Ask) -> None:
    answer = ask("think: what is 2 + 2?", think=True)

    assert ("2 + 2 = 4.", True) == (answer.content.strip(), "That is 4." in answer.thinking)


def test_one_call_and_its_result(ask: Ask) -> None:
    answer = ask("list the files", tools=TOOLS)

    assert [("run_command", {"command": "ls"})] == answer.ran
    assert AFTER_TOOL["hermes"] == after_results(ask, "list the files", answer).content


def test_two_calls_arrive_apart_and_their_results_are_sent_back(ask: Ask) -> None:
    answer = ask("list the files twice", tools=TOOLS)

    assert [("run_command", {"command": "ls"}), ("run_command", {"command": "ls -la"})] == answer.ran
    assert AFTER_TOOL["hermes"] == after_results(ask, "list the files twice", answer).content


def after_results(ask: Ask, question: str, answer: Answer) -> Answer:
    """Send the results as this client does: with the name of the function, and without an id."""
    said_ = ollama.Message(role="assistant", content=answer.content, tool_calls=answer.calls)
    results = [ollama.Message(role="tool", content="README.md", tool_name=call.function.name) for call in answer.calls]
    return ask([{"role": "user", "content": question}, said_, *results], tools=TOOLS)


def test_a_prompt_is_answered_in_both_ways(stand: Stand) -> None:
    whole = stand.client.generate(model=stand.model, prompt="what is your name?", options={"temperature": 0})
    parts = list(stand.client.generate(model=stand.model, prompt="what is your name?", stream=True))

    assert "My name is Neo Vim." == whole.response == "".join(part.response or "" for part in parts)
    assert (True, "stop") == (parts[-1].done, parts[-1].done_reason)


def test_the_asynchronous_client_reads_the_same(stand: Stand) -> None:
    async def run() -> str:
        async with ollama.AsyncClient(host=str(stand.client._client.base_url)) as client:
            parts = await client.chat(**asked(stand, "what is your name?", {}), stream=True)
            return "".join([part.message.content or "" async for part in parts])

    assert "My name is Neo Vim." == asyncio.run(run())


def test_a_model_that_is_loaded_says_so(stand: Stand) -> None:
    """Ollama's command line and Home Assistant ask for it before they chat."""
    if stand.model == DEMO_MODEL:
        pytest.skip("a recording of Ollama is asked itself, and this was not recorded with the others")
    assert ("load", "") == (
        (reply := stand.client.generate(model=stand.model, keep_alive="5m")).done_reason,
        reply.response,
    )


def test_a_structured_answer_is_one(stand: Stand) -> None:
    """The engine must hold its model to the schema; a recording has nothing to hold."""
    if stand.model == DEMO_MODEL:
        pytest.skip("a recording follows no schema")
    for ask in (ask_streamed, ask_whole):
        answer = json.loads(ask(stand, "answer in json", format=SCHEMA).content)
        assert {"answer", "unit"} >= answer.keys()


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


def test_an_error_in_the_stream_raises_with_its_message() -> None:
    script = streamed(sse(chunk({"content": "Hel"})), 0.02, sse({"error": {"message": "out of memory"}}))
    texts: list[str | None] = []
    with engine_says(script) as talk:
        with pytest.raises(ollama.ResponseError, match="out of memory"):
            texts += (part.message.content for part in talk.chat(stream=True))
        with pytest.raises(ollama.ResponseError, match="out of memory"):
            talk.chat()

    assert "Hel" in texts


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


def test_a_stream_that_is_closed_stops_the_engine() -> None:
    with engine_says(streamed(sse(chunk({"content": "Hel"})), HANG, end=False)) as talk:
        stream: Iterator[Any] = talk.chat(stream=True)
        assert "Hel" == next(stream).message.content
        stream.close()  # type: ignore[attr-defined]

        talk.live.left()


def test_a_client_that_gives_up_waiting_for_a_whole_reply_stops_the_engine() -> None:
    with engine_says(streamed(HANG, end=False)) as talk:
        impatient = ollama.Client(host=talk.live.url, timeout=0.3)
        with impatient, pytest.raises(httpx.TimeoutException):
            impatient.chat(model="m", messages=[{"role": "user", "content": "hello"}])

        talk.live.left()


def test_a_connection_serves_many_requests() -> None:
    with engine_says(streamed(said("ok"))) as talk:
        for _ in range(3):
            assert "ok" == talk.chat().message.content
            assert list(talk.chat(stream=True))
