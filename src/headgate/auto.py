"""The first bytes of a stream -> its dialect's decoder.

Strategy: bytes are held until the first line is whole (or can be no dialect's, or the limit is reached),
then every dialect says how sure it is; the surest decodes, from the first byte on. A first line that
begins an object and does not end it (JSON over several lines) is held up to the limit. What the dialects
are shown never depends on how the bytes were split.
"""

from __future__ import annotations

import re

import msgspec

from headgate.dialects import dialects
from headgate.dialects.base import Decoder, Reading
from headgate.errors import UsageError
from headgate.events import Event, ReasoningDelta, StreamError, TextDelta
from headgate.markup.plain import Flow

_NOTHING = re.compile(rb"[\xef\xbb\xbf \t\r\n]*+(?:data:[ \t]*+[\r\n]\s*+)*+")
"""What says nothing of the dialect: white space, and `data:` without data, which proxies send to keep a stream open."""
_MAY_BEGIN_A_RECORD = b"{:deir"
"""An object, a comment, or the first letter of an event-stream field (data, event, error, id, retry)."""
_ANYBODYS = 1
"""How sure a dialect is that takes whatever nobody else claims."""

_decode_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class AutoDecoder:
    """Decides on a dialect, then decodes in it."""

    def __init__(self, reading: Reading) -> None:
        self.dialect: str | None = None
        self.limits = reading.limits
        self._reading = reading
        self._head = b""
        self._decoder: Decoder | None = None
        self._closed = False

    @property
    def done(self) -> bool:
        """Whether the terminal has been emitted."""
        return self._decoder is not None and self._decoder.done

    @property
    def finished(self) -> bool:
        """Whether every choice that began has its finish reason."""
        return self._decoder is not None and self._decoder.finished

    def feed(self, data: bytes, /) -> list[Event]:
        """Decode bytes; nothing comes while the dialect is not decided. Never raises on peer input."""
        if self._decoder is not None:
            return self._decoder.feed(data)
        self._still_open()
        self._head += data
        if not self._decided():
            return []
        head, self._head = self._head, b""
        return self._begin(self._shown(head)).feed(head)

    def record(self, record: bytes, /) -> list[Event]:
        """Decode one record without its envelope; the first that a dialect knows decides.

        Those before it are skipped: a log may quote a request before the stream, and no record is bare text.
        """
        self._still_open()
        if self._decoder is None and max(known.sniff(record) for known in dialects().values()) <= _ANYBODYS:
            return []
        decoder = self._decoder or self._begin(record)
        return decoder.record(record)

    def close(self, *, cancelled: bool = False) -> list[Event]:
        """End the stream.

        Raises:
            UsageError: if called twice.
        """
        self._still_open()
        self._closed = True
        return self._rest() + self._known().close(cancelled=cancelled)

    def fail(self, error: StreamError, /) -> list[Event]:
        """End the stream with an error that its bytes do not tell.

        Raises:
            UsageError: if called after `close()`.
        """
        self._still_open()
        self._closed = True
        return self._rest() + self._known().fail(error)

    def copy(self) -> AutoDecoder:
        """An independent decoder in the same state."""
        twin = AutoDecoder.__new__(AutoDecoder)
        twin.__dict__.update(self.__dict__)
        twin._decoder = self._decoder.copy() if self._decoder else None
        return twin

    @property
    def record_end(self) -> bytes:
        """What ends a record, once the dialect is decided."""
        return self._decoder.record_end if self._decoder is not None else b""

    def flow(self, delta: TextDelta | ReasoningDelta, /) -> Flow | None:
        """See `Decoder.flow`."""
        return self._decoder.flow(delta) if self._decoder is not None else None

    def skip(self, length: int, /) -> None:
        """See `Decoder.skip`."""
        if self._decoder is not None:
            self._decoder.skip(length)

    def _decided(self) -> bool:
        if len(self._head) >= self._reading.limits.sniff_bytes_max:
            return True
        head = _telling(self._head)
        return bool(head) and (head[0] not in _MAY_BEGIN_A_RECORD or _first_line(head) is not None)

    def _shown(self, data: bytes) -> bytes:
        """What the dialects are shown of a stream's beginning."""
        head = data[: self._reading.limits.sniff_bytes_max]
        head = _telling(head) or head
        line = _first_line(head)
        return head if line is None else line

    def _known(self) -> Decoder:
        return self._decoder or self._begin(self._shown(self._head))

    def _rest(self) -> list[Event]:
        """What was held until the end came. A decoder of records is fed no bytes, not even none."""
        return self._known().feed(self._head) if self._head else []

    def _begin(self, head: bytes) -> Decoder:
        known = dialects()
        # Ties go to the first name; no two dialects claim the same bytes with the same certainty.
        self.dialect = max(sorted(known), key=lambda name: known[name].sniff(head))
        self._decoder = known[self.dialect].decoder(self._reading)
        return self._decoder

    def _still_open(self) -> None:
        if self._closed:
            raise UsageError("this decoder was closed; make a new one for each response")


def _telling(head: bytes) -> bytes:
    """The beginning of a stream from where it says something."""
    found = _NOTHING.match(head)
    return head[found.end() :] if found else head


def _first_line(head: bytes) -> bytes | None:
    """The first line, if it has ended; None also where it begins an object that goes on behind it."""
    lines = head.splitlines(keepends=True)
    line = lines[0].rstrip(b"\r\n") if lines else b""
    if not lines or len(line) == len(lines[0]):
        return None
    return line if not line.startswith(b"{") or _is_object(line) else None


def _is_object(line: bytes) -> bool:
    try:
        _decode_object(line)
    except (ValueError, RecursionError):
        return False
    return True
