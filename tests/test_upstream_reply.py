"""`headgate.upstream.reply`: every framing, at every split, and what a close means."""

from __future__ import annotations

import pytest

from headgate.upstream.reply import ReplyReader
from headgate.upstream.reply_head import Head

LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nhe\r\n3\r\nllo\r\n0\r\nTrailer: 1\r\n\r\n"
CLOSED = b"HTTP/1.0 200 OK\r\nContent-Type: text/event-stream\r\n\r\nhello"
CONTINUED = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + LENGTH
HEAD_MAX = 4096


def read(data: bytes, step: int, head_bytes_max: int = HEAD_MAX) -> tuple[ReplyReader, bytes]:
    reader = ReplyReader(head_bytes_max)
    return reader, b"".join(reader.feed(data[at : at + step]) for at in range(0, len(data), step))


@pytest.mark.parametrize("raw", [LENGTH, CHUNKED, CLOSED, CONTINUED])
@pytest.mark.parametrize("step", [1, 2, 3, 7, 10_000])
def test_any_split_gives_the_same_reply(raw: bytes, step: int) -> None:
    reader, body = read(raw, step)

    assert (b"hello", 200, raw is not CLOSED) == (body, reader.head and reader.head.status, reader.complete)
    assert reader.fault is None


@pytest.mark.parametrize("cut", range(1, len(CONTINUED)))
def test_a_head_may_be_cut_anywhere(cut: int) -> None:
    reader = ReplyReader(HEAD_MAX)

    assert b"hello" == reader.feed(CONTINUED[:cut]) + reader.feed(CONTINUED[cut:])
    assert Head(200, (("content-length", "5"),)) == reader.head
    assert reader.complete


def test_names_are_lower_case_in_order_and_empty_values_stay() -> None:
    """llama-server sends `Access-Control-Allow-Origin:` with nothing behind it."""
    raw = b"HTTP/1.1 200 OK\r\nB-b: 1\r\nEmpty:\r\nA: \xe4 2 \r\nB-B: 3\r\nContent-Length: 0\r\n\r\n"
    expected = (("b-b", "1"), ("empty", ""), ("a", "\xe4 2"), ("b-b", "3"), ("content-length", "0"))

    assert Head(200, expected) == read(raw, 1)[0].head


def test_trailers_are_no_headers() -> None:
    reader, _ = read(CHUNKED, 1)

    assert Head(200, (("transfer-encoding", "chunked"),)) == reader.head


@pytest.mark.parametrize("status", [204, 304])
def test_some_statuses_have_no_body_whatever_their_headers_say(status: int) -> None:
    reader, body = read(b"HTTP/1.1 %d x\r\nContent-Length: 5\r\n\r\n" % status, 10_000)

    assert (b"", True, True) == (body, reader.complete, reader.keep_alive)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (LENGTH, True),
        (CHUNKED, True),
        (CLOSED, False),
        (LENGTH.replace(b"1.1", b"1.0"), False),
        (LENGTH.replace(b"1.1 200 OK", b"1.0 200 OK\r\nConnection: keep-alive"), True),
        (LENGTH.replace(b"OK", b"OK\r\nConnection: close"), False),
    ],
)
def test_keep_alive_is_what_the_engine_offers(raw: bytes, expected: bool) -> None:  # noqa: FBT001 - a table
    assert expected == read(raw, 10_000)[0].keep_alive


@pytest.mark.parametrize("surplus", [b"x", b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1"])
@pytest.mark.parametrize("raw", [LENGTH, LENGTH.replace(b"OK", b"OK\r\nConnection: close")])
def test_bytes_after_a_reply_end_the_keeping(raw: bytes, surplus: bytes) -> None:
    """They would be taken for the next request's reply: another user's answer."""
    reader, body = read(raw + surplus, 10_000)

    assert (b"hello", True, False, None) == (body, reader.complete, reader.keep_alive, reader.fault)


def test_the_next_reply_is_read_after_renewal() -> None:
    reader, _ = read(LENGTH, 10_000)
    reader.renew()

    assert (None, False, False) == (reader.head, reader.complete, reader.touched)
    assert b"hello" == reader.feed(CHUNKED)
    assert reader.complete


@pytest.mark.parametrize("step", [1, 64, 10_000])
@pytest.mark.parametrize("before", [b"", b"HTTP/1.1 100 Continue\r\n\r\n"])
def test_a_head_of_exactly_the_limit_is_read(before: bytes, step: int) -> None:
    """The limit is exact whatever the reads are, and 1xx heads count: they too could come for ever."""
    head = before + b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: "
    head += b"x" * (HEAD_MAX - len(head) - 4) + b"\r\n\r\n"
    reader, body = read(head + b"hello", step)

    assert (HEAD_MAX, b"hello", None) == (len(head), body, reader.fault)


@pytest.mark.parametrize("step", [1, 64, 10_000])
def test_a_head_of_one_byte_more_is_refused(step: int) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: "
    head += b"x" * (HEAD_MAX + 1 - len(head) - 4) + b"\r\n\r\n"
    reader, body = read(head + b"hello", step)

    assert (b"", "a response head of more than 4,096 bytes (limits.head_bytes_max)") == (body, reader.fault)


def test_a_full_head_leaves_room_for_the_first_chunks_framing() -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX: "
    head += b"x" * (HEAD_MAX - len(head) - 4) + b"\r\n\r\n"
    reader, _ = read(head + b"5\r\n", 10_000)

    assert reader.fault is None
    assert b"hello" == reader.feed(b"hello")


@pytest.mark.parametrize("framing", [b"0\r\nX: ", b"5;x="])
def test_framing_without_end_is_refused(framing: bytes) -> None:
    """Trailers are gathered by the parser, so an endless one would take all memory."""
    reader, _ = read(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n" + framing, 10_000)
    fed_bytes = 0
    while reader.fault is None and fed_bytes < 4 * HEAD_MAX:
        reader.feed(b"x" * 100)
        fed_bytes += 100

    assert "more than 4,096 bytes (limits.head_bytes_max) without a byte of body" == reader.fault
    assert fed_bytes <= 2 * HEAD_MAX


@pytest.mark.parametrize(
    "raw",
    [
        b"SSH-2.0-OpenSSH\r\n",
        b"\x15\x03\x01\x00\x02\x02\x16",
        b"<html>",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nbad name: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    ],
)
@pytest.mark.parametrize("step", [1, 10_000])
def test_what_is_not_http_is_a_fault(raw: bytes, step: int) -> None:
    reader = ReplyReader(HEAD_MAX)
    for at in range(0, len(raw), step):
        if reader.fault is None:
            reader.feed(raw[at : at + step])

    assert reader.fault is not None
    assert not reader.complete


def test_the_body_before_a_fault_is_not_lost() -> None:
    reader, body = read(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n", 10_000)

    assert b"hello" == body
    assert reader.fault is not None


@pytest.mark.parametrize("codings", [b"identity", b"chunked, gzip", b"chunked;q=1"])
def test_codings_that_do_not_end_in_chunks_end_at_close(codings: bytes) -> None:
    reader, body = read(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: " + codings + b"\r\n\r\nhello", 10_000)

    assert (b"hello", None) == (body, reader.closed(reset=False))


@pytest.mark.parametrize(
    ("raw", "reset", "expected"),
    [
        (b"", False, "got nothing, then it closed the connection"),
        (b"", True, "got nothing, then it reset the connection"),
        (b"HTTP/1.1 200 OK\r\nCont", False, "got part of a response head, then it closed the connection"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", False, "got part of a response head, then it closed the connection"),
        (LENGTH[:-1], False, "got 4 of 5 body bytes, then it closed the connection"),
        (LENGTH[:-1], True, "got 4 of 5 body bytes, then it reset the connection"),
        (CHUNKED[:-20], False, "got 4 body bytes and no last chunk, then it closed the connection"),
        (CHUNKED[:-1], False, "got 5 body bytes and no last chunk, then it closed the connection"),
        (CLOSED, False, None),
        (CLOSED, True, "got 5 body bytes, then it reset the connection"),
    ],
)
def test_a_close_means_what_the_framing_says(raw: bytes, reset: bool, expected: str | None) -> None:  # noqa: FBT001
    """Only a body that has no other end ends at a close; and a reset ends nothing well."""
    assert expected == read(raw, 10_000)[0].closed(reset=reset)


def test_a_released_reader_is_freed_without_the_collector() -> None:
    """One cycle per aborted request would feed the collector on a busy gateway."""
    import gc
    import weakref

    reader, _ = read(LENGTH, 10_000)
    gone = weakref.ref(reader)
    gc.disable()
    try:
        reader.release()
        del reader
        assert gone() is None
    finally:
        gc.enable()
