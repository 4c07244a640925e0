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
from headgate.framing.sse import Block, Blocks
from headgate.limits import Limits

DONE = b"[DONE]"
"""What ends OpenAI-style streams; it is no JSON."""

_is_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_SPACE = b" \t\r\n"


class Framing:
    """Turns bytes into blocks, each with a record or the value of an `error:` field.

    Never raises; `overflow` says that something passed its limit.
    """

    overflow = False
    _blocks: Blocks | None = None
    _records: Records | None = None
    _held_bytes = 0
    _seen_line = False

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._held: list[bytes] = []

    def feed(self, data: bytes, /) -> list[Block]:
        """Return the blocks that `data` completes."""
        if self._blocks is not None:
            blocks = self._blocks.feed(data)
            self.overflow = self._blocks.overflow
            return blocks
        if self._records is None:
            return self._begin(data)
        records = self._records.feed(data)
        self.overflow = self._records.overflow
        return [Block(data=record) for record in records]

    def close(self) -> list[Block]:
        """Return what the end of input left unfinished."""
        if self.overflow:
            return []
        if self._blocks is not None:
            return self._blocks.close()
        if self._records is not None:
            return [Block(data=record) for record in self._records.close()]
        whole = b"".join(self._held).strip(_SPACE)
        return [Block(data=whole)] if whole else []

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
        twin.__dict__ = self.__dict__.copy()
        if self._blocks is not None:
            twin._blocks = self._blocks.copy()
        elif self._records is not None:
            twin._records = self._records.copy()
        twin._held = self._held.copy()
        return twin

    def _begin(self, data: bytes) -> list[Block]:
        if not self._held:
            data = data.lstrip(_SPACE)
        if not data:
            return []
        if not self._held and not data.startswith(b"{"):
            self._blocks = Blocks(self._limits)
            return self.feed(data)
        return self._begin_json(data)

    def _begin_json(self, data: bytes) -> list[Block]:
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


def _parses(line: bytes) -> bool:
    try:
        _is_object(line)
    except (ValueError, RecursionError):
        return False
    return True


class EventStreamDecoder(RecordDecoder):
    """Decodes one response record by record; a dialect says what a record is (`_record`, `_can_read`)."""

    record_end = b"\n\n"
    _whole = False  # what was read is one whole reply, and no stream

    def __init__(self, reading: Reading) -> None:
        super().__init__(reading)
        self._framing = Framing(reading.limits)

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
        for block in self._framing.feed(data):
            self._take(block)
        if self._framing.overflow:
            self._fail_overflow()

    def _close(self) -> None:
        for block in self._framing.close():
            if not self.writer.done and self._is_complete(block):
                self._take(block)
                if not self._whole:
                    self.writer.repair("record_unterminated")
        self._end_of_input()

    def _is_complete(self, block: Block) -> bool:
        record = block.data
        return block.error is not None or record is None or record.strip() == DONE or self._can_read(record)

    def _take(self, block: Block) -> None:
        if self.writer.done:
            return
        if block.error is not None:
            self.writer.repair("error_field")
            self.writer.fail(error_of(block.error))
        elif block.data is not None and block.data.strip():
            self._record(block.data)

    def _is_between(self) -> bool:
        return self._framing.between

    def _fail_json(self, record: bytes) -> None:
        """End the stream: a record is no JSON object."""
        shown = f"{len(record):,} bytes beginning with {record[:1]!r}"
        self._fail("bad_json", f"expected a JSON object in each record, got {shown}. The engine's output is broken.")
