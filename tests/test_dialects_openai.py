"""`headgate.dialects.openai`: every quirk of OpenAI-style streams, by the smallest stream that has it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from pieces import DONE, call, chunk, cuts, events_of, message_of, ndjson, numbered, repairs_of, sse

import headgate
from headgate.dialects import dialect
from headgate.dialects.base import Decoder
from headgate.dialects.openai import OpenAI
from headgate.errors import UsageError
from headgate.events import (
    BlockEnd,
    Event,
    Extra,
    Logprob,
    MessageEnd,
    MessageStart,
    Progress,
    Repair,
    StreamError,
    TextDelta,
    TextStart,
    Timings,
    ToolCallStart,
    Usage,
)
from headgate.limits import Limits
from headgate.surfaces import surface
from headgate.surfaces.base import Writing
from headgate.testing import Fixture

FIXTURES = Path(__file__).parent / "fixtures" / "dialects" / "openai"

ROLE = chunk({"role": "assistant"})
TEXT = chunk({"content": "hi"})
STOP = chunk({}, "stop")
USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}


def usage_chunk(**more: Any) -> dict[str, Any]:
    return {"object": "chat.completion.chunk", "choices": [], "usage": USAGE, **more}


def decoder(**options: Any) -> Decoder:
    return headgate.decoder("openai", ids=numbered(), **options)


def kinds(events: list[Event]) -> list[str]:
    return [str(type(event).__struct_config__.tag) for event in events]


def errors(events: list[Event]) -> list[str]:
    return [event.code for event in events if isinstance(event, StreamError)]


def test_a_clean_stream_needs_no_repair() -> None:
    stream = sse(ROLE, TEXT, STOP) + DONE
    for pieces in cuts(stream):
        assert [
            MessageStart("c1", "m", 1),
            TextStart(0),
            TextDelta(0, "hi"),
            BlockEnd(0),
            MessageEnd("stop", "stop"),
        ] == events_of(pieces), pieces


@pytest.mark.parametrize(
    ("records", "repairs"),
    [
        ([ROLE, chunk({"role": "assistant", "content": "hi"}), STOP], ["role_repeated"]),
        ([chunk({"role": "assistant", "content": None}), TEXT, STOP], ["null_dropped"]),
        ([chunk({"role": None, "content": "hi"}), STOP], ["null_dropped"]),
        ([chunk({"reasoning_content": None, "content": "hi"}), STOP], ["null_dropped"]),
        ([chunk({"role": "assistant", "content": ""}), TEXT, STOP], ["empty_dropped"]),
        ([ROLE, chunk({"content": "hi"}, "stop")], ["finish_split"]),
        ([ROLE, TEXT, chunk({"content": ""}, "stop")], ["empty_dropped"]),
        ([ROLE, TEXT, chunk({}, "eos")], ["finish_mapped"]),
        ([ROLE, TEXT, chunk({}, "load")], ["finish_mapped"]),
        ([ROLE, TEXT, chunk({}, "unload")], ["finish_mapped"]),
        ([ROLE, TEXT, chunk({}, "")], ["empty_dropped"]),
        ([ROLE, TEXT, chunk({}, "tool_calls")], ["finish_derived"]),
        ([ROLE, TEXT, {**STOP, "id": "c2"}], ["identity_unified"]),
        ([ROLE, {**TEXT, "created": 2}, STOP], ["identity_unified"]),
        ([ROLE, {**TEXT, "model": ""}, STOP], ["identity_unified"]),
        ([ROLE, TEXT, STOP, {**usage_chunk(), "object": "chat.completion"}], ["identity_unified", "object_corrected"]),
        ([ROLE, {**TEXT, "usage": USAGE}, STOP], ["usage_moved"]),
        ([ROLE, TEXT, {**STOP, "usage": USAGE}], ["usage_moved"]),
        ([ROLE, TEXT, STOP, {**ROLE, "choices": []}], ["choices_empty"]),
        (
            [ROLE, TEXT, {**STOP, "usage": {"prompt_tokens": 0, "completion_tokens": 0}}],
            ["field_ignored"],
        ),
        ([ROLE, chunk({"content": 5}), chunk({"content": "hi"}), STOP], ["type_coerced", "field_ignored"]),
        ([{**ROLE, "created": "1"}, TEXT, STOP], ["type_coerced"]),
        (
            [{**ROLE, "created": [1]}, {**TEXT, "created": [1]}, {**STOP, "created": [1]}],
            ["type_coerced", "field_ignored"],
        ),
    ],
)
def test_a_quirk_is_repaired_and_named_and_changes_no_text(records: list[Any], repairs: list[str]) -> None:
    message = message_of(sse(*records) + DONE)

    assert ("hi", "stop", None) == (message.content, message.finish_reason, message.error)
    assert repairs == repairs_of(message)


@pytest.mark.parametrize("key", ["reasoning_content", "reasoning", "thinking"])
def test_reasoning_is_found_under_each_of_its_names(key: str) -> None:
    """Clients that know one name lost the thought with every engine that uses another."""
    message = message_of(sse(ROLE, chunk({key: "why"}), TEXT, STOP) + DONE)

    assert ("why", "hi") == (message.reasoning, message.content)
    assert ([] if key == "reasoning_content" else ["reasoning_renamed"]) == repairs_of(message)


def test_reasoning_under_two_names_counts_once() -> None:
    message = message_of(sse(chunk({"reasoning_content": "why", "reasoning": "why"}), TEXT, STOP) + DONE)

    assert "why" == message.reasoning


def test_a_delta_with_several_kinds_is_told_in_the_order_of_generation() -> None:
    """One chunk of vLLM holds the end of the thought and the first words, or the last words and a call."""
    delta = {"content": "hi", "reasoning": "why", **call("{}", id="a", name="f")}
    events = events_of(sse(chunk(delta, "tool_calls")) + DONE)

    assert ["reasoning", "text", "tool_call"] == [kind.split(".")[0] for kind in kinds(events) if "start" in kind][1:]


@pytest.mark.parametrize(
    ("content", "text", "reasoning"),
    [
        ([{"type": "text", "text": "hi"}], "hi", None),
        ([{"type": "thinking", "thinking": [{"type": "text", "text": "why"}]}], "", "why"),
        ([{"type": "thinking", "thinking": "why"}, {"type": "text", "text": "hi"}], "hi", "why"),
        ([{"type": "image_url"}, None, "x", {"type": "text", "text": None}], "", None),
    ],
)
def test_content_may_be_a_list_of_parts(content: list[Any], text: str, reasoning: str | None) -> None:
    """Mistral's API sends the thought of its Magistral models that way."""
    message = message_of(sse(chunk({"content": content}), STOP) + DONE)

    assert (text, reasoning) == (message.content, message.reasoning)
    assert "type_coerced" in repairs_of(message)


def test_a_refusal_is_no_content() -> None:
    message = message_of(sse(ROLE, chunk({"refusal": "I can"}), chunk({"refusal": "not."}), STOP) + DONE)

    assert ("", "I cannot.") == (message.content, message.refusal)


def test_parts_without_a_word_of_their_own_are_kept() -> None:
    delta = {"content": "hi", "annotations": [{"type": "url_citation"}], "audio": None, "images": []}
    events = events_of(sse(chunk(delta), STOP) + DONE)

    assert [Extra("choices[].delta.annotations", '[{"type": "url_citation"}]')] == [
        event for event in events if isinstance(event, Extra)
    ]


# -- the end --------------------------------------------------------------------------------------------


def test_usage_after_the_finish_still_comes_before_the_end() -> None:
    events = events_of(sse(ROLE, TEXT, STOP, usage_chunk(timings={"prompt_n": 3})) + DONE)

    assert [Usage(3, 2, timings=Timings(prompt_n=3)), MessageEnd("stop", "stop")] == events[-2:]


def test_the_end_waits_for_the_end_marker() -> None:
    """Usage follows the finish reason on the wire, so an early end would lose it."""
    reads = decoder()
    reads.feed(sse(ROLE, TEXT, STOP))

    assert (True, False) == (reads.finished, reads.done)
    reads.feed(DONE)
    assert reads.done


def test_the_end_of_bytes_after_a_finish_is_an_end() -> None:
    message = message_of(sse(ROLE, TEXT, STOP))

    assert ("stop", ["closed_after_finish"]) == (message.finish_reason, repairs_of(message))


@pytest.mark.parametrize(
    "stream",
    [
        b"",
        b"\n\n",
        b": ping\n\n",
        sse(ROLE),
        sse(ROLE, TEXT),
        sse(ROLE, TEXT, usage_chunk()),
        sse(ROLE, TEXT) + DONE,
        DONE,
        sse(ROLE, TEXT, STOP)[:-20],
        sse(ROLE, TEXT, chunk({}, "")),
        sse(ROLE, chunk({"content": "a"}, ""), chunk({"content": "b"}, "")),
        sse(ROLE, chunk({"content": "a"}, ""), TEXT) + DONE,
        sse({**chunk({"content": ""}), "model": ""}),
        sse(ROLE, chunk({"role": "assistant"}, index=1), chunk({}, "stop", index=1)),
    ],
)
def test_no_finish_reason_is_no_end(stream: bytes) -> None:
    """An engine that crashes closes its connection just as one that is done."""
    for pieces in cuts(stream):
        events = events_of(pieces)

        assert ["upstream_truncated"] == errors(events), pieces
        assert isinstance(events[-1], StreamError)


@pytest.mark.parametrize("end", [b"", b"\n"])
def test_a_whole_reply_may_be_longer_than_a_line_of_a_stream(end: bytes) -> None:
    """Its limit is `body_bytes_max`; some servers end it with a line end, which makes it no line of a stream."""
    reply = {"choices": [{"index": 0, "message": {"content": "x" * 300}, "finish_reason": "stop"}]}
    limits = Limits(line_bytes_max=100, body_bytes_max=1000)

    message = headgate.collect([json.dumps(reply).encode() + end], "openai", limits=limits)

    assert ("x" * 300, "stop", None) == (message.content, message.finish_reason, message.error)


def test_a_later_empty_finish_does_not_hide_the_real_one() -> None:
    """Old Ollama sends one more empty chunk behind the finish; what the engine said first still holds."""
    message = message_of(sse(ROLE, TEXT, chunk({}, "length"), chunk({"content": ""}, "")) + DONE)

    assert ("length", "length") == (message.finish_reason, message.raw_reason)


@pytest.mark.parametrize(
    ("text", "ended"),
    [(b"data: [DONE]", True), (b"data:[DONE]\n", True), (b"data: [DONE] \r\n\r\n", True), (b"data: [DON", True)],
)
def test_the_end_marker_may_be_torn_or_loose(text: bytes, *, ended: bool) -> None:
    assert ended is (message_of(sse(ROLE, TEXT, STOP) + text).error is None)


def test_a_record_without_its_blank_line_is_read() -> None:
    message = message_of(sse(ROLE, TEXT) + b"data: " + json.dumps(STOP).encode())

    assert ("stop", ["record_unterminated", "closed_after_finish"]) == (message.finish_reason, repairs_of(message))


def test_nothing_after_the_terminal_counts() -> None:
    stream = sse(ROLE, TEXT, STOP) + DONE
    for more in (sse(TEXT), sse({"error": "x"}), b"rubbish", DONE):
        assert events_of(stream) == events_of(stream + more)


@pytest.mark.parametrize(
    ("stop", "sequence"),
    [
        ({"stop_reason": "END"}, "END"),
        ({"matched_stop": "END"}, "END"),
        ({"stop_reason": 7}, None),
        ({}, None),
        ({"stop_reason": None}, None),
        ({"matched_stop": [1]}, None),
    ],
)
def test_the_stop_sequence_is_kept_where_it_is_one(stop: dict[str, Any], sequence: str | None) -> None:
    """Engines put a token's id into the same field (vLLM, SGLang)."""
    assert sequence == message_of(sse(TEXT, chunk({}, "stop", **stop)) + DONE).stop_sequence


# -- errors ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "record",
    [
        {"error": {"message": "boom", "code": 500}},
        {"error": "boom"},
        {"error": {"message": "boom"}, "message": "boom"},
        {"object": "error", "message": "boom", "code": 400},
        {"code": 500, "message": "boom", "type": "server_error"},
        {"error": {"object": "error", "message": "boom"}},
        {"detail": "boom"},
        {**TEXT, "error": {"message": "boom"}},
    ],
)
@pytest.mark.parametrize(
    "before", [[], [ROLE, TEXT], [ROLE, TEXT, STOP]], ids=["first", "in the middle", "after the finish"]
)
def test_an_error_record_is_an_error_in_every_shape_and_place(record: dict[str, Any], before: list[Any]) -> None:
    """Also after a finish, and whatever follows it: vLLM sends `[DONE]` all the same."""
    for after in (b"", DONE, sse(TEXT, STOP) + DONE):
        events = events_of(sse(*before, record) + after)

        assert isinstance(events[-1], StreamError)
        assert ("upstream_error", "boom") == (events[-1].code, events[-1].message)
        assert [] == [event for event in events if isinstance(event, MessageEnd)]


def test_an_error_in_an_error_field_is_an_error() -> None:
    for pieces in cuts(sse(ROLE, TEXT) + b'error: {"code":400,"message":"too long"}\n\n' + DONE):
        message = message_of(pieces)

        assert message.error is not None
        assert ("too long", 400) == (message.error.message, message.error.status_hint), pieces
        assert ["error_field"] == repairs_of(message), pieces


def test_an_error_of_null_is_none() -> None:
    assert message_of(sse({**ROLE, "error": None}, TEXT, STOP) + DONE).error is None


def test_an_error_keeps_the_choice_that_had_ended() -> None:
    """With n = 2 the first answer is whole; the second is lost."""
    first, second = chunk({"content": "a"}, "stop"), chunk({"content": "b"}, index=1)
    events = events_of(sse(first, second, {"error": "boom"}))

    assert ["message.end", "error"] == kinds(events)[-2:]
    assert 0 == next(event.choice for event in events if isinstance(event, MessageEnd))


@pytest.mark.parametrize("word", ["abort", "error"])
def test_a_generation_that_the_engine_gave_up_is_an_error(word: str) -> None:
    assert ["upstream_aborted"] == errors(events_of(sse(ROLE, TEXT, chunk({}, word)) + DONE))


@pytest.mark.parametrize("record", [b"{", b"[1]", b"1", b'"x"', b"null", b"<html>", b'{"a":}', b"{'a': 1}", b"\xff"])
def test_a_record_that_is_no_object_is_an_error(record: bytes) -> None:
    for pieces in cuts(sse(ROLE, TEXT, record) + DONE):
        assert ["bad_json"] == errors(events_of(pieces)), pieces


@pytest.mark.parametrize("depth", [100, 400, 600, 990, 1000, 5000, 100_000])
@pytest.mark.parametrize("place", ['"x":%s', '"choices":[{"delta":{"tool_calls":[{"function":{"arguments":%s}}]}}]'])
@pytest.mark.parametrize("spoil", ["", '"model":"\\ud800",'])
def test_json_of_any_depth_raises_nothing(depth: int, place: str, spoil: str) -> None:
    """Python gives up at some depth, at another one in each of its readers."""
    record = "{" + spoil + place.replace("%s", "[" * depth + "]" * depth) + "}"
    events = events_of(sse(ROLE, record.encode(), STOP) + DONE)

    assert isinstance(events[-1], MessageEnd | StreamError)
    assert set(errors(events)) <= {"bad_json"}


def test_half_a_surrogate_pair_becomes_a_replacement_character() -> None:
    """A tokenizer may cut an emoji in two, and no UTF-8 can carry the half."""
    escapes = rb'{"choices":[{"index":0,"delta":{"content":"a\ud83db\ude00c\ud83d\ude00"},"finish_reason":"stop"}]}'
    message = message_of(sse(escapes) + DONE)

    assert "a\ufffdb\ufffdc\U0001f600" == message.content
    assert "text_replaced" in repairs_of(message)


def test_bytes_that_are_not_utf_8_become_replacement_characters() -> None:
    spoiled = b'{"choices":[{"index":0,"delta":{"content":"a\xffb\xe2\x82"},"finish_reason":"stop"}]}'
    message = message_of(sse(spoiled) + DONE)

    assert "a\ufffdb\ufffd" == message.content
    assert "text_replaced" in repairs_of(message)


# -- choices, numbers, whole replies -----------------------------------------------------------------------


def test_choices_are_told_apart() -> None:
    records = [
        chunk({"role": "assistant", "content": "a"}),
        chunk({"role": "assistant", "content": "x"}, index=1),
        chunk({"content": "b"}),
        chunk({"content": "y"}, "length", index=1),
        chunk({}, "stop"),
    ]
    messages = headgate.collect_all([sse(*records) + DONE], "openai")

    assert [("ab", "stop"), ("xy", "length")] == [(message.content, message.finish_reason) for message in messages]


def test_usage_of_each_choice_is_added_up_and_the_prompt_counts_once() -> None:
    """llama-server sends one usage chunk for each choice."""
    records = [chunk({"content": "a"}, "stop"), chunk({"content": "b"}, "stop", index=1), usage_chunk(), usage_chunk()]
    message = message_of(sse(*records) + DONE)

    assert message.usage is not None
    assert (3, 4) == (message.usage.input_tokens, message.usage.output_tokens)
    assert "usage_summed" in repairs_of(message)


def test_running_usage_is_replaced_and_not_added() -> None:
    running = [{**chunk({"content": "a"}), "usage": {**USAGE, "completion_tokens": n}} for n in (1, 2)]
    message = message_of(sse(*running, STOP, usage_chunk()) + DONE)

    assert message.usage is not None
    assert (3, 2) == (message.usage.input_tokens, message.usage.output_tokens)


def test_usage_details_are_read_wherever_engines_put_them() -> None:
    usage = {**USAGE, "prompt_tokens_details": {"cached_tokens": 1, "created_cache_tokens": 2}, "reasoning_tokens": 1}
    other = {**USAGE, "completion_tokens_details": {"reasoning_tokens": 1}}

    assert Usage(3, 2, 1, 2, 1) == message_of(sse(TEXT, STOP, usage_chunk(usage=usage)) + DONE).usage
    assert Usage(3, 2, reasoning_tokens=1) == message_of(sse(TEXT, STOP, usage_chunk(usage=other)) + DONE).usage


def test_numbers_beyond_every_register_raise_nothing() -> None:
    usage = {"prompt_tokens": 10**30, "completion_tokens": -5, "total_tokens": 1e300}
    stream = sse({**TEXT, "created": 10**30}, STOP, usage_chunk(usage=usage)) + DONE
    translator = headgate.translator("openai", "chat", include_usage=True)

    assert (translator.feed(stream) + translator.close()).endswith(DONE)


def test_reading_the_prompt_is_progress() -> None:
    record = {**ROLE, "prompt_progress": {"total": 9, "cache": 2, "processed": 5, "time_ms": 1}}

    assert Progress(5, 9, 2) in events_of(sse(record, TEXT, STOP) + DONE)


def test_a_whole_reply_says_what_its_stream_says() -> None:
    reply = {
        "id": "c1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": "hi",
                    "reasoning_content": "why",
                    **call("{}", id="a", name="f"),
                },
                "finish_reason": "tool_calls",
            }
        ],
        "usage": USAGE,
    }
    stream = sse(ROLE, chunk({"reasoning_content": "why"}), TEXT, chunk(call("{}", id="a", name="f")))
    stream += sse(chunk({}, "tool_calls"), usage_chunk()) + DONE
    expected = message_of(stream).to_record()
    for body in (json.dumps(reply), json.dumps(reply, indent=2), json.dumps(reply) + "\n", "\n " + json.dumps(reply)):
        for pieces in ([body.encode()], [bytes([byte]) for byte in body.encode()]):
            assert {**expected, "repairs": []} == {**message_of(pieces).to_record(), "repairs": []}
            assert [] == repairs_of(message_of(pieces))


def test_records_on_bare_lines_are_read() -> None:
    """A log without its `data:`; the first line decides."""
    assert "hi" == message_of(ndjson(ROLE, TEXT, STOP)).content
    assert "hi" == message_of(list(map(bytes, zip(ndjson(ROLE, TEXT, STOP), strict=True)))).content


def test_a_text_completion_is_text() -> None:
    records = [{"object": "text_completion", "choices": [{"index": 0, "text": text}]} for text in ("a", "", "b")]
    records.append({"object": "text_completion", "choices": [{"index": 0, "text": "c", "finish_reason": "stop"}]})

    assert ("abc", "stop") == ((message := message_of(sse(*records) + DONE)).content, message.finish_reason)


# -- log probabilities ------------------------------------------------------------------------------------

FULL = {
    "token": "hi",
    "logprob": -0.5,
    "bytes": [104, 105],
    "top_logprobs": [{"token": "ho", "logprob": -1, "bytes": None}],
}


def logprobs(events: list[Event]) -> list[tuple[str, tuple[Logprob, ...]]]:
    return [(event.text, event.logprobs) for event in events if isinstance(event, TextDelta)]


def test_log_probabilities_go_with_their_text() -> None:
    events = events_of(sse(chunk({"content": "hi"}, logprobs={"content": [FULL], "refusal": None}), STOP) + DONE)

    assert [("hi", (Logprob("hi", -0.5, (104, 105), (Logprob("ho", -1.0),)),))] == logprobs(events)
    assert [] == [event for event in events if isinstance(event, Repair)]


@pytest.mark.parametrize(
    "field",
    [
        {"content": [{"token": "hi", "logprob": -0.5}]},
        {"content": [FULL]},
        {"content": [{**FULL, "logprob": None}], "refusal": None},
        {"content": [{**FULL, "id": 7}]},
    ],
)
def test_incomplete_log_probabilities_are_completed(field: dict[str, Any]) -> None:
    message = message_of(sse(chunk({"content": "hi"}, logprobs=field), STOP) + DONE)

    assert (1, ["logprobs_completed"]) == (len(message.logprobs), repairs_of(message))


@pytest.mark.parametrize("value", [b"-Infinity", b"NaN", b"null", b"-1e999"])
def test_a_log_probability_that_is_no_number_is_the_floor(value: bytes) -> None:
    """Minus infinity is no JSON, and a null breaks clients that add them up."""
    record = b'{"choices":[{"index":0,"delta":{"content":"hi"},"logprobs":{"content":[{"token":"hi","logprob":%b}]}}]}'

    assert (-9999.0,) == tuple(one.logprob for one in message_of(sse(record % value, STOP) + DONE).logprobs)


def test_log_probabilities_of_tokens_without_text_are_not_lost() -> None:
    """Half a character, a stop token, or a token that is held as a possible tag."""
    alone = chunk({}, logprobs={"content": [FULL], "refusal": None})
    for records in (
        [TEXT, alone, STOP],
        [alone, TEXT, STOP],
        [ROLE, alone, STOP],
        [chunk({"content": "<"}), alone, STOP],
    ):
        assert 1 == len(message_of(sse(*records) + DONE).logprobs)


REFUSED = [
    ([chunk({"refusal": "hi"}, logprobs={"content": None, "refusal": [FULL]})], []),
    ([chunk({"refusal": "hi"}), chunk({}, logprobs={"content": None, "refusal": [FULL]})], []),
    ([chunk({}, logprobs={"content": None, "refusal": [FULL]}), chunk({"refusal": "hi"})], []),
    ([chunk({"refusal": "hi"}, logprobs={"refusal": [FULL]})], ["logprobs_completed"]),
    ([chunk({"refusal": "hi"}, logprobs={"content": None, "refusal": [{"token": "hi"}]})], ["logprobs_completed"]),
]


@pytest.mark.parametrize(("records", "repairs"), REFUSED)
def test_log_probabilities_of_a_refusal_stay_apart(records: list[dict[str, Any]], repairs: list[str]) -> None:
    """OpenAI tells them beside those of the content, and clients score the two apart."""
    for pieces in cuts(sse(*records, STOP) + DONE):
        message = message_of(pieces)

        assert ("", "hi", ()) == (message.content, message.refusal, message.answer_logprobs)
        assert ["hi"] == [one.token for one in message.refusal_logprobs] == [one.token for one in message.logprobs]
        assert repairs == repairs_of(message)


def test_content_and_refusal_in_one_chunk_have_each_their_own_log_probabilities() -> None:
    told = {"content": [FULL], "refusal": [{**FULL, "token": "no"}]}
    events = events_of(sse(ROLE, chunk({"content": "hi", "refusal": "no"}, logprobs=told), STOP) + DONE)

    assert [("hi", ["hi"]), ("no", ["no"])] == [(text, [one.token for one in ones]) for text, ones in logprobs(events)]


@pytest.mark.parametrize("folder", ["openai.refusal.logprobs", "openai.refusal.logprobs.whole"])
def test_a_client_of_the_same_api_is_told_the_same_log_probabilities(folder: str) -> None:
    fixture = Fixture.load(FIXTURES / folder)
    whole = fixture.response.startswith(b"{")
    message = message_of(fixture.response)
    reply = surface("chat").whole([message], Writing("i", 7, "m"))
    streamed = headgate.translator("openai", "chat", model="m")

    assert told_in(fixture.response) == (told_in(reply) if whole else told_in(streamed.feed(fixture.response)))


def told_in(body: bytes) -> list[Any]:
    """Every `logprobs` that is not null, of a reply or of the chunks of a stream."""
    records = [body] if body.startswith(b"{") else re.findall(rb"data: ({.*)", body)
    choices = [choice for record in records for choice in json.loads(record)["choices"]]
    return [choice["logprobs"] for choice in choices if choice.get("logprobs")]


@pytest.mark.parametrize(
    "field",
    [None, {}, {"content": None}, {"refusal": None}, {"content": 5, "refusal": "x"}, "x", 5, [], {"tokens": None}],
)
def test_other_shapes_of_log_probabilities_raise_nothing(field: Any) -> None:
    message = message_of(sse(chunk({"content": "hi"}, logprobs=field), STOP) + DONE)

    assert ("hi", ()) == (message.content, message.logprobs)


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ({"tokens": ["a"], "token_logprobs": [-1.0]}, [("a", -1.0, ())]),
        ({"tokens": ["a", "b"], "token_logprobs": [None]}, [("a", -9999.0, ()), ("b", -9999.0, ())]),
        ({"tokens": ["a"], "token_logprobs": [-1, -2], "top_logprobs": [{"b": -3}, {}]}, [("a", -1.0, (("b", -3.0),))]),
        ({"tokens": ["a"], "token_logprobs": [-1], "top_logprobs": [None]}, [("a", -1.0, ())]),
        ({"tokens": ["a"], "token_logprobs": [-1], "top_logprobs": [{"b": None}]}, [("a", -1.0, (("b", -9999.0),))]),
        ({"tokens": ["a"], "token_logprobs": "x", "top_logprobs": [5]}, [("a", -9999.0, ())]),
        ({"tokens": []}, []),
    ],
)
def test_log_probabilities_in_lists_become_one_value_for_each_token(field: Any, expected: list[Any]) -> None:
    """The form of text completions, whatever is missing in it."""
    record = {"object": "text_completion", "choices": [{"index": 0, "text": "a", "logprobs": field}]}
    found = message_of(sse(json.dumps(record).encode(), STOP) + DONE).logprobs

    assert expected == [
        (one.token, one.logprob, tuple((other.token, other.logprob) for other in one.top_logprobs)) for one in found
    ]


@pytest.mark.parametrize("depth", [10, 100, 200, 240, 300, 450, 1000])
def test_alternatives_nested_without_end_raise_nothing(depth: int) -> None:
    nested = b'{"token":"a","logprob":-1,"top_logprobs":[' * depth + b"]}" * depth
    record = b'{"choices":[{"index":0,"delta":{"content":"a"},"logprobs":{"content":[' + nested + b"]}}]}"

    assert set(errors(events_of(sse(record, STOP) + DONE))) <= {"bad_json"}


# -- limits and states --------------------------------------------------------------------------------------


@pytest.mark.parametrize("extra", [0, 1])
def test_a_line_of_exactly_the_limit_passes_and_one_byte_more_does_not(extra: int) -> None:
    stream = sse(ROLE, TEXT, STOP) + DONE
    limits = Limits(line_bytes_max=max(map(len, stream.split(b"\n"))) - extra)
    for pieces in ([stream], [bytes([byte]) for byte in stream]):
        assert (["line_too_long"] if extra else []) == errors(events_of(pieces, limits=limits))


@pytest.mark.parametrize("extra", [0, 1])
def test_a_body_of_exactly_the_limit_passes_and_one_byte_more_does_not(extra: int) -> None:
    body = json.dumps(
        {"object": "chat.completion", "choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}]}
    )
    limits = Limits(body_bytes_max=len(body) - extra)
    for pieces in ([body.encode()], [bytes([byte]) for byte in body.encode()]):
        assert bool(extra) is bool(errors(events_of(pieces, limits=limits)))


def test_choices_blocks_and_arguments_have_limits() -> None:
    """Each is driven to its edge: as many as the limit pass, one more is an error and nothing raises."""
    for count, failed in [(3, False), (4, True)]:
        choices = [chunk({"content": "a"}, "stop", index=number) for number in range(count)]
        calls = [chunk(call("{}", index=number, id=f"c{number}", name="f")) for number in range(count)]
        arguments = [chunk(call(id="a", name="f")), *[chunk(call("1")) for _ in range(count)]]
        finish = chunk({}, "tool_calls")

        assert failed is bool(errors(events_of(sse(*choices) + DONE, limits=Limits(choices_max=3))))
        assert failed is bool(errors(events_of(sse(*calls, finish) + DONE, limits=Limits(blocks_max=3))))
        assert failed is bool(errors(events_of(sse(*arguments, finish) + DONE, limits=Limits(arguments_chars_max=3))))


@pytest.mark.parametrize("limits", [Limits(blocks_max=0), Limits(blocks_max=1), Limits(arguments_chars_max=4)])
def test_a_limit_reached_inside_of_markup_is_an_error_and_raises_nothing(limits: Limits) -> None:
    """The failing writer asks the splitter for what it holds, in the middle of one of its calls."""
    text = 'why<|end|><|start|>assistant<|channel|>commentary to=functions.f<|message|>{"a":12345<'
    for pieces in ([text], list(text)):
        records = [
            chunk({"content": "<|channel|>analysis<|message|>"}),
            *(chunk({"content": piece}) for piece in pieces),
        ]

        assert ["too_many_choices"] == errors(events_of(sse(*records, STOP) + DONE, limits=limits))


def test_a_closed_decoder_says_so() -> None:
    reads = decoder()
    reads.close()
    with pytest.raises(UsageError, match="closed"):
        reads.feed(b"")
    with pytest.raises(UsageError, match="closed"):
        reads.record(b"{}")
    with pytest.raises(UsageError, match="closed"):
        reads.close()


def test_a_client_that_goes_away_ends_every_choice_as_cancelled() -> None:
    reads = decoder()
    reads.feed(sse(ROLE, TEXT, chunk(call('{"a"', id="a", name="f"))))

    assert [BlockEnd(1, complete=False), MessageEnd("cancelled")] == reads.close(cancelled=True)
    assert ["error"] == kinds(decoder().close(cancelled=True))


def test_a_copy_goes_its_own_way() -> None:
    reads = decoder()
    before = reads.feed(sse(ROLE, TEXT, chunk(call('{"a":', id="a", name="f"))) + b"data: {")
    twin = reads.copy()

    assert ["upstream_truncated"] == errors(twin.close())
    after = reads.feed(sse(chunk(call("1}")), chunk({}, "tool_calls"))[7:] + DONE) + reads.close()
    assert isinstance([*before, *after][-1], MessageEnd)


def test_records_without_their_envelope_say_what_the_stream_says() -> None:
    """Client libraries yield records, and logs hold them."""
    reads = decoder()
    records = [ROLE, TEXT, chunk(call("{}", id="a", name="f")), chunk({}, "tool_calls")]
    events = [event for record in records for event in reads.record(json.dumps(record).encode())]

    assert events_of(sse(*records) + DONE) == [*events, *reads.record(b"[DONE]"), *reads.close()]


def test_calls_from_the_engine_come_behind_all_of_the_text_before_them() -> None:
    """Text that is held as a possible tag must not surface behind the call."""
    events = events_of(
        sse(chunk({"content": "a <"}), chunk(call("{}", id="a", name="f")), chunk({}, "tool_calls")) + DONE
    )
    texts = [
        event.text
        for event in events[: next(i for i, e in enumerate(events) if isinstance(e, ToolCallStart))]
        if isinstance(event, TextDelta)
    ]

    assert ["a <"] == texts


@pytest.mark.parametrize(
    ("head", "sure"),
    [
        (b"data: {", True),
        (b"data: [DONE]", True),
        (b"\xef\xbb\xbfdata: {", True),
        (b"\r\n\r\ndata:{", True),
        (b": ping", True),
        (b"event: error", True),
        (b"id: 1", True),
        (b"retry: 1", True),
        (b"error: {", True),
        (b'{"choices":[]}', True),
        (b'{"id":"x","choices":[{"delta"', True),
        (b'{"error":{"message":"x"}}', True),
        (b'{"object":"error","message":"x"}', True),
        (b'{"code":500,"message":"x"}', True),
        (b'{"detail":"Not Found"}', True),
        (b'{"model":"m","done":true}', False),
        (b'{"name":"f"}', False),
        (b"data: the new oil", False),
        (b"data is nice", False),
        (b"{not json", False),
        (b"", False),
    ],
)
def test_its_first_bytes_are_known(head: bytes, *, sure: bool) -> None:
    assert sure is (OpenAI().sniff(head) > 1)


def test_the_dialect_is_found_by_its_name() -> None:
    assert "openai" == dialect("openai").name
    with pytest.raises(UsageError, match="openai"):
        dialect("nonsense")


@pytest.mark.parametrize("first", [{"role": "assistant", "content": None}, {"role": "assistant", "content": ""}, {}])
@pytest.mark.parametrize("content", [{"content": "a"}, {"content": ""}, {"content": None}, {}])
@pytest.mark.parametrize("finish", [None, "stop", ""])
def test_a_delta_of_nothing_but_text_says_what_it_says_beside_an_empty_refusal(
    first: dict[str, Any], content: dict[str, Any], finish: str | None
) -> None:
    """The commonest deltas are read in fewer steps than one with any other field is."""

    def told(**more: Any) -> list[Event]:
        deltas = [chunk({**first, **more}), chunk({"content": "b", **more}), chunk({**content, **more}, finish)]
        return events_of(sse(*deltas, chunk({}, "stop")) + DONE)

    assert told(refusal="") == told()
