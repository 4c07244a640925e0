"""`headgate normalize`: any recorded or piped stream in, the exact one out."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from headgate.accumulate import Accumulator
from headgate.cassette import Cassette
from headgate.cli._reading import (
    FAILED_STATUS,
    LOG,
    add_options,
    asked_model,
    is_timed,
    pieces,
    put,
    quietly,
    reader,
    recording,
    source,
)
from headgate.dialects.base import Decoder
from headgate.dialects.peer_error import error_of
from headgate.errors import stream_error
from headgate.events import Event, MessageStart, StreamError, to_jsonl
from headgate.framing.log import LogRecords
from headgate.library import encoder
from headgate.naming import is_other_model
from headgate.spelling import DEFAULT, SPELLINGS
from headgate.stopwatch import Stopwatch
from headgate.surfaces import surfaces

Batches = Iterator[list[Event]]


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:  # pyright: ignore[reportPrivateUsage]
    """Describe the verb."""
    verb = verbs.add_parser(
        "normalize",
        help="turn any engine's stream into the exact one",
        description="Reads a recorded or piped stream and writes it as one exact stream, as events, or as the "
        "message for the history. Exit status 1 says that the stream ended in an error.",
    )
    add_options(verb, "the stream, or the folder of a recording; - or nothing for standard input")
    verb.add_argument(
        "--to",
        choices=[*sorted(surfaces()), "events", "message"],
        default="chat",
        help="what to write: a client's wire format, events as JSON lines, or one JSON object for each choice",
    )
    verb.add_argument(
        "--reasoning",
        choices=SPELLINGS,
        default=DEFAULT,
        help="how chat writes thoughts: in one of two fields, in the content between <think> tags, or not at all",
    )
    verb.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Normalize one stream; events leave as they arrive."""
    write = {"events": _write_events, "message": _write_messages}.get(arguments.to, _write_stream)
    events = _log_events if arguments.dialect == LOG else _events
    folder = Path(arguments.file)
    if folder.is_dir():
        cassette = recording(folder)
        reads = reader(arguments, request=cassette.request)
        return quietly(lambda: write(_recorded(cassette, reads), arguments))
    reads = reader(arguments)
    with source(arguments.file) as stream:
        return quietly(lambda: write(events(pieces(stream), reads), arguments))


def _recorded(cassette: Cassette, reads: Decoder) -> Batches:
    """The events of a recording, with what its times tell in the usage."""
    if cassette.meta.status >= 400:
        yield [error_of(cassette.response, status=cassette.meta.status)]
        return
    stopwatch, times = Stopwatch(), [piece.at_s for piece in cassette.pieces]
    times += times[-1:] or [0.0]  # the end comes with the last piece
    batches = _events((piece.data for piece in cassette.pieces), reads)
    for at_s, events in zip(times, batches, strict=True):
        _tell_other_model(events, asked_model(cassette))
        yield stopwatch.note(events, at_s) if is_timed(cassette) else events


def _tell_other_model(events: list[Event], asked: str | None) -> None:
    for event in events:
        if isinstance(event, MessageStart) and not event.choice and is_other_model(asked, event.model):
            names = f"{json.dumps(event.model)} answered, where {json.dumps(asked)} was asked for"
            print(f"headgate normalize: {names}", file=sys.stderr)


def _events(stream: Iterable[bytes], reads: Decoder) -> Batches:
    for data in stream:
        yield reads.feed(data)
    yield reads.close()


def _log_events(stream: Iterable[bytes], reads: Decoder) -> Batches:
    log = LogRecords()
    for data in stream:
        for record in log.feed(data):
            yield reads.record(record)
    for record in log.close():
        yield reads.record(record)
    if log.overflow:
        yield reads.fail(stream_error("line_too_long", "expected shorter lines in the log, got one over the limit."))
    else:
        yield reads.close()


def _write_events(batches: Batches, arguments: argparse.Namespace) -> int:
    del arguments
    put(to_jsonl([]))
    failed = False
    for events in batches:
        put(to_jsonl(events, header=False))
        failed |= _has_failed(events)
    return FAILED_STATUS * failed


def _write_stream(batches: Batches, arguments: argparse.Namespace) -> int:
    writes = encoder(arguments.to, include_usage=True, include_timings=True, reasoning=arguments.reasoning)
    for events in batches:
        put(writes.feed(events))
    put(writes.close())
    return FAILED_STATUS * writes.failed


def _write_messages(batches: Batches, arguments: argparse.Namespace) -> int:
    del arguments
    gathered = Accumulator()
    for events in batches:
        gathered.feed_all(events)
    for message in gathered.messages:
        put(msgspec.json.encode(message.to_record()) + b"\n")
    return FAILED_STATUS * any(message.error is not None for message in gathered.messages)


def _has_failed(events: list[Event]) -> bool:
    return any(isinstance(event, StreamError) for event in events)
