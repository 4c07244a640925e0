"""`headgate.dialects.event_stream.Framing`: the quick way and the line reader say the same of the same bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pieces import cut_at, cuts

from headgate.dialects.event_stream import Framing
from headgate.framing.json_body import JsonBody
from headgate.framing.sse import Blocks
from headgate.limits import Limits

PARTS = [
    b"data: {}\n\n",
    b'data: {"a": 1}\n\n',
    b"data: [DONE]\n\n",
    b"data: \n\n",
    b"data:  x\n\n",
    b"data:x\n\n",
    b"data: a\ndata: b\n\n",
    b"data: a\r\n\r\n",
    b"data: a\r\r",
    b"data: a\n",
    b"data: \xef\xbb\xbf\n\n",
    b"\xef\xbb\xbf",
    b": ping\n\n",
    b"event: e\n",
    b"event: e\ndata: a\n\n",
    b"error: e\n\n",
    b"id: 1\n\n",
    b"\n",
    b"\r",
    b"\n\n",
    b"dat",
    b"a: ",
    b" ",
]

streams = st.lists(st.sampled_from(PARTS), max_size=8)


def quick(framing: Framing, pieces: list[bytes]) -> list[bytes]:
    """The records of the pieces, each cut at once where that can be."""
    found: list[bytes] = []
    for piece in pieces:
        records = framing.records(piece)
        found += [block.data or b"" for block in framing.feed(piece)] if records is None else records
    return found


def slow(pieces: list[bytes], limits: Limits) -> tuple[list[bytes], list[bytes], bool]:
    """What the line reader says of them, of the end, and of limits."""
    blocks = Blocks(limits)
    found = [block.data or b"" for piece in pieces for block in blocks.feed(piece)]
    return found, [block.data or b"" for block in blocks.close()], blocks.overflow


@given(parts=streams, places=st.lists(st.integers(0, 80), max_size=6), limit=st.sampled_from([1000, 24, 12, 8]))
def test_records_are_what_the_lines_say_at_every_split(parts: list[bytes], places: list[int], limit: int) -> None:
    stream = b"data: first\n\n" + b"".join(parts)
    limits = Limits(line_bytes_max=limit, event_bytes_max=limit)
    for pieces in ([stream], [b"data: first\n\n", *parts], cut_at(stream, places)):
        framing = Framing(limits)
        found = quick(framing, pieces)

        assert slow(pieces, limits) == (found, [block.data or b"" for block in framing.close()], framing.overflow)


def test_a_read_of_whole_events_needs_no_line_reader() -> None:
    framing = Framing(Limits())

    assert [b"a", b"b"] == framing.records(b"data: a\n\ndata: b\n\n")
    assert (True, True, []) == (framing.is_event_stream, framing.between, framing.close())


@pytest.mark.parametrize(
    "data",
    [
        b"data: a\n",
        b"data: a\n\ndata: b",
        b"data: a\ndata: b\n\n",
        b"data: a\n\n\ndata: b\n\n",
        b"data: a\n\nevent: b\n\n",
        b"data: a\r\n\r\n\n\n",
        b"data:a\n\n",
        b"\ndata: a\n\n",
        b"{}\n\n",
        b"",
    ],
)
def test_any_other_read_is_left_to_the_line_reader(data: bytes) -> None:
    framing = Framing(Limits())

    assert framing.records(data) is None
    assert not framing.is_event_stream


def test_a_read_that_ends_a_line_begun_before_is_no_read_of_whole_events() -> None:
    framing = Framing(Limits())
    framing.feed(b"da")

    assert framing.records(b"data: a\n\n") is None
    assert [] == framing.feed(b"ta: a\n")
    assert framing.records(b"data: b\n\n") is None
    assert [b"a\nb"] == [block.data for block in framing.feed(b"data: b\n\n")]
    assert [b"c"] == framing.records(b"data: c\n\n")


def test_a_byte_order_mark_behind_whole_events_is_a_field() -> None:
    framing = Framing(Limits())
    framing.records(b"data: a\n\n")

    assert [] == framing.feed(b"\xef\xbb\xbfdata: b\n\n")


def test_a_copy_goes_its_own_way() -> None:
    framing = Framing(Limits())
    framing.records(b"data: a\n\n")
    framing.feed(b"data: b")
    twin = framing.copy()
    twin.feed(b"c\n\n")

    assert ([b"b"], []) == ([block.data for block in framing.close()], twin.close())


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b' {"a": 1}', [b'{"a": 1}']),
        (b'{"a": 1}\n{"b": 2}\n', [b'{"a": 1}', b'{"b": 2}']),
        (b'{"a": 1}\n\n{"b": 2}', [b'{"a": 1}', b'{"b": 2}']),
        (b'{\n"a": 1}\n', [b'{\n"a": 1}']),
        (b'{\n"a": 1}\n{"b": 2}\n', [b'{\n"a": 1}\n{"b": 2}']),
    ],
)
def test_json_is_one_reply_or_a_line_for_each_record(body: bytes, expected: list[bytes]) -> None:
    for pieces in cuts(body):
        framing, reader = Framing(Limits()), JsonBody(Limits())
        found = quick(framing, pieces) + [block.data or b"" for block in framing.close()]
        alone = [record for piece in pieces for record in reader.feed(piece)]

        assert expected == found, pieces
        assert expected == [record.lstrip() for record in (*alone, *reader.close())], pieces


def test_a_body_over_its_limit_gives_nothing() -> None:
    framing = Framing(Limits(body_bytes_max=8))
    framing.feed(b'{"a": 1234567}')

    assert (True, []) == (framing.overflow, framing.close())
