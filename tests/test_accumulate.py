"""`headgate.accumulate`: events to messages, at any moment."""

from __future__ import annotations

from headgate import Accumulator
from headgate.errors import stream_error
from headgate.events import (
    Annotation,
    BlockEnd,
    Event,
    Extra,
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
from headgate.messages import Message, ReasoningPart, TextPart, ToolCall, ToolCallPart

FULL: list[Event] = [
    Progress(1, 2),
    Repair("object_corrected"),
    MessageStart("x", "m", 7, "fp"),
    ReasoningStart(0),
    ReasoningDelta(0, "w", (Logprob("w", -1.0),)),
    ReasoningDelta(0, "hy"),
    ReasoningSignature(0, "sig", "us"),
    BlockEnd(0),
    TextStart(1),
    TextDelta(1, "be", (Logprob("be", -2.0),)),
    TextDelta(1, "cause"),
    Annotation(1, "url_citation", url="u"),
    BlockEnd(1),
    ToolCallStart(2, "a", "f"),
    ToolCallDelta(2, '{"x"'),
    ToolCallStart(3, "b", "g"),
    ToolCallDelta(3, "{"),
    ToolCallDelta(2, ":1}"),
    Extra("audio", "{}"),
    BlockEnd(2),
    BlockEnd(3, complete=False),
    TextStart(4, refusal=True),
    TextDelta(4, "no", (Logprob("no", -3.0),)),
    BlockEnd(4),
    Usage(3, 2, timings=Timings(prompt_n=3)),
    MessageEnd("length", "length", "END"),
]


def gathered(events: list[Event]) -> Accumulator:
    found = Accumulator()
    found.feed_all(events)
    return found


def test_everything_that_is_known_comes_together() -> None:
    message = gathered(FULL).message

    assert (
        Message(
            parts=(
                ReasoningPart("why", signature="sig", logprobs=(Logprob("w", -1.0),)),
                TextPart("because", logprobs=(Logprob("be", -2.0),)),
                ToolCallPart(ToolCall("a", "f", '{"x":1}')),
                ToolCallPart(ToolCall("b", "g", "{", complete=False)),
                TextPart("no", refusal=True, logprobs=(Logprob("no", -3.0),)),
            ),
            id="x",
            model="m",
            created_s=7,
            finish_reason="length",
            raw_reason="length",
            stop_sequence="END",
            usage=Usage(3, 2, timings=Timings(prompt_n=3)),
            annotations=(Annotation(1, "url_citation", url="u"),),
            extras=(Extra("audio", "{}"),),
            repairs=(Repair("object_corrected"),),
        )
        == message
    )
    assert ("because", "no", "why") == (message.content, message.refusal, message.reasoning)
    assert ["w", "be", "no"] == [one.token for one in message.logprobs]
    assert (["be"], ["no"]) == (
        [one.token for one in message.answer_logprobs],
        [one.token for one in message.refusal_logprobs],
    )
    assert (["a"], ["b"]) == ([call.id for call in message.tool_calls], [call.id for call in message.incomplete_calls])
    assert Timings(prompt_n=3) == message.timings


def test_the_history_entry_holds_what_a_client_sends_back() -> None:
    """Calls that were cut off are left out: an engine refuses a history with broken arguments."""
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}}

    assert {
        "role": "assistant",
        "content": "because",
        "reasoning_content": "why",
        "refusal": "no",
        "tool_calls": [call],
    } == gathered(FULL).message.to_openai()


def test_content_is_null_only_where_calls_stand_for_it() -> None:
    start, end = MessageStart(), MessageEnd("stop")
    call: list[Event] = [ToolCallStart(0, "a", "f"), BlockEnd(0)]
    cut: list[Event] = [ToolCallStart(0, "a", "f"), BlockEnd(0, complete=False)]

    assert None is gathered([start, *call, end]).message.to_openai()["content"]
    assert "" == gathered([start, *cut, end]).message.to_openai()["content"]
    assert "" == gathered([start, end]).message.to_openai()["content"]


def test_a_message_is_valid_at_every_moment() -> None:
    """A user interface reads it after each event; a call whose end has not come is not to be run."""
    found = Accumulator()
    texts = []
    for event in FULL:
        found.feed(event)
        message = found.message
        texts.append(message.content)

        assert message.to_record()["role"] == "assistant"
        assert len(message.tool_calls) <= 1
    assert texts == sorted(texts, key=len)


def test_a_block_that_turned_out_to_be_a_thought_is_moved() -> None:
    """The closing tag comes after the text; the stream cannot take it back, the message can."""
    events: list[Event] = [
        MessageStart(),
        TextStart(0),
        TextDelta(0, "why"),
        Repair("reasoning_unopened", index=0),
        BlockEnd(0),
        TextStart(1),
        TextDelta(1, "because"),
        BlockEnd(1),
        MessageEnd("stop"),
    ]

    assert (ReasoningPart("why"), TextPart("because")) == gathered(events).message.parts
    assert "why" == gathered(events[:3]).message.content


def test_a_late_closer_with_nothing_before_it_moves_nothing() -> None:
    events: list[Event] = [MessageStart(), Repair("reasoning_unopened"), TextStart(0), TextDelta(0, "because")]

    assert "because" == gathered(events).message.content


def test_each_choice_has_its_message_and_all_share_the_usage() -> None:
    events: list[Event] = [
        MessageStart(choice=1),
        MessageStart(choice=0),
        TextStart(0, choice=1),
        TextDelta(0, "b", choice=1),
        TextStart(0),
        TextDelta(0, "a"),
        BlockEnd(0),
        BlockEnd(0, choice=1),
        Usage(1, 2),
        MessageEnd("stop"),
        MessageEnd("length", choice=1),
    ]
    messages = gathered(events).messages

    assert [(0, "a", "stop"), (1, "b", "length")] == [(m.choice, m.content, m.finish_reason) for m in messages]
    assert {Usage(1, 2)} == {message.usage for message in messages}


def test_an_error_belongs_to_the_choices_that_had_not_ended() -> None:
    error = stream_error("upstream_truncated", "x")
    events: list[Event] = [MessageStart(), MessageStart(choice=1), MessageEnd("stop"), error]

    assert [None, error] == [message.error for message in gathered(events).messages]


def test_a_failure_before_the_first_word_is_a_message_too() -> None:
    error = stream_error("upstream_connect", "x")
    message = gathered([Repair("error_field"), error]).message

    assert (error, "", (Repair("error_field"),), None) == (
        message.error,
        message.content,
        message.repairs,
        message.finish_reason,
    )
    assert Message() == Accumulator().message


def test_events_of_a_choice_that_never_began_are_ignored() -> None:
    """Stored streams may be cut at either end."""
    assert Message() == gathered([TextDelta(0, "a"), BlockEnd(0), MessageEnd("stop")]).message


def test_events_of_a_block_that_never_began_are_ignored() -> None:
    events: list[Event] = [MessageStart(), TextDelta(0, "a"), ToolCallDelta(1, "{}"), ReasoningSignature(2, "s", "o")]
    events += [Repair("reasoning_unopened", index=3), BlockEnd(0), TextStart(4), TextDelta(4, "b"), MessageEnd("stop")]

    assert ((TextPart("b"),), "stop") == ((message := gathered(events).message).parts, message.finish_reason)


def test_the_record_names_every_key() -> None:
    """`headgate normalize --to message` prints it, and scripts read it."""
    record = gathered(FULL).message.to_record()

    assert [
        *["role", "model", "content", "refusal", "reasoning_content", "tool_calls", "incomplete_calls"],
        *["finish_reason", "raw_reason", "usage", "timings", "repairs", "error"],
    ] == list(record)
    assert ("because", "no", "why") == (record["content"], record["refusal"], record["reasoning_content"])
    assert {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5} == record["usage"]
    assert list(record) == list(Message().to_record())
