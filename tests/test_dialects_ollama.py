"""`headgate.dialects.ollama`: `/api/chat` and `/api/generate`, streamed and whole, old and new."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pieces import cuts, events_of, message_of, ndjson, numbered, repairs_of

import headgate
from headgate.dialects.ollama import Ollama
from headgate.events import (
    BlockEnd,
    Event,
    Logprob,
    MessageEnd,
    MessageStart,
    ReasoningDelta,
    ReasoningStart,
    StreamError,
    TextDelta,
    TextStart,
    Timings,
    ToolCallDelta,
    ToolCallStart,
    Usage,
)
from headgate.limits import Limits

COUNTS = {"prompt_eval_count": 3, "eval_count": 2}
DURATIONS = {"total_duration": 5_000_000, "load_duration": 1, "prompt_eval_duration": 2_500_000, "eval_duration": 10**9}


def line(message: dict[str, Any] | None = None, *, done: bool = False, **more: Any) -> dict[str, Any]:
    head = {"model": "m", "created_at": "2026-11-21T10:00:00.123456789Z"}
    return {**head, "message": {"role": "assistant", "content": "", **(message or {})}, "done": done, **more}


DONE = line(done=True, done_reason="stop")


def called(arguments: Any, **more: Any) -> dict[str, Any]:
    return {"function": {"name": "f", "arguments": arguments}, **more}


def errors(events: list[Event]) -> list[str]:
    return [event.code for event in events if isinstance(event, StreamError)]


def test_a_chat_is_told_at_every_split() -> None:
    stream = ndjson(line({"thinking": "why"}), line({"content": "hi é"}), {**DONE, **COUNTS, **DURATIONS})
    expected = [
        MessageStart(None, "m", 1795255200),
        ReasoningStart(0),
        ReasoningDelta(0, "why"),
        BlockEnd(0),
        TextStart(1),
        TextDelta(1, "hi é"),
        BlockEnd(1),
        Usage(
            3,
            2,
            timings=Timings(
                prompt_ms=2.5,
                predicted_n=2,
                predicted_ms=1000.0,
                predicted_per_second=2.0,
                load_ms=1e-6,
                total_ms=5.0,
            ),
        ),
        MessageEnd("stop", "stop"),
    ]
    for pieces in cuts(stream):
        assert expected == events_of(pieces, "ollama"), pieces


def test_a_generation_is_told_like_a_chat() -> None:
    head = {"model": "m", "created_at": "2023-08-04T08:52:19.385406455-07:00"}
    stream = ndjson(
        {**head, "thinking": "why", "response": "", "done": False},
        {**head, "response": "hi", "done": False},
        {**head, "response": "", "done": True, "done_reason": "stop", "context": [1, 2, 3]},
    )
    message = message_of(stream, "ollama")

    assert ("why", "hi", "stop", []) == (message.reasoning, message.content, message.finish_reason, repairs_of(message))


def test_a_whole_reply_says_what_its_stream_says() -> None:
    reply = {
        **line({"content": "hi", "thinking": "why", "tool_calls": [called({"a": 1}, id="x")]}, done=True),
        **COUNTS,
    }
    stream = ndjson(
        line({"thinking": "why"}),
        line({"content": "hi"}),
        line({"tool_calls": [called({"a": 1}, id="x")]}),
        {**line(done=True), **COUNTS},
    )
    for body in (json.dumps(reply).encode(), json.dumps(reply).encode() + b"\n"):
        assert message_of(stream, "ollama") == message_of(body, "ollama")


@pytest.mark.parametrize(
    ("word", "reason", "repairs"),
    [
        ("stop", "stop", []),
        ("length", "length", []),
        ("load", "stop", ["finish_mapped"]),
        ("unload", "stop", ["finish_mapped"]),
        ("", "stop", []),
        (None, "stop", []),
        ("new_word", "unknown", ["finish_mapped"]),
    ],
)
def test_done_is_the_end_whatever_its_reason(word: str | None, reason: str, repairs: list[str]) -> None:
    """Old versions tell no reason; `load` and `unload` answer a request without messages."""
    message = message_of(ndjson(line({"content": "hi"}), line(done=True, done_reason=word)), "ollama")

    assert (reason, word or None, repairs) == (message.finish_reason, message.raw_reason, repairs_of(message))


def test_the_done_line_may_carry_everything() -> None:
    """Parsers that cannot stream tell thought, text and calls on the last line."""
    last = line({"content": "hi", "thinking": "why", "tool_calls": [called({})]}, done=True, done_reason="stop")
    message = message_of(ndjson(last), "ollama")

    assert ("hi", "why", "tool_calls") == (message.content, message.reasoning, message.finish_reason)


def test_calls_come_whole_and_each_is_its_own() -> None:
    """Every index said 0 before 0.20.6, and there was no index before 0.4.7; a call is never continued."""
    zero = [{"function": {"index": 0, "name": "f", "arguments": {"n": n}}} for n in (1, 2)]
    stream = ndjson(line({"tool_calls": zero}), line({"tool_calls": [called({"n": 3}, id="x")]}), DONE)
    events = events_of(stream, "ollama")

    assert [
        *[ToolCallStart(0, "call_1", "f"), ToolCallDelta(0, '{"n": 1}'), BlockEnd(0)],
        *[ToolCallStart(1, "call_2", "f"), ToolCallDelta(1, '{"n": 2}'), BlockEnd(1)],
        *[ToolCallStart(2, "x", "f"), ToolCallDelta(2, '{"n": 3}'), BlockEnd(2)],
    ] == [event for event in events if isinstance(event, ToolCallStart | ToolCallDelta | BlockEnd)]
    assert "call_id_minted" in repairs_of(message_of(stream, "ollama"))


@pytest.mark.parametrize(
    ("arguments", "expected", "complete"),
    [
        ('{"b": "\\u003c", "a":1}', '{"b": "\\u003c", "a":1}', True),
        ('"{\\"a\\": 1}"', '{"a": 1}', True),
        ("null", "{}", True),
        ("{}", "{}", True),
        ('""', "{}", True),
        ("[1]", "[1]", True),
        ('"{\\"a\\""', '{"a"', False),
        ('"\\ud800"', "\ufffd", False),
        ('"\xff"', "\ufffd", False),
    ],
)
def test_arguments_keep_the_text_of_the_object(arguments: str, expected: str, complete: bool) -> None:  # noqa: FBT001
    """Key order, spaces and escapes are the engine's; some builds send the text itself, or nothing."""
    raw = json.dumps(line({"tool_calls": [called("@")]})).replace('"@"', arguments).encode("latin-1")
    message = message_of(ndjson(raw, DONE), "ollama")
    calls = message.tool_calls if complete else message.incomplete_calls

    assert [expected] == [call.arguments for call in calls]


@pytest.mark.parametrize("arguments", [b'{"a":"\xff"}', b'"{\\"a\\":\\"\xff\\"}"'])
def test_arguments_that_are_not_utf_8_are_repaired_and_named(arguments: bytes) -> None:
    raw = json.dumps(line({"tool_calls": [called("@", id="x")]})).encode().replace(b'"@"', arguments)
    message = message_of(ndjson(raw, DONE), "ollama")

    assert ['{"a":"\ufffd"}'] == [call.arguments for call in message.tool_calls]
    assert "text_replaced" in repairs_of(message)


def test_absent_arguments_are_an_empty_object() -> None:
    message = message_of(ndjson(line({"tool_calls": [{"function": {"name": "f"}}, {}]}), DONE), "ollama")

    assert [("f", "{}"), ("", "{}")] == [(call.name, call.arguments) for call in message.tool_calls]


def test_log_probabilities_go_with_their_text() -> None:
    """While a parser buffers, lines carry log probabilities and no text."""
    tokens = [{"token": token, "logprob": -1.0} for token in "ab"]
    stream = ndjson(line(logprobs=tokens[:1]), line({"content": "ab"}, logprobs=tokens[1:]), DONE)

    assert (Logprob("a", -1.0), Logprob("b", -1.0)) == message_of(stream, "ollama").logprobs


@pytest.mark.parametrize(
    "stream",
    [
        b"",
        b"\n",
        ndjson(line({"content": "hi"})),
        ndjson(line({"content": "hi"})) + json.dumps(DONE).encode()[:-5],
        ndjson(line({"content": "hi"}), {"model": "m", "done": None}),
    ],
)
def test_no_done_is_no_end(stream: bytes) -> None:
    """The repeat detector of some versions ends with HTTP 200 and nothing more."""
    for pieces in cuts(stream):
        assert ["upstream_truncated"] == errors(events_of(pieces, "ollama")), pieces


def test_done_without_its_line_end_is_an_end() -> None:
    assert "stop" == message_of(ndjson(line({"content": "hi"})) + json.dumps(DONE).encode(), "ollama").finish_reason


@pytest.mark.parametrize("before", [[], [line({"content": "hi"})]], ids=["first", "in the middle"])
@pytest.mark.parametrize("record", [{"error": "boom"}, {"error": {"message": "boom"}}, {**DONE, "error": "boom"}])
def test_an_error_line_is_an_error(before: list[Any], record: dict[str, Any]) -> None:
    for after in ([], [DONE]):
        events = events_of(ndjson(*before, record, *after), "ollama")

        assert isinstance(events[-1], StreamError)
        assert ("upstream_error", "boom") == (events[-1].code, events[-1].message)


@pytest.mark.parametrize("record", [b"{", b"[1]", b"null", b"<html>", b"data: {}", b"\xff"])
def test_a_line_that_is_no_object_is_an_error(record: bytes) -> None:
    for pieces in cuts(ndjson(line({"content": "hi"}), record, DONE)):
        assert ["bad_json"] == errors(events_of(pieces, "ollama")), pieces


@pytest.mark.parametrize(
    "spoiled",
    [
        {"message": {"content": 5}},
        {"message": "x"},
        {"message": [1]},
        {"message": {"tool_calls": {}}},
        {"message": {"tool_calls": [None, "x", {"function": 7}]}},
        {"created_at": "yesterday"},
        {"created_at": 5},
        {"created_at": "0001-01-01T00:00:00Z"},
        {"created_at": "9999-12-31T23:59:59.999999999+23:59"},
        {"prompt_eval_count": "3"},
        {"eval_duration": 10**40},
        {"eval_duration": 10**400},
        {"eval_duration": 0},
        {"eval_duration": -1},
        {"eval_count": 10**400},
        {"total_duration": 10**400},
        {"logprobs": "x"},
        {"model": None},
        {"done_reason": 7},
    ],
)
def test_fields_of_another_type_raise_nothing(spoiled: dict[str, Any]) -> None:
    message = message_of(ndjson(line({"content": "hi"}), {**DONE, **spoiled}), "ollama")

    assert "hi" == message.content[:2]
    assert message.finish_reason is not None


def test_nothing_after_done_counts() -> None:
    stream = ndjson(line({"content": "hi"}), DONE)

    assert events_of(stream, "ollama") == events_of(stream + ndjson({"error": "x"}, b"rubbish"), "ollama")


@pytest.mark.parametrize("extra", [0, 1])
def test_a_line_of_exactly_the_limit_passes_and_one_byte_more_does_not(extra: int) -> None:
    stream = ndjson(line({"content": "hi" * 50}), DONE)
    limits = Limits(line_bytes_max=max(map(len, stream.split(b"\n"))) - extra)
    for pieces in ([stream], [bytes([byte]) for byte in stream]):
        assert (["line_too_long"] if extra else []) == errors(events_of(pieces, "ollama", limits=limits))


def test_a_copy_goes_its_own_way() -> None:
    reads = headgate.decoder("ollama", ids=numbered())
    stream = ndjson(line({"content": "<thi"}), DONE)
    before = reads.feed(stream[:-20])
    twin = reads.copy()

    assert ["upstream_truncated"] == errors(twin.close())
    assert isinstance([*before, *reads.feed(stream[-20:]), *reads.close()][-1], MessageEnd)


@pytest.mark.parametrize(
    ("head", "sure"),
    [
        (b'{"model":"m","created_at":"x","message":{"role":"assistant","content":"' + b"x" * 5000, True),
        (b' \n{"model":"m","done":false}', True),
        (b'{"response":"a","done":false}', True),
        (b'{"error":"model not found"}', True),
        (b'{"error":{"message":"x"}}', False),
        (b'{"task":"wash up","done":true}', False),
        (b'{"choices":[{"delta":{"content":"\\"done\\""}}]}', False),
        (b"done", False),
        (b"", False),
    ],
)
def test_its_first_bytes_are_known(head: bytes, *, sure: bool) -> None:
    """Of a whole reply only the beginning is shown, and `done` stands at its end."""
    assert sure is (Ollama().sniff(head) > 1)
