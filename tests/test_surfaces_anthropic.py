"""`headgate.surfaces.anthropic`: what leaves, streamed and whole; `test_surfaces_anthropic_golden` has its goldens."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from anthropic_reader import read
from pieces import DONE, chunk, sse

from headgate.cli import main
from headgate.conform import check_stream
from headgate.errors import CODES, PeerError, RequestError, UpstreamError, UsageError, stream_error
from headgate.events import (
    BlockEnd,
    Event,
    MessageEnd,
    MessageStart,
    ReasoningDelta,
    ReasoningStart,
    TextDelta,
    TextStart,
    ToolCallDelta,
    ToolCallStart,
    Usage,
)
from headgate.surfaces import anthropic_blocks, surface
from headgate.surfaces.base import Encoder, Frame, Writing

ANTHROPIC = surface("anthropic")
WRITING = Writing("msg_1", 7, "m")
START = MessageStart()
CALL: list[Event] = [START, ToolCallStart(0, "a", "f")]


def encoder() -> Encoder:
    return ANTHROPIC.encoder(WRITING)


def event(name: str, body: str) -> bytes:
    return f'event: {name}\ndata: {{"type":"{name}"{body}}}\n\n'.encode()


# -- the bytes ----------------------------------------------------------------------------------------------


def test_a_text_is_written_in_these_bytes() -> None:
    """The order that Anthropic documents, to the byte."""
    events: list[Event] = [START, TextStart(0), TextDelta(0, "hi"), BlockEnd(0), Usage(3, 2), MessageEnd("stop")]
    message = (
        '"id":"msg_1","type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,'
        '"stop_sequence":null,"usage":{"input_tokens":0,"output_tokens":0}'
    )
    expected = [
        event("message_start", f',"message":{{{message}}}'),
        event("ping", ""),
        event("content_block_start", ',"index":0,"content_block":{"type":"text","text":""}'),
        event("content_block_delta", ',"index":0,"delta":{"type":"text_delta","text":"hi"}'),
        event("content_block_stop", ',"index":0'),
        event(
            "message_delta",
            ',"delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"input_tokens":3,"output_tokens":2}',
        ),
        event("message_stop", ""),
    ]

    assert b"".join(expected) == encoder().feed(events)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("é👋", "é👋"),
        ('"\\/\n\t\0', r"\"\\/\n\t\u0000"),
        ("a\u2028b\u2029c\x85d", r"a\u2028b\u2029c\u0085d"),
        ("event: message_stop\r\n\r\n", r"event: message_stop\r\n\r\n"),
    ],
)
def test_text_is_escaped_where_a_reader_of_lines_would_trip(text: str, written: str) -> None:
    cases: list[tuple[list[Event], str, str]] = [
        ([TextStart(0), TextDelta(0, text)], "text_delta", "text"),
        ([ReasoningStart(0), ReasoningDelta(0, text)], "thinking_delta", "thinking"),
    ]
    for events, kind, field in cases:
        data = encoder().feed([START, *events])

        body = f',"index":0,"delta":{{"type":"{kind}","{field}":"{written}"}}'
        assert data.endswith(event("content_block_delta", body))


def test_a_call_that_follows_is_not_held_back() -> None:
    """Engines close their calls with the response; a client must not wait that long for the second."""
    writes = encoder()
    writes.feed([*CALL, ToolCallDelta(0, '{"x": "}'), ToolCallDelta(0, '\\"{"}'), ToolCallStart(1, "b", "g")])

    assert b'"partial_json":"{"' in writes.feed([ToolCallDelta(1, "{")])


@pytest.mark.parametrize(
    "fragments", [['{"a": [1, {"b": 2}], "c": "]}"}'], ["{", '"\\', '"}"', ":", "1", "}"], ["[", "[]", "]"], ["{}\n"]]
)
def test_where_arguments_end_is_seen_in_any_split(fragments: list[str]) -> None:
    whole = "".join(fragments)
    for pieces in (fragments, [whole], list(whole)):
        for count in range(len(pieces) + 1):
            writes = encoder()
            writes.feed([*CALL, *(ToolCallDelta(0, piece) for piece in pieces[:count])])
            data = writes.feed([ToolCallStart(1, "b", "g")])

            assert is_json("".join(pieces[:count])) == (b'"index":1' in data)


def is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def test_what_waits_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that never ends its call must not fill the memory with what stands beside it."""
    monkeypatch.setattr(anthropic_blocks, "HELD_CHARS_MAX", 10)
    for size, failed in ((10, False), (11, True)):
        writes = encoder()
        data = writes.feed([*CALL, TextStart(1), TextDelta(1, "x" * size)])

        assert (failed, failed) == (writes.failed, b'"code":"too_many_choices"' in data)


def test_what_has_left_waits_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(anthropic_blocks, "HELD_CHARS_MAX", 10)
    writes = encoder()
    events: list[Event] = [START]
    for index in range(0, 20, 2):
        events += [ToolCallStart(index, f"c{index}", "f"), ToolCallStart(index + 1, f"c{index + 1}", "f")]
        events += [ToolCallDelta(index + 1, '{"abc":1}'), ToolCallDelta(index, "{}"), BlockEnd(index)]
        events += [BlockEnd(index + 1)]
    data = writes.feed([*events, MessageEnd("tool_calls")])

    assert [] == check_stream(data, "anthropic")
    assert (20, False) == (len(read(data).calls()), writes.failed)


def test_an_error_is_one_event_and_the_end() -> None:
    """No `message_stop`: a client must not take what came so far for the answer."""
    error = ',"error":{"type":"api_error","message":"x\\u2028","code":"upstream_truncated","param":null}'
    writes = encoder()
    data = writes.feed([START, stream_error("upstream_truncated", "x\u2028"), MessageEnd("stop")])

    assert data.endswith(event("ping", "") + event("error", error))
    assert (True, True, b"", b"") == (writes.done, writes.failed, writes.close(), writes.feed([START]))


def test_nothing_begins_after_a_failure() -> None:
    writes = encoder()

    assert b"message_start" not in writes.feed([stream_error("overloaded", "x"), START])


def test_events_that_stop_without_an_end_are_an_error() -> None:
    """Whatever went wrong behind the encoder, a client never waits and never sees a fake finish."""
    events: list[Event] = [*CALL, ToolCallDelta(0, "{}"), TextStart(1), TextDelta(1, "a"), BlockEnd(1), BlockEnd(0)]
    for count in range(len(events) + 1):
        writes = encoder()
        data = writes.feed(events[:count]) + writes.close()

        assert [] == check_stream(data, "anthropic")
        assert (True, True, b"") == (b'"code":"upstream_truncated"' in data, writes.done, writes.close())


@pytest.mark.parametrize("reason", ["stop", "tool_calls", "unknown"])
def test_a_call_that_was_cut_off_ends_in_an_error(reason: Any) -> None:
    """Its start was sent, and nothing but a failure stops a client from running it."""
    data = encoder().feed([*CALL, ToolCallDelta(0, "{"), BlockEnd(0, complete=False), MessageEnd(reason)])

    reply = read(data)
    assert ("tool_call_incomplete", False) == ((reply.error or {})["code"], reply.stopped)


def test_the_engines_model_goes_before_the_one_that_was_asked_for() -> None:
    for start, model in ((MessageStart(id="theirs", model="real"), "real"), (START, "m")):
        assert model == read(encoder().feed([start])).model
        assert b'"id":"msg_1"' in encoder().feed([start])


# -- the shortcut -------------------------------------------------------------------------------------------


def test_a_frame_is_what_a_delta_is_written_with() -> None:
    events: list[tuple[Event, TextDelta | ReasoningDelta]] = [
        (TextStart(0), TextDelta(0, "a\u2028")),
        (ReasoningStart(0), ReasoningDelta(0, 'b"')),
    ]
    for start, delta in events:
        writes = encoder()
        writes.feed([START, start])
        frame = writes.frame(delta)

        assert isinstance(frame, Frame)
        assert frame.before + frame.text(delta.text) + frame.behind == writes.feed([delta])


def test_a_delta_that_waits_has_no_frame() -> None:
    """It would be spliced into the middle of another block."""
    writes = encoder()
    text = TextDelta(1, "x")
    writes.feed([*CALL, TextStart(1)])

    assert None is writes.frame(text)
    writes.feed([ToolCallDelta(0, "{}")])
    assert isinstance(writes.frame(text), Frame)
    assert None is writes.frame(TextDelta(1, "x", choice=1))
    assert None is writes.frame(TextDelta(2, "x"))


def test_a_cached_count_that_is_larger_than_the_prompt_makes_no_negative_one() -> None:
    data = encoder().feed([START, Usage(3, 1, cached_tokens=5), MessageEnd("stop")])

    assert 0 == read(data).usage["input_tokens"]


# -- failures and the rest ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("failure", "status", "kind"),
    [
        (RequestError("invalid_request", "x", param="/messages"), 400, "invalid_request_error"),
        (RequestError("unauthorized", "x"), 401, "authentication_error"),
        (RequestError("forbidden", "x"), 403, "permission_error"),
        (RequestError("model_not_found", "x"), 404, "not_found_error"),
        (RequestError("method_not_allowed", "x"), 405, "invalid_request_error"),
        (RequestError("body_too_large", "x"), 413, "request_too_large"),
        (UpstreamError("upstream_error", "x", status=429), 429, "rate_limit_error"),
        (UpstreamError("internal", "x"), 500, "api_error"),
        (UpstreamError("upstream_connect", "x"), 502, "api_error"),
        (UpstreamError("overloaded", "x"), 503, "overloaded_error"),
        (UpstreamError("upstream_timeout", "x"), 504, "timeout_error"),
        (UpstreamError("upstream_error", "x", status=529), 529, "overloaded_error"),
    ],
)
def test_a_failure_before_the_first_byte_is_anthropics_error(failure: PeerError, status: int, kind: str) -> None:
    error = {"type": kind, "message": "x", "code": failure.code, "param": failure.param}
    found, body = ANTHROPIC.error(failure)

    assert (status, {"type": "error", "error": error}) == (found, json.loads(body))


@pytest.mark.parametrize("code", CODES)
def test_every_failure_in_a_stream_conforms(code: str) -> None:
    data = encoder().feed([START, stream_error(code, "x")])

    assert [] == check_stream(data, "anthropic")


def test_waiting_clients_get_a_ping() -> None:
    """It may come before everything else, since a long prompt is read before anything is generated."""
    data = ANTHROPIC.keepalive(WRITING) + encoder().feed([START, MessageEnd("stop")])

    assert ([], "text/event-stream") == (check_stream(data, "anthropic"), ANTHROPIC.media_type)


def test_normalize_writes_it(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    recorded = tmp_path / "chat.sse"
    recorded.write_bytes(sse(chunk({"reasoning_content": "why"}), chunk({"content": "hi"}), chunk({}, "stop")) + DONE)
    status = main(["normalize", "--to", "anthropic", str(recorded)])
    data = capfdbinary.readouterr().out
    reply = read(data)

    assert (0, "why", "hi", "end_turn") == (status, reply.text("thinking"), reply.text(), reply.stop_reason)
    assert [] == check_stream(data, "anthropic")


def test_the_surface_is_found_by_its_name_and_its_path() -> None:
    assert (("/v1/messages",), "msg_1") == (ANTHROPIC.paths, ANTHROPIC.new_id(lambda prefix: prefix + "1"))
    with pytest.raises(UsageError, match="'anthropic'"):
        surface("nonsense")
