"""`headgate normalize`: any recorded or piped stream in, the exact one out."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from headgate.accumulate import Accumulator
from headgate.dialects import dialects
from headgate.dialects.base import Decoder
from headgate.errors import UsageError, stream_error
from headgate.events import Event, StreamError, to_jsonl
from headgate.framing.log import LogRecords
from headgate.library import decoder, encoder
from headgate.surfaces import surfaces

_READ_BYTES = 64 * 1024
FAILED_STATUS = 1


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:  # pyright: ignore[reportPrivateUsage]
    """Describe the verb."""
    verb = verbs.add_parser(
        "normalize",
        help="turn any engine's stream into the exact one",
        description="Reads a recorded or piped stream and writes it as one exact stream, as events, or as the "
        "message for the history. Exit status 1 says that the stream ended in an error.",
    )
    verb.add_argument(
        "file", nargs="?", default="-", metavar="FILE", help="the stream; - or nothing for standard input"
    )
    verb.add_argument(
        "--to",
        choices=[*sorted(surfaces()), "events", "message"],
        default="chat",
        help="what to write: a client's wire format, events as JSON lines, or one JSON object for each choice",
    )
    verb.add_argument(
        "--from",
        dest="dialect",
        choices=["auto", *sorted(dialects()), "log"],
        default="auto",
        help="the engine's format; `log` reads the lines of a log that quotes a stream (default: auto)",
    )
    verb.add_argument("--markup", default="auto", metavar="auto|off|NAMES", help="markup families to parse, by comma")
    verb.add_argument("--tools", metavar="FILE", help="JSON: the tools of the request, or the request itself")
    verb.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Normalize one stream; events leave as they arrive."""
    reads = decoder(
        "auto" if arguments.dialect == "log" else arguments.dialect,
        markup=_names(arguments.markup),
        tools=_tools(arguments.tools) if arguments.tools else None,
    )
    write = {"events": _write_events, "message": _write_messages}.get(arguments.to, _write_stream)
    with _source(arguments.file) as source:
        batches = _log_events(source, reads) if arguments.dialect == "log" else _events(source, reads)
        try:
            return write(batches, arguments)
        except BrokenPipeError:
            # The reader of our output has enough. What is left in the buffer has nowhere to go.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return FAILED_STATUS


def _names(markup: str) -> str | list[str]:
    return [name.strip() for name in markup.split(",")] if "," in markup else markup


def _source(name: str) -> BinaryIO:
    return sys.stdin.buffer if name == "-" else Path(name).open("rb")


def _pieces(source: BinaryIO) -> Iterator[bytes]:
    read = getattr(source, "read1", source.read)
    while data := read(_READ_BYTES):
        yield data


def _events(source: BinaryIO, reads: Decoder) -> Iterator[list[Event]]:
    for data in _pieces(source):
        yield reads.feed(data)
    yield reads.close()


def _log_events(source: BinaryIO, reads: Decoder) -> Iterator[list[Event]]:
    log = LogRecords()
    for data in _pieces(source):
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
    _put(to_jsonl([]))
    failed = False
    for events in batches:
        _put(to_jsonl(events, header=False))
        failed |= _has_failed(events)
    return FAILED_STATUS * failed


def _write_stream(batches: Iterator[list[Event]], arguments: argparse.Namespace) -> int:
    writes = encoder(arguments.to, include_usage=True, include_timings=True)
    for events in batches:
        _put(writes.feed(events))
    _put(writes.close())
    return FAILED_STATUS * writes.failed


def _write_messages(batches: Iterator[list[Event]], arguments: argparse.Namespace) -> int:
    del arguments
    gathered = Accumulator()
    for events in batches:
        gathered.feed_all(events)
    for message in gathered.messages:
        _put(msgspec.json.encode(message.to_record()) + b"\n")
    return FAILED_STATUS * any(message.error is not None for message in gathered.messages)


def _has_failed(events: list[Event]) -> bool:
    return any(isinstance(event, StreamError) for event in events)


def _put(data: bytes) -> None:
    if data:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()


def _tools(name: str) -> Any:
    try:
        value = json.loads(Path(name).read_bytes())
    except ValueError as error:
        raise UsageError(f"expected JSON in {name}: {error}") from error
    tools = (value.get("tools") or []) if isinstance(value, dict) else value
    if not isinstance(tools, list):
        raise UsageError(f"expected a list of tools in {name}, or a request that has one, got {type(tools).__name__}")
    return tools
