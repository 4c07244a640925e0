"""Bytes of one connection -> a reply: its head, its body without framing, and where it ends.

Strategy: httptools (llhttp, strict) parses; this class counts, and knows what a close means. Sans-IO.
1xx replies are skipped. Between two body bytes at most `head_bytes_max` bytes of framing (head, chunk extensions,
trailers) are read, so nothing grows without end.
Spec: https://www.rfc-editor.org/rfc/rfc9112.html#section-6
"""

from __future__ import annotations

from httptools import HttpParserCallbackError, HttpParserError, HttpParserUpgrade, HttpResponseParser

from headgate.upstream.reply_head import Head, Said, read_head


class _SurplusError(Exception):
    """Bytes follow a whole reply although nothing was asked."""


class ReplyReader:
    """Reads the replies of one connection, one after the other; call `renew` between two.

    `head` is set once it is whole. `complete` says that the body is over, `fault` that it never will be, and why.
    `keep_alive` says whether the connection may serve another request. `touched`: any byte came since `renew`.
    """

    __slots__ = (
        "__weakref__",
        "_body_bytes",
        "_head_bytes_max",
        "_is_between",
        "_parser",
        "_pieces",
        "_raw_head",
        "_room",
        "_said",
        "complete",
        "fault",
        "head",
        "keep_alive",
        "on_body",
        "on_chunk_complete",
        "on_chunk_header",
        "touched",
    )

    def __init__(self, head_bytes_max: int) -> None:
        self._head_bytes_max = head_bytes_max
        self._pieces: list[bytes] = []
        self.on_body = self._pieces.append
        # Turned around at each chunk's beginning and end, without a call of Python: true between two chunks.
        self._is_between = [True, False]
        self.on_chunk_header = self.on_chunk_complete = self._is_between.reverse
        self._parser = HttpResponseParser(self)
        self.renew()

    def renew(self) -> None:
        """Get ready for the next reply on the same connection."""
        self.head: Head | None = None
        self.complete = False
        self.fault: str | None = None
        self.keep_alive = False
        self.touched = False
        self._body_bytes = 0
        self._room = self._head_bytes_max
        self._raw_head: list[bytes] | None = None  # until it is whole
        self._said: Said | None = None
        self._is_between[:] = True, False

    def release(self) -> None:
        """Break the reference cycle with the parser; nothing can be fed after this."""
        del self._parser, self.on_body, self.on_chunk_header, self.on_chunk_complete

    def feed(self, data: bytes, /) -> bytes:
        """Return the body bytes that `data` brought, joined; then look at `head`, `complete` and `fault`."""
        self.touched = True
        try:
            if self.head is None:
                self._feed_head(data)
            else:
                self._parser.feed_data(data)
        except HttpParserUpgrade:
            self.fault = "a switch to another protocol"
        except HttpParserError as error:
            self._stopped(error)
        pieces = self._pieces
        if not pieces:
            self._room -= len(data)
            if self._room < 0 and self.fault is None and not self.complete:
                most = f"{self._head_bytes_max:,} bytes (limits.head_bytes_max)"
                self.fault = f"more than {most} without a byte of body"
            return b""
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        self._body_bytes += len(body)
        self._room = self._head_bytes_max
        return body

    def is_between_chunks(self, data: bytes, /) -> bool:
        """Whether the body comes in chunks, and one has ended with `data`, the last that was fed."""
        # A size line that came in part ends with no line end, and a whole one begins its chunk.
        if not self._is_between[0] or not data.endswith(b"\n") or self.complete or self.fault is not None:
            return False
        return self._coding() == "chunked"

    def closed(self, *, reset: bool, passed_bytes: int = 0) -> str | None:
        """Say what a close at this point breaks off; None if it is the end that the body was waiting for.

        `passed_bytes` of body were read beside the parser.
        """
        verb = "reset" if reset else "closed"
        if self.head is None:
            return f"got {'part of a response head' if self.touched else 'nothing'}, then it {verb} the connection"
        expected = self._expected()
        if expected is None and not reset:
            return None
        return f"got {self._body_bytes + passed_bytes:,} {expected or 'body bytes'}, then it {verb} the connection"

    def _feed_head(self, data: bytes) -> None:
        # The head must be whole within its room, so that the limit is exact whatever the reads are.
        room = self._room
        raw = self._raw_head = self._raw_head or []
        raw.append(data[:room])
        self._parser.feed_data(data[:room])
        if self.head is not None:
            self._room += self._head_bytes_max  # what `feed` counts of this read is partly head
            if len(data) > room:
                self._parser.feed_data(data[room:])
        elif len(data) > room:
            self.fault = f"a response head of more than {self._head_bytes_max:,} bytes (limits.head_bytes_max)"

    def _stopped(self, error: HttpParserError) -> None:
        if self.complete:
            self.keep_alive = False  # bytes that nobody asked for; the reply before them is whole
        elif isinstance(error, HttpParserCallbackError):
            raise error  # a bug of ours, not the engine's
        else:
            self.fault = f"something else ({error})"

    def _expected(self) -> str | None:
        """What was still to come, in words; None if the body ends at close (llhttp's `message_needs_eof`)."""
        headers = self.head.headers if self.head else []
        coding = self._coding()
        if coding:
            return "body bytes and no last chunk" if coding == "chunked" else None
        lengths = (int(value) for name, value in headers if name == "content-length")
        return next((f"of {length:,} body bytes" for length in lengths), None)

    def _coding(self) -> str:
        """The transfer coding that was put around all others; "" if there is none."""
        return "" if self._said is None else self._said.coding

    # The parser calls these. `on_body` is the list's own append, since it comes once per chunk.

    def on_message_begin(self) -> None:
        """Stop at bytes that nobody asked for."""
        if self.complete:
            raise _SurplusError

    def on_headers_complete(self) -> None:
        """Note the head, unless a better one follows."""
        # A better one may be in these bytes already, and is not to be told before llhttp has taken it.
        is_interim = 100 <= self._parser.get_status_code() < 200
        said = None if is_interim else read_head(b"".join(self._raw_head or ()))
        if said is not None:
            self._raw_head, self._said = None, said
            self.head, self.keep_alive = said.head, said.keeps

    def on_message_complete(self) -> None:
        """Note the end of the body."""
        self.complete = self.head is not None
