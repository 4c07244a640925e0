"""An event stream's bytes -> blocks for decoders, and dispatched events as a browser sees them.

Strategy: lines are gathered into one block until a blank line. `Blocks` keeps bytes (JSON is decoded
from bytes) and knows one field more than the standard: `error:`, in which llama-server before
September 2025 sent its errors. `Reader` is the standard alone.
Spec: https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
"""

from __future__ import annotations

from typing import NamedTuple

from msgspec import Struct

from headgate.framing.lines import Lines
from headgate.limits import DEFAULTS, Limits
from headgate.twins import twin

_BOM = b"\xef\xbb\xbf"


class Block(Struct, frozen=True, gc=False):
    """One block of fields. `data` is None where the block had no data line."""

    event: bytes = b""
    data: bytes | None = None
    error: bytes | None = None


class Event(NamedTuple):
    """One dispatched event: its type (`message` if none was named), its data, and the last event id."""

    event: str
    data: str
    id: str


class Blocks:
    """Turns bytes into blocks. Never raises; `overflow` says that a line or an event passed its limit.

    Args:
        limits: of lines and events.
        started: whether blocks came before, so that no byte order mark can.
    """

    __slots__ = (
        "_data",
        "_error",
        "_event",
        "_head",
        "_lines",
        "_max",
        "_size",
        "_started",
        "last_id",
        "overflow",
        "retry_ms",
    )

    def __init__(self, limits: Limits = DEFAULTS, *, started: bool = False) -> None:
        self.overflow = False
        self.last_id = b""
        self.retry_ms: int | None = None
        self._lines = Lines(line_bytes_max=limits.line_bytes_max, carriage_returns=True)
        self._max = limits.event_bytes_max
        self._started = started
        self._head = b""
        self._event = b""
        self._error: bytes | None = None
        self._data: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes, /) -> list[Block]:
        """Return the blocks that a blank line in `data` ends; those without data or error are dropped."""
        if self.overflow:
            return []
        if not self._started:
            data = self._without_bom(data)
        return self._gather(self._lines.feed(data))

    def close(self) -> list[Block]:
        """Return the block that the end of input left unfinished, if it has data or an error.

        The standard drops it; a decoder wants the text in it. Use it after the last `feed`.
        """
        if not self._started and self._head:
            self._started = True
            self._lines.feed(self._head)
        if self.overflow:
            return []
        return self._gather([self._lines.rest(), b""])

    @property
    def between(self) -> bool:
        """Whether it stands between two blocks, with nothing held."""
        fields = self._data or self._event or self._error is not None
        return self._started and not fields and not self.overflow and self._lines.between

    def copy(self) -> Blocks:
        """An independent reader in the same state."""
        copied = twin(self)
        copied._lines = self._lines.copy()
        copied._data = self._data.copy()
        return copied

    def _without_bom(self, data: bytes) -> bytes:
        self._head += data
        if len(self._head) < len(_BOM) and _BOM.startswith(self._head):
            return b""
        self._started = True
        return self._head.removeprefix(_BOM)

    def _gather(self, lines: list[bytes]) -> list[Block]:
        blocks: list[Block] = []
        for line in lines:
            if line.startswith(b"data: "):
                self._more(line[6:])  # as nearly every line begins
            elif line:
                self._field(line)
            elif not self.overflow:
                self._dispatch(blocks)
        if self._lines.overflow:
            self.overflow = True
        return blocks

    def _field(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        match name:
            case b"data":
                self._more(value)
            case b"event":
                self._event = value
            case b"error":
                self._error = value
            case b"id" if b"\0" not in value:
                self.last_id = value
            case b"retry" if value.isdigit():
                # More digits than any sensible wait has: the limit keeps int() linear.
                self.retry_ms = int(value[:18])
            case _:
                pass  # a comment (no name before the colon), or a field that the standard says to ignore

    def _more(self, data: bytes) -> None:
        self._size += len(data) + bool(self._data)
        self._data.append(data)
        if self._size > self._max:
            self.overflow = True

    def _dispatch(self, blocks: list[Block]) -> None:
        if self._data or self._error is not None:
            data = b"\n".join(self._data) if self._data else None
            blocks.append(Block(self._event, data, self._error))
        self._event, self._error = b"", None
        self._data, self._size = [], 0


class Reader:
    """A standalone event-stream reader: bytes in any split, dispatched events out, as a browser would.

    At most `limits.event_bytes_max` bytes are held. Bad UTF-8 becomes U+FFFD. An event that the end
    of input leaves unfinished is dropped, as the standard says, so there is no `close`.
    """

    def __init__(self, limits: Limits = DEFAULTS) -> None:
        self._blocks = Blocks(limits)

    @property
    def retry_ms(self) -> int | None:
        """The reconnection time the stream asked for, in milliseconds, if any."""
        return self._blocks.retry_ms

    @property
    def overflow(self) -> bool:
        """Whether a line or an event passed its limit; nothing more comes then."""
        return self._blocks.overflow

    def feed(self, data: bytes, /) -> list[Event]:
        """Return the events that `data` completes. Never raises."""
        events: list[Event] = []
        blocks = self._blocks
        # Each event carries the id as it stood at its own end, so lines are taken one block at a time.
        for piece in data.splitlines(keepends=True):
            for block in blocks.feed(piece):
                if block.data is not None:
                    kind = block.event.decode("utf-8", "replace") or "message"
                    events.append(Event(kind, block.data.decode("utf-8", "replace"), _text(blocks.last_id)))
        return events


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")
