"""A model's bare text -> canonical events; the end of the text is a stop.

Strategy: UTF-8 is decoded incrementally, everything else is the markup splitter's.
Spec: https://encoding.spec.whatwg.org/#utf-8-decode
"""

from __future__ import annotations

import codecs

from headgate.dialects.base import Reading, RecordDecoder
from headgate.dialects.peer_error import error_of
from headgate.errors import RequestError
from headgate.events import StreamError
from headgate.messages import ChatRequest, HttpRequest


class Text:
    """The dialect."""

    name = "text"

    def sniff(self, head: bytes, /) -> int:
        """What nobody else claims; nothing at all is no text."""
        return 1 if head.strip(b" \t\r\n") else 0

    def request(self, chat: ChatRequest, /) -> HttpRequest:
        """Bare text has no requests.

        Raises:
            RequestError: always.
        """
        del chat
        raise RequestError("unsupported", "the text dialect reads text; no engine can be asked in it.")

    def decoder(self, reading: Reading, /) -> TextDecoder:
        """A decoder for one text."""
        return TextDecoder(reading)

    def error(self, status: int, body: bytes, /) -> StreamError:
        """Read an HTTP error reply."""
        return error_of(body, status=status)


DIALECT = Text()
_MARK = "\udfff"
"""Stands for bytes that are not UTF-8 until they are reported: half a surrogate pair, to which no UTF-8 decodes."""


def _mark(error: UnicodeError) -> tuple[str, int]:
    return _MARK, error.end if isinstance(error, UnicodeDecodeError) else 0


codecs.register_error("headgate.mark", _mark)


class TextDecoder(RecordDecoder):
    """Decodes one text."""

    __slots__ = ("_utf8",)

    def __init__(self, reading: Reading) -> None:
        super().__init__(reading)
        self._utf8 = codecs.getincrementaldecoder("utf-8")("headgate.mark")

    def copy(self) -> TextDecoder:
        """An independent decoder in the same state."""
        twin = super().copy()
        assert isinstance(twin, TextDecoder)  # noqa: S101 - `copy` keeps the class
        twin._utf8 = codecs.getincrementaldecoder("utf-8")("headgate.mark")
        twin._utf8.setstate(self._utf8.getstate())
        return twin

    def _feed(self, data: bytes) -> None:
        self._say(self._utf8.decode(data))

    def _record(self, record: bytes) -> None:
        self._feed(record)

    def _close(self) -> None:
        self._say(self._utf8.decode(b"", final=True))
        self.writer.start()
        self.writer.finish(None)
        self.writer.end()

    def _say(self, text: str) -> None:
        before, mark, after = text.partition(_MARK)
        self.writer.text(before)
        if mark:
            self.writer.repair("text_replaced", "bytes that are not UTF-8")
            self.writer.text((mark + after).replace(_MARK, "\ufffd"))
