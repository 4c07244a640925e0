"""What the golden tests of the surfaces share: a file that must hold these bytes, events, and a whole reply."""

from __future__ import annotations

import os
from pathlib import Path

from headgate.accumulate import Accumulator
from headgate.errors import PeerError
from headgate.events import Event, from_jsonl
from headgate.surfaces.base import Surface, Writing

_REWRITE = os.environ.get("HEADGATE_GOLDEN") == "rewrite"


def golden(file: Path, got: bytes) -> None:
    """A file holds these bytes; `make golden` writes them."""
    if _REWRITE:
        file.write_bytes(got)

    assert file.read_bytes() == got


def events_of(folder: Path) -> list[Event]:
    """The events of a case."""
    return list(from_jsonl((folder / "events.jsonl").read_bytes()))


def whole_of(served: Surface, writing: Writing, events: list[Event]) -> bytes:
    """The whole reply or the error, as HTTP would carry it: its status, and its body."""
    gathered = Accumulator()
    gathered.feed_all(events)
    error = gathered.message.error
    if error is not None:
        return b"%d\n%b\n" % served.error(PeerError(error.code, error.message, status=error.status_hint))
    try:
        return b"200\n%b\n" % served.whole(gathered.messages, writing)
    except PeerError as failure:
        return b"%d\n%b\n" % served.error(failure)
