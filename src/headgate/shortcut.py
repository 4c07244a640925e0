"""Plain deltas of a stream, from record to frame without an event between.

Strategy: most records of a response are equal but for their text. When one has been translated the whole way,
what stands around its text is its envelope, and a twin of the decoder is asked whether the envelope with any
other text gives that text and nothing else. From then on a record in this envelope, with a text that needs no
look by the markup, is the encoder's frame with the same bytes in it. Everything else goes the whole way.
Spec: ours; by definition the same bytes as `encoder.feed(decoder.feed(data))` (`tests/test_shortcut.py`).
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from headgate import rows
from headgate.dialects.base import Decoder
from headgate.events import ReasoningDelta, TextDelta
from headgate.markup.plain import ANY_FLOW, ANYTHING, ROW_END, Plain
from headgate.rows import Rows
from headgate.surfaces.base import Encoder, Frame

_TEXT = re.compile(rb'"(?:content|reasoning_content|reasoning|thinking|text|response)": ?"(?!")')
_SLOT = re.compile(rb'"created_at": ?"')
"""A field before the text that changes with every record and means nothing after the first: Ollama's time."""
_STRING = re.compile(rb'(?:[^"\\]|\\.)*+')
_MARKERS = "shortcut", "way"
_TRIES = 16
_HITS_PER_TRY = 8
_UNHURRIED = 2
"""Reads that teach nothing yet: the role and the first token, which should not wait for a lesson."""
_LESSON_BYTES = 512
"""Of a large read, so much goes the whole way before it is looked whether it taught an envelope; a record has 250."""
_LARGE_BYTES = 4096
"""What is worth a lesson: that takes as long as ten records."""

_ROW_BYTES_MIN = 1024
"""From where on it is worth looking for several records at once; a record has 250."""

_decode = msgspec.json.Decoder(str).decode


Alone = tuple[bytes, bytes, bytes, int, int, bytes, bytes]
"""Head, middle and tail of an envelope, the lengths of head and tail, and what stands around the text then.

Where there is a middle, between head and middle stands any value without a quote.
"""


class Envelope(NamedTuple):
    """What stands around the text of a record, and what it becomes.

    `head`, or `head`, a value in quotes and `middle`, stand before the text; `tail`, which ends the record, behind it.
    `delta` is an event that such a record gives, and `frame` what it becomes.
    """

    head: bytes
    middle: bytes
    tail: bytes
    delta: TextDelta | ReasoningDelta
    frame: Frame

    def holds(self, record: bytes) -> bool:
        """Whether a record is in this envelope, whatever its text."""
        is_long = len(record) > len(self.head) + len(self.middle) + len(self.tail)
        return is_long and record.startswith(self.head) and self.middle in record and record.endswith(self.tail)


class Shortcut:
    """Translates one response by the shortest way that gives the same bytes.

    Args:
        decoder: reads the engine's bytes.
        encoder: writes the client's bytes.
        whole: the whole way.

    Whoever has a record alone, as most reads have it, may do without `feed` while `alone` is set: what stands around
    a text there becomes the frame around it if `copies` says so of the text, or else what `frame_of` makes of it. Of
    all that went so it says by `passed`, before the next `feed`.
    """

    __slots__ = (
        "_alone_bytes",
        "_decoder",
        "_encoder",
        "_envelope",
        "_flow",
        "_plain",
        "_row_bytes",
        "_rows",
        "_tries",
        "_unhurried",
        "_whole",
        "alone",
        "copies",
        "longest",
    )

    def __init__(self, decoder: Decoder, encoder: Encoder, whole: Callable[[bytes], bytes]) -> None:
        self._decoder = decoder
        self._encoder = encoder
        self._whole = whole
        self._envelope: Envelope | None = None
        self._flow, self.copies = ANY_FLOW, ANYTHING.json  # where there is a `_plain`
        self._plain: Plain | None = None
        self._rows: Rows | None = None
        self.alone: Alone | None = None
        self._alone_bytes = 0  # what is longer may be two records
        self.longest = min(decoder.limits.line_bytes_max, decoder.limits.event_bytes_max)
        self._row_bytes = _ROW_BYTES_MIN if self.longest >= rows.BYTES_MAX else sys.maxsize
        self._unhurried = _UNHURRIED
        self._tries = _TRIES * _HITS_PER_TRY  # what may be spent on learning; records in the envelope earn more

    def feed(self, data: bytes, /) -> bytes:
        """Translate bytes in any split."""
        if self.alone is not None and len(data) < self._alone_bytes:
            # A read that is one plain record, as an engine sends them: `_short` in as few steps as there can be.
            head, middle, tail, ahead, rest, before, behind = self.alone
            if middle:
                ahead = data.find(b'"', ahead)
                ahead = ahead + len(middle) if data.startswith(middle, ahead) else len(data)
            text = data[ahead:-rest]
            if text and data.startswith(head) and data.endswith(tail) and len(data) <= self.longest:
                frame = before + text + behind if self.copies(text) else self.frame_of(text)
                if frame is not None:
                    self.passed(1, len(data))
                    return frame
        out: list[bytes] = []
        start = self._short(data, 0, out)
        while start < len(data):
            end = self._far(data, start)
            out.append(self._all(data[start:end]))
            start = self._short(data, end, out)
        return b"".join(out)

    def passed(self, records: int, length: int, /) -> None:
        """So many plain records, of this many bytes, were translated."""
        self._tries += records
        self._decoder.skip(length)

    def _far(self, data: bytes, start: int) -> int:
        """Where that ends which goes the whole way: one record, or without an envelope as many as may teach one."""
        record_end = self._decoder.record_end
        if not record_end or (self._envelope is None and self._tries < _HITS_PER_TRY):
            return len(data)
        if self._envelope is not None:
            place = data.find(record_end, start)
        elif len(data) - start > _LARGE_BYTES:
            self._unhurried = 0
            place = data.find(record_end, start + _LESSON_BYTES)
        else:
            place = data.rfind(record_end, start)  # what follows is part of a record, and teaches nothing
        return place + len(record_end) if place >= 0 else len(data)

    def _all(self, data: bytes) -> bytes:
        """Go the whole way, and learn from it."""
        self._plain = self.alone = None
        if self._envelope is not None and isinstance(self._envelope.delta, ReasoningDelta):
            # A thought may go on in the text or apart from it; which of the two it does now must be learned again.
            self._envelope = None
        out = self._whole(data)
        if self._encoder.done:
            self._envelope = None  # an encoder may end before the engine does: nothing more is written
        elif self._unhurried:
            self._unhurried -= 1
        elif self._tries >= _HITS_PER_TRY:
            self._learn(data)
        return out

    def _short(self, data: bytes, start: int, out: list[bytes]) -> int:
        """Translate what is in the envelope from `start` on; return where that ends."""
        envelope = self._envelope
        if envelope is None:
            return start
        plain = self._plain or self._look(envelope)
        if plain is None:
            return start
        head, middle, tail, _, (before, behind, _) = envelope
        first, ahead, rest, copies = start, len(head), len(tail), plain.json
        # The commonest case first; `_taken` knows the others.
        while data.startswith(head, start):
            if len(data) - start >= self._row_bytes and (end := self._row(envelope, data, start, out)) > start:
                start, plain = end, self._plain or plain
                copies = plain.json
                continue
            place = start + ahead
            if middle:
                place = data.find(b'"', place)
                if not data.startswith(middle, place):
                    break
                place += len(middle)
            end = data.find(b'"', place)
            text = data[place:end]
            if text and data.startswith(tail, end) and end + rest - start <= self.longest and copies(text):
                out += (before, text, behind)
                start = end + rest
            elif end := self._taken(envelope.tail, data, start, place, out):
                start, plain = end, self._plain or plain
                copies = plain.json
            else:
                break
            self._tries += 1
        self._decoder.skip(start - first)
        return start

    def _row(self, envelope: Envelope, data: bytes, start: int, out: list[bytes]) -> int:
        """Translate records in the envelope that follow each other from `start` on, those that are plain at once.

        Returns where that ends; `start` for records that are better looked at one by one.
        """
        if self._rows is None:
            self._rows = Rows(envelope.head, envelope.middle, envelope.tail)
        pieces, texts = self._rows.find(data, start)
        row = ROW_END.join(texts) + ROW_END
        if row.count(ROW_END) != len(texts):
            return start
        before, behind, _ = envelope.frame
        number = place = 0
        while number < len(texts):
            run = self._plain and self._plain.row(row, place)
            end = run.end() if run else place
            if end > place:
                following = number + row.count(ROW_END, place, end)
                out += (before, (behind + before).join(texts[number:following]), behind)
                number, place = following, end
                continue
            frame = self.frame_of(texts[number]) if texts[number] else None
            if frame is None:
                break
            out.append(frame)
            place += len(texts[number]) + len(ROW_END)
            number += 1
        self._tries += number
        return start + self._rows.size(pieces[:number])

    def _look(self, envelope: Envelope) -> Plain | None:
        """Ask what is plain now. Nothing changes that until something goes the whole way again, or is taken."""
        flow = self._decoder.flow(envelope.delta)
        if flow is None:
            return None
        self._flow, self._plain, self.copies = flow, flow.plain, flow.plain.json
        head, middle, tail, _, (before, behind, _) = envelope
        self.alone = head, middle, tail, len(head), len(tail), before, behind
        self._alone_bytes = 2 * (len(head) + len(tail))
        return flow.plain

    def _taken(self, tail: bytes, data: bytes, start: int, place: int, out: list[bytes]) -> int:
        """Translate the record at `start`, whose text at `place` is not to be copied.

        Returns where it ends; 0 if it must go the whole way.
        """
        string = _STRING.match(data, place)
        end = string.end() if string else place
        behind = end + len(tail)
        if end == place or not data.startswith(tail, end) or behind - start > self.longest:
            return 0
        frame = self.frame_of(data[place:end])
        if frame is None:
            return 0
        out.append(frame)
        return behind

    def frame_of(self, source: bytes) -> bytes | None:
        """The frame of a text in the envelope that is not to be copied; None if its record must go the whole way."""
        envelope, plain = self._envelope, self._plain
        assert envelope is not None and plain is not None  # noqa: S101, PT018 - whoever calls this has looked
        try:
            text = _decode(b'"%b"' % source)
        except ValueError:
            return None
        if not plain.text(text):
            taken = self._flow.take(text)
            if taken is None:
                return None
            text, plain = taken
            self._plain, self.copies = plain, plain.json
        before, behind, written = envelope.frame
        return before + written(text) + behind if text else b""

    # -- learning ------------------------------------------------------------------------------------

    def _learn(self, data: bytes) -> None:
        """Look for an envelope in the last record of `data`, which has just gone the whole way."""
        record_end = self._decoder.record_end
        if not record_end or not data.endswith(record_end):
            return
        place = data.rfind(record_end, 0, len(data) - len(record_end))
        record = data[place + len(record_end) :] if place >= 0 else data
        if self._envelope is not None and self._envelope.holds(record):
            return  # it is known, and its text was what wanted the whole way
        self._tries = min(self._tries, _TRIES * _HITS_PER_TRY) - _HITS_PER_TRY
        found = self._envelope_of(record)
        if found is not None:
            self._envelope, self._rows = found, None

    def _envelope_of(self, record: bytes) -> Envelope | None:
        texts = list(_TEXT.finditer(record))
        if len(texts) != 1:
            return None
        start = texts[0].end()
        string = _STRING.match(record, start)
        head, middle, tail = record[:start], b"", record[string.end() if string else start :]
        slot = _SLOT.search(head)
        if slot is not None:
            head, middle = head[: slot.end()], head[head.find(b'"', slot.end()) :]
        delta = self._tried(head + (b"x" if middle else b"") + middle, tail)
        frame = self._encoder.frame(delta) if delta is not None else None
        return Envelope(head, middle, tail, delta, frame) if delta is not None and frame is not None else None

    def _tried(self, head: bytes, tail: bytes) -> TextDelta | ReasoningDelta | None:
        """What a twin of the decoder makes of the envelope with other texts in it, if that is they and nothing else."""
        events = self._decoder.copy().feed(b"".join(head + marker.encode() + tail for marker in _MARKERS))
        if len(events) != len(_MARKERS):
            return None
        first, second = events
        if not isinstance(first, TextDelta | ReasoningDelta) or first.logprobs or first.text != _MARKERS[0]:
            return None
        return first if second == msgspec.structs.replace(first, text=_MARKERS[1]) else None
