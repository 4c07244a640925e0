"""`headgate.framing.ndjson`: one record per line, at every split, up to the limit."""

from __future__ import annotations

import pytest
from pieces import cuts

from headgate.framing.ndjson import Records
from headgate.limits import Limits


@pytest.mark.parametrize(
    ("stream", "expected", "left"),
    [
        (b"", [], []),
        (b'{"a":1}\n{"b":2}\n', [b'{"a":1}', b'{"b":2}'], []),
        (b'{"a":1}\r\n{"b":2}\r\n', [b'{"a":1}', b'{"b":2}'], []),
        (b'{"a":1}\n{"b":2}', [b'{"a":1}'], [b'{"b":2}']),
        (b'{"a":1}\n\n \t\r\n\r\n{"b":2}\n\n', [b'{"a":1}', b'{"b":2}'], []),
        (b' {"a":1}\t\n', [b'{"a":1}'], []),
        (b'{"a":"x\xe2\x80\xa8y\x85z"}\n', [b'{"a":"x\xe2\x80\xa8y\x85z"}'], []),
        (b'{"a":1}\r{"b":2}\n', [b'{"a":1}\r{"b":2}'], []),
        (b"\xff\n", [b"\xff"], []),
        (b"\r", [], []),
    ],
)
def test_records_are_the_lines_that_are_not_blank_at_every_split(
    stream: bytes, expected: list[bytes], left: list[bytes]
) -> None:
    """Only LF ends a line: JSON may hold every other thing that somebody calls a line end."""
    for pieces in cuts(stream):
        records = Records()

        assert expected == [record for piece in pieces for record in records.feed(piece)], pieces
        assert left == records.close(), pieces


def test_a_line_of_exactly_the_limit_passes_and_one_byte_more_does_not() -> None:
    for stream, expected in [(b"12345\n", [b"12345"]), (b"12345", [b"12345"]), (b"123456\n", []), (b"123456", [])]:
        for pieces in cuts(stream):
            records = Records(Limits(line_bytes_max=5))
            found = [record for piece in pieces for record in records.feed(piece)]

            assert expected == found + records.close(), pieces
            assert records.overflow == (not expected)


def test_the_records_before_a_line_over_the_limit_still_come_and_none_after_it() -> None:
    for pieces in cuts(b"1\n234\n5\n"):
        records = Records(Limits(line_bytes_max=2))

        assert [b"1"] == [record for piece in pieces for record in records.feed(piece)], pieces
        assert ([], []) == (records.feed(b"6\n"), records.close())


def test_a_copy_goes_its_own_way() -> None:
    records = Records()
    records.feed(b"1\n2")
    twin = records.copy()

    assert [b"2"] == twin.close()
    assert [b"23"] == records.feed(b"3\n")
