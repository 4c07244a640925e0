"""The three envelopes that servers with event streams answer in -> records; and the decoder that reads such records.

Strategy: the first byte decides: a `{` begins JSON, anything else an event stream. JSON whose first line
is a whole object is one record per line (a log without `data:`); otherwise it is one whole reply.
Spec: https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
"""

from __future__ import annotations

import msgspec

from headgate.dialects.base import Reading, RecordDecoder
from headgate.dialects.peer_error import error_of
from headgate.framing.ndjson import Records
from headgate.framing.sse import Blocks
from headgate.limits import Limits

DONE = b"[DONE]"
"""What ends OpenAI-style streams; it is no JSON."""

_is_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_SPACE = b" \t\r\n"

Framed = tuple[bytes | None, bytes | None]
"""A record, and the value of an `error:` field; one of the two."""


class Framing:
    """Turns bytes into records. Never raises; `overflow` says that something passed its limit."""

    def __init__(self, limits: Limits) -> None:
        self.overflow = False
        self._limits = limits
        self._blocks: Blocks | None = None
        self._records: Records | None = None
        self._held: list[bytes] = []
        self._held_bytes = 0

    def feed(self, data: bytes, /) -> list[Framed]:
        """Return the records that `data` completes."""
        if self._blocks is None and self._records is None:
            return self._begin(data)
        framed = self._framed(data)
        self.overflow = self._over()
        return framed

    def close(self) -> list[Framed]:
        """Return what the end of input left unfinished."""
        if self.overflow:
            return []
        if self._blocks is not None:
            return [(block.data, block.error) for block in self._blocks.close()]
        if self._records is not None:
            return [(record, None) for record in self._records.close()]
        whole = b"".join(self._held).strip(_SPACE)
        return [(whole, None)] if whole else []

    @property
    def is_event_stream(self) -> bool:
        """Whether it is one; not yet, before the first byte."""
        return self._blocks is not None

    @property
    def between(self) -> bool:
        """Whether it stands between two blocks of an event stream, with nothing held."""
        return self._blocks is not None and self._blocks.between

    def copy(self) -> Framing:
        """An independent reader in the same state."""
        twin = Framing.__new__(Framing)
        twin.__dict__.update(self.__dict__)
        twin._blocks = self._blocks.copy() if self._blocks else None
        twin._records = self._records.copy() if self._records else None
        twin._held = self._held.copy()
        return twin

    def _begin(self, data: bytes) -> list[Framed]:
        if not self._held:
            data = data.lstrip(_SPACE)
        if not data:
            return []
        if not self._held and not data.startswith(b"{"):
            self._blocks = Blocks(self._limits)
            return self.feed(data)
        return self._begin_json(data)

    def _begin_json(self, data: bytes) -> list[Framed]:
        first_line_ends = b"\n" in data
        self._held.append(data)
        self._held_bytes += len(data)
        if self._held_bytes > self._limits.body_bytes_max:
            self.overflow = True
        elif first_line_ends and len(self._held) and not self._seen_line:
            held = b"".join(self._held)
            self._seen_line = True
            if _parses(held.partition(b"\n")[0]):
                # A whole reply is one line too; whether a line end follows it must not decide what may be in it.
                whole = msgspec.structs.replace(self._limits, line_bytes_max=self._limits.body_bytes_max)
                self._records, self._held = Records(whole), []
                return self.feed(held)
            self._held = [held]
        return []

    _seen_line = False

    def _framed(self, data: bytes) -> list[Framed]:
        if self._blocks is not None:
            return [(block.data, block.error) for block in self._blocks.feed(data)]
        return [(record, None) for record in self._records.feed(data)] if self._records else []

    def _over(self) -> bool:
        return bool((self._blocks and self._blocks.overflow) or (self._records and self._records.overflow))


def _parses(line: bytes) -> bool:
    try:
        _is_object(line)
    except (ValueError, RecursionError):
        return False
    return True


class EventStreamDecoder(RecordDecoder):
    """Decodes one response record by record; a dialect says what a record is (`_record`, `_can_read`)."""

    record_end = b"\n\n"

    def __init__(self, reading: Reading) -> None:
        super().__init__(reading)
        self._framing = Framing(reading.limits)
        self._whole = False  # what was read is one whole reply, and no stream

    def copy(self) -> EventStreamDecoder:
        """An independent decoder in the same state."""
        twin = super().copy()
        assert isinstance(twin, EventStreamDecoder)  # noqa: S101 - `copy` keeps the class
        twin._framing = self._framing.copy()
        return twin

    def _can_read(self, record: bytes) -> bool:
        """Whether a record that no line end followed is whole all the same."""
        raise NotImplementedError

    def _feed(self, data: bytes) -> None:
        for record, error in self._framing.feed(data):
            self._take(record, error)
        if self._framing.overflow:
            self._fail_overflow()

    def _close(self) -> None:
        for record, error in self._framing.close():
            if not self.writer.done and self._is_complete(record, error):
                self._take(record, error)
                if not self._whole:
                    self.writer.repair("record_unterminated")
        self._end_of_input()

    def _is_complete(self, record: bytes | None, error: bytes | None) -> bool:
        return error is not None or record is None or record.strip() == DONE or self._can_read(record)

    def _take(self, record: bytes | None, error: bytes | None) -> None:
        if self.writer.done:
            return
        if error is not None:
            self.writer.repair("error_field")
            self.writer.fail(error_of(error))
        elif record is not None and record.strip():
            self._record(record)

    def _is_between(self) -> bool:
        return self._framing.between

    def _fail_json(self, record: bytes) -> None:
        """End the stream: a record is no JSON object."""
        shown = f"{len(record):,} bytes beginning with {record[:1]!r}"
        self._fail("bad_json", f"expected a JSON object in each record, got {shown}. The engine's output is broken.")
