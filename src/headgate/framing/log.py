"""A log that quotes a stream -> the records it quotes.

Strategy: each line is cut to what follows its first `data:` (or several in a row) or to its first `{`,
whichever comes first and holds a record; what is then a JSON object or `[DONE]` is a record, every other
line is the log's own and is skipped.
`[TRACE] on_stdout data: data: {"choices":…}` gives `{"choices":…}`.
Spec: https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
"""

from __future__ import annotations

import re

import msgspec

from headgate.framing.ndjson import Records
from headgate.limits import DEFAULTS, Limits

_DONE = b"[DONE]"
_MARKS = re.compile(rb"(?:data:\s*+)++")  # possessive: there is nothing to go back to
_is_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class LogRecords:
    """Turns a log's bytes into the records of the stream it quotes. Never raises."""

    def __init__(self, limits: Limits = DEFAULTS) -> None:
        self._records = Records(limits)

    @property
    def overflow(self) -> bool:
        """Whether a line was longer than the limit; nothing more comes then."""
        return self._records.overflow

    def feed(self, data: bytes, /) -> list[bytes]:
        """Return the records that `data` completes."""
        return _quoted(self._records.feed(data))

    def close(self) -> list[bytes]:
        """Return the record of the last line if no line end followed it."""
        return _quoted(self._records.close())


def _quoted(lines: list[bytes]) -> list[bytes]:
    return [record for line in lines if (record := _record(line)) is not None]


def _record(line: bytes) -> bytes | None:
    # Whichever mark comes first is the likelier one; a prefix may hold the other by chance.
    marks = sorted(place for mark in (b"data:", b"{") if (place := line.find(mark)) >= 0)
    return next((found for place in marks if (found := _candidate(line[place:])) is not None), None)


def _candidate(rest: bytes) -> bytes | None:
    marks = _MARKS.match(rest)
    rest = (rest[marks.end() :] if marks else rest).strip()
    return rest if rest == _DONE or _parses(rest) else None


def _parses(candidate: bytes) -> bool:
    try:
        _is_object(candidate)
    except (ValueError, RecursionError):
        return False
    return True
