"""The three envelopes that servers with event streams answer in -> records; and the decoder that reads such records.

Strategy: the first byte decides: a `{` begins JSON, anything else an event stream. A read that is whole events, as
nearly every one is, is cut into its records at once; what takes lines apart is made when another one comes.
Spec: https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
"""

from __future__ import annotations

from headgate.dialects.base import Reading, RecordDecoder
from headgate.dialects.peer_error import error_of
from headgate.framing.json_body import SPACE, JsonBody
from headgate.framing.sse import Block, Blocks
from headgate.limits import Limits
from headgate.twins import twin

DONE = b"[DONE]"
"""What ends OpenAI-style streams; it is no JSON."""

_DATA, _END = b"data: ", b"\n\n"
"""Around the record of a whole event that holds nothing else."""


class Framing:
    """Turns bytes into records, or into blocks, each with a record or the value of an `error:` field.

    Never raises; `overflow` says that something passed its limit. What reads the rare envelopes is made when one comes.
    """

    __slots__ = ("_blocks", "_json", "_limits", "is_event_stream", "overflow")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.overflow = False
        self.is_event_stream = False  # not yet, before the first byte
        self._blocks: Blocks | None = None
        self._json: JsonBody | None = None

    def records(self, data: bytes, /) -> list[bytes] | None:
        """Return the records of `data` if it is whole events and nothing else, each of one line `data: `.

        So is nearly every read of an event stream, and cutting it there takes no look at the lines. None, and nothing
        is read, for all others; `feed` says the same of both.
        """
        if not (data.startswith(_DATA) and data.endswith(_END)) or b"\r" in data:
            return None
        if not self._limits.line_bytes_max >= len(data) <= self._limits.event_bytes_max:
            return None
        if self._json is not None or not (self._blocks is None or self._blocks.between):
            return None
        records = data[len(_DATA) : -len(_END)].split(_END + _DATA)
        if data.count(b"\n") != len(records) * len(_END):
            return None
        self.is_event_stream = True
        return records

    def feed(self, data: bytes, /) -> list[Block]:
        """Return the blocks that `data` completes."""
        if not self.is_event_stream and self._json is None:
            data = self._begin(data)
        if self._json is not None:
            records = self._json.feed(data)
            self.overflow = self._json.overflow
            return [Block(data=record) for record in records]
        if not data:
            return []
        if self._blocks is None:
            self._blocks = Blocks(self._limits, started=self.is_event_stream)
            self.is_event_stream = True
        blocks = self._blocks.feed(data)
        self.overflow = self._blocks.overflow
        return blocks

    def close(self) -> list[Block]:
        """Return what the end of input left unfinished."""
        if self.overflow:
            return []
        if self._blocks is not None:
            return self._blocks.close()
        return [Block(data=record) for record in self._json.close()] if self._json is not None else []

    @property
    def between(self) -> bool:
        """Whether it stands between two blocks of an event stream, with nothing held."""
        return self.is_event_stream if self._blocks is None else self._blocks.between

    def copy(self) -> Framing:
        """An independent reader in the same state."""
        copied = twin(self)
        if self._blocks is not None:
            copied._blocks = self._blocks.copy()
        elif self._json is not None:
            copied._json = self._json.copy()
        return copied

    def _begin(self, data: bytes) -> bytes:
        """Take the white space before the first byte that says what follows."""
        data = data.lstrip(SPACE)
        if data.startswith(b"{"):
            self._json = JsonBody(self._limits)
        return data


class EventStreamDecoder(RecordDecoder):
    """Decodes one response record by record; a dialect says what a record is (`_record`, `_can_read`)."""

    __slots__ = ("_framing", "_whole")

    record_end = _END

    def __init__(self, reading: Reading) -> None:
        super().__init__(reading)
        self._framing = Framing(reading.limits)
        self._whole = False  # what was read is one whole reply, and no stream

    def copy(self) -> EventStreamDecoder:
        """An independent decoder in the same state."""
        copied = super().copy()
        assert isinstance(copied, EventStreamDecoder)  # noqa: S101 - `copy` keeps the class
        copied._framing = self._framing.copy()
        return copied

    def _can_read(self, record: bytes) -> bool:
        """Whether a record that no line end followed is whole all the same."""
        raise NotImplementedError

    def _feed(self, data: bytes) -> None:
        records = self._framing.records(data)
        if records is None:
            self._feed_blocks(data)
        else:
            self._records(records)

    def _records(self, records: list[bytes]) -> None:
        """Take whole records in order; some may be empty."""
        for record in records:
            if record.strip() and not self.writer.done:
                self._record(record)

    def _feed_blocks(self, data: bytes) -> None:
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
