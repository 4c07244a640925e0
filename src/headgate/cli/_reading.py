"""What the verbs that read a stream share: their options, and what is made of them."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from headgate.cassette import Cassette
from headgate.dialects import dialects
from headgate.dialects.base import Decoder
from headgate.errors import UsageError
from headgate.library import decoder, new_id
from headgate.messages import IdFactory

FAILED_STATUS = 1
"""The stream ended in an error, or nobody wanted to read what was written."""

LOG = "log"
_READ_BYTES = 64 * 1024
_STARTS_IN_REASONING = {"auto": None, "yes": True, "no": False}


def add_options(verb: argparse.ArgumentParser, what: str) -> None:
    """Add what says where the stream is, and how it is to be read. `what` describes FILE."""
    verb.add_argument("file", nargs="?", default="-", metavar="FILE", help=what)
    verb.add_argument(
        "--from",
        dest="dialect",
        choices=["auto", *sorted(dialects()), LOG],
        default="auto",
        help="the engine's format; `log` reads the lines of a log that quotes a stream (default: auto)",
    )
    verb.add_argument("--markup", default="auto", metavar="auto|off|NAMES", help="markup families to parse, by comma")
    verb.add_argument("--tools", metavar="FILE", help="JSON: the tools of the request, or the request itself")
    verb.add_argument(
        "--starts-in-reasoning",
        choices=_STARTS_IN_REASONING,
        default="auto",
        help="whether the template opened the thought in the prompt; `auto` lets the stream tell (default: auto)",
    )


def reader(
    arguments: argparse.Namespace, *, request: bytes = b"", verbose: bool = False, ids: IdFactory = new_id
) -> Decoder:
    """A decoder as the options ask for it.

    Args:
        arguments: what `add_options` added.
        request: the request's body where it is known; its tools count unless `--tools` names others.
        verbose: see `headgate.decoder`.
        ids: see `headgate.decoder`.

    Raises:
        UsageError: for an unknown family, and for tools that are none.
    """
    tools = _tools(arguments.tools) if arguments.tools else _requested(request)
    return decoder(
        "auto" if arguments.dialect == LOG else arguments.dialect,
        markup=_names(arguments.markup),
        tools=tools,
        starts_in_reasoning=_STARTS_IN_REASONING[arguments.starts_in_reasoning],
        verbose=verbose,
        ids=ids,
    )


def recording(folder: Path) -> Cassette:
    """Read the folder of a recording.

    Raises:
        UsageError: naming the folder, the file and the fault.
    """
    try:
        return Cassette.load({path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()})
    except UsageError as error:
        raise UsageError(f"{folder}: {error}") from error


def is_timed(cassette: Cassette) -> bool:
    """Whether anybody looked at the clock: the times of a recording that nobody timed are all zero."""
    return any(piece.at_s for piece in cassette.pieces)


def asked_model(cassette: Cassette) -> str | None:
    """The model that the recorded request asked for."""
    body = _body(cassette.request)
    model = body.get("model") if body else None
    return model if isinstance(model, str) else None


def source(name: str) -> BinaryIO:
    """Open the stream; `-` is standard input."""
    return sys.stdin.buffer if name == "-" else Path(name).open("rb")


def pieces(stream: BinaryIO) -> Iterator[bytes]:
    """Read a stream as it comes, without waiting for more than there is."""
    read = getattr(stream, "read1", stream.read)
    while data := read(_READ_BYTES):
        yield data


def put(data: bytes) -> None:
    """Write to standard output at once."""
    if data:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()


def quietly(write: Callable[[], int]) -> int:
    """Run what writes, and end without a word when the reader of our output has enough. Returns the exit status."""
    try:
        return write()
    except BrokenPipeError:
        # What is left in the buffer has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED_STATUS


def _names(markup: str) -> str | list[str]:
    return [name.strip() for name in markup.split(",")] if "," in markup else markup


def _tools(name: str) -> Any:
    try:
        value = json.loads(Path(name).read_bytes())
    except ValueError as error:
        raise UsageError(f"expected JSON in {name}: {error}") from error
    tools = (value.get("tools") or []) if isinstance(value, dict) else value
    if not isinstance(tools, list):
        raise UsageError(f"expected a list of tools in {name}, or a request that has one, got {type(tools).__name__}")
    return tools


def _requested(request: bytes) -> Any:
    """The tools that a recorded request declared and did not forbid; None where there is no request."""
    body = _body(request)
    if body is None:
        return None
    return [] if body.get("tool_choice") == "none" else body.get("tools") or []


def _body(request: bytes) -> dict[str, Any] | None:
    try:
        body = json.loads(request)
    except ValueError:
        return None
    return body if isinstance(body, dict) else None
