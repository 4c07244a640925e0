"""Every dialect, on whatever a peer may send: nothing raises, the grammar holds, no split changes anything.

The records are built of the fields that engines really send, with values that none should.
"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pieces import DONE, cut_at, numbered

import headgate
from headgate.conform import check_events, check_stream
from headgate.events import Event, to_jsonl
from headgate.testing import coalesce

odd: st.SearchStrategy[Any] = st.sampled_from(
    [None, "", 0, 1, -1, 10**30, 1.5, True, [], {}, [None], "x", "0", "\ud800", {"a": 1}, [{}], "<|"]
)
text = st.sampled_from(["a", " ", "\n\n", "<think>", "</think>", "<|channel|>", "final<|message|>", "é👋", "`", "{"])
reason = st.sampled_from([None, "stop", "length", "tool_calls", "abort", "", "odd"])
arguments = st.sampled_from(["", "{}", '{"a"', ":1}", "{", "}", '"'])
index = st.sampled_from([0, 1, 2, None])
token = st.fixed_dictionaries({}, optional={"token": text | odd, "logprob": st.just(-1.0) | odd, "bytes": odd})


def fields(**each: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """An object with any of these fields; now and then one holds what it should not."""
    return st.fixed_dictionaries({}, optional={name: values | odd for name, values in each.items()})


function = fields(name=st.sampled_from(["f", "g", "", "f<|constrain|>json"]), arguments=arguments)
calls = st.lists(fields(index=index, id=st.sampled_from(["a", "b", ""]), function=function), max_size=2)
delta = fields(
    role=st.just("assistant"),
    content=text | st.lists(fields(type=st.sampled_from(["text", "thinking"]), text=text, thinking=text), max_size=2),
    reasoning_content=text,
    reasoning=text,
    refusal=text,
    tool_calls=calls,
    function_call=function,
)
choice = fields(
    index=index,
    delta=delta,
    message=delta,
    text=text,
    finish_reason=reason,
    stop_reason=text,
    logprobs=fields(content=st.lists(token, max_size=2)),
)
counts = fields(prompt_tokens=st.integers(0, 9), completion_tokens=st.integers(0, 9), total_tokens=st.integers(0, 9))
chunk = fields(
    id=st.sampled_from(["i", "j"]),
    object=st.sampled_from(["chat.completion.chunk", "chat.completion", "error"]),
    created=st.integers(0, 9),
    model=text,
    choices=st.lists(choice, min_size=1, max_size=2),
    usage=counts,
    timings=fields(prompt_n=st.integers(0, 9)),
    error=fields(message=text, code=st.sampled_from([400, "x"])),
    prompt_progress=fields(total=st.integers(0, 9)),
    message=text,
)
message = fields(content=text, thinking=text, tool_calls=calls)
line = fields(
    model=text,
    created_at=st.sampled_from(["2026-11-21T10:00:00Z", "x"]),
    message=message,
    response=text,
    done=st.booleans(),
    done_reason=reason,
    eval_count=st.integers(0, 9),
    logprobs=st.lists(token, max_size=2),
    error=text,
)

event_streams = st.lists(
    chunk.map(lambda record: b"data: " + json.dumps(record).encode() + b"\n\n")
    | st.sampled_from(
        [DONE, b": ping\n\n", b"event: x\n", b"data: {\n\n", b"error: x\n\n", b"\r\n", b"data: \xff\n\n"]
    ),
    max_size=6,
).map(b"".join)
line_streams = st.lists(
    line.map(lambda record: json.dumps(record).encode() + b"\n") | st.sampled_from([b"\n", b"{\n", b"[]\n", b"\xff\n"]),
    max_size=6,
).map(b"".join)
bodies = (chunk | line).map(lambda record: json.dumps(record, indent=1).encode())
anything = event_streams | line_streams | bodies | st.binary(max_size=40) | text.map(str.encode)
places = st.lists(st.integers(0, 600), max_size=6)


def decoded(dialect: str, pieces: list[bytes], **options: Any) -> list[Event]:
    return coalesce(headgate.stream(pieces, dialect, ids=numbered(), **options))


@pytest.mark.parametrize("dialect", ["auto", "openai", "ollama", "text"])
@given(data=anything, where=places, whole=st.booleans())
@settings(max_examples=250, deadline=None)
def test_no_input_raises_or_breaks_the_grammar_or_depends_on_its_split(
    dialect: str, data: bytes, where: list[int], *, whole: bool
) -> None:
    """A gateway that dies of one engine's record takes everybody's streams with it."""
    events = decoded(dialect, [data], whole_calls=whole)

    assert [] == check_events(events)
    assert events == decoded(dialect, cut_at(data, where), whole_calls=whole)
    assert events == decoded(dialect, [bytes([byte]) for byte in data], whole_calls=whole)


@given(data=anything, where=places, usage=st.booleans())
@settings(max_examples=250, deadline=None)
def test_whatever_comes_in_the_exact_stream_goes_out(data: bytes, where: list[int], *, usage: bool) -> None:
    translator = headgate.translator(include_usage=usage, include_timings=usage, ids=numbered(), now_s=1)
    out = b"".join(map(translator.feed, cut_at(data, where))) + translator.close()

    assert [] == check_stream(out)
    assert translator.done


@given(data=anything, where=st.integers(0, 600))
@settings(max_examples=250, deadline=None)
def test_a_copy_of_a_decoder_may_be_closed_at_any_time(data: bytes, where: int) -> None:
    for dialect in ("auto", "openai", "ollama", "text"):
        reads = headgate.decoder(dialect, ids=numbered())
        events = reads.feed(data[:where])
        twin = reads.copy()

        assert [] == check_events([*events, *twin.close()])
        events += [*reads.feed(data[where:]), *reads.close()]
        assert named(decoded(dialect, [data])) == named(events)


def named(events: list[Event]) -> bytes:
    """The events with one name for every id that was minted; a copy and its original draw from one factory."""
    return re.sub(rb"call_\d+", b"call", to_jsonl(coalesce(events)))


@given(data=anything, where=st.integers(0, 600))
@settings(max_examples=250, deadline=None)
def test_a_client_may_go_away_at_any_time(data: bytes, where: int) -> None:
    reads = headgate.decoder(ids=numbered())
    events = reads.feed(data[:where])
    events += reads.close(cancelled=True)

    assert [] == check_events(events)
