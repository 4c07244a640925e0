"""`headgate.dialects.text`: a model's bare text, whose end is its stop."""

from __future__ import annotations

import pytest
from pieces import cuts, events_of, message_of, repairs_of

import headgate
from headgate.dialects.text import Text
from headgate.errors import RequestError
from headgate.events import BlockEnd, MessageEnd, MessageStart, Repair, StreamError, TextDelta, TextStart
from headgate.messages import ChatRequest


def test_text_is_text_at_every_split_even_inside_of_a_character() -> None:
    text = "Grüße 👋\n"
    expected = [MessageStart(), TextStart(0), TextDelta(0, text), BlockEnd(0), MessageEnd("stop")]
    for pieces in cuts(text.encode()):
        assert expected == events_of(pieces, "text"), pieces


def test_no_text_is_an_empty_message() -> None:
    """Whoever says that it is text gets text; only `auto` doubts a stream without a byte."""
    assert [MessageStart(), MessageEnd("stop")] == events_of(b"", "text")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"a\xffb", "a\ufffdb"),
        (b"a\xe2\x82", "a\ufffd"),
        (b"\xed\xa0\xbd", "\ufffd" * 3),
        (b"\xef\xbb\xbfa", "\ufeffa"),
    ],
)
def test_bytes_that_are_not_utf_8_become_replacement_characters(data: bytes, expected: str) -> None:
    for pieces in cuts(data):
        message = message_of(pieces, "text")

        assert (expected, "\ufffd" in expected) == (message.content, "text_replaced" in repairs_of(message)), pieces


def test_a_replacement_character_that_the_model_wrote_is_no_repair() -> None:
    """It stands in the input as itself; nothing was changed."""
    for pieces in cuts("a\ufffdb".encode()):
        assert [] == [event for event in events_of(pieces, "text") if isinstance(event, Repair)], pieces


def test_markup_is_read() -> None:
    for pieces in cuts(b"<think>why</think>because"):
        message = message_of(pieces, "text")

        assert ("why", "because") == (message.reasoning, message.content), pieces


def test_a_call_that_the_text_is_cut_in_is_incomplete() -> None:
    message = message_of(b'<|channel|>commentary to=functions.f<|message|>{"a', "text")

    assert ([("f", '{"a')], ()) == ([(c.name, c.arguments) for c in message.incomplete_calls], message.tool_calls)


def test_calls_may_be_held_until_they_are_whole() -> None:
    """A client that runs a call as soon as it starts must not see one that never ends."""
    head = "<|channel|>commentary to=functions.f<|message|>"
    whole = message_of((head + '{"a": 1}<|call|>').encode(), "text", whole_calls=True)
    for pieces in cuts((head + '{"a').encode()):
        cut = message_of(pieces, "text", whole_calls=True)

        assert (head + '{"a', ()) == (cut.content, cut.incomplete_calls), pieces
        assert "markup_given_back" in repairs_of(cut)
    assert [("f", '{"a": 1}')] == [(call.name, call.arguments) for call in whole.tool_calls]


def test_a_copy_goes_its_own_way() -> None:
    reads = headgate.decoder("text")
    before = reads.feed("a€".encode()[:-1])
    twin = reads.copy()

    assert "a\ufffd" == "".join(event.text for event in [*before, *twin.close()] if isinstance(event, TextDelta))
    after = reads.feed("€".encode()[-1:]) + reads.close()
    assert "a€" == "".join(event.text for event in [*before, *after] if isinstance(event, TextDelta))


def test_text_has_no_requests_but_its_errors_can_be_read() -> None:
    with pytest.raises(RequestError, match="unsupported"):
        Text().request(ChatRequest(model="m"))

    assert isinstance(Text().error(500, b"boom"), StreamError)


@pytest.mark.parametrize(("head", "sure"), [(b"x", 1), (b" x", 1), (b"", 0), (b" \r\n", 0), (b"\x0b", 1)])
def test_it_takes_what_nobody_else_claims_but_not_nothing(head: bytes, sure: int) -> None:
    assert sure == Text().sniff(head)
