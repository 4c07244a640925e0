"""`headgate.library`: the functions behind `import headgate`, over bytes, dicts and objects alike."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterable
from typing import Any

import pytest
from openai.types.chat import ChatCompletionChunk
from pieces import DONE, call, chunk, events_of, ndjson, numbered, repairs_of, sse

import headgate
from headgate.errors import UsageError
from headgate.events import Event, MessageEnd, StreamError, TextDelta, Usage
from headgate.library import new_id
from headgate.limits import Limits
from headgate.testing import coalesce

RECORDS = [
    chunk({"role": "assistant", "content": None}),
    chunk({"content": "hi"}),
    chunk(call("{}", id="a", name="f")),
    chunk({}, "tool_calls"),
]
STREAM = sse(*RECORDS) + DONE
LINES = [
    {"model": "m", "created_at": "2026-11-21T10:00:00Z", "message": {"content": "hi"}, "done": False},
    {"model": "m", "message": {"content": ""}, "done": True, "done_reason": "stop"},
]


class Record:
    """What a client library yields."""

    def __init__(self, fields: dict[str, Any]) -> None:
        self._fields = fields

    def model_dump(self) -> dict[str, Any]:
        return self._fields


def test_bytes_give_the_message() -> None:
    message = headgate.collect([STREAM])

    assert ("hi", ["f"], "tool_calls") == (message.content, [c.name for c in message.tool_calls], message.finish_reason)
    assert {
        "role": "assistant",
        "content": "hi",
        "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
    } == message.to_openai()


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_every_kind_of_bytes_is_taken(kind: type[bytes]) -> None:
    assert "hi" == headgate.collect([kind(STREAM[:40]), kind(STREAM[40:])]).content


@pytest.mark.parametrize("wrap", [dict, Record], ids=["dicts", "objects"])
@pytest.mark.parametrize("dialect", ["auto", "openai"])
def test_records_give_what_the_bytes_give(wrap: Any, dialect: str) -> None:
    """Client libraries yield parsed chunks, and swallow the `[DONE]`; it is not missing then."""
    message = headgate.collect(map(wrap, RECORDS), dialect, ids=numbered())

    assert headgate.collect([STREAM], ids=numbered()) == message


def test_chunks_of_the_real_client_are_taken() -> None:
    """It fills every field that did not come with None."""
    chunks = [ChatCompletionChunk.model_validate(record) for record in RECORDS]
    message = headgate.collect(chunks)

    assert ("hi", ["{}"], None) == (message.content, [each.arguments for each in message.tool_calls], message.error)


@pytest.mark.parametrize("wrap", [dict, Record], ids=["dicts", "objects"])
def test_lines_of_ollama_are_taken_as_records(wrap: Any) -> None:
    assert "hi" == headgate.collect(map(wrap, LINES)).content
    assert "hi" == headgate.collect([ndjson(*LINES)]).content


def test_records_of_the_wrong_half_of_a_surrogate_pair_raise_nothing() -> None:
    """`json.loads` gives such strings; no UTF-8 can carry them."""
    message = headgate.collect([chunk({"content": "a\ud83d"}), chunk({}, "stop")])

    assert ("a\ufffd", True) == (message.content, "text_replaced" in repairs_of(message))


@pytest.mark.parametrize("stray", ["data: {}", 5, None, ["x"]])
def test_chunks_of_another_kind_are_a_mistake_in_the_call(stray: Any) -> None:
    with pytest.raises(UsageError, match=r"expected chunks of bytes, a dict, or an object with model_dump"):
        headgate.collect([stray])


def test_events_come_as_soon_as_their_bytes() -> None:
    """A generator that waited for the end would be no stream."""
    seen: list[str] = []

    def source() -> Iterable[bytes]:
        for record in RECORDS:
            seen.append("read")
            yield sse(record)

    seen += [event.text for event in headgate.stream(itertools.islice(source(), 4)) if isinstance(event, TextDelta)]
    order: list[str] = []
    chunks = source()
    for event in headgate.stream(chunks):
        order += [event.text] if isinstance(event, TextDelta) else []
        if order:
            break

    assert ["hi"] == order
    assert 2 == seen[5:].count("read")


def test_an_asynchronous_source_gives_the_same_events() -> None:
    async def source() -> AsyncIterator[Any]:
        for record in RECORDS:
            yield record

    async def gather() -> list[Event]:
        return [event async for event in headgate.astream(source(), "openai", ids=numbered())]

    assert coalesce(headgate.stream(RECORDS, "openai", ids=numbered())) == coalesce(asyncio.run(gather()))


def test_every_choice_has_its_message() -> None:
    records = [chunk({"content": "a"}, "stop"), chunk({"content": "b"}, "length", index=1)]

    assert ["a", "b"] == [message.content for message in headgate.collect_all(records)]
    assert "a" == headgate.collect(records).content


def test_a_broken_stream_raises_nothing() -> None:
    """What came so far is worth having, and `error` says what happened."""
    message = headgate.collect([STREAM[:-60]])

    assert message.error is not None
    assert ("hi", "upstream_truncated", None) == (message.content, message.error.code, message.finish_reason)


@pytest.mark.parametrize(
    "options",
    [
        {"dialect": "nonsense"},
        {"markup": "nonsense"},
        {"markup": ["think", "nonsense"]},
        {"markup": ""},
        {"tools": [5]},
        {"tools": [{"type": "function"}]},
        {"tools": [{"function": {"name": 5}}]},
        {"tools": 5},
    ],
)
def test_a_mistake_in_the_call_is_a_usage_error(options: dict[str, Any]) -> None:
    """It is raised at once and where it was made, not in the middle of a stream."""
    with pytest.raises(UsageError, match=r"expected|tools"):
        headgate.decoder(**options)


def test_an_unknown_surface_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="expected a surface"):
        headgate.encoder("nonsense")
    with pytest.raises(UsageError, match="expected a surface"):
        headgate.translator(surface="nonsense")


CALL = b'<|channel|>commentary to=functions.f<|message|>{"a": 1}<|call|>'


@pytest.mark.parametrize(
    "tools",
    [
        None,
        ["f"],
        ("f",),
        {"f": None},
        [{"type": "function", "function": {"name": "f", "parameters": {}}}],
        [{"name": "f", "input_schema": {}}],
        iter(["f"]),
    ],
)
def test_tools_are_declared_in_any_common_shape(tools: Any) -> None:
    assert ["f"] == [each.name for each in headgate.collect([CALL], "text", tools=tools).tool_calls]


@pytest.mark.parametrize("tools", [[], {}, ["g"]])
def test_tools_that_were_not_declared_are_not_called(tools: Any) -> None:
    assert CALL.decode() == headgate.collect([CALL], "text", tools=tools).content


def test_each_half_of_markup_can_be_switched_off() -> None:
    text = b"<think>why</think>because"

    assert "because" == headgate.collect([text], "text").content
    cases: list[dict[str, Any]] = [
        {"markup": "off"},
        {"markup": []},
        {"markup": ["harmony"]},
        {"parse_reasoning": False},
    ]
    for options in cases:
        assert text.decode() == headgate.collect([text], "text", **options).content
    assert CALL.decode() == headgate.collect([CALL], "text", parse_tools=False).content
    assert "why" == headgate.collect([b"why</think>x"], "text", starts_in_reasoning=True).reasoning


def test_limits_may_be_given() -> None:
    message = headgate.collect([STREAM], limits=Limits(line_bytes_max=10))

    assert message.error is not None
    assert "line_too_long" == message.error.code


def test_a_translator_is_a_decoder_and_an_encoder() -> None:
    for size in (1, 7, len(STREAM)):
        pieces = [STREAM[place : place + size] for place in range(0, len(STREAM), size)]
        translates = headgate.translator("openai", model="asked", now_s=1, ids=numbered())
        reads = headgate.decoder("openai", ids=numbered())
        writes = headgate.encoder("chat", model="asked", now_s=1, ids=numbered())
        out = b"".join(map(translates.feed, pieces)) + translates.close()

        assert b"".join(writes.feed(reads.feed(piece)) for piece in pieces) + writes.close() == out
        assert translates.done
        assert translates.finished


def test_a_translator_of_a_broken_stream_ends_in_an_error_frame() -> None:
    translates = headgate.translator("openai")
    out = translates.feed(STREAM[:200]) + translates.close()

    assert b'"code":"upstream_truncated"' in out
    assert not out.endswith(DONE)


def test_a_translator_tells_a_failure_of_the_connection() -> None:
    translates = headgate.translator("openai")
    translates.feed(STREAM[:200])
    out = translates.fail(StreamError("upstream_connect", "gone"))

    assert b'"code":"upstream_connect"' in out
    assert (b"", True, True) == (translates.close(), translates.done, translates.failed)


def timed(sent_s: float | None) -> list[Event]:
    return list(headgate.stream([sse(*RECORDS[:2]), sse(*RECORDS[2:]) + DONE], ids=numbered(), sent_s=sent_s))


def test_what_is_measured_begins_where_the_caller_says_that_it_sent_the_request() -> None:
    [usage] = [event for event in timed(time.perf_counter() - 60) if isinstance(event, Usage)]
    timings = usage.timings

    assert timings is not None
    assert timings.first_content_ms is not None
    assert timings.measured_ms is not None
    assert 60_000 <= timings.first_content_ms <= timings.measured_ms < 61_000
    assert timings.first_reasoning_ms is None


def test_without_that_the_clock_is_not_read() -> None:
    """The same bytes give the same events, today and tomorrow."""
    measured = [event for event in timed(time.perf_counter()) if not isinstance(event, Usage)]

    assert timed(None) == measured
    assert headgate.collect([STREAM]).timings is None


def test_every_way_of_reading_can_be_measured() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield STREAM

    async def main() -> list[Event]:
        return [event async for event in headgate.astream(pieces(), sent_s=time.perf_counter())]

    translates = headgate.translator("openai", include_timings=True, sent_s=time.perf_counter())

    assert any(isinstance(event, Usage) for event in asyncio.run(main()))
    assert headgate.collect([STREAM], sent_s=time.perf_counter()).timings is not None
    assert b'"timings":{"first_content_ms":' in translates.feed(STREAM)


def test_ids_and_times_are_the_callers_where_it_says_so() -> None:
    assert b'"id":"chatcmpl-1","object":"chat.completion.chunk","created":9' in headgate.translator(
        "openai", ids=numbered(), now_s=9
    ).feed(STREAM)


def test_ids_are_long_and_never_the_same() -> None:
    ids = {new_id("call_") for _ in range(1000)}

    assert (1000, {29}, True) == (len(ids), set(map(len, ids)), all(each.startswith("call_") for each in ids))


def test_a_stream_of_nothing_is_no_answer() -> None:
    for source in ([], [b""], [b"\n"]):
        assert headgate.collect(source).error is not None


def test_what_the_translator_writes_it_can_read() -> None:
    """Our own stream is an engine's stream to the next gateway; there is nothing left to repair."""
    first = headgate.translator("openai", include_usage=True, ids=numbered(), now_s=1)
    out = first.feed(STREAM) + first.close()
    again = events_of(out)

    assert [] == [event for event in again if type(event).__name__ == "Repair"]
    assert MessageEnd("tool_calls", "tool_calls") == again[-1]
    assert json.loads(out.split(b"\n\n")[0].removeprefix(b"data: "))["model"] == "m"


# -- ids --------------------------------------------------------------------------------------------------------------


def test_an_id_is_its_prefix_and_96_random_bits() -> None:
    ids = [new_id("call_") for _ in range(1000)]

    assert 1000 == len(set(ids))
    assert all(re.fullmatch("call_[0-9a-f]{24}", one) for one in ids)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a process that forks")
def test_a_forked_process_makes_other_ids_than_its_parent() -> None:
    """Workers that share what was drawn before they parted would give the same ids to different requests."""
    program = """
import os
from headgate.library import new_id
new_id("")
if os.fork():
    os.wait()
print(new_id(""), flush=True)
"""
    ids = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True).stdout.split()

    assert 2 == len(ids) == len(set(ids))
