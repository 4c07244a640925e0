"""The real llama.cpp server behind the gateway, asked by curl and by the real OpenAI client."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Callable, Generator
from typing import Any, NamedTuple, TypeAlias

import openai
import pytest
from engine.corpus import AFTER_TOOL, STORY, UNICODE, tool
from openai.types.chat import ChatCompletionMessageFunctionToolCall as ToolCall
from real_engine import llama_cpp

from headgate.config import Config, UpstreamConfig
from headgate.conform import check_stream
from headgate.gateway import create_app
from headgate.testing.live import serving

TOOLS: Any = [tool("run_command"), tool("get_time")]
LIST: Any = {"command": "ls"}
FREE_S = 2.0
"""Within this time a slot must be free again."""


class Stand(NamedTuple):
    """The engine, the gateway before it, and the template that the engine runs with."""

    engine_url: str
    url: str
    template: str

    @property
    def client(self) -> openai.OpenAI:
        return openai.OpenAI(base_url=f"{self.url}/v1", api_key="none", max_retries=0, timeout=30)


class Answer(NamedTuple):
    """What an answer comes to, however it was asked for."""

    content: str
    reasoning: str
    calls: list[ToolCall]
    finish: str | None


Ask: TypeAlias = Callable[..., Answer]


ENGINES: dict[str, tuple[str, tuple[str, ...]]] = {
    "hermes": ("hermes", ()),
    "harmony": ("harmony", ()),
    # The server parses nothing, so that channels and calls leak as text, and Headgate reads them.
    "leaking-harmony": ("harmony", ("force_pure_content_parser=1",)),
}


@pytest.fixture(scope="module", params=ENGINES)
def stand(request: pytest.FixtureRequest) -> Generator[Stand]:
    template, settings = ENGINES[request.param]
    with llama_cpp(template, *settings) as engine_url:
        app = create_app(Config(upstreams=(UpstreamConfig(name="llama", url=engine_url),)))
        with serving(app) as url:
            yield Stand(engine_url, url, template)


@pytest.fixture(params=["streamed", "whole"])
def ask(request: pytest.FixtureRequest, stand: Stand) -> Ask:
    """Ask a question with the OpenAI client, in either way."""
    return (ask_streamed if request.param == "streamed" else ask_whole)(stand.client)


def asked(question: str | list[Any], **fields: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": question}] if isinstance(question, str) else question
    return {"model": "tiny", "messages": messages, "temperature": 0, **fields}


def ask_whole(client: openai.OpenAI) -> Ask:
    def ask(question: str | list[Any], **fields: Any) -> Answer:
        choice = client.chat.completions.create(**asked(question, **fields)).choices[0]
        message = choice.message
        reasoning = (message.model_extra or {}).get("reasoning_content") or ""
        calls = [call for call in message.tool_calls or [] if call.type == "function"]
        return Answer(message.content or "", reasoning, calls, choice.finish_reason)

    return ask


def ask_streamed(client: openai.OpenAI) -> Ask:
    def ask(question: str | list[Any], **fields: Any) -> Answer:
        with client.chat.completions.stream(**asked(question, **fields)) as stream:
            reasoning = [
                (event.chunk.choices[0].delta.model_extra or {}).get("reasoning_content") or ""
                for event in stream
                if event.type == "chunk" and event.chunk.choices
            ]
            choice = stream.get_final_completion().choices[0]
        calls: list[ToolCall] = list(choice.message.tool_calls or [])
        return Answer(choice.message.content or "", "".join(reasoning), calls, choice.finish_reason)

    return ask


def arguments(answer: Answer) -> list[Any]:
    return [json.loads(call.function.arguments) for call in answer.calls]


# The OpenAI client


def test_text(ask: Ask) -> None:
    answer = ask("what is your name?")

    assert ("My name is Neo Vim.", [], "stop") == (answer.content, answer.calls, answer.finish)


@pytest.mark.parametrize(("question", "text"), [("tell me a story", STORY), ("say something in unicode", UNICODE)])
def test_long_text_and_every_character(ask: Ask, question: str, text: str) -> None:
    assert text == ask(question).content


def test_reasoning(ask: Ask) -> None:
    answer = ask("think: what is 2 + 2?")

    assert ("2 + 2 = 4.", "stop") == (answer.content, answer.finish)
    assert "That is 4." in answer.reasoning


def test_one_call_and_its_result(ask: Ask, stand: Stand) -> None:
    answer = ask("list the files", tools=TOOLS)

    assert ([LIST], "tool_calls") == (arguments(answer), answer.finish)
    assert after_results(ask, "list the files", answer).content == after_tool(stand)


def test_two_calls_and_their_results(stand: Stand) -> None:
    if stand.template == "harmony":
        pytest.skip("the tiny model knows no two calls with this template")
    for ask in (ask_streamed(stand.client), ask_whole(stand.client)):
        answer = ask("list the files twice", tools=TOOLS, parallel_tool_calls=True)

        assert [LIST, {"command": "ls -la"}] == arguments(answer)
        assert 2 == len({call.id for call in answer.calls})
        assert after_results(ask, "list the files twice", answer).content == after_tool(stand)


def after_results(ask: Ask, question: str, answer: Answer) -> Answer:
    calls = [
        {
            "id": call.id,
            "type": "function",
            "function": {"name": call.function.name, "arguments": call.function.arguments},
        }
        for call in answer.calls
    ]
    results = [{"role": "tool", "tool_call_id": call.id, "content": "README.md"} for call in answer.calls]
    said = {"role": "assistant", "content": answer.content or None, "tool_calls": calls}
    return ask([{"role": "user", "content": question}, said, *results], tools=TOOLS)


def after_tool(stand: Stand) -> str:
    known = AFTER_TOOL["harmony" if stand.template == "harmony" else "hermes"]
    return known.rpartition("<|message|>")[2]


def test_a_limit_is_told_as_length(stand: Stand) -> None:
    limited = asked("tell me a story", max_tokens=5)

    assert "length" == stand.client.chat.completions.create(**limited).choices[0].finish_reason
    with pytest.raises(openai.LengthFinishReasonError):  # what the client's own accumulator makes of it
        ask_streamed(stand.client)("tell me a story", max_tokens=5)


def test_usage_comes_last_and_only_when_asked_for(stand: Stand) -> None:
    for include, last in ((True, []), (False, [0])):
        stream = stand.client.chat.completions.create(
            **asked("hello"), stream=True, stream_options={"include_usage": include}
        )
        chunks = list(stream)
        assert last == [choice.index for choice in chunks[-1].choices]
        assert include == (chunks[-1].usage is not None and chunks[-1].usage.total_tokens > 0)


def test_models_are_the_engines(stand: Stand) -> None:
    assert ["tiny"] == [model.id for model in stand.client.models.list()]


@pytest.mark.parametrize("stream", [True, False])
def test_a_prompt_that_is_too_long_is_the_engines_400(stand: Stand, *, stream: bool) -> None:
    with pytest.raises(openai.BadRequestError, match="exceeds the available context size") as caught:
        stand.client.chat.completions.create(**asked("hello " * 40_000), stream=stream)

    assert "upstream_error" == caught.value.code


# Cancelling


def slots(stand: Stand) -> list[dict[str, Any]]:
    with urllib.request.urlopen(f"{stand.engine_url}/slots", timeout=10) as reply:
        found: list[dict[str, Any]] = json.load(reply)
    return found


def busy(stand: Stand) -> bool:
    return any(slot["is_processing"] for slot in slots(stand))


def wait_until(is_true: Callable[[], bool], within_s: float) -> bool:
    """Whether it becomes true in time."""
    end_s = time.monotonic() + within_s
    while not is_true():
        if time.monotonic() > end_s:
            return False
        time.sleep(0.01)
    return True


def test_a_stream_that_is_closed_frees_the_slot(stand: Stand) -> None:
    """The endless answer would take this engine a quarter of a minute."""
    stream = stand.client.chat.completions.create(**asked("tick forever"), stream=True)
    for number, _ in enumerate(stream):
        if number == 10:
            break
    assert busy(stand)

    stream.close()

    assert wait_until(lambda: not busy(stand), FREE_S)
    assert all(slot.get("n_prompt_tokens", 0) < slot["n_ctx"] / 2 for slot in slots(stand))


def test_a_client_that_waits_for_a_whole_reply_frees_the_slot_when_it_goes(stand: Stand) -> None:
    impatient = stand.client.with_options(timeout=0.5)

    with pytest.raises(openai.APITimeoutError):
        impatient.chat.completions.create(**asked("tick forever"))

    assert wait_until(lambda: not busy(stand), FREE_S)
    assert all(slot.get("n_prompt_tokens", 0) < slot["n_ctx"] / 2 for slot in slots(stand))


# curl


def curl(stand: Stand, **fields: Any) -> bytes:
    program = shutil.which("curl")
    if program is None:
        pytest.skip("curl is not installed")
    body = json.dumps(asked(fields.pop("question"), **fields))
    command = [program, "-sN", "--max-time", "30", f"{stand.url}/v1/chat/completions", "-d", body]
    return subprocess.run(command, capture_output=True, check=True).stdout


@pytest.mark.parametrize(
    ("question", "tools"),
    [("what is your name?", None), ("think: what is 2 + 2?", None), ("list the files", TOOLS)],
)
@pytest.mark.parametrize("include_usage", [True, False])
def test_curl_reads_an_exact_stream(stand: Stand, question: str, tools: Any, *, include_usage: bool) -> None:
    data = curl(stand, question=question, tools=tools, stream=True, stream_options={"include_usage": include_usage})

    assert [] == check_stream(data)
    assert data.endswith(b"data: [DONE]\n\n")


def test_curl_reads_a_whole_reply(stand: Stand) -> None:
    reply = json.loads(curl(stand, question="what is your name?"))

    assert ("chat.completion", "tiny") == (reply["object"], reply["model"])
    assert "My name is Neo Vim." == reply["choices"][0]["message"]["content"]
    assert reply["usage"]["total_tokens"] > 0


def test_curl_gets_timings_when_it_asks_for_them(stand: Stand) -> None:
    data = curl(stand, question="hello", stream=True, stream_options={"include_usage": True, "include_timings": True})

    assert [] == check_stream(data)
    assert b'"timings":{"cache_n":' in data
