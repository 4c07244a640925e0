"""`headgate.auto`: the dialect is known from the first bytes, and no split changes the answer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pieces import DONE, chunk, cuts, ndjson, numbered, sse

import headgate
from headgate.auto import AutoDecoder
from headgate.dialects.base import Reading
from headgate.errors import UsageError
from headgate.events import MessageEnd, StreamError, TextDelta
from headgate.limits import Limits

FIXTURES = Path(__file__).parent / "fixtures" / "dialects"

CHUNKS = sse(chunk({"content": "hi"}), chunk({}, "stop")) + DONE
NATIVE = b'data: {"index":0,"content":"hi","stop":true,"stop_type":"eos"}\n\n'
LINES = ndjson(
    {"model": "m", "created_at": "2026-11-21T10:00:00Z", "message": {"content": "hi"}, "done": False},
    {"model": "m", "message": {"content": ""}, "done": True},
)
REPLY: dict[str, Any] = {
    "object": "chat.completion",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}],
}


def auto(**limits: Any) -> AutoDecoder:
    return AutoDecoder(Reading(ids=numbered(), limits=Limits(**limits)))


def heard(pieces: list[bytes], **limits: Any) -> tuple[str | None, str, str]:
    """The dialect that was chosen, the text, and how it ended."""
    reads = auto(**limits)
    events = [event for piece in pieces for event in reads.feed(piece)] + reads.close()
    text = "".join(event.text for event in events if isinstance(event, TextDelta))
    last = events[-1]
    ended = last.reason if isinstance(last, MessageEnd) else last.code if isinstance(last, StreamError) else "?"
    return reads.dialect, text, ended


@pytest.mark.parametrize(
    ("stream", "dialect", "text", "ended"),
    [
        pytest.param(CHUNKS, "openai", "hi", "stop", id="event stream"),
        pytest.param(b": ping\n\n" + CHUNKS, "openai", "hi", "stop", id="comment first"),
        pytest.param(b":\r\n\r\n" + CHUNKS, "openai", "hi", "stop", id="empty comment first"),
        pytest.param(b"\r\n\n" + CHUNKS, "openai", "hi", "stop", id="blank lines first"),
        pytest.param(b"data:\n\n" + CHUNKS, "openai", "hi", "stop", id="empty data first"),
        pytest.param(b"\n\ndata: \r\ndata:\r\r\n" + CHUNKS, "openai", "hi", "stop", id="much empty data first"),
        pytest.param(b"data:\nOf that.", "text", "data:\nOf that.", "stop", id="text that begins like it"),
        pytest.param(b"data:\n", "text", "data:\n", "stop", id="nothing else"),
        pytest.param(b"\xef\xbb\xbf" + CHUNKS, "openai", "hi", "stop", id="BOM first"),
        pytest.param(CHUNKS.replace(b"\n", b"\r"), "openai", "hi", "stop", id="CR"),
        pytest.param(b"event: message\n" + CHUNKS, "openai", "hi", "stop", id="event field first"),
        pytest.param(b"id: 1\n" + CHUNKS, "openai", "hi", "stop", id="id field first"),
        pytest.param(b"retry: 1\n" + CHUNKS, "openai", "hi", "stop", id="retry field first"),
        pytest.param(b'error: {"message":"x"}\n\n', "openai", "", "upstream_error", id="error field first"),
        pytest.param(CHUNKS.replace(b"data: ", b"data:"), "openai", "hi", "stop", id="no space"),
        pytest.param(NATIVE, "llamacpp", "hi", "stop", id="llama-server's own"),
        pytest.param(NATIVE.removeprefix(b"data: "), "llamacpp", "hi", "stop", id="llama-server's own, whole"),
        pytest.param(LINES, "ollama", "hi", "stop", id="lines"),
        pytest.param(b"\n" + LINES, "ollama", "hi", "stop", id="blank line and lines"),
        pytest.param(LINES.replace(b"\n", b"\r\n"), "ollama", "hi", "stop", id="lines with CRLF"),
        pytest.param(json.dumps(REPLY).encode(), "openai", "hi", "stop", id="whole reply"),
        pytest.param(json.dumps(REPLY).encode() + b"\n", "openai", "hi", "stop", id="whole reply and a line end"),
        pytest.param(json.dumps(REPLY, indent=2).encode(), "openai", "hi", "stop", id="whole reply on many lines"),
        pytest.param(b'{"error":"no"}\n', "openai", "", "upstream_error", id="error line"),
        pytest.param(b'{"error":{"message":"no"}}', "openai", "", "upstream_error", id="error reply"),
        pytest.param(b'{"object":"error","message":"no"}', "openai", "", "upstream_error", id="flat error reply"),
        pytest.param(b'{"detail":"Not Found"}', "openai", "", "upstream_error", id="FastAPI error reply"),
        pytest.param(b"Hello", "text", "Hello", "stop", id="text"),
        pytest.param(b"{", "text", "{", "stop", id="a brace"),
        pytest.param(b"{x}\nis a set", "text", "{x}\nis a set", "stop", id="text with a brace"),
        pytest.param(b'{"name": "f"}', "text", '{"name": "f"}', "stop", id="text that is JSON"),
        pytest.param(b'{"a": 1,\n "done": ', "text", '{"a": 1,\n "done": ', "stop", id="text that is half of JSON"),
        pytest.param(b'{"task":"x","done":true}\n', "text", '{"task":"x","done":true}\n', "stop", id="a list of tasks"),
        pytest.param(b"data", "text", "data", "stop", id="a word"),
        pytest.param(b"data is nice\nid est", "text", "data is nice\nid est", "stop", id="text with data"),
        pytest.param(
            b"data: the new oil\n\n", "text", "data: the new oil\n\n", "stop", id="text with data and a colon"
        ),
        pytest.param(b"error: none\n", "text", "error: none\n", "stop", id="text with error and a colon"),
        pytest.param(b"it retries\n", "text", "it retries\n", "stop", id="a letter of a field"),
        pytest.param(b"\n\n  <think>a</think>", "text", "\n\n  <think>a</think>", "stop", id="white space and text"),
        pytest.param(b"\xff\xfe", "text", "\ufffd\ufffd", "stop", id="no text at all"),
        pytest.param(b"", "llamacpp", "", "upstream_truncated", id="nothing"),
        pytest.param(b" \r\n\n", "llamacpp", "", "upstream_truncated", id="nothing but white space"),
    ],
)
def test_the_first_bytes_decide_at_every_split(stream: bytes, dialect: str, text: str, ended: str) -> None:
    """An engine that answers nothing, or with an error, must not become an answer."""
    for pieces in cuts(stream):
        assert (dialect if ended != "upstream_error" else heard(pieces)[0], text, ended) == heard(pieces), pieces


def test_a_long_whole_reply_is_known_by_its_beginning() -> None:
    """`done` stands at the end of Ollama's reply, behind any number of words."""
    words = "word " * 5000
    ollama = json.dumps(
        {"model": "m", "created_at": "2026-11-21T10:00:00Z", "message": {"content": words}, "done": True}
    )
    openai = json.dumps({**REPLY, "choices": [{"index": 0, "message": {"content": words}, "finish_reason": "stop"}]})
    for body, dialect in [(ollama, "ollama"), (openai, "openai")]:
        for end in ("", "\n"):
            data = (body + end).encode()
            for pieces in ([data], [data[:10], data[10:]], [bytes([byte]) for byte in data]):
                assert (dialect, words, "stop") == heard(pieces)


def test_at_most_so_many_bytes_are_held_and_what_is_shown_depends_on_no_split() -> None:
    for size in (9, 10, 11):
        text = b"{" + b"x" * (size - 1)
        reads = auto(sniff_bytes_max=10)
        held = not reads.feed(text)

        assert (size < 10) is held
    for stream in (b"{" + b" " * 20 + b'"done":1}\n', b" " * 30 + CHUNKS, b"data: " + b" " * 30 + b"{}\n\n"):
        results = {heard(pieces, sniff_bytes_max=10) for pieces in cuts(stream)}

        assert 1 == len(results), stream


def test_text_that_can_be_no_record_goes_out_at_once() -> None:
    """A reader of bare text must not wait for a line's end."""
    assert [TextDelta(0, "Hi")] == [event for event in auto().feed(b"Hi") if isinstance(event, TextDelta)]


@pytest.mark.parametrize("folder", sorted(FIXTURES.glob("o*/*.name")), ids=lambda folder: folder.name)
def test_recordings_are_read_as_in_their_own_dialect(folder: Path) -> None:
    response = (folder / "response.raw").read_bytes()
    expected = headgate.collect([response], folder.parent.name, ids=numbered())

    assert expected == headgate.collect([response], ids=numbered())
    assert expected == headgate.collect([bytes([byte]) for byte in response], ids=numbered())


def test_the_first_record_that_is_known_decides() -> None:
    """A log quotes the request before the stream, and its own JSON in between."""
    records = [{"model": "m", "messages": []}, {"level": "info"}, chunk({"content": "hi"}), {"x": 1}, chunk({}, "stop")]
    reads = auto()
    events = [event for record in records for event in reads.record(json.dumps(record).encode())]
    events += reads.record(b"[DONE]") + reads.close()

    assert ("openai", "hi") == (reads.dialect, "".join(e.text for e in events if isinstance(e, TextDelta)))
    assert MessageEnd("stop", "stop") == events[-1]


def test_records_that_nobody_knows_are_no_answer() -> None:
    reads = auto()

    assert [] == reads.record(b'{"x":1}') + reads.record(b"[DONE]")
    assert isinstance(reads.close()[-1], StreamError)


def test_it_says_when_it_is_done() -> None:
    reads = auto()
    states = [(reads.finished, reads.done)]
    for piece in (CHUNKS[:-14], CHUNKS[-14:]):
        reads.feed(piece)
        states.append((reads.finished, reads.done))

    assert [(False, False), (True, False), (True, True)] == states


def test_a_closed_decoder_says_so() -> None:
    for stream in (b"", CHUNKS):
        reads = auto()
        reads.feed(stream)
        reads.close()
        with pytest.raises(UsageError, match="closed"):
            reads.feed(b"x")
        with pytest.raises(UsageError, match="closed"):
            reads.close()
        with pytest.raises(UsageError, match="closed"):
            reads.record(b"{}")


def test_a_copy_goes_its_own_way_before_and_after_the_decision() -> None:
    for place in range(len(CHUNKS)):
        reads = auto()
        events = reads.feed(CHUNKS[:place])
        reads.copy().close()
        events += reads.feed(CHUNKS[place:]) + reads.close()

        assert MessageEnd("stop", "stop") == events[-1], place


def test_a_client_that_goes_away_before_the_decision_is_a_cancelled_response() -> None:
    reads = auto()
    reads.feed(b"da")

    assert isinstance(reads.close(cancelled=True)[-1], StreamError | MessageEnd)
