"""`headgate.framing.log`: the records that a log quotes, whatever stands before them."""

from __future__ import annotations

from pathlib import Path

import pytest
from pieces import cuts

from headgate.framing.log import LogRecords
from headgate.limits import Limits

LOGS = Path(__file__).parent / "fixtures" / "log"
CHUNK = b'{"choices":[{"delta":{"content":"{\\"a\\": \\"data:\\"}"}}]}'


def records(pieces: list[bytes]) -> list[bytes]:
    log = LogRecords()
    found = [record for piece in pieces for record in log.feed(piece)]
    return found + log.close()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (CHUNK, [CHUNK]),
        (b"data: " + CHUNK, [CHUNK]),
        (b"data:" + CHUNK, [CHUNK]),
        (b"-- data: " + CHUNK, [CHUNK]),
        (b"[TRACE] on_stdout data: data: " + CHUNK, [CHUNK]),
        (b"[TRACE] {1} data: " + CHUNK + b"\r", [CHUNK]),
        (b"on data: received " + CHUNK + b"  ", [CHUNK]),
        (b"2025-08-07 12:00:00 " + CHUNK, [CHUNK]),
        (b"data: [DONE]", [b"[DONE]"]),
        (b"-- data: data: [DONE] ", [b"[DONE]"]),
        (b'error: {"code":400,"message":"no"}', [b'{"code":400,"message":"no"}']),
        (b"[DONE]", []),
        (b"srv log_server_r: request: POST /v1/chat/completions", []),
        (b"data: ", []),
        (b"data: not json", []),
        (b'data: {"cut":', []),
        (b"data: [1]", []),
        (b"{", []),
        (b"\xff{}\xff", []),
        (b"", []),
    ],
)
def test_a_line_gives_the_record_that_it_quotes_or_nothing(line: bytes, expected: list[bytes]) -> None:
    """People paste streams from traces; what is not a record is the log's own and must not break the stream."""
    assert expected == records([line + b"\n"])
    assert expected == records([line])


def test_the_records_are_the_same_at_every_split() -> None:
    log = b"[T] data: data: {}\r\nno record\n\n-- data: [DONE]"
    for pieces in cuts(log):
        assert [b"{}", b"[DONE]"] == records(pieces), pieces


@pytest.mark.parametrize(("name", "count"), [("seed-001.trace.txt", 4), ("seed-002.trace.txt", 3)])
def test_the_traces_of_the_notes_give_their_chunks(name: str, count: int) -> None:
    found = records([(LOGS / name).read_bytes()])

    assert count == len(found)
    assert all(record == b"[DONE]" or record.startswith(b'{"') for record in found)


def test_a_line_over_the_limit_ends_the_reading() -> None:
    log = LogRecords(Limits(line_bytes_max=8))

    assert [b"{}"] == log.feed(b"data: {}\n")
    assert ([], False) == (log.feed(b"x" * 8), log.overflow)
    assert ([], True) == (log.feed(b"x"), log.overflow)
    assert ([], []) == (log.feed(b"\ndata: {}\n"), log.close())


def test_json_nested_too_deeply_is_no_record() -> None:
    assert [] == records([b"data: " + b'{"a":' * 100_000])
