"""`headgate.surfaces.ollama` and `.ollama_generate`: every kind of line, and what a whole reply and an error are.

The golden folders (`test_surfaces_ollama_golden.py`) have the exact bytes of whole conversations.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from headgate.conform import check_stream
from headgate.errors import PeerError, RequestError, UpstreamError, stream_error
from headgate.events import (
    Annotation,
    BlockEnd,
    Event,
    Extra,
    FinishReason,
    Logprob,
    MessageEnd,
    MessageStart,
    Progress,
    ReasoningDelta,
    ReasoningSignature,
    ReasoningStart,
    Repair,
    TextDelta,
    TextStart,
    Timings,
    ToolCallDelta,
    ToolCallStart,
    Usage,
)
from headgate.messages import Message, TextPart, ToolCall, ToolCallPart
from headgate.surfaces import surface, surfaces
from headgate.surfaces.base import Encoder, Surface, Writing

CHAT, GENERATE = surface("ollama"), surface("ollama_generate")
HEAD = b'{"model":"m","created_at":"1970-01-01T00:00:07Z",'
WRITING = Writing("i", 7, "m")
START, STOP = MessageStart(), MessageEnd("stop")
BOTH = pytest.mark.parametrize("served", [CHAT, GENERATE], ids=["chat", "generate"])


def encoder(served: Surface = CHAT) -> Encoder:
    return served.encoder(WRITING)


def encoded(*events: Event, served: Surface = CHAT) -> bytes:
    return encoder(served).feed(events)


def line(message: str, rest: str = '"done":false') -> bytes:
    return HEAD + f'"message":{{"role":"assistant",{message}}},{rest}}}\n'.encode()


def end(rest: str = '"done_reason":"stop"') -> bytes:
    return line('"content":""', f'"done":true,{rest}')


def parsed(data: bytes) -> list[dict[str, Any]]:
    return [json.loads(one) for one in data.split(b"\n")[:-1]]


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        pytest.param([TextStart(0), TextDelta(0, "hi")], line('"content":"hi"'), id="text"),
        pytest.param([TextStart(0, refusal=True), TextDelta(0, "no")], line('"content":"no"'), id="refusal"),
        pytest.param(
            [ReasoningStart(0), ReasoningDelta(0, "why")], line('"content":"","thinking":"why"'), id="reasoning"
        ),
        pytest.param([ToolCallStart(0, "a", "f"), ToolCallDelta(0, '{"x":1}')], b"", id="a call that goes on"),
        pytest.param(
            [ToolCallStart(0, "a", "f"), ToolCallDelta(0, '{"x"'), ToolCallDelta(0, ":1}"), BlockEnd(0)],
            line('"content":"","tool_calls":[{"id":"a","function":{"index":0,"name":"f","arguments":{"x":1}}}]'),
            id="a call that ends",
        ),
        pytest.param(
            [ToolCallStart(0, "a", "f"), BlockEnd(0)],
            line('"content":"","tool_calls":[{"id":"a","function":{"index":0,"name":"f","arguments":{}}}]'),
            id="a call without arguments",
        ),
        pytest.param([Repair("role_repeated"), Progress(1, 2), Extra("x", "1"), Usage(1)], b"", id="no word for it"),
        pytest.param(
            [ReasoningStart(0), ReasoningSignature(0, "s", "o"), BlockEnd(0), TextStart(1), Annotation(1, "url")],
            b"",
            id="nor for these",
        ),
        pytest.param([STOP], end(), id="the end"),
    ],
)
def test_each_event_is_written_in_these_bytes(events: list[Event], expected: bytes) -> None:
    assert expected == encoded(START, *events)


def test_a_token_without_bytes_is_not_one_whose_bytes_nobody_told() -> None:
    tokens = (Logprob("", -1.0, ()), Logprob("x", -1.0))
    told = [{"token": "", "logprob": -1.0, "bytes": []}, {"token": "x", "logprob": -1.0}]

    assert told == parsed(encoded(START, ReasoningStart(0), ReasoningDelta(0, "x", tokens)))[0]["logprobs"]


def test_a_prompt_is_answered_without_a_message_around_the_text() -> None:
    events: list[Event] = [START, ReasoningStart(0), ReasoningDelta(0, "why"), BlockEnd(0), TextStart(1)]
    events += [TextDelta(1, "hi"), BlockEnd(1), STOP]
    lines = [b'"response":"","thinking":"why","done":false}', b'"response":"hi","done":false}']
    lines += [b'"response":"","done":true,"done_reason":"stop"}']

    assert b"".join(HEAD + one + b"\n" for one in lines) == encoded(*events, served=GENERATE)


@pytest.mark.parametrize(
    ("reason", "raw", "written"),
    [
        ("stop", None, "stop"),
        ("length", "max_tokens", "length"),
        ("tool_calls", "tool_calls", "stop"),
        ("content_filter", None, "content_filter"),
        ("unknown", "whim", "stop"),
        ("cancelled", None, "stop"),
        ("stop", "load", "load"),
        ("stop", "unload", "unload"),
    ],
)
def test_the_last_line_says_why(reason: FinishReason, raw: str | None, written: str) -> None:
    writes = encoder()

    assert end(f'"done_reason":"{written}"') == writes.feed([START, MessageEnd(reason, raw)])
    assert (True, False, b"", b"") == (writes.done, writes.failed, writes.feed([TextDelta(0, "x")]), writes.close())


@pytest.mark.parametrize(
    ("usage", "written"),
    [
        (Usage(), {}),
        (Usage(3, 2), {"prompt_eval_count": 3, "eval_count": 2}),
        (Usage(0, None), {"prompt_eval_count": 0}),
        (
            Usage(3, 2, timings=Timings(prompt_ms=0.0015, predicted_ms=2.25, load_ms=1, total_ms=4.5, measured_ms=9)),
            {
                "total_duration": 4_500_000,
                "load_duration": 1_000_000,
                "prompt_eval_count": 3,
                "prompt_eval_duration": 1_500,
                "eval_count": 2,
                "eval_duration": 2_250_000,
            },
        ),
        (Usage(timings=Timings(cache_n=4, prompt_n=3, predicted_n=2)), {"prompt_eval_count": 7, "eval_count": 2}),
        (Usage(5, timings=Timings(cache_n=4, prompt_n=3)), {"prompt_eval_count": 5}),
        (Usage(timings=Timings(prompt_n=3)), {}),
        (Usage(3, 2, timings=Timings(measured_ms=9)), {"prompt_eval_count": 3, "eval_count": 2, "total_duration": 9e6}),
    ],
)
def test_the_last_line_has_the_counts_and_durations_that_are_known(usage: Usage, written: dict[str, int]) -> None:
    """Clients divide by them; a made-up 0 would be a made-up speed. Of a total that nobody told ours is the best."""
    last = parsed(encoded(START, usage, STOP))[-1]
    reply = json.loads(CHAT.whole([Message(finish_reason="stop", usage=usage)], WRITING))

    assert {"done_reason": "stop", **written} == {name: last[name] for name in last if name in METRICS}
    assert last == reply


METRICS = frozenset(
    "done_reason total_duration load_duration prompt_eval_count prompt_eval_duration eval_count eval_duration".split()
)


def test_calls_leave_in_the_order_in_which_they_began() -> None:
    """An agent runs them in the order in which they come."""
    events: list[Event] = [ToolCallStart(0, "a", "f"), ToolCallStart(1, "b", "g"), ToolCallStart(2, "c", "h")]
    writes = encoder()

    assert b"" == writes.feed([START, *events, BlockEnd(1)])
    assert ["a", "b"] == calls_of(writes.feed([BlockEnd(0)]))
    assert ["c"] == calls_of(writes.feed([BlockEnd(2)]))


def calls_of(data: bytes) -> list[str]:
    return [call["id"] for one in parsed(data) for call in one["message"]["tool_calls"]]


def test_a_call_that_was_cut_off_holds_no_other_back() -> None:
    events: list[Event] = [START, ToolCallStart(0, "a", "f"), ToolCallStart(1, "b", "g"), BlockEnd(1)]
    data = encoded(*events, BlockEnd(0, complete=False), MessageEnd("length"))

    assert (["b"], "length") == (calls_of(data[: data.index(b"\n") + 1]), parsed(data)[-1]["done_reason"])


@BOTH
@pytest.mark.parametrize("reason", ["stop", "tool_calls", "unknown"])
def test_a_call_that_was_cut_off_is_a_failure(served: Surface, reason: FinishReason) -> None:
    """It was never sent; without a failure the rest would pass for the whole answer."""
    cut: list[Event] = [START, ToolCallStart(0, "a", "f"), ToolCallDelta(0, "{"), BlockEnd(0, complete=False)]
    writes = encoder(served)
    data = writes.feed([*cut, MessageEnd(reason)])
    message = Message(parts=(ToolCallPart(ToolCall("a", "f", "{", complete=False)),), finish_reason=reason)
    with pytest.raises(UpstreamError) as refused:
        served.whole([message], WRITING)

    assert [{"error": refused.value.message}] == parsed(data)
    assert (True, True, "tool_call_incomplete") == (writes.done, writes.failed, refused.value.code)


@BOTH
@pytest.mark.parametrize("arguments", ["[1]", '"{}"', "5", "null", " true"])
def test_arguments_that_are_no_object_are_a_failure(served: Surface, arguments: str) -> None:
    """Ollama's clients validate each line; a list there ends them with their own words."""
    writes = encoder(served)
    data = writes.feed([START, ToolCallStart(0, "a", "f"), ToolCallDelta(0, arguments), BlockEnd(0), STOP])
    message = Message(parts=(ToolCallPart(ToolCall("a", "f", arguments)),), finish_reason="stop")
    with pytest.raises(UpstreamError) as refused:
        served.whole([message], WRITING)

    assert ([{"error": refused.value.message}], True) == (parsed(data), writes.failed)


@BOTH
def test_an_error_is_one_line_and_the_end(served: Surface) -> None:
    """No `"done": true`: a client must not take what came so far for the answer."""
    writes = encoder(served)
    data = writes.feed([START, TextStart(0), TextDelta(0, "a"), stream_error("upstream_truncated", "x\u2028"), STOP])

    assert data.endswith(b'\n{"error":"x\\u2028"}\n')
    assert (True, True, b"", b"") == (writes.done, writes.failed, writes.close(), writes.feed([STOP]))
    assert [] == check_stream(data, served.name)


@BOTH
def test_an_error_without_a_sentence_is_still_one(served: Surface) -> None:
    """Ollama's Python client looks whether `error` says anything."""
    assert b'{"error":"upstream_error"}\n' == encoded(stream_error("upstream_error", ""), served=served)
    assert (502, b'{"error":"upstream_error"}') == served.error(UpstreamError("upstream_error", ""))


@BOTH
def test_events_that_stop_without_an_end_are_an_error(served: Surface) -> None:
    events: list[Event] = [START, TextStart(0), TextDelta(0, "a")]
    for count in range(len(events) + 1):
        writes = encoder(served)
        data = writes.feed(events[:count]) + writes.close()

        assert [] == check_stream(data, served.name)
        assert (True, True, {"error"}) == (writes.done, writes.failed, set(parsed(data)[-1]))


def test_only_the_first_choice_is_written_and_it_waits_for_the_others() -> None:
    """Ollama has one choice; the counts belong to all of them, and so does a failure."""
    start: list[Event] = [MessageStart(choice=1), MessageStart(), TextStart(0, choice=1), TextStart(0)]
    said: list[Event] = [TextDelta(0, "b", choice=1), TextDelta(0, "a"), BlockEnd(0, choice=1)]
    writes = encoder()

    assert line('"content":"b"') == writes.feed([*start, *said, MessageEnd("length", choice=1)])
    assert None is writes.frame(TextDelta(0, "a"))
    assert end('"done_reason":"length","prompt_eval_count":1') == writes.feed([BlockEnd(0), Usage(1), STOP])


def test_a_cut_call_of_a_choice_that_is_not_written_is_no_failure() -> None:
    other: list[Event] = [ToolCallStart(0, "a", "f", choice=1), BlockEnd(0, complete=False, choice=1)]

    assert end() == encoded(START, MessageStart(choice=1), *other, STOP, MessageEnd("stop", choice=1))


@BOTH
@pytest.mark.parametrize("delta", [TextDelta(0, "x"), ReasoningDelta(0, "x")])
def test_the_frame_of_a_delta_is_what_is_written_around_it(served: Surface, delta: TextDelta | ReasoningDelta) -> None:
    """The shortcut writes plain deltas with it, without the encoder."""
    opens = TextStart(0) if isinstance(delta, TextDelta) else ReasoningStart(0)
    writes = encoder(served)
    written = writes.feed([START, opens, delta])
    frame = writes.frame(delta)

    assert frame is not None
    assert written == frame.before + frame.text("x") + frame.behind


def test_the_engines_model_goes_before_the_one_that_was_asked_for() -> None:
    assert "real" == parsed(encoded(MessageStart(model="real"), STOP))[0]["model"]
    assert "m" == parsed(encoded(START, STOP))[0]["model"]
    assert "real" == json.loads(CHAT.whole([Message(model="real")], WRITING))["model"]


def test_events_one_by_one_give_the_same_bytes() -> None:
    events: list[Event] = [START, TextStart(0), TextDelta(0, "a"), BlockEnd(0), Usage(1, 1), STOP]
    writes = encoder()

    assert encoded(*events) == b"".join(writes.feed([event]) for event in events)


def test_a_whole_reply_keeps_refusals_and_text_in_order() -> None:
    message = Message(parts=(TextPart("a"), TextPart("b", refusal=True)), finish_reason="stop")

    assert "ab" == json.loads(CHAT.whole([message], WRITING))["message"]["content"]


@pytest.mark.parametrize(
    "failure",
    [
        RequestError("invalid_request", "expected x\u2028.", param="/messages"),
        UpstreamError("upstream_error", "no", status=429),
    ],
)
def test_a_failure_before_the_first_byte_is_ollamas_error(failure: PeerError) -> None:
    """Ollama's Python client shows the text of `error`, and its whole JSON where that is no text."""
    status, body = CHAT.error(failure)

    assert (failure.status, {"error": failure.message}) == (status, json.loads(body))


def test_the_surfaces_are_found_by_their_names() -> None:
    assert (CHAT, GENERATE) == (surfaces()["ollama"], surfaces()["ollama_generate"])
    assert (("/api/chat",), ("/api/generate",)) == (CHAT.paths, GENERATE.paths)
    assert ("application/x-ndjson", "ollama-1") == (CHAT.media_type, CHAT.new_id(lambda prefix: prefix + "1"))


@BOTH
def test_a_waiting_client_gets_a_line_with_an_empty_text(served: Surface) -> None:
    """Ollama's Python client parses every line, a blank one too, and others demand every field of each."""
    waits = served.keepalive(WRITING)
    data = waits + encoded(START, TextStart(0), TextDelta(0, "hi"), BlockEnd(0), STOP, served=served)

    assert b"\n" == waits[-1:]
    assert [] == check_stream(data[: len(waits)] + waits + data[len(waits) :], served.name)
    assert {"model": "m", "created_at": "1970-01-01T00:00:07Z", "done": False} == {
        name: value for name, value in parsed(waits)[0].items() if name not in {"message", "response"}
    }
