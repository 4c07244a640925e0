"""`headgate.upstream.reply_head`: what is remembered of a head is what llhttp says of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.upstream.reply_head import Head, Said, read_head

names = st.text("ABCXYZabcxyz-", min_size=1, max_size=12).map(lambda name: f"x{name}")
values = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f"), max_size=20)
fields = st.lists(st.tuples(names, values), max_size=8)


def head_of(status: int, *lines: bytes) -> bytes:
    return b"".join(line + b"\r\n" for line in (b"HTTP/1.1 %d x" % status, *lines, b""))


def said_by(raw: bytes) -> Said:
    said = read_head(raw)
    assert said is not None
    return said


PLAIN = head_of(200, b"Content-Type: text/event-stream", b"Transfer-Encoding: chunked")
PLAIN_FIELDS = (("content-type", "text/event-stream"), ("transfer-encoding", "chunked"))


@given(fields, st.sampled_from([200, 404, 503]))
def test_a_head_says_the_same_each_time(said: list[tuple[str, str]], status: int) -> None:
    raw = head_of(status, *(f"{name}: {value}".encode("latin-1") for name, value in said))
    expected = tuple((name.lower(), value.strip(" \t")) for name, value in said)

    assert Head(status, expected) == said_by(raw).head
    assert Head(status, expected) == said_by(raw + b"hello").head


def test_heads_that_differ_in_a_byte_are_told_apart() -> None:
    heads = [said_by(PLAIN.replace(b"200", status)).head.status for status in (b"200", b"201", b"200")]

    assert [200, 201, 200] == heads
    assert "text/even-stream" == said_by(PLAIN.replace(b"event", b"even")).head.headers[0][1]


@pytest.mark.parametrize(
    ("line", "keeps", "coding"),
    [
        (b"Connection: close", False, ""),
        (b"Content-Length: 3", True, ""),
        (b"Transfer-Encoding: gzip, Chunked", True, "chunked"),
        (b"Transfer-Encoding: chunked, gzip", False, "gzip"),
        (b"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked", True, "chunked"),
    ],
)
def test_what_a_head_means_for_its_body_and_its_connection(line: bytes, keeps: bool, coding: str) -> None:  # noqa: FBT001 - a table
    said = said_by(head_of(200, line))

    assert (keeps, coding) == (said.keeps, said.coding)


@pytest.mark.parametrize(
    "before", [head_of(100), head_of(103, b"Link: x"), head_of(100) + head_of(103), b"\r\n", b"\r\n\r\n"]
)
@pytest.mark.parametrize("behind", [b"", b"5\r\nhello\r\n0\r\nTrailer: 1\r\n\r\n", b"no chunk\r\n", head_of(500)])
def test_only_the_reply_counts_whatever_is_around_its_head(before: bytes, behind: bytes) -> None:
    assert Said(Head(200, PLAIN_FIELDS), keeps=True, coding="chunked") == read_head(before + PLAIN + behind)


def test_a_long_head_is_read_as_well() -> None:
    long = b"x" * 60_000

    assert (("x", long.decode()),) == said_by(head_of(200, b"X: " + long)).head.headers


@pytest.mark.parametrize(
    "raw", [b"", b"HTTP/1.1 200 OK\r\nX: 1\r\n", head_of(100), head_of(103) + PLAIN[:-1], b"<html>"]
)
def test_what_is_no_whole_head_says_nothing(raw: bytes) -> None:
    assert read_head(raw) is None
