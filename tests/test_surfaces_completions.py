"""What a client of text completions gets: generated streams, and every recording of every engine.

The reader here is naive on purpose: it knows `json` and what OpenAI's documents say, and nothing of Headgate.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pieces import DONE, chunk, cut_at, events_of, numbered, sse

import headgate
from headgate.cli import main
from headgate.conform import check_events, check_stream
from headgate.errors import PeerError, UpstreamError
from headgate.events import (
    BlockEnd,
    Event,
    Logprob,
    MessageEnd,
    MessageStart,
    ReasoningDelta,
    ReasoningStart,
    TextDelta,
    TextStart,
    Usage,
)
from headgate.messages import Message, ReasoningPart, TextPart, ToolCall, ToolCallPart
from headgate.surfaces import surface
from headgate.surfaces.base import Writing
from headgate.testing import Fixture
from headgate.testing.chunking import splits
from headgate.translator import Translator

SURFACE = surface("completions")
FIXTURES = Path(__file__).parent / "fixtures" / "dialects"
CASES = sorted(
    path.parent for name in ("openai", "ollama", "llamacpp") for path in (FIXTURES / name).glob("*/message.json")
)
STREAMED = [case for case in CASES if Fixture.load(case).status < 400]
TEXTS = [case for case in STREAMED if case.parent.name == "llamacpp" or "completions" in case.name]
WRITING = Writing("cmpl-1", 7, "m", include_usage=True)
PIECES_MAX = 8 * 1024
START = MessageStart(model="m")


def understood(data: bytes) -> dict[str, Any]:
    """Read a stream as a client does."""
    records = [line.removeprefix(b"data: ") for line in data.split(b"\n\n") if line.startswith(b"data: ")]
    chunks = [json.loads(record) for record in records if record != b"[DONE]"]
    choices = [choice for one in chunks for choice in one.get("choices", ())]
    numbers = {choice["index"] for choice in choices}
    return {
        "texts": {n: "".join(one["text"] for one in choices if one["index"] == n) for n in numbers},
        "finishes": {one["index"]: one["finish_reason"] for one in choices if one["finish_reason"]},
        "tokens": [token for one in choices if one["logprobs"] for token in one["logprobs"]["tokens"]],
        "usage": next((one["usage"] for one in chunks if "usage" in one), None),
        "error": next((one["error"]["code"] for one in chunks if "error" in one), None),
        "done": data.endswith(b"data: [DONE]\n\n"),
    }


def encoded(*events: Event, writing: Writing = WRITING) -> bytes:
    writes = SURFACE.encoder(writing)
    return writes.feed(events) + writes.close()


# -- generated --------------------------------------------------------------------------------------------

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8) | st.sampled_from(
    ["\u2028", "\x85", "\n", "\r\n", '"', "\\", "</think>", "<tool_call>", "é👋", "\x7f", "\0"]
)
NUMBER = st.floats(-50, 0, allow_nan=False)
ALTERNATIVES = st.dictionaries(TEXT, NUMBER, max_size=3)
LOGPROBS = st.lists(st.tuples(TEXT, NUMBER, ALTERNATIVES), max_size=3)
FINISH: Any = st.sampled_from(["stop", "length", "content_filter", "unknown"])


@st.composite
def responses(draw: st.DrawFn) -> tuple[list[Event], dict[int, tuple[str, str, list[Any]]]]:
    """Events of one or two choices, and what each came to: text, finish, log probabilities."""
    events: list[Event] = []
    ends: list[Event] = []
    meant: dict[int, tuple[str, str, list[Any]]] = {}
    for choice in range(draw(st.integers(1, 2))):
        said = draw(st.lists(st.tuples(TEXT, LOGPROBS), max_size=5))
        reason: Any = draw(FINISH)
        events += [MessageStart(model="m", choice=choice), TextStart(0, choice=choice)]
        events += [TextDelta(0, text, tuple(_logprob(*one) for one in told), choice) for text, told in said]
        events.append(BlockEnd(0, choice=choice))
        ends.append(MessageEnd(reason, None, None, choice))
        logprobs = [list(one) for _, told in said for one in told]
        meant[choice] = ("".join(text for text, _ in said), "stop" if reason == "unknown" else reason, logprobs)
    usage = draw(st.none() | st.builds(Usage, st.integers(0, 9), st.integers(0, 9)))
    return [*events, *([usage] if usage else []), *ends], meant


def _logprob(token: str, number: float, others: dict[str, float]) -> Logprob:
    return Logprob(token, number, None, tuple(Logprob(name, one) for name, one in others.items()))


@settings(max_examples=300, deadline=None)
@given(responses(), st.lists(st.integers(0, 4000), max_size=6))
def test_what_is_said_comes_back_through_the_dialect_at_every_split(
    response: tuple[list[Event], dict[int, tuple[str, str, list[Any]]]], places: list[int]
) -> None:
    """Written as a client gets it and read as an engine's stream, nothing is lost, log probabilities included."""
    events, meant = response
    data = encoded(*events)
    read = headgate.collect_all(cut_at(data, places), "openai", markup="off")

    assert [] == check_stream(data, "completions")
    assert meant == {
        one.choice: (one.content, one.finish_reason, [_told(token) for token in one.logprobs]) for one in read
    }


def _told(one: Logprob) -> list[Any]:
    return [one.token, one.logprob, {other.token: other.logprob for other in one.top_logprobs}]


@settings(max_examples=200, deadline=None)
@given(responses())
def test_a_stream_can_be_fed_event_by_event(response: tuple[list[Event], dict[int, Any]]) -> None:
    events, _ = response
    writes = SURFACE.encoder(WRITING)

    assert encoded(*events) == b"".join(writes.feed([event]) for event in events) + writes.close()


# -- every recording --------------------------------------------------------------------------------------


def written(case: Path, pieces: Iterable[bytes], *, short: bool = True) -> bytes:
    """A recording as a client gets it; a text completion is read without markup, as the gateway does."""
    markup = "off" if case in TEXTS else "auto"
    decoder = headgate.decoder(case.parent.name, ids=numbered(), markup=markup, tools=Fixture.load(case).tools)
    translates = Translator(decoder, SURFACE.encoder(WRITING), None if short else _listen)
    return b"".join(map(translates.feed, pieces)) + translates.close()


def _listen(events: Any) -> None:
    del events


@pytest.mark.parametrize("case", sorted({*TEXTS, *STREAMED[::6]}), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_recording_is_written_alike_at_every_split(case: Path) -> None:
    """Cut anywhere, by the shortcut or the whole way: the contract holds, and the bytes are the same."""
    fixture = Fixture.load(case)
    whole = written(case, [fixture.response], short=False)

    assert [] == check_stream(whole, "completions")
    for way, pieces in splits(fixture.response, fixture.lengths):
        if len(pieces) > PIECES_MAX:
            continue
        taken, slow = (written(case, pieces, short=short) for short in (True, False))
        assert (way, understood(whole)) == (way, understood(taken))
        assert (way, slow) == (way, taken)


@pytest.mark.parametrize("case", TEXTS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_text_is_understood_as_it_was_meant(case: Path) -> None:
    """`message.json` was not made by our code, so neither side can hide a fault of the other."""
    fixture = Fixture.load(case)
    expected = fixture.messages or []
    got = understood(written(case, [fixture.response]))

    assert {n: one["content"] for n, one in enumerate(expected) if one["content"]} == {
        n: text for n, text in got["texts"].items() if text
    }
    assert {n: one["finish_reason"] for n, one in enumerate(expected)} == got["finishes"]
    assert expected[0]["usage"] == got["usage"]
    assert got["done"]


@pytest.mark.parametrize("case", STREAMED, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_recording_ends_well_or_with_an_error(case: Path) -> None:
    """Also those with tool calls, which this API cannot say: an answer that leaves them out would be believed."""
    fixture = Fixture.load(case)
    data = written(case, [fixture.response])
    got = understood(data)

    assert [] == check_stream(data, "completions")
    assert got["done"] == (got["error"] is None)
    assert any(one["tool_calls"] for one in fixture.messages or ()) <= (got["error"] == "upstream_protocol")


# -- one by one -------------------------------------------------------------------------------------------


def test_a_chunk_has_every_field_that_the_api_requires() -> None:
    data = encoded(START, TextStart(0), TextDelta(0, "hi"), BlockEnd(0), MessageEnd("stop"))
    first, last = (json.loads(line[6:]) for line in data.split(b"\n\n")[:2])

    assert {"text": "hi", "index": 0, "logprobs": None, "finish_reason": None} == first["choices"][0]
    assert {"text": "", "index": 0, "logprobs": None, "finish_reason": "stop"} == last["choices"][0]
    assert ("cmpl-1", "text_completion", 7, "m") == tuple(first[name] for name in ("id", "object", "created", "model"))


def test_reasoning_is_left_out() -> None:
    """What is said goes on with the client's own text; a thought in it would stand in the middle of a file."""
    thought: list[Event] = [ReasoningStart(0), ReasoningDelta(0, "hm", (Logprob("hm", -1.0),)), BlockEnd(0)]
    got = understood(encoded(START, *thought, TextStart(1), TextDelta(1, "hi"), BlockEnd(1), MessageEnd("stop")))

    assert ({0: "hi"}, [], True) == (got["texts"], got["tokens"], got["done"])
    assert SURFACE.encoder(WRITING).frame(ReasoningDelta(0, "hm")) is None


def test_a_tool_call_is_a_failure_streamed_and_whole() -> None:
    call = {"tool_calls": [{"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}]}
    events = events_of(sse(chunk({"content": "hi"}), chunk(call), chunk({}, "tool_calls")) + DONE)
    got = understood(encoded(*events))

    assert [] == check_events(events)
    assert ("upstream_protocol", False, {}) == (got["error"], got["done"], got["finishes"])
    for complete in (True, False):
        message = Message(parts=(ToolCallPart(ToolCall("a", "f", "{", complete=complete)),), finish_reason="stop")
        with pytest.raises(UpstreamError, match="tool call"):
            SURFACE.whole([message], WRITING)


def test_a_refusal_is_text() -> None:
    events: list[Event] = [START, TextStart(0, refusal=True), TextDelta(0, "No."), BlockEnd(0), MessageEnd("stop")]

    assert {0: "No."} == understood(encoded(*events))["texts"]
    reply = json.loads(SURFACE.whole([Message(parts=(TextPart("No.", refusal=True),))], WRITING))
    assert ("No.", "stop") == (reply["choices"][0]["text"], reply["choices"][0]["finish_reason"])


def test_of_two_alternatives_that_are_spelled_alike_the_likelier_is_told() -> None:
    """Two tokens can be half a character each; a JSON object has one place for them."""
    one = Logprob("\ufffd", -1.0, (195,), (Logprob("\ufffd", -1.0, (195,)), Logprob("\ufffd", -2.0, (196,))))
    data = encoded(START, TextStart(0), TextDelta(0, "é", (one,)), BlockEnd(0), MessageEnd("stop"))

    assert [{"\ufffd": -1.0}] == json.loads(data.split(b"\n\n")[0][6:])["choices"][0]["logprobs"]["top_logprobs"]


def test_a_thoughts_log_probabilities_are_not_taken_for_the_texts() -> None:
    parts = ReasoningPart("hm", logprobs=(Logprob("hm", -1.0),)), TextPart("hi", logprobs=(Logprob("hi", -2.0),))
    reply = json.loads(SURFACE.whole([Message(parts=parts, finish_reason="stop")], WRITING))

    assert ("hi", ["hi"]) == (reply["choices"][0]["text"], reply["choices"][0]["logprobs"]["tokens"])


def test_a_stream_without_an_end_is_an_error() -> None:
    got = understood(encoded(START, TextStart(0), TextDelta(0, "hi")))

    assert ("upstream_truncated", False, {}) == (got["error"], got["done"], got["finishes"])
    assert "upstream_truncated" == understood(encoded())["error"]


def test_an_error_has_openais_form() -> None:
    status, body = SURFACE.error(PeerError("unsupported", "no.", param="/echo"))

    assert 400 == status
    assert {"message": "no.", "type": "invalid_request_error", "code": "unsupported", "param": "/echo"} == (
        json.loads(body)["error"]
    )


def test_an_id_and_a_keepalive_are_this_apis() -> None:
    assert "cmpl-1" == SURFACE.new_id(numbered())
    assert SURFACE.keepalive(WRITING).startswith(b":")
    assert [] == check_stream(SURFACE.keepalive(WRITING) + encoded(START, MessageEnd("stop")), "completions")


# -- the command ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["llamacpp/llamacpp.fim.infill", "ollama/ollama.generate", "openai/vllm.completions"])
def test_normalize_writes_it(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    file = FIXTURES / name / "response.raw"
    status = main(["normalize", "--to", "completions", "--markup", "off", str(file)])
    data = capsys.readouterr().out.encode()

    assert (0, []) == (status, check_stream(data, "completions"))
    assert {0: (Fixture.load(FIXTURES / name).messages or [{}])[0]["content"]} == understood(data)["texts"]


def test_normalize_says_that_a_call_has_no_place(capsys: pytest.CaptureFixture[str]) -> None:
    file = FIXTURES / "openai" / "llamacpp.hermes.tool" / "response.raw"

    assert 1 == main(["normalize", "--to", "completions", str(file)])
    assert "upstream_protocol" == understood(capsys.readouterr().out.encode())["error"]
