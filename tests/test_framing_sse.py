"""`headgate.framing.sse` against the event-stream format, case by case, at every split.

The cases are those of web-platform-tests (eventsource/format-*), written anew.
Spec: https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pieces import cut_at, cuts

from headgate.framing.sse import Block, Blocks, Event, Reader
from headgate.limits import Limits

BOM = b"\xef\xbb\xbf"


def events(pieces: list[bytes]) -> list[Event]:
    reader = Reader()
    return [event for piece in pieces for event in reader.feed(piece)]


def data(*texts: str) -> list[Event]:
    return [Event("message", text, "") for text in texts]


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        pytest.param(b"data:ok\n\n", data("ok"), id="one event"),
        pytest.param(b"data:ok\xe2\x80\xa6\n\n", data("ok…"), id="utf-8"),
        pytest.param(BOM + b"data:1\n\n" + BOM + b"data:2\n\ndata:3\n\n", data("1", "3"), id="a later BOM is a field"),
        pytest.param(BOM + BOM + b"data:1\n\ndata:2\n\n", data("2"), id="only one BOM is skipped"),
        pytest.param(b"\xef\xbbdata:1\n\ndata:2\n\n", data("2"), id="half a BOM is none"),
        pytest.param(
            b"data:1\r:\0\n:\r\ndata:2\n:long comment\rdata:3\n:data:fail\r:more\ndata:4\n\n",
            data("1\n2\n3\n4"),
            id="comments between data lines",
        ),
        pytest.param(b":\n\n: keep-alive\n\n: keepalive 3/9\n\n:ping\r\n\r\n", [], id="comments alone"),
        pytest.param(b"retry:1000\ndata:1\n\nid:x\ndata:2", data("1"), id="unfinished event is dropped"),
        pytest.param(b"data:1\n\ndata:2\n", data("1"), id="unfinished event with a line end is dropped"),
        pytest.param(b"data:\n\ndata\ndata\n\ndata:test\n\n", data("", "\n", "test"), id="data without a value"),
        pytest.param(b"data\n\n", data(""), id="data without a colon"),
        pytest.param(b"event:test\ndata:x\n\ndata:x\n\n", [Event("test", "x", ""), *data("x")], id="type is reset"),
        pytest.param(b"event:a\nevent:b\ndata:x\n\n", [Event("b", "x", "")], id="the last type counts"),
        pytest.param(b"event: \ndata:x\n\nevent\ndata:y\n\n", data("x", "y"), id="empty type is message"),
        pytest.param(b"event:test\n\ndata:x\n\n", data("x"), id="type of an event without data is forgotten"),
        pytest.param(
            b"data:\0\ndata:  2\rData:1\ndata\0:2\ndata:1\r\0data:4\nda-ta:3\r"
            b"data_5\ndata:3\rdata:\r\n data:32\ndata:4\n\n",
            data("\0\n 2\n1\n3\n\n4"),
            id="field names are exact",
        ),
        pytest.param(
            b"data:test\n data\ndata\nfoobar:xxx\njustsometext\n:comment\n\n", data("test\n"), id="unknown fields"
        ),
        pytest.param(b"data:\ttest\rdata: \ndata:test\n\n", data("\ttest\n\ntest"), id="one leading space only"),
        pytest.param(b"data:  a\n\ndata: : b\n\n", data(" a", ": b"), id="the second space stays"),
        pytest.param(b"data:test\r\ndata\ndata:test\r\n\r\n", data("test\n\ntest"), id="CRLF"),
        pytest.param(b"data:a\r\rdata:b\n\rdata:c\r\n\n", data("a", "b", "c"), id="mixed line ends"),
        pytest.param(b"data:a\n\n\n\n\ndata:b\n\n", data("a", "b"), id="blank lines alone are no events"),
        pytest.param(b"data:\0\n\n\n\n", data("\0"), id="NUL in data"),
        pytest.param(b"data:a\xffb\xe2\x82\n\n", data("a\ufffdb\ufffd"), id="bytes that are not UTF-8"),
        pytest.param(b"data:a\xe2\x80\xa8b\xc2\x85c\x0bd\n\n", data("a\u2028b\x85c\x0bd"), id="Unicode line ends"),
        pytest.param(b"\n\ndata:a\n\n", data("a"), id="blank lines first"),
        pytest.param(b"error: {}\n\nerror: {}\ndata:a\n\n", data("a"), id="error is an unknown field"),
    ],
)
def test_events_are_dispatched_as_a_browser_would_at_every_split(stream: bytes, expected: list[Event]) -> None:
    for pieces in cuts(stream):
        assert expected == events(pieces), pieces


@pytest.mark.parametrize(
    ("stream", "ids"),
    [
        pytest.param(b"id:1\ndata:a\n\ndata:b\n\nid:2\ndata:c\n\n", ["1", "1", "2"], id="it persists"),
        pytest.param(b"id:1\ndata:a\n\nid\ndata:b\n\n", ["1", ""], id="empty resets it"),
        pytest.param(b"id:1\n\ndata:a\n\n", ["1"], id="an event without data sets it"),
        pytest.param(b"data:a\nid:1\n\n", ["1"], id="behind the data"),
        pytest.param(b"id:1\ndata:a\n\nid:2\0\ndata:b\n\nid:\0\ndata:c\n\n", ["1", "1", "1"], id="NUL is ignored"),
        pytest.param(b"id: \xe2\x80\xa6\ndata:a\n\n", ["…"], id="utf-8"),
        pytest.param(b"id:1\ndata:a\n\nid:2\n", ["1"], id="an unfinished event"),
    ],
)
def test_the_last_event_id_is_the_one_at_the_end_of_each_event(stream: bytes, ids: list[str]) -> None:
    """Two events in one read must not both carry the second one's id."""
    for pieces in cuts(stream):
        assert ids == [event.id for event in events(pieces)], pieces


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (b"data:a\n\n", None),
        (b"retry:3000\n", 3000),
        (b"retry: 3000\n", 3000),
        (b"retry:03000\n", 3000),
        (b"retry:3000\nretry:1000x\nretry:-1\nretry:+1\nretry:1 \nretry:\nretry\n", 3000),
        (b"retry:\xd9\xa3\n", None),
        (b"retry:1\nretry:2\n", 2),
        (b"retry:" + b"9" * 50 + b"\n", 999999999999999999),
    ],
)
def test_retry_takes_ascii_digits_only(stream: bytes, expected: int | None) -> None:
    """A number of thousands of digits must not cost quadratic time, so the rest of a long one is cut."""
    for pieces in cuts(stream):
        reader = Reader()
        for piece in pieces:
            reader.feed(piece)

        assert expected == reader.retry_ms, pieces


def blocks(pieces: list[bytes]) -> tuple[list[Block], list[Block]]:
    """The blocks of the pieces, and those that the end leaves."""
    reader = Blocks()
    found = [block for piece in pieces for block in reader.feed(piece)]
    return found, reader.close()


@pytest.mark.parametrize(
    ("stream", "expected", "left"),
    [
        (b'error: {"code":500}\n\n', [Block(b"", None, b'{"code":500}')], []),
        (b"data: a\nerror: b\n\n", [Block(b"", b"a", b"b")], []),
        (b"event: error\ndata: a\n\n", [Block(b"error", b"a", None)], []),
        (b"event: error\n\ndata: b\n\n", [Block(b"", b"b", None)], []),
        (b"error\n\n", [Block(b"", None, b"")], []),
        (b"data: a\n\ndata: b", [Block(b"", b"a", None)], [Block(b"", b"b", None)]),
        (b"data: a\n\ndata: b\n", [Block(b"", b"a", None)], [Block(b"", b"b", None)]),
        (b"data: a\n\nerror: b", [Block(b"", b"a", None)], [Block(b"", None, b"b")]),
        (b"data: a\n\n", [Block(b"", b"a", None)], []),
        (BOM[:2], [], []),
        (BOM, [], []),
    ],
)
def test_blocks_keep_bytes_and_the_error_field_at_every_split(
    stream: bytes, expected: list[Block], left: list[Block]
) -> None:
    """Old llama-server sent its errors in a field that the standard does not know, and some streams lose their end."""
    for pieces in cuts(stream):
        assert (expected, left) == blocks(pieces), pieces


def test_a_copy_goes_its_own_way() -> None:
    """A contract check closes a copy after every byte; the original must not notice."""
    reader = Blocks()
    reader.feed(b"data: a\nda")
    twin = reader.copy()

    assert [Block(b"", b"a", None)] == twin.close()
    assert [Block(b"", b"a\nb", None)] == reader.feed(b"ta: b\n\n")


def test_an_event_of_exactly_the_limit_passes_and_one_byte_more_does_not() -> None:
    """The limit counts the data, with the line feeds between its lines."""
    limits = Limits(event_bytes_max=5)
    for stream, passes in [
        (b"data:12345\n\n", True),
        (b"data:12\ndata:45\n\n", True),
        (b"data:123456\n\n", False),
        (b"data:123\ndata:45\n\n", False),
        (b"data\ndata\ndata\ndata\ndata\ndata\n\n", True),
        (b"data\ndata\ndata\ndata\ndata\ndata\ndata\n\n", False),
    ]:
        for pieces in cuts(stream):
            reader = Reader(limits)
            count = sum(len(reader.feed(piece)) for piece in pieces)

            assert (passes, not passes) == (bool(count), reader.overflow), pieces


def test_a_line_of_exactly_the_limit_passes_and_one_byte_more_does_not() -> None:
    limits = Limits(line_bytes_max=7)
    for stream, passes in [
        (b"data:12\n\n", True),
        (b"data:123\n\n", False),
        (b":234567\n", True),
        (b":2345678\n", False),
    ]:
        for pieces in cuts(stream):
            reader = Reader(limits)
            for piece in pieces:
                reader.feed(piece)

            assert passes is not reader.overflow, pieces


def test_nothing_comes_after_an_overflow_and_nothing_more_is_held() -> None:
    """A reader that went on gathering would grow without bound behind its own limit."""
    for pieces in cuts(b"data:1\n\ndata:1234567\n\ndata:2\n\n"):
        reader = Blocks(Limits(event_bytes_max=6))
        found = [block.data for piece in pieces for block in reader.feed(piece)]

        assert [b"1"] == found, pieces
        assert ([], []) == (reader.feed(b"data:3\ndata:4\n\n"), reader.close())


FRAGMENTS = [b"data", b":", b" ", b"\r", b"\n", b"\n\n", b"id", b"event", b"error", b"retry", b"7", b"\xff", b"\0", BOM]


@given(stream=st.lists(st.sampled_from(FRAGMENTS), max_size=40).map(b"".join), places=st.lists(st.integers(0, 99)))
def test_no_split_changes_the_events(stream: bytes, places: list[int]) -> None:
    pieces = cut_at(stream, places)

    assert events([stream]) == events(pieces)
    assert blocks([stream]) == blocks(pieces)
