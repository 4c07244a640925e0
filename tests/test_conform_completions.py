"""`headgate.conform_completions`: each rule, broken once, is noticed; a stream that keeps them all passes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from headgate.conform import check_stream

HEAD = {"id": "cmpl-1", "object": "text_completion", "created": 7, "model": "m"}
TOLD = {"tokens": ["h", "i"], "token_logprobs": [-1.0, -2], "top_logprobs": [{"h": -1.0}, {}], "text_offset": [0, 1]}
MORE = {"tokens": ["!"], "token_logprobs": [-1.0], "top_logprobs": None, "text_offset": [2]}
DONE = b"data: [DONE]\n\n"
USAGE = {**HEAD, "choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}}
ERROR = {"error": {"message": "no", "type": "t", "code": "c", "param": None}}


def said(text: Any = "hi", finish: str | None = None, **fields: Any) -> dict[str, Any]:
    return {**HEAD, "choices": [{"text": text, "index": 0, "logprobs": None, "finish_reason": finish, **fields}]}


END = said("", "stop")
GOOD: list[dict[str, Any]] = [said(logprobs=TOLD), said("", logprobs=MORE), said("x"), END, USAGE]


def events(*records: Any) -> bytes:
    return b"".join(b"data: " + json.dumps(record).encode() + b"\n\n" for record in records)


def test_a_good_stream_has_no_breach() -> None:
    other = said("y", index=1, logprobs={**MORE, "text_offset": [0]})

    assert [] == check_stream(events(*GOOD) + DONE, "completions")
    assert [] == check_stream(b": keep-alive\n\n" + events(said(), ERROR), "completions")
    assert [] == check_stream(events(other, said(), said("", "length", index=1), END) + DONE, "completions")
    assert [] == check_stream(events({**END, "timings": {"prompt_ms": 1.5}}) + DONE, "completions")


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        pytest.param(b"", "neither [DONE] nor an error", id="nothing"),
        pytest.param(events(*GOOD), "neither [DONE] nor an error", id="no end"),
        pytest.param(events(said()) + DONE, "[DONE] without a finish", id="no finish"),
        pytest.param(DONE, "[DONE] without a finish of any choice", id="no choice"),
        pytest.param(events(*GOOD) + DONE + DONE, "follows [DONE]", id="two ends"),
        pytest.param(events(ERROR) + DONE, "follows an error", id="an end after an error"),
        pytest.param(events({"error": "no"}), "error is not an object", id="an error that is a text"),
        pytest.param(events(said(), END, said()) + DONE, "goes on after its finish", id="after the finish"),
        pytest.param(events(END, USAGE, said(index=1)) + DONE, "after the usage chunk", id="after the usage"),
        pytest.param(events({**END, "object": "x"}) + DONE, "object is 'x'", id="another object"),
        pytest.param(events(said(), {**END, "model": "n"}) + DONE, "model changed", id="another model"),
        pytest.param(events({**END, "usage": {}}) + DONE, "usage on a chunk with choices", id="usage too early"),
        pytest.param(events({**END, "choices": END["choices"] * 2}) + DONE, "at most one choice", id="two choices"),
        pytest.param(events({**END, "choices": [5]}) + DONE, "a choice of []", id="no choice in it"),
        pytest.param(events({**HEAD, "choices": [{"index": 0, "text": "x"}]}), "a choice of ['index'", id="too little"),
        pytest.param(events(said(delta={})), "a choice of ['delta'", id="too much"),
        pytest.param(events(said(index="0")), "index is no integer", id="an index that is a text"),
        pytest.param(events(said(text=None)), "text is no string", id="a text that is null"),
        pytest.param(events(said("")), "says nothing", id="an empty chunk"),
        pytest.param(events(said("x", "stop")) + DONE, "finish 'stop' is unknown, or not alone", id="with text"),
        pytest.param(events(said("", "tool_calls")) + DONE, "finish 'tool_calls' is unknown", id="a chat's finish"),
        pytest.param(events(said("", "eos")) + DONE, "finish 'eos' is unknown", id="an engine's finish"),
        pytest.param(events(said(logprobs={"content": []})), "not the four lists", id="a chat's logprobs"),
        pytest.param(events(said(logprobs=5)), "not the four lists", id="logprobs that are a number"),
        pytest.param(events(said(logprobs={**TOLD, "tokens": []})), "not of one length", id="no tokens"),
        pytest.param(events(said(logprobs={**TOLD, "tokens": 5})), "not of one length", id="tokens that are none"),
        pytest.param(events(said(logprobs={**TOLD, "text_offset": [0]})), "not of one length", id="a short list"),
        pytest.param(events(said(logprobs={**TOLD, "top_logprobs": [{}]})), "not of one length", id="short others"),
        pytest.param(events(said(logprobs={**TOLD, "tokens": [1, 2]})), "no text", id="tokens that are numbers"),
        pytest.param(events(said(logprobs={**TOLD, "token_logprobs": [None, 1]})), "no number", id="a null"),
        pytest.param(events(said(logprobs={**TOLD, "top_logprobs": [5, {}]})), "no number", id="others that are none"),
        pytest.param(events(said(logprobs={**TOLD, "text_offset": [0, 2]})), "text_offset 2, expected 1", id="a gap"),
        pytest.param(events(said(logprobs=MORE)), "text_offset 2, expected 0", id="a late beginning"),
        pytest.param(events(*GOOD).replace(b"\n", b"\r\n", 1), "hold a CR", id="a CR"),
        pytest.param("data: \u2028\n\n".encode(), "hold a raw U+0085", id="a line end of Unicode"),
        pytest.param(b"event: x\n\n", "neither data nor a comment", id="a named event"),
        pytest.param(b"data: 5\n\n", "is not an object", id="a number"),
        pytest.param(b"data: {\n\n", "is not JSON", id="half an object"),
    ],
)  # fmt: skip
def test_every_breach_is_noticed(data: bytes, sentence: str) -> None:
    assert any(sentence in breach for breach in check_stream(data, "completions"))
