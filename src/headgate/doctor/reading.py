"""Bytes of a reply -> an `Answer`: our decoder reads it, and every repair is noted."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from headgate.accumulate import Accumulator
from headgate.conform import check_stream
from headgate.dialects.base import Reading
from headgate.doctor.asking import Answer, Ask, Facts
from headgate.errors import UpstreamError, stream_error
from headgate.events import Event, MessageStart, ReasoningDelta, Repair, StreamError, TextDelta, ToolCallStart
from headgate.limits import Limits
from headgate.markup import AUTO, families_named

_OK = range(200, 300)
_WORDS = (TextDelta, ReasoningDelta, ToolCallStart)
_BODY_BYTES_MAX = 8 * 1024 * 1024
_PAGES = ("text/html", "text/xml", "application/xhtml", "application/xml")


class Reader:
    """Reads the reply to one question. Times are seconds since it was sent."""

    def __init__(self, facts: Facts, ask: Ask, limits: Limits) -> None:
        numbers = itertools.count(1)

        def new_id(prefix: str) -> str:
            return f"{prefix}{next(numbers)}"

        reading = Reading(ids=new_id, limits=limits, families=families_named(AUTO), tools=ask.tools)
        self.spoke = False
        self._facts = facts
        self._ask = ask
        self._decoder = facts.dialect.decoder(reading)
        self._messages = Accumulator()
        self._repairs: dict[str, str] = {}
        self._choices = 0
        self._error: StreamError | None = None
        self._status = 0
        self._content_type = ""
        self._pieces: list[bytes] = []
        self._bytes = 0
        self._first_s: float | None = None
        self._last_s = 0.0
        self._silence_s = 0.0

    @property
    def _decodes(self) -> bool:
        return self._ask.is_chat and self._status in _OK and not self._content_type.startswith(_PAGES)

    def head(self, status: int, headers: Sequence[tuple[str, str]]) -> None:
        """The reply begins."""
        self._status = status
        self._content_type = next((value for name, value in headers if name == "content-type"), "").strip().lower()

    def feed(self, data: bytes, at_s: float) -> None:
        """More of the body. `spoke` becomes true with the first word of the model."""
        self._heard(at_s)
        self._bytes += len(data)
        if self._bytes <= _BODY_BYTES_MAX:
            self._pieces.append(data)
        if self._decodes:
            self._take(self._decoder.feed(data), at_s)

    def close(self, at_s: float, error: UpstreamError | None = None, *, left: bool = False) -> Answer:
        """The reply is over: by itself, with an error, or because we left."""
        self._heard(at_s)
        body = b"".join(self._pieces)
        if error is not None and not self._decodes:
            self._error = error.event()
        elif self._decodes:
            rest = self._decoder.fail(error.event()) if error is not None else self._decoder.close(cancelled=left)
            self._take(rest, at_s)
        elif self._ask.is_chat:
            self._error = self._unread(body)
        return self._answer(body, at_s, left=left)

    def _answer(self, body: bytes, at_s: float, *, left: bool) -> Answer:
        held = self._facts.claims_exact and self._decodes and self._ask.streamed and not left
        return Answer(
            status=self._status,
            content_type=self._content_type,
            body=body,
            messages=self._messages.messages,
            choices=self._choices,
            error=self._error,
            repairs=tuple(self._repairs.items()),
            breaches=check_stream(body) if held and self._bytes <= _BODY_BYTES_MAX else (),
            first_s=self._first_s,
            ended_s=at_s,
            silence_s=self._silence_s,
            left=left,
        )

    def _unread(self, body: bytes) -> StreamError:
        if self._status in _OK:
            kind = self._content_type.partition(";")[0][:40]
            return stream_error("upstream_protocol", f"expected a chat model's reply, got {kind}. Correct the URL.")
        return self._facts.dialect.error(self._status, body)

    def _heard(self, at_s: float) -> None:
        self._silence_s = max(self._silence_s, at_s - self._last_s)
        self._last_s = at_s

    def _take(self, events: Sequence[Event], at_s: float) -> None:
        for event in events:
            self._messages.feed(event)
            match event:
                case Repair():
                    self._repairs.setdefault(event.code, event.detail)
                case MessageStart():
                    self._choices += 1
                case StreamError():
                    self._error = event
                case _ if isinstance(event, _WORDS) and self._first_s is None:
                    self.spoke, self._first_s = True, at_s
                case _:
                    pass
