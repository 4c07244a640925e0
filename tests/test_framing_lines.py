"""`headgate.framing.lines`: every line end, at every split, up to the limit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pieces import cut_at, cuts

from headgate.framing.lines import Lines


def split(
    pieces: list[bytes], *, line_bytes_max: int = 100, carriage_returns: bool = True
) -> tuple[list[bytes], bytes]:
    """The lines of the pieces, and the rest."""
    lines = Lines(line_bytes_max=line_bytes_max, carriage_returns=carriage_returns)
    found = [line for piece in pieces for line in lines.feed(piece)]
    return found, lines.rest()


@pytest.mark.parametrize(
    ("data", "expected", "rest"),
    [
        (b"", [], b""),
        (b"a", [], b"a"),
        (b"a\nb", [b"a"], b"b"),
        (b"a\rb", [b"a"], b"b"),
        (b"a\r\nb", [b"a"], b"b"),
        (b"a\n\nb\n", [b"a", b"", b"b"], b""),
        (b"a\r\rb\r", [b"a", b"", b"b"], b""),
        (b"a\r\n\r\nb", [b"a", b""], b"b"),
        (b"a\n\rb\r\n", [b"a", b"", b"b"], b""),
        (b"\r\n\n\r", [b"", b"", b""], b""),
        (b"a\xe2\x80\xa8b\x0bc\x0cd\x85e\n", [b"a\xe2\x80\xa8b\x0bc\x0cd\x85e"], b""),
    ],
)
def test_line_ends_are_lf_cr_and_crlf_and_nothing_else_at_every_split(
    data: bytes, expected: list[bytes], rest: bytes
) -> None:
    """A CR and its LF often come in different reads; U+2028 and its kin are no line ends here."""
    for pieces in cuts(data):
        assert (expected, rest) == split(pieces), pieces


def test_a_carriage_return_is_part_of_the_line_where_only_lf_ends_one() -> None:
    for pieces in cuts(b"a\rb\r\nc"):
        assert ([b"a\rb\r"], b"c") == split(pieces, carriage_returns=False), pieces


def test_an_empty_read_between_cr_and_lf_changes_nothing() -> None:
    assert ([b"a"], b"b") == split([b"a\r", b"", b"\nb"])


def test_a_line_of_exactly_the_limit_passes_and_one_byte_more_does_not() -> None:
    """The limit counts the line without its end, whole or in pieces, ended or not."""
    for line in (b"x" * 8, b"x" * 8 + b"\n", b"x" * 8 + b"\r\n"):
        for pieces in cuts(line):
            lines = Lines(line_bytes_max=8, carriage_returns=True)
            for piece in pieces:
                lines.feed(piece)

            assert not lines.overflow, pieces
    for line in (b"x" * 9, b"x" * 9 + b"\n"):
        for pieces in cuts(line):
            lines = Lines(line_bytes_max=8, carriage_returns=True)

            assert [] == [found for piece in pieces for found in lines.feed(piece)]
            assert lines.overflow, pieces


def test_the_lines_before_a_line_over_the_limit_still_come_and_none_after_it() -> None:
    for pieces in cuts(b"ab\nxxxx\ncd\n"):
        lines = Lines(line_bytes_max=3, carriage_returns=False)
        found = [line for piece in pieces for line in lines.feed(piece)]

        assert ([b"ab"], True) == (found, lines.overflow), pieces
        assert [] == lines.feed(b"ef\n")


def test_the_rest_is_given_once() -> None:
    lines = Lines(line_bytes_max=9, carriage_returns=True)
    lines.feed(b"a\nbc")

    assert [b"bc", b""] == [lines.rest(), lines.rest()]


def test_a_copy_goes_its_own_way() -> None:
    """`close` on a copy must not eat what the original holds, nor its CR."""
    lines = Lines(line_bytes_max=9, carriage_returns=True)
    lines.feed(b"a\nb\r")
    twin = lines.copy()

    assert ([b"x"], b"") == (twin.feed(b"\nx\n"), twin.rest())
    assert ([b"y"], b"") == (lines.feed(b"\ny\n"), lines.rest())


@given(data=st.lists(st.sampled_from([b"\r", b"\n", b"a", b"\xff"])).map(b"".join), places=st.lists(st.integers(0, 30)))
def test_no_split_changes_the_lines(data: bytes, places: list[int]) -> None:
    assert split([data]) == split(cut_at(data, places))
