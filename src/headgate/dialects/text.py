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
        return 1 if head.strip() else 0

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
_REPLACEMENT = "\ufffd"


class TextDecoder(RecordDecoder):
    """Decodes one text."""

    def __init__(self, reading: Reading) -> None:
        super().__init__(reading)
        self._utf8 = codecs.getincrementaldecoder("utf-8")("replace")
        self._tail = b""

    def copy(self) -> TextDecoder:
        """An independent decoder in the same state."""
        twin = super().copy()
        assert isinstance(twin, TextDecoder)  # noqa: S101 - `copy` keeps the class
        twin._utf8 = codecs.getincrementaldecoder("utf-8")("replace")
        twin._utf8.setstate(self._utf8.getstate())
        return twin

    def _feed(self, data: bytes) -> None:
        # A U+FFFD that the model wrote is none that we made; a read may have split its three bytes.
        written = (self._tail + data).count(_REPLACEMENT.encode())
        self._tail = (self._tail + data)[-2:]
        self._say(self._utf8.decode(data), written)

    def _record(self, record: bytes) -> None:
        self._feed(record)

    def _close(self) -> None:
        self._say(self._utf8.decode(b"", final=True), 0)
        self.writer.start()
        self.writer.finish(None)
        self.writer.end()

    def _say(self, text: str, written: int) -> None:
        if text.count(_REPLACEMENT) > written:
            self.writer.repair("text_replaced", "bytes that are not UTF-8")
        self.writer.text(text)
