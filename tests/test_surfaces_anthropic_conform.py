"""`headgate.conform_anthropic`: each breach is noticed, and what conforms is not touched."""

from __future__ import annotations

import json
from typing import Any

import pytest

from headgate.conform import check_stream

MESSAGE: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "m",
    "content": [],
    "stop_reason": None,
    "stop_sequence": None,
    "usage": {"input_tokens": 1, "output_tokens": 0},
}


def event(name: str, **fields: Any) -> bytes:
    return f"event: {name}\ndata: {json.dumps({'type': name, **fields})}\n\n".encode()


def opens(index: Any = 0, kind: Any = "text", **fields: Any) -> bytes:
    contents: dict[Any, dict[str, Any]] = {
        "text": {"text": ""},
        "thinking": {"thinking": "", "signature": ""},
        "tool_use": {"id": "a", "name": "f", "input": {}},
    }
    content = {"type": kind, **contents.get(kind, {}), **fields}
    return event("content_block_start", index=index, content_block=content)


def says(text: Any = "x", index: Any = 0, kind: Any = "text_delta", field: str = "text") -> bytes:
    return event("content_block_delta", index=index, delta={"type": kind, field: text})


def ends(reason: Any = "end_turn", sequence: Any = None, **usage: Any) -> bytes:
    delta = {"stop_reason": reason, "stop_sequence": sequence}
    return event("message_delta", delta=delta, usage=usage or {"output_tokens": 1})


def args(text: str, index: int = 0) -> bytes:
    return says(text, index, "input_json_delta", "partial_json")


START, STOP, PING = event("message_start", message=MESSAGE), event("message_stop"), event("ping")
TEXT = opens() + says() + event("content_block_stop", index=0)
CLOSE = event("content_block_stop", index=0)
SIGNED = says("s", kind="signature_delta", field="signature")
THOUGHT = says(kind="thinking_delta", field="thinking")
END = ends() + STOP
CALL = opens(kind="tool_use") + args("{}") + CLOSE
ERROR: dict[str, Any] = {"type": "api_error", "message": "x"}


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(START + TEXT + END, id="text"),
        pytest.param(START + END, id="nothing said"),
        pytest.param(PING + START + PING + TEXT + PING + ends() + PING + STOP, id="pings anywhere"),
        pytest.param(b": wait\n\n" + START + END, id="a comment"),
        pytest.param(START + opens(kind="thinking") + THOUGHT + SIGNED + CLOSE + END, id="a thought"),
        pytest.param(START + CALL + ends("tool_use") + STOP, id="a call"),
        pytest.param(
            START + opens(kind="tool_use") + args('{"a') + CLOSE + ends("max_tokens") + STOP, id="a call at the limit"
        ),
        pytest.param(START + ends("stop_sequence", "END") + STOP, id="a stop sequence"),
        pytest.param(event("error", error=ERROR), id="a failure at once"),
        pytest.param(START + opens() + says() + event("error", error=ERROR), id="a failure inside a block"),
        pytest.param(START + TEXT + ends() + event("error", error=ERROR), id="a failure at the end"),
    ],
)
def test_what_conforms_has_no_breach(data: bytes) -> None:
    assert [] == check_stream(data, "anthropic")


def started(**fields: Any) -> bytes:
    return event("message_start", message={**MESSAGE, **fields}) + END


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        pytest.param(b"", "neither message_stop nor an error", id="nothing"),
        pytest.param(START + TEXT, "neither message_stop nor an error", id="no end"),
        pytest.param(START + TEXT + ends(), "neither message_stop nor an error", id="no message_stop"),
        pytest.param(START + STOP, "comes before message_delta", id="no message_delta"),
        pytest.param(TEXT + START + END, "comes before message_start", id="a block first"),
        pytest.param(START + START + END, "comes twice", id="two starts"),
        pytest.param(event("message_start") + END, "has no message", id="an empty start"),
        pytest.param(started(id=""), "id is missing or empty", id="no id"),
        pytest.param(started(model=None), "model is missing or empty", id="no model"),
        pytest.param(started(content=[{}]), "content is not []", id="content at the start"),
        pytest.param(started(role="user"), "role is not 'assistant'", id="another role"),
        pytest.param(started(stop_reason="end_turn"), "stop_reason is not None", id="a reason at the start"),
        pytest.param(started(usage={}), "usage without input_tokens and output_tokens", id="no counts at the start"),
        pytest.param(started(usage={"input_tokens": True, "output_tokens": 0}), "usage without", id="a count of true"),
        pytest.param(START + opens() + opens(1) + END, "comes while another block is open", id="two open blocks"),
        pytest.param(START + opens(1) + END, "has index 1, expected 0", id="an index too high"),
        pytest.param(START + TEXT + TEXT + END, "has index 0, expected 1", id="an index twice"),
        pytest.param(START + opens(kind="image") + END, "no block of a known kind", id="an unknown kind"),
        pytest.param(START + opens(text="x") + END, "says more or less than its kind", id="text in the opener"),
        pytest.param(
            START + event("content_block_start", index=0, content_block={"type": "tool_use", "id": "a", "name": "f"}),
            "says more or less than its kind",
            id="no input",
        ),
        pytest.param(START + opens(kind="tool_use", id="") + END, "id is missing, empty or taken", id="no call id"),
        pytest.param(START + opens(kind="tool_use", name="") + END, "a call without a name", id="no call name"),
        pytest.param(
            START + CALL + opens(1, "tool_use") + args("{}", 1) + event("content_block_stop", index=1) + END,
            "id is missing, empty or taken",
            id="a call id twice",
        ),
        pytest.param(START + says() + END, "names a block that is not open", id="a delta alone"),
        pytest.param(START + opens() + says(index=1) + END, "names a block that is not open", id="a delta elsewhere"),
        pytest.param(START + opens() + THOUGHT + END, "is no delta of a text block", id="a thought in a text"),
        pytest.param(START + opens() + says(kind="x") + END, "is no delta of a text block", id="an unknown delta"),
        pytest.param(START + opens() + says("") + CLOSE + END, "is empty", id="an empty delta"),
        pytest.param(START + opens() + says(5) + CLOSE + END, "is empty", id="a number for a text"),
        pytest.param(
            START + opens(kind="thinking") + THOUGHT + CLOSE + END, "a thought without a signature", id="unsigned"
        ),
        pytest.param(
            START + opens(kind="thinking") + SIGNED + THOUGHT + CLOSE + END,
            "follows the block's signature",
            id="signed too early",
        ),
        pytest.param(START + CLOSE + END, "names a block that is not open", id="a stop alone"),
        pytest.param(START + opens() + END, "comes while a block is open", id="an open block at the end"),
        pytest.param(START + ends("stop") + STOP, "stop_reason 'stop' is unknown", id="an engine's finish word"),
        pytest.param(START + ends(None) + STOP, "stop_reason None is unknown", id="no reason"),
        pytest.param(START + ends([]) + STOP, "is unknown", id="a list of reasons"),
        pytest.param(START + ends("stop_sequence") + STOP, "does not fit stop_reason", id="no sequence"),
        pytest.param(START + ends("end_turn", "END") + STOP, "does not fit stop_reason", id="a sequence too many"),
        pytest.param(START + ends("tool_use") + STOP, "tool_use without a call", id="no call"),
        pytest.param(
            START + opens(kind="tool_use") + args("{") + CLOSE + ends("tool_use") + STOP,
            "input is not JSON",
            id="half a call",
        ),
        pytest.param(START + opens(kind="tool_use") + CLOSE + END, "input is not JSON", id="a call without input"),
        pytest.param(START + ends(input_tokens=1) + STOP, "usage without output_tokens", id="no counts at the end"),
        pytest.param(
            START + ends(output_tokens=1, input_tokens=None) + STOP, "a count that is none", id="a null for a count"
        ),
        pytest.param(
            START + ends(output_tokens=1, input_tokens=-1) + STOP, "a count that is none", id="a negative count"
        ),
        pytest.param(START + ends() + TEXT + STOP, "comes after message_delta", id="a block after the end"),
        pytest.param(START + ends() + END, "comes after message_delta", id="two ends"),
        pytest.param(START + END + PING, "follows message_stop", id="a ping after the end"),
        pytest.param(START + event("error", error=ERROR) + STOP, "follows an error", id="an end after a failure"),
        pytest.param(event("error", error="x"), "error is not an object", id="an error as text"),
        pytest.param(event("error", error={"type": "x"}), "with a known type", id="an unknown error"),
        pytest.param(event("error", error={"type": "api_error"}), "without a message", id="an error without words"),
        pytest.param(START + event("x") + END, "a name that no contract knows", id="an unknown event"),
        pytest.param(START + b'event: ping\ndata: {"type":"x"}\n\n' + END, "type is not its name", id="two names"),
        pytest.param(START + b'data: {"type":"ping"}\n\n' + END, "type is not its name", id="no name"),
        pytest.param(START + b"event: ping\ndata: {\n\n" + END, "is not JSON", id="no JSON"),
        pytest.param(START + b"event: ping\ndata: []\n\n" + END, "type is not its name", id="no object"),
        pytest.param((START + END)[:-1], "do not end with a blank line", id="no blank line"),
        pytest.param((START + END).replace(b"\n", b"\r\n"), "hold a CR", id="CRLF"),
        pytest.param((START + TEXT + END).replace(b'"x"', b'"\xff"'), "are not UTF-8", id="not UTF-8"),
        pytest.param((START + TEXT + END).replace(b'"x"', '"\u2028"'.encode()), "raw U+0085", id="a raw line end"),
        pytest.param(b"id: 1\n" + START + END, "neither event, data nor a comment", id="another field"),
    ],
)
def test_what_is_broken_is_noticed(data: bytes, sentence: str) -> None:
    breaches = check_stream(data, "anthropic")

    assert any(sentence in breach for breach in breaches), breaches


def test_no_json_makes_the_checker_itself_fail() -> None:
    """It runs on live streams of anybody's encoder, and must report what it cannot read."""
    values: list[Any] = [None, 5, "x", [], {}, [None], {"type": []}, {"type": None}]
    names = ("message", "index", "content_block", "delta", "usage", "error")
    kinds = ("message_start", "content_block_start", "content_block_delta", "content_block_stop", "message_delta")
    for value in values:
        for kind in (*kinds, "error"):
            for name in names:
                assert check_stream(event(kind, **{name: value}), "anthropic")
                check_stream(START + opens() + event(kind, **{name: value}) + END, "anthropic")
        for field in ("type", "text", "id"):
            assert check_stream(START + opens(**{field: value}), "anthropic")
