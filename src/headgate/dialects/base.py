"""The seam of the engine side: what a dialect is, and what every decoder shares.

Strategy: `RecordDecoder` owns the end of a stream (a finish marker, an error, or neither) and hands each
record to the dialect; the writer owns the grammar.
Spec: ours (`docs/adding.md`).
"""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct

from headgate.dialects.writer import BlockWriter
from headgate.errors import UsageError, stream_error
from headgate.events import Event, ReasoningDelta, StreamError, TextDelta
from headgate.limits import DEFAULTS, Limits
from headgate.markup.family import Families
from headgate.markup.plain import Flow
from headgate.messages import ChatRequest, HttpRequest, IdFactory, Tools
from headgate.twins import twin


class Reading(Struct, frozen=True):
    """How a stream is to be read.

    `tools` is None when nothing is known of the request. `whole_calls` holds each call that was made of
    text until it is complete. `verbose` tells a recurring quirk each time, and of markup what it was.
    """

    ids: IdFactory
    limits: Limits = DEFAULTS
    families: Families = Families()
    tools: Tools | None = None
    starts_in_reasoning: bool | None = None
    parse_reasoning: bool = True
    parse_tools: bool = True
    whole_calls: bool = False
    verbose: bool = False


class Decoder(Protocol):
    """Bytes of one response in, events out."""

    @property
    def done(self) -> bool:
        """Whether the terminal has been emitted; what comes after it is ignored."""
        ...

    @property
    def finished(self) -> bool:
        """Whether the engine has finished every choice, so that only usage and the end marker can follow."""
        ...

    def feed(self, data: bytes, /) -> list[Event]:
        """Decode bytes in any split. Never raises on peer input."""
        ...

    def record(self, record: bytes, /) -> list[Event]:
        """Decode one record without its envelope, as client libraries and logs hold it."""
        ...

    def close(self, *, cancelled: bool = False) -> list[Event]:
        """The bytes are over (or the client is gone): return what is left, the terminal included."""
        ...

    def fail(self, error: StreamError, /) -> list[Event]:
        """The connection broke: return what is left, and the error as the terminal."""
        ...

    def copy(self) -> Decoder:
        """An independent decoder in the same state."""
        ...

    @property
    def limits(self) -> Limits:
        """The limits that it reads by."""
        ...

    @property
    def record_end(self) -> bytes:
        """What ends a record of this stream; b"" where that is not told, so that none can be skipped."""
        ...

    def flow(self, delta: TextDelta | ReasoningDelta, /) -> Flow | None:
        """The text that goes on with records which are each one more delta like this, or none; until one is fed.

        What is plain in it is that delta's text and changes nothing else; of any other text its `take` says which text
        the delta has, "" for no delta, and None where the record must be fed. None where there is no such text: inside
        a record, when another block is open, when part of a tag is held.
        """
        ...

    def skip(self, length: int, /) -> None:
        """Records of this many bytes were translated without the decoder; each gave one delta."""
        ...


class Dialect(Protocol):
    """One engine's wire format."""

    name: str

    def sniff(self, head: bytes, /) -> int:
        """How sure it is, from 0 to 100, that a stream that begins with `head` is in this dialect."""
        ...

    def request(self, chat: ChatRequest, /) -> HttpRequest:
        """What to send to the engine; the same request always gives the same bytes.

        Raises:
            RequestError: if the engine cannot do what the request asks for.
        """
        ...

    def decoder(self, reading: Reading, /) -> Decoder:
        """A decoder for one response, streamed or whole."""
        ...

    def error(self, status: int, body: bytes, /) -> StreamError:
        """Read an HTTP error reply."""
        ...


class RecordDecoder:
    """What decoders share: the framing's end, the terminal, and the rule that nothing follows it."""

    __slots__ = ("_bytes", "_closed", "_fed", "limits", "writer")

    wanted = "a finish marker"
    record_end = b""

    def __init__(self, reading: Reading) -> None:
        self.limits = reading.limits
        self.writer = BlockWriter(reading)
        self._closed = False
        self._bytes = 0
        self._fed = False  # parsed records come without their envelope, whose end marker is not missing then

    @property
    def done(self) -> bool:
        """Whether the terminal has been emitted."""
        return self.writer.done

    @property
    def finished(self) -> bool:
        """Whether every choice that began has its finish reason."""
        return self.writer.finished

    def feed(self, data: bytes, /) -> list[Event]:
        """Decode bytes read from the engine.

        Accepts any split, including inside a UTF-8 sequence. At most `limits.line_bytes_max` bytes are
        held. Never raises on peer input: bad input ends the stream with an `error` event.

        Raises:
            UsageError: if called after `close()`.
        """
        if self._closed:
            raise UsageError(_CLOSED)
        self._bytes += len(data)
        self._fed = True
        writer = self.writer
        if not writer.done:
            self._feed(data)
        return writer.take()

    def record(self, record: bytes, /) -> list[Event]:
        """Decode one record without its envelope.

        Raises:
            UsageError: if called after `close()`.
        """
        self._still_open()
        self._bytes += len(record)
        if not self.writer.done:
            self._record(record)
        return self.writer.take()

    def close(self, *, cancelled: bool = False) -> list[Event]:
        """End the stream: the engine's bytes are over, or (`cancelled`) the client went away.

        Raises:
            UsageError: if called twice.
        """
        self._still_open()
        self._closed = True
        if cancelled:
            self.writer.cancel()
        elif not self.writer.done:
            self._close()
        return self.writer.take()

    def fail(self, error: StreamError, /) -> list[Event]:
        """End the stream with an error that its bytes do not tell: the connection broke, a deadline passed.

        Text that was held comes first, so that nothing generated is lost.

        Raises:
            UsageError: if called after `close()`.
        """
        self._still_open()
        self._closed = True
        self.writer.fail(error)
        return self.writer.take()

    def copy(self) -> RecordDecoder:
        """An independent decoder in the same state."""
        copied = twin(self)
        copied.writer = self.writer.copy()
        return copied

    def flow(self, delta: TextDelta | ReasoningDelta, /) -> Flow | None:
        """See `Decoder.flow`."""
        return self.writer.flow(delta) if self._is_between() and not self._closed else None

    def skip(self, length: int, /) -> None:
        """See `Decoder.skip`."""
        self._bytes += length

    def _is_between(self) -> bool:
        """Whether the framing stands between two records, with nothing held. Subclasses that know say so."""
        return False

    def _feed(self, data: bytes) -> None:
        raise NotImplementedError

    def _record(self, record: bytes) -> None:
        raise NotImplementedError

    def _close(self) -> None:
        """The bytes are over. Subclasses first decode what their framing still holds."""
        self._end_of_input()

    def _end_of_input(self) -> None:
        if self.writer.done:
            return
        if self.writer.finished:
            if self._fed:
                self.writer.repair("closed_after_finish")
            self.writer.end()
        else:
            self.writer.fail(self._truncated())

    def _truncated(self) -> StreamError:
        message = (
            f"the engine's stream stopped after {self._bytes:,} bytes without {self.wanted}. "
            "The engine may have crashed or given up; see its log."
        )
        return stream_error("upstream_truncated", message)

    def _fail(self, code: str, message: str, vendor: str | None = None) -> None:
        self.writer.fail(stream_error(code, message, vendor=vendor))

    def _fail_overflow(self) -> None:
        expected = f"lines and events of at most {self.limits.line_bytes_max:,} bytes"
        self._fail(
            "line_too_long", f"expected {expected}, got a longer one. Raise limits.line_bytes_max if it is right."
        )

    def _still_open(self) -> None:
        if self._closed:
            raise UsageError(_CLOSED)


_CLOSED = "this decoder was closed; make a new one for each response"
