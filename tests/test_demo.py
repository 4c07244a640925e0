"""The built-in demo: small, honest about where its bytes come from, and able to answer what it says it can."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from upstream_engine import on_each_loop

from headgate.cassette import Cassette
from headgate.demo import DEMO_MODEL, cassettes
from headgate.messages import HttpRequest
from headgate.upstream.replay import ReplayUpstream, choose

BYTES_MAX = 60_000
FIXTURES = Path(__file__).parent / "fixtures" / "dialects" / "openai"
CASSETTES = cassettes()
HELP = next(cassette for cassette in CASSETTES if cassette.meta.fallback)


def asking(text: str, *, tool_result: str | None = None) -> HttpRequest:
    messages = [{"role": "user", "content": text}]
    if tool_result is not None:
        messages += [{"role": "assistant", "content": ""}, {"role": "tool", "content": tool_result}]
    body = {"model": DEMO_MODEL, "messages": messages, "stream": True}
    return HttpRequest(path="/v1/chat/completions", body=msgspec.json.encode(body))


def records(response: bytes) -> list[dict[str, object]]:
    """Read the records naively: one per data line."""
    lines = [line.removeprefix(b"data: ") for line in response.split(b"\n") if line]
    return [msgspec.json.decode(line) for line in lines if line != b"[DONE]"]


def joined(response: bytes, field: str = "content") -> str:
    """Join the deltas of one field."""
    read = msgspec.convert(records(response), list[_Chunk])
    return "".join(choice.delta.get(field) or "" for chunk in read for choice in chunk.choices)  # type: ignore[misc]


class _Choice(msgspec.Struct):
    delta: dict[str, object]


class _Chunk(msgspec.Struct):
    choices: list[_Choice] = []


def answer(text: str, *, tool_result: str | None = None) -> bytes:
    chosen = choose(CASSETTES, asking(text, tool_result=tool_result))
    assert chosen is not None
    return chosen.response


def test_the_name() -> None:
    assert "My name is Neo Vim." == joined(answer("What is your name?"))


def test_a_tool_call_and_the_way_back() -> None:
    assert 1 == answer("list the files").count(b'"name":"run_command"')
    expected = "There are three files: README.md, main.py and notes.txt."

    assert expected == joined(answer("list the files", tool_result="README.md\nmain.py\nnotes.txt"))


def test_parallel_tool_calls() -> None:
    assert 2 == answer("list the files twice").count(b'"name":"run_command"')


def test_thinking() -> None:
    response = answer("think: what is 2 + 2?")

    assert "The user asks for 2 + 2.\n\nThat is 4.\n" == joined(response, "reasoning_content")
    assert "2 + 2 = 4." == joined(response)


def test_leaks() -> None:
    assert joined(answer("leak harmony")).startswith("<|channel|>analysis<|message|>")
    assert "<|channel|>commentary to=functions.run_command" in joined(answer("leak a tool call"))
    assert "<think>" in joined(answer("leak thinking"))


def test_an_error_in_the_middle() -> None:
    response = answer("break the stream")

    assert "error" in records(response)[-1]
    assert b"[DONE]" not in response


def test_the_help_names_every_question() -> None:
    asked = [asks for cassette in CASSETTES for asks in cassette.meta.asks]
    own = ["what is your name?", "list the files", "list the files twice", "think: what is 2 + 2?"]

    assert HELP.response == answer("anything else")
    assert [] == [question for question in asked + own if f"- {question}" not in joined(HELP.response)]


def test_only_the_fallback_was_written_and_every_recording_is_a_real_one() -> None:
    """What we show as an engine's bytes must be an engine's bytes, in its own time."""
    if not FIXTURES.is_dir():
        pytest.skip("needs the repository's fixtures")
    fixtures = [
        Cassette.load({path.name: path.read_bytes() for path in folder.iterdir()}) for folder in FIXTURES.iterdir()
    ]
    real = [(fixture.request, fixture.pieces) for fixture in fixtures if fixture.meta.source == "recorded"]
    recorded = [cassette for cassette in CASSETTES if cassette.meta.source == "recorded"]

    assert [HELP] == [cassette for cassette in CASSETTES if cassette.meta.source == "constructed"]
    assert len(CASSETTES) == len(recorded) + 1
    assert [] == [cassette.meta.shows for cassette in recorded if (cassette.request, cassette.pieces) not in real]


def test_the_demo_stays_small() -> None:
    assert sum(len(content) for cassette in CASSETTES for content in cassette.files().values()) <= BYTES_MAX


@on_each_loop
async def test_the_demo_engine_answers_at_its_recorded_pace() -> None:
    upstream = ReplayUpstream("demo", CASSETTES, models=[DEMO_MODEL])
    reply = await upstream.fetch(asking("what is your name?"))
    models = await upstream.fetch(HttpRequest(method="GET", path="/v1/models"))

    assert "My name is Neo Vim." == joined(reply.body)
    assert b'"id":"demo"' in models.body
