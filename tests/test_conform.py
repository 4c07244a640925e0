"""`headgate.conform`: each rule, broken once, is noticed; a stream that keeps them all passes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pieces import DONE

from headgate.conform import check_events, check_stream
from headgate.errors import UsageError, stream_error
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
    StreamError,
    TextDelta,
    TextStart,
    ToolCallDelta,
    ToolCallStart,
    Usage,
)

GOOD: list[Event] = [
    Progress(1, 2),
    Repair("object_corrected"),
    MessageStart("x"),
    ReasoningStart(0),
    ReasoningDelta(0, "why"),
    ReasoningSignature(0, "s", "o"),
    BlockEnd(0),
    TextStart(1),
    TextDelta(1, "because"),
    TextDelta(1, "", (Logprob("x", -1.0),)),
    Annotation(1, "url_citation"),
    BlockEnd(1),
    ToolCallStart(2, "a", "f"),
    ToolCallStart(3, "b", "f"),
    ToolCallDelta(3, "{}"),
    ToolCallDelta(2, "{}"),
    Extra("x", "1"),
    BlockEnd(2),
    BlockEnd(3),
    Usage(1, 1),
    MessageEnd("stop"),
]
ERROR = stream_error("upstream_truncated", "x")


def broken(place: int, *events: Event, drop: int = 0) -> list[Event]:
    """The good stream with these events put in at a place, and as many dropped there."""
    return [*GOOD[:place], *events, *GOOD[place + drop :]]


def test_a_good_stream_has_no_breach() -> None:
    assert [] == check_events(GOOD)
    assert [] == check_events([ERROR])
    assert [] == check_events([*GOOD[:-2], ERROR])
    assert [] == check_events([MessageStart(), MessageStart(choice=1), MessageEnd("stop", choice=1), ERROR])


@pytest.mark.parametrize(
    ("events", "sentence"),
    [
        pytest.param(broken(3, MessageStart()), "starts a choice twice", id="two starts"),
        pytest.param(broken(2, drop=1), "not started", id="no start"),
        pytest.param(broken(2, TextStart(0)), "not started", id="a block before the start"),
        pytest.param(broken(3, ReasoningStart(1), drop=1), "has index 1, expected 0", id="an index that is skipped"),
        pytest.param(broken(7, TextStart(0), drop=1), "has index 0, expected 1", id="an index that is used again"),
        pytest.param(broken(7, TextStart(2), drop=1), "has index 2, expected 1", id="an index too high"),
        pytest.param(broken(5, ReasoningDelta(1, "a")), "no open reasoning block", id="a delta of no block"),
        pytest.param(broken(5, TextDelta(0, "a")), "no open text block", id="a delta of another kind"),
        pytest.param(broken(8, ToolCallDelta(1, "a")), "no open tool_call block", id="arguments of a text"),
        pytest.param(broken(8, ReasoningSignature(1, "s", "o")), "no open reasoning", id="a signature of a text"),
        pytest.param(broken(5, Annotation(0, "x")), "no open text block", id="an annotation of a thought"),
        pytest.param(broken(12, TextDelta(1, "a")), "no open text block", id="a delta of a closed block"),
        pytest.param(broken(8, TextDelta(1, "")), "is empty", id="an empty delta"),
        pytest.param(broken(5, ReasoningDelta(0, "")), "is empty", id="an empty thought"),
        pytest.param(broken(14, ToolCallDelta(2, "")), "is empty", id="empty arguments"),
        pytest.param(broken(6, drop=1), "while another text or reasoning", id="a thought left open beside a text"),
        pytest.param(broken(18, drop=1), "while blocks [3] are open", id="a call left open at the end"),
        pytest.param(broken(7, BlockEnd(0)), "which is not open", id="an end twice"),
        pytest.param(broken(7, BlockEnd(9)), "which is not open", id="an end of nothing"),
        pytest.param(broken(13, ToolCallStart(3, "a", "f"), drop=1), "empty or taken", id="an id twice"),
        pytest.param(broken(13, ToolCallStart(3, "", "f"), drop=1), "empty or taken", id="an empty id"),
        pytest.param([*GOOD, MessageEnd("stop")], "follows the end", id="two ends"),
        pytest.param([*GOOD, TextStart(4)], "follows the end", id="a block after the end"),
        pytest.param([*GOOD, Extra("x", "1")], "follows the end", id="an extra after the end"),
        pytest.param([*GOOD, Usage(1)], "comes after the end", id="usage after the end"),
        pytest.param([*GOOD, Progress(1, 1)], "comes after the end", id="progress after the end"),
        pytest.param([*GOOD, ERROR], "after every choice has ended", id="an error after the end"),
        pytest.param([ERROR, ERROR], "follows an error", id="two errors"),
        pytest.param([ERROR, *GOOD], "follows an error", id="a message after an error"),
        pytest.param([ERROR, Usage(1)], "follows an error", id="usage after an error"),
        pytest.param(GOOD[:-1], "choices [0] have no end", id="no end"),
        pytest.param([*GOOD, MessageStart(choice=1)], "choices [1] have no end", id="a choice without an end"),
        pytest.param([], "nothing started and nothing failed", id="nothing at all"),
        pytest.param([Usage(1)], "nothing started and nothing failed", id="usage alone"),
        pytest.param(broken(3, Repair("made_up")), "unknown repair 'made_up'", id="an unknown repair"),
        pytest.param(broken(2, Repair("made_up")), "unknown repair 'made_up'", id="an unknown repair before the start"),
        pytest.param([StreamError("made_up", "x")], "unknown error 'made_up'", id="an unknown error"),
        pytest.param(broken(8, TextDelta(1, "a", choice=1)), "not started", id="a choice that is not there"),
    ],
)
def test_a_broken_rule_is_noticed(events: list[Event], sentence: str) -> None:
    """A checker that misses a breach is worse than none: everybody leans on it."""
    breaches = check_events(events)

    assert any(sentence in breach for breach in breaches), breaches


@pytest.mark.parametrize("place", range(len(GOOD)))
def test_dropping_or_doubling_any_event_that_carries_structure_is_noticed(place: int) -> None:
    event = GOOD[place]
    structure = MessageStart | TextStart | ReasoningStart | ToolCallStart | BlockEnd | MessageEnd
    if isinstance(event, structure):
        assert check_events(broken(place, drop=1))
        assert check_events(broken(place, event))
    else:
        assert [] == check_events(broken(place, drop=1))


def test_a_stream_may_be_checked_before_it_is_over() -> None:
    for place in range(len(GOOD)):
        assert [] == check_events(GOOD[:place], whole=False)


# -- the bytes of the chat surface ----------------------------------------------------------------------


def chunk(delta: Any, finish: Any = None, index: Any = 0, **more: Any) -> dict[str, Any]:
    choice = {"index": index, "delta": delta, **more, "finish_reason": finish}
    return {"id": "i", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}


def call(index: Any = 0, arguments: Any = "", **more: Any) -> dict[str, Any]:
    name = {"name": more.pop("name")} if "name" in more else {}
    return {"tool_calls": [{"index": index, **more, "function": {**name, "arguments": arguments}}]}


ROLE, TEXT, STOP = chunk({"role": "assistant"}), chunk({"content": "a"}), chunk({}, "stop")
OPEN = chunk(call(id="a", type="function", name="f"))
COUNTS = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
USAGE = {**ROLE, "choices": [], "usage": COUNTS}
TIMED = {**STOP, "timings": {"prompt_n": 1}}
TOKEN: dict[str, Any] = {"token": "a", "logprob": -1, "bytes": [97], "top_logprobs": []}
LIKELIER = {**TOKEN, "bytes": None, "top_logprobs": [{"token": "b", "logprob": -0.5, "bytes": None}]}
LOGPROBS: dict[str, Any] = {"content": [TOKEN, LIKELIER], "refusal": None}
REFUSED: dict[str, Any] = {"content": None, "refusal": [TOKEN]}
OTHER = [chunk({"role": "assistant"}, index=1), chunk({}, "stop", index=1)]
FAILED = {"error": {"message": "x", "type": "y", "code": "z", "param": None}}


def written(*records: Any, end: bytes = DONE) -> bytes:
    return b"".join(b"data: " + json.dumps(record, ensure_ascii=False).encode() + b"\n\n" for record in records) + end


@pytest.mark.parametrize(
    "data",
    [
        written(ROLE, TEXT, STOP),
        written(ROLE, STOP),
        written(ROLE, STOP, USAGE),
        written(ROLE, TIMED),
        written(ROLE, STOP, {**USAGE, "timings": {"prompt_n": 1}}),
        written(ROLE, OPEN, chunk(call(arguments="{")), chunk(call(arguments="}")), chunk({}, "tool_calls")),
        written(ROLE, OPEN, chunk(call(1, id="b", type="function", name="g")), chunk({}, "tool_calls")),
        written(ROLE, chunk({"reasoning_content": "a"}), chunk({"refusal": "b"}), STOP),
        written(ROLE, chunk({}, logprobs=LOGPROBS), chunk({"content": "a"}, logprobs=LOGPROBS), STOP),
        written(ROLE, chunk({}, logprobs=REFUSED), chunk({"refusal": "a"}, logprobs=REFUSED), STOP),
        written(ROLE, chunk({"reasoning": "a"}, logprobs=LOGPROBS), STOP),
        written(ROLE, OTHER[0], TEXT, OTHER[1], STOP),
        written(FAILED, end=b""),
        written(ROLE, TEXT, FAILED, end=b""),
        b": keep-alive\n\n" + written(ROLE, TEXT, end=b"") + b": keep-alive\n\n" + written(STOP),
    ],
)
def test_good_bytes_have_no_breach(data: bytes) -> None:
    assert [] == check_stream(data)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        pytest.param(b"", "neither [DONE] nor an error", id="nothing"),
        pytest.param(written(ROLE, STOP, end=b""), "neither [DONE] nor an error", id="no end"),
        pytest.param(written(ROLE, TEXT), "[DONE] without a finish of [0]", id="no finish"),
        pytest.param(DONE, "[DONE] without a finish of any choice", id="no choice"),
        pytest.param(written(ROLE, OTHER[0], STOP), "[DONE] without a finish of [1]", id="a choice without a finish"),
        pytest.param(written(ROLE, STOP) + DONE, "follows [DONE]", id="two ends"),
        pytest.param(written(ROLE, STOP) + written(TEXT, end=b""), "follows [DONE]", id="a chunk after the end"),
        pytest.param(written(FAILED), "follows an error", id="[DONE] after an error"),
        pytest.param(written(TEXT, STOP), "the role is not alone, once and first", id="no role"),
        pytest.param(written(ROLE, ROLE, STOP), "the role is not alone, once and first", id="the role twice"),
        pytest.param(
            written(chunk({"role": "assistant", "content": "a"}), STOP),
            "the role is not alone",
            id="the role with text",
        ),
        pytest.param(written(chunk({"role": "user"}), STOP), "the role is not alone", id="another role"),
        pytest.param(
            written(ROLE, chunk({"content": "a", "refusal": "b"}), STOP), "expected one known kind", id="two kinds"
        ),
        pytest.param(written(ROLE, chunk({"thinking": "a"}), STOP), "expected one known kind", id="an unknown kind"),
        pytest.param(written(ROLE, chunk({"content": ""}), STOP), "empty, null or", id="empty content"),
        pytest.param(written(ROLE, chunk({"content": None}), STOP), "empty, null or", id="null content"),
        pytest.param(written(ROLE, chunk({"content": 5}), STOP), "empty, null or", id="a number for content"),
        pytest.param(written(ROLE, chunk({"tool_calls": []}), STOP), "empty, null or", id="no calls"),
        pytest.param(written(ROLE, chunk({"tool_calls": {"a": 1}}), STOP), "empty, null or", id="calls as an object"),
        pytest.param(written(ROLE, chunk({}), STOP), "an empty delta", id="empty delta"),
        pytest.param(written(ROLE, chunk(None), STOP), "whose delta is no object", id="null delta"),
        pytest.param(
            written(ROLE, chunk({"content": "a"}, index=[]), STOP), "index is no integer", id="index of a list"
        ),
        pytest.param(written(ROLE, {**TEXT, "choices": [None]}, STOP), "a choice without index", id="null choice"),
        pytest.param(
            written(ROLE, chunk({"content": "a"}, logprobs=None), STOP), "logprobs of null", id="null logprobs"
        ),
        pytest.param(
            written(ROLE, chunk({"content": "a"}, logprobs={"content": [TOKEN]}), STOP),
            "logprobs that are not content and refusal",
            id="half of logprobs",
        ),
        pytest.param(
            written(ROLE, chunk({"content": "a"}, logprobs={**LOGPROBS, "tokens": []}), STOP),
            "logprobs that are not content and refusal",
            id="logprobs of two forms",
        ),
        pytest.param(
            written(ROLE, chunk({"content": "a"}, logprobs={"content": None, "refusal": None}), STOP),
            "at once, or of neither",
            id="logprobs of nothing",
        ),
        pytest.param(
            written(ROLE, chunk({}, logprobs={**LOGPROBS, "refusal": [TOKEN]}), STOP),
            "at once, or of neither",
            id="logprobs of content and of a refusal",
        ),
        pytest.param(
            written(ROLE, chunk({"refusal": "a"}, logprobs=LOGPROBS), STOP),
            "logprobs of content on a delta of ['refusal']",
            id="a refusal with the logprobs of content",
        ),
        pytest.param(
            written(ROLE, chunk({"content": "a"}, logprobs=REFUSED), STOP),
            "logprobs of refusal on a delta of ['content']",
            id="content with the logprobs of a refusal",
        ),
        pytest.param(
            written(ROLE, OPEN | {"choices": [OPEN["choices"][0] | {"logprobs": LOGPROBS}]}, STOP),
            "logprobs of content on a delta of ['tool_calls']",
            id="a call with logprobs",
        ),
        pytest.param(
            written(ROLE, chunk({"content": "a"}, stop_reason=None), STOP),
            "fields that no contract names",
            id="a vendor's field",
        ),
        pytest.param(
            written(ROLE, {**TEXT, "system_fingerprint": "x"}, STOP),
            "fields that no contract names",
            id="a vendor's field on top",
        ),
        pytest.param(
            written(ROLE, {**TEXT, "object": "chat.completion"}, STOP),
            "object is 'chat.completion'",
            id="another object",
        ),
        pytest.param(written(ROLE, {**TEXT, "id": "j"}, STOP), "id, created or model changed", id="another id"),
        pytest.param(written(ROLE, {**TEXT, "created": 2}, STOP), "id, created or model changed", id="another time"),
        pytest.param(written(ROLE, {**TEXT, "model": "n"}, STOP), "id, created or model changed", id="another model"),
        pytest.param(written(*({**c, "model": ""} for c in (ROLE, STOP))), "missing or empty", id="empty model"),
        pytest.param(
            written(*({**c, "created": "1"} for c in (ROLE, STOP))), "created is no integer", id="time as text"
        ),
        pytest.param(
            written(ROLE, {**TEXT, "choices": [*TEXT["choices"], *OTHER[0]["choices"]]}, STOP),
            "at most one choice",
            id="two choices in one",
        ),
        pytest.param(written(ROLE, {**TEXT, "choices": None}, STOP), "at most one choice", id="null choices"),
        pytest.param(written(ROLE, {**TEXT, "usage": None}, STOP), "usage on a chunk with choices", id="null usage"),
        pytest.param(
            written(ROLE, {**STOP, "usage": COUNTS}), "usage on a chunk with choices", id="usage on the finish"
        ),
        pytest.param(
            written(ROLE, {**USAGE, "usage": {"prompt_tokens": 1}}, STOP), "three usage counts", id="half of usage"
        ),
        pytest.param(written(ROLE, {**ROLE, "choices": []}, STOP), "three usage counts", id="no choices and no usage"),
        pytest.param(written(ROLE, STOP, USAGE, USAGE), "a second usage chunk", id="usage twice"),
        pytest.param(written(ROLE, USAGE, STOP), "after the usage chunk", id="usage before the finish"),
        pytest.param(
            written(ROLE, {**TEXT, "timings": {"prompt_n": 1}}, STOP),
            "neither a usage chunk nor a finish",
            id="timings in the middle",
        ),
        pytest.param(written(ROLE, {**TIMED, "timings": {}}), "timings that are empty or null", id="empty timings"),
        pytest.param(
            written(ROLE, {**TIMED, "timings": {"prompt_n": None}}),
            "timings that are empty or null",
            id="null in timings",
        ),
        pytest.param(written(ROLE, TIMED, USAGE), "after the timings, which belong on it", id="timings before usage"),
        pytest.param(
            written(ROLE, TEXT, chunk({}, "abort")), "finish 'abort' is unknown", id="an engine's finish word"
        ),
        pytest.param(written(ROLE, TEXT, chunk({}, ["stop"])), "is unknown, or not alone", id="finish as a list"),
        pytest.param(written(ROLE, chunk({"content": "a"}, "stop")), "is unknown, or not alone", id="finish with text"),
        pytest.param(written(ROLE, STOP, TEXT), "goes on after its finish", id="text after the finish"),
        pytest.param(written(ROLE, STOP, STOP), "goes on after its finish", id="finish twice"),
        pytest.param(
            written(ROLE, chunk(call(id="a", type="function", name="f", arguments="{")), STOP),
            "first fragment with arguments",
            id="opener with arguments",
        ),
        pytest.param(
            written(ROLE, chunk(call(type="function", name="f")), STOP),
            "without id, type and name",
            id="opener without an id",
        ),
        pytest.param(
            written(ROLE, chunk(call(id="a", name="f")), STOP), "without id, type and name", id="opener without a type"
        ),
        pytest.param(
            written(ROLE, chunk(call(id="a", type="function")), STOP),
            "without id, type and name",
            id="opener without a name",
        ),
        pytest.param(
            written(ROLE, chunk(call(1, id="a", type="function", name="f")), STOP),
            "index 1, expected 0",
            id="a call index too high",
        ),
        pytest.param(
            written(ROLE, chunk(call(None, id="a", type="function", name="f")), STOP),
            "without index",
            id="a call without an index",
        ),
        pytest.param(
            written(ROLE, OPEN, chunk(call(id="a", arguments="{}")), STOP), "says more or less", id="an id twice"
        ),
        pytest.param(
            written(ROLE, OPEN, chunk(call(name="f", arguments="{}")), STOP), "says more or less", id="a name twice"
        ),
        pytest.param(written(ROLE, OPEN, chunk(call()), STOP), "says more or less", id="an empty fragment"),
        pytest.param(
            written(ROLE, OPEN, chunk(call(arguments={})), STOP), "arguments are no string", id="arguments as an object"
        ),
        pytest.param(
            written(ROLE, chunk({"tool_calls": [None]}), STOP), "without index and function", id="a null call"
        ),
        pytest.param(
            written(ROLE, chunk({"tool_calls": [*call()["tool_calls"], *call(1)["tool_calls"]]}), STOP),
            "several in one delta",
            id="two calls in one",
        ),
        pytest.param(written({"error": "x"}, end=b""), "error is not an object", id="an error as text"),
        pytest.param(written({"error": {"message": "x"}}, end=b""), "error is not an object", id="half of an error"),
        pytest.param(
            written({"error": {**FAILED["error"], "message": ""}}, end=b""),
            "error without a message",
            id="an error without a message",
        ),
        pytest.param(b"data: {\n\n" + DONE, "is not JSON", id="no JSON"),
        pytest.param(b"data: []\n\n" + DONE, "is not an object", id="no object"),
        pytest.param(written(ROLE, STOP)[:-1], "do not end with a blank line", id="no blank line at the end"),
        pytest.param(written(ROLE, STOP).replace(b"\n", b"\r\n"), "hold a CR", id="CRLF"),
        pytest.param(
            written(ROLE, chunk({"content": "a\u2028b"}), STOP), "raw U+0085, U+2028", id="a raw line separator"
        ),
        pytest.param(written(ROLE, chunk({"content": "a\x85b"}), STOP), "raw U+0085, U+2028", id="a raw next line"),
        pytest.param(
            written(ROLE, TEXT, STOP).replace(b'"a"', b'"\xff"'), "are not UTF-8", id="bytes that are not UTF-8"
        ),
        pytest.param(b"event: x\n" + written(ROLE, STOP), "neither data nor a comment", id="an event name"),
        pytest.param(b"retry: 1\n\n" + written(ROLE, STOP), "neither data nor a comment", id="another field"),
        pytest.param(written(ROLE, STOP).replace(b"data: ", b"data:"), "neither data nor a comment", id="no space"),
    ],
)
def test_broken_bytes_are_noticed(data: bytes, sentence: str) -> None:
    breaches = check_stream(data, "chat")

    assert any(sentence in breach for breach in breaches), breaches


@pytest.mark.parametrize(
    "tokens",
    [
        [],
        {},
        "a",
        [None],
        [{"token": "a", "logprob": -1, "bytes": None}],
        [{**TOKEN, "token": 5}],
        [{**TOKEN, "logprob": None}],
        [{**TOKEN, "logprob": True}],
        [{**TOKEN, "bytes": "a"}],
        [{**TOKEN, "bytes": [256]}],
        [{**TOKEN, "id": 7}],
        [{**TOKEN, "top_logprobs": None}],
        [{**TOKEN, "top_logprobs": [TOKEN]}],
        [{**TOKEN, "top_logprobs": [None]}],
    ],
)
@pytest.mark.parametrize("name", ["content", "refusal"])
def test_a_token_of_log_probabilities_has_every_field(name: str, tokens: Any) -> None:
    """Typed clients read all four of them."""
    found = check_stream(written(ROLE, chunk({name: "a"}, logprobs={**dict.fromkeys(LOGPROBS), name: tokens}), STOP))

    assert 1 == len(found)
    assert "no list of tokens with token, logprob, bytes and top_logprobs" in found[0]


def test_no_json_makes_the_checker_itself_fail() -> None:
    """It runs on live streams of anybody's encoder, and must report what it cannot read."""
    values: list[Any] = [None, 5, "x", [], {}, [None], [[]], {"a": None}]
    for value in values:
        for name in ("choices", "usage", "timings", "id", "error"):
            assert check_stream(written({**ROLE, name: value}, STOP))
        for name in ("delta", "index", "finish_reason", "logprobs"):
            check_stream(written(ROLE, {**TEXT, "choices": [{**TEXT["choices"][0], name: value}]}, STOP))
        for name in ("content", "tool_calls", "role"):
            check_stream(written(ROLE, chunk({name: value}), STOP))
        for name in ("index", "id", "type", "function"):
            opener = {**OPEN["choices"][0]["delta"]["tool_calls"][0], name: value}
            check_stream(written(ROLE, chunk({"tool_calls": [opener]}), STOP))


def test_an_unknown_surface_is_a_mistake_in_the_call() -> None:
    with pytest.raises(UsageError, match="expected a surface among"):
        check_stream(b"", "nonsense")
