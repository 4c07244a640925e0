"""`headgate.conform_ollama`: each rule, broken once, is noticed; a stream that keeps them all passes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from headgate.conform import check_stream

HEAD = {"model": "m", "created_at": "2026-11-21T00:33:19Z"}
CALL: dict[str, Any] = {"id": "a", "function": {"index": 0, "name": "f", "arguments": {}}}
SECOND: dict[str, Any] = {"id": "b", "function": {"index": 1, "name": "f", "arguments": {"x": 1}}}
TOKEN = {"token": "x", "logprob": -1.5, "bytes": [120], "top_logprobs": []}


def said(**fields: Any) -> dict[str, Any]:
    return {**HEAD, "message": {"role": "assistant", "content": "", **fields}, "done": False}


DONE: dict[str, Any] = {**said(), "done": True, "done_reason": "stop", "eval_count": 3, "eval_duration": 5}
GOOD: list[dict[str, Any]] = [
    said(),
    said(thinking="why"),
    said(content="hi"),
    {**said(content="hi"), "logprobs": [TOKEN]},
    said(tool_calls=[CALL]),
    said(tool_calls=[SECOND]),
    DONE,
]
ERROR = {"error": "no"}
PROMPTED: list[dict[str, Any]] = [
    {**HEAD, "response": "", "done": False},
    {**HEAD, "response": "", "thinking": "why", "done": False},
    {**HEAD, "response": "hi", "done": False},
    {**HEAD, "response": "", "tool_calls": [CALL], "done": False},
    {**HEAD, "response": "", "done": True, "done_reason": "length"},
]


def lines(*records: Any) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


def changed(place: int, **fields: Any) -> bytes:
    """The good stream with fields of one record set, or left out where the value is `...`."""
    records = [dict(record) for record in GOOD]
    records[place] = {name: value for name, value in {**records[place], **fields}.items() if value is not ...}
    return lines(*records)


def function(**fields: Any) -> bytes:
    call = {**CALL, "function": {**CALL["function"], **fields}}
    return lines(*GOOD[:4], said(tool_calls=[call]), *GOOD[5:])


def test_a_good_stream_has_no_breach() -> None:
    assert [] == check_stream(lines(*GOOD), "ollama")
    assert [] == check_stream(lines(ERROR), "ollama")
    assert [] == check_stream(lines(*GOOD[:-1], ERROR), "ollama")
    assert [] == check_stream(lines(*PROMPTED), "ollama_generate")
    assert [] == check_stream(lines(*PROMPTED[:2], ERROR), "ollama_generate")


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        pytest.param(b"", 'neither "done": true nor an error', id="nothing"),
        pytest.param(lines(*GOOD[:-1]), 'neither "done": true nor an error', id="no end"),
        pytest.param(lines(*GOOD, DONE), "follows the end", id="two ends"),
        pytest.param(lines(*GOOD, ERROR), "follows the end", id="an error after the end"),
        pytest.param(lines(ERROR, DONE), "follows an error", id="an end after an error"),
        pytest.param(lines(*GOOD)[:-1], "do not end with a line end", id="no last line end"),
        pytest.param(lines(*GOOD).replace(b"\n", b"\r\n", 1), "hold a CR", id="a CR"),
        pytest.param(lines(*GOOD).replace(b'"hi"', b'"\xff"'), "are not UTF-8", id="no UTF-8"),
        pytest.param(lines(*GOOD).replace(b'"hi"', '"\u2028"'.encode()), "U+2028", id="a line end of Unicode"),
        pytest.param(b"\n" + lines(*GOOD), "is blank", id="a blank line"),
        pytest.param(b"data: {}\n" + lines(*GOOD), "is not JSON", id="an event stream"),
        pytest.param(lines([], *GOOD), "is not an object", id="a list"),
        pytest.param(lines({"error": {"message": "no"}}), "not a sentence", id="OpenAI's error"),
        pytest.param(lines({"error": ""}), "not a sentence", id="an empty error"),
        pytest.param(lines({**DONE, "error": "no"}), "not a sentence", id="an error and more"),
        pytest.param(changed(0, model=""), "model is missing", id="an empty model"),
        pytest.param(changed(0, model=...), "model is missing", id="no model"),
        pytest.param(changed(0, created_at=5), "created_at is no time", id="a time in seconds"),
        pytest.param(changed(0, created_at="2026-13-41T00:00:00Z"), "created_at is no time", id="a day that is none"),
        pytest.param(changed(0, created_at="2026-11-21"), "created_at is no time", id="a date"),
        pytest.param(changed(0, done=...), "done is neither", id="no done"),
        pytest.param(changed(0, done="false"), "done is neither", id="done as text"),
        pytest.param(changed(0, response=""), "no contract names here: ['response']", id="both forms"),
        pytest.param(changed(0, done_reason="stop"), "no contract names here: ['done_reason']", id="a reason too soon"),
        pytest.param(changed(0, eval_count=1), "no contract names here: ['eval_count']", id="a count too soon"),
        pytest.param(changed(0, message="hi"), "message is no object", id="a message that is text"),
        pytest.param(lines(*PROMPTED), "message is no object", id="the other path's lines"),
        pytest.param(lines(said(role="user"), *GOOD), "not the assistant's", id="another role"),
        pytest.param(lines(said(refusal="no"), *GOOD), "holds more than is known", id="an unknown field"),
        pytest.param(lines(said(content=None), *GOOD), "content is no string", id="no content"),
        pytest.param(lines(said(thinking=""), *GOOD), "thinking that is empty", id="empty thinking"),
        pytest.param(lines(said(tool_calls=[]), *GOOD), "tool_calls that are empty", id="no calls"),
        pytest.param(
            lines(said(tool_calls=[{**CALL, "type": "function"}]), DONE), "not an id and a function", id="type"
        ),
        pytest.param(lines(said(tool_calls=["f"]), DONE), "not an id and a function", id="a call that is text"),
        pytest.param(lines(said(tool_calls=[CALL, CALL]), DONE), "missing or taken: 'a'", id="an id twice"),
        pytest.param(lines(said(tool_calls=[{**CALL, "id": ""}]), DONE), "missing or taken: ''", id="an empty id"),
        pytest.param(function(index=1), "index 1, expected 0", id="an index that is skipped"),
        pytest.param(function(index=None), "index None, expected 0", id="no index"),
        pytest.param(function(name=None), "without a name", id="no name"),
        pytest.param(function(arguments="{}"), "arguments that are no object", id="arguments as text"),
        pytest.param(function(arguments=[]), "arguments that are no object", id="arguments as a list"),
        pytest.param(changed(3, logprobs=[]), "logprobs that are empty", id="no logprobs"),
        pytest.param(changed(3, logprobs={"content": []}), "logprobs that are empty", id="OpenAI's logprobs"),
        pytest.param(changed(3, logprobs=[{"token": "x"}]), "without a token and a number", id="half a logprob"),
        pytest.param(changed(3, logprobs=[{**TOKEN, "id": 5}]), "without a token and a number", id="more logprob"),
        pytest.param(changed(-1, done_reason="tool_calls"), "done_reason is 'tool_calls'", id="OpenAI's reason"),
        pytest.param(changed(-1, done_reason=...), "done_reason is None", id="no reason"),
        pytest.param(changed(-1, eval_duration=1.5), "no whole number", id="half a nanosecond"),
        pytest.param(changed(-1, eval_count=-1), "no whole number", id="fewer than no tokens"),
        pytest.param(changed(-1, eval_count=True), "no whole number", id="true tokens"),
    ],
)
def test_a_broken_rule_is_noticed(data: bytes, sentence: str) -> None:
    """A checker that misses a breach is worse than none: everybody leans on it."""
    breaches = check_stream(data, "ollama")

    assert any(sentence in breach for breach in breaches), breaches


@pytest.mark.parametrize(
    ("record", "sentence"),
    [
        (said(content="hi"), "no contract names here: ['message']"),
        ({**HEAD, "done": False}, "response is no string"),
        ({**HEAD, "response": "", "context": [1], "done": False}, "no contract names here: ['context']"),
        ({**HEAD, "response": "", "thinking": "", "done": False}, "thinking that is empty"),
    ],
)
def test_a_broken_rule_of_prompts_is_noticed(record: dict[str, Any], sentence: str) -> None:
    breaches = check_stream(lines(record, PROMPTED[-1]), "ollama_generate")

    assert any(sentence in breach for breach in breaches), breaches
