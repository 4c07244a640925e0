"""Plain deltas of a stream, from record to frame without an event between.

Strategy: most records of a response are equal but for their text. When one has been translated the whole way,
what stands around its text is its envelope, and a twin of the decoder is asked whether the envelope with any
other text gives that text and nothing else. From then on a record in this envelope, with a text that needs no
look by the markup, is the encoder's frame with the same bytes in it. Everything else goes the whole way.
Spec: ours; by definition the same bytes as `encoder.feed(decoder.feed(data))` (`tests/test_shortcut.py`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from headgate.dialects.base import Decoder, Plain
from headgate.events import ReasoningDelta, TextDelta
from headgate.surfaces.base import Encoder, Frame

_TEXT = re.compile(rb'"(?:content|reasoning_content|reasoning|thinking|text|response)": ?"(?!")')
_SLOT = re.compile(rb'"created_at": ?"')
"""A field before the text that changes with every record and means nothing after the first: Ollama's time."""
_STRING = re.compile(rb'(?:[^"\\]|\\.)*+')
_MARKERS = "shortcut", "way"
_TRIES = 16
_HITS_PER_TRY = 8

_decode = msgspec.json.Decoder(str).decode


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

    def text_of(self, data: bytes, start: int, end: int) -> bytes:
        """The text of the record `data[start:end]` as JSON, without its quotes; b"" where it is another record."""
        behind = end - len(self.tail)
        if behind <= start or not (data.startswith(self.head, start) and data.startswith(self.tail, behind)):
            return b""
        start += len(self.head)
        if self.middle:
            start = data.find(b'"', start)
            if not data.startswith(self.middle, start):
                return b""
            start += len(self.middle)
        return data[start:behind]


class Shortcut:
    """Translates one response by the shortest way that gives the same bytes.

    Args:
        decoder: reads the engine's bytes.
        encoder: writes the client's bytes.
        whole: the whole way.
    """

    def __init__(self, decoder: Decoder, encoder: Encoder, whole: Callable[[bytes], bytes]) -> None:
        self._decoder = decoder
        self._encoder = encoder
        self._whole = whole
        self._end = b""  # what ends a record of this stream
        self._behind = 0  # how much of that is left from its first line feed on
        self._envelope: Envelope | None = None
        self._plain: Plain | None = None
        self._longest = min(decoder.limits.line_bytes_max, decoder.limits.event_bytes_max)
        self._tries = _TRIES * _HITS_PER_TRY  # what may be spent on learning; records in the envelope earn more

    def feed(self, data: bytes, /) -> bytes:
        """Translate bytes in any split."""
        if self._envelope is None:
            return self._all(data)
        out: list[bytes] = []
        start = self._short(data, 0, out)
        while start < len(data):
            place = data.find(self._end, start)
            end = place + len(self._end) if place >= 0 else len(data)
            out.append(self._all(data[start:end]))
            start = self._short(data, end, out)
        return b"".join(out)

    def _all(self, data: bytes) -> bytes:
        """Go the whole way, and learn from it."""
        self._plain = None
        out = self._whole(data)
        if self._tries >= _HITS_PER_TRY:
            self._learn(data)
        return out

    def _short(self, data: bytes, start: int, out: list[bytes]) -> int:
        """Translate what is in the envelope from `start` on; return where that ends."""
        envelope, plain = self._envelope, self._plain
        if envelope is not None and plain is None:
            # Nothing changes the answer until something goes the whole way again.
            plain = self._plain = self._decoder.plain(envelope.delta)
        if envelope is None or plain is None:
            return start
        first, size, before, behind = start, len(data), len(envelope.head), self._behind
        # One character is found much faster than two, and behind the head no line ends but the record's last.
        while start < size and (place := data.find(b"\n", start + before)) >= 0:
            end = place + behind
            text = envelope.text_of(data, start, end)
            if not text or end - start > self._longest:
                break
            if plain(text) is None:
                taken = self._taken(envelope, text)
                if taken is None:
                    break
                out.append(taken)
                plain = self._plain = self._decoder.plain(envelope.delta)
                if plain is None:
                    start = end
                    break
            else:
                out += (envelope.frame.before, text, envelope.frame.behind)
            start = end
            self._tries += 1
        self._decoder.skip(start - first)
        return start

    def _taken(self, envelope: Envelope, text: bytes) -> bytes | None:
        """The frame of a text that is not to be copied as it is; None if its record must go the whole way."""
        try:
            value = self._decoder.take_text(envelope.delta, _decode(b'"%b"' % text))
        except ValueError:
            return None
        if not value:
            return None if value is None else b""
        return envelope.frame.before + envelope.frame.text(value) + envelope.frame.behind

    # -- learning ------------------------------------------------------------------------------------

    def _learn(self, data: bytes) -> None:
        """Look for an envelope in the last record of `data`, which has just gone the whole way."""
        self._end = self._decoder.record_end
        if not self._end or not data.endswith(self._end):
            return
        self._behind = len(self._end) - self._end.find(b"\n")
        end = len(data) - len(self._end)
        start = data.rfind(self._end, 0, end) + len(self._end) if self._end in data[:end] else 0
        if self._envelope is not None and self._envelope.text_of(data, start, len(data)):
            return  # it is known, and its text was what wanted the whole way
        self._tries = min(self._tries, _TRIES * _HITS_PER_TRY) - _HITS_PER_TRY
        self._envelope = self._envelope_of(data[start:]) or self._envelope

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
        twin = self._decoder.copy()
        found: list[TextDelta | ReasoningDelta] = []
        for marker in _MARKERS:
            events = twin.feed(head + marker.encode() + tail)
            if len(events) != 1 or not isinstance(events[0], TextDelta | ReasoningDelta):
                return None
            found.append(events[0])
        first, second = found
        same = second == msgspec.structs.replace(first, text=_MARKERS[1])
        return first if same and first.text == _MARKERS[0] and not first.logprobs else None
