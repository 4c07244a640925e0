"""The first bytes of a stream -> its dialect's decoder.

Strategy: bytes are held until the first line is whole (or can be no dialect's, or the limit is reached),
then every dialect says how sure it is; the surest decodes, from the first byte on.
"""

from __future__ import annotations

from headgate.dialects import dialects
from headgate.dialects.base import Decoder, Reading
from headgate.errors import UsageError
from headgate.events import Event

_SPACE = b"\xef\xbb\xbf \t\r\n"
_MAY_BEGIN_A_RECORD = b"{:deir"
"""An object, a comment, or the first letter of an event-stream field (data, event, error, id, retry)."""


class AutoDecoder:
    """Decides on a dialect, then decodes in it."""

    def __init__(self, reading: Reading) -> None:
        self.dialect: str | None = None
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
        return self._begin(head).feed(head)

    def record(self, record: bytes, /) -> list[Event]:
        """Decode one record without its envelope; the first one decides."""
        self._still_open()
        decoder = self._decoder or self._begin(record)
        return decoder.record(record)

    def close(self, *, cancelled: bool = False) -> list[Event]:
        """End the stream.

        Raises:
            UsageError: if called twice.
        """
        self._still_open()
        self._closed = True
        decoder = self._decoder or self._begin(self._head)
        return decoder.feed(self._head) + decoder.close(cancelled=cancelled)

    def copy(self) -> AutoDecoder:
        """An independent decoder in the same state."""
        twin = AutoDecoder.__new__(AutoDecoder)
        twin.__dict__.update(self.__dict__)
        twin._decoder = self._decoder.copy() if self._decoder else None
        return twin

    def _decided(self) -> bool:
        head = self._head.lstrip(_SPACE)
        if not head:
            return False
        if head[0] not in _MAY_BEGIN_A_RECORD:
            return True
        return b"\n" in head or b"\r" in head or len(self._head) >= self._reading.limits.sniff_bytes_max

    def _begin(self, head: bytes) -> Decoder:
        known = dialects()
        # Ties go to the first name; no two dialects claim the same bytes with the same certainty.
        self.dialect = max(sorted(known), key=lambda name: known[name].sniff(head))
        self._decoder = known[self.dialect].decoder(self._reading)
        return self._decoder

    def _still_open(self) -> None:
        if self._closed:
            raise UsageError("this decoder was closed; make a new one for each response")
