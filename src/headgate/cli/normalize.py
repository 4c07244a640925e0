"""`headgate normalize`: any recorded or piped stream in, the exact one out."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import BinaryIO

import msgspec

from headgate.accumulate import Accumulator
from headgate.cli._reading import FAILED_STATUS, LOG, add_options, pieces, put, quietly, reader, source
from headgate.dialects.base import Decoder
from headgate.errors import stream_error
from headgate.events import Event, StreamError, to_jsonl
from headgate.framing.log import LogRecords
from headgate.library import encoder
from headgate.surfaces import surfaces


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:  # pyright: ignore[reportPrivateUsage]
    """Describe the verb."""
    verb = verbs.add_parser(
        "normalize",
        help="turn any engine's stream into the exact one",
        description="Reads a recorded or piped stream and writes it as one exact stream, as events, or as the "
        "message for the history. Exit status 1 says that the stream ended in an error.",
    )
    add_options(verb, "the stream; - or nothing for standard input")
    verb.add_argument(
        "--to",
        choices=[*sorted(surfaces()), "events", "message"],
        default="chat",
        help="what to write: a client's wire format, events as JSON lines, or one JSON object for each choice",
    )
    verb.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Normalize one stream; events leave as they arrive."""
    reads = reader(arguments)
    write = {"events": _write_events, "message": _write_messages}.get(arguments.to, _write_stream)
    with source(arguments.file) as stream:
        batches = _log_events(stream, reads) if arguments.dialect == LOG else _events(stream, reads)
        return quietly(lambda: write(batches, arguments))


def _events(stream: BinaryIO, reads: Decoder) -> Iterator[list[Event]]:
    for data in pieces(stream):
        yield reads.feed(data)
    yield reads.close()


def _log_events(stream: BinaryIO, reads: Decoder) -> Iterator[list[Event]]:
    log = LogRecords()
    for data in pieces(stream):
        for record in log.feed(data):
            yield reads.record(record)
    for record in log.close():
        yield reads.record(record)
    if log.overflow:
        yield reads.fail(stream_error("line_too_long", "expected shorter lines in the log, got one over the limit."))
    else:
        yield reads.close()


def _write_events(batches: Iterator[list[Event]], arguments: argparse.Namespace) -> int:
    del arguments
    put(to_jsonl([]))
    failed = False
    for events in batches:
        put(to_jsonl(events, header=False))
        failed |= _has_failed(events)
    return FAILED_STATUS * failed


def _write_stream(batches: Iterator[list[Event]], arguments: argparse.Namespace) -> int:
    writes = encoder(arguments.to, include_usage=True, include_timings=True)
    for events in batches:
        put(writes.feed(events))
    put(writes.close())
    return FAILED_STATUS * writes.failed


def _write_messages(batches: Iterator[list[Event]], arguments: argparse.Namespace) -> int:
    del arguments
    gathered = Accumulator()
    for events in batches:
        gathered.feed_all(events)
    for message in gathered.messages:
        put(msgspec.json.encode(message.to_record()) + b"\n")
    return FAILED_STATUS * any(message.error is not None for message in gathered.messages)


def _has_failed(events: list[Event]) -> bool:
    return any(isinstance(event, StreamError) for event in events)
