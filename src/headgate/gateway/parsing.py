"""A request's bytes -> what its head says, and its body, with a gate in each of the parser's callbacks.

Strategy: a parser is there while something is parsed. llhttp is strict about framing; what it lets through (`heads.py`)
and how much of anything may come is refused here, before an app sees it.
Spec: https://www.rfc-editor.org/rfc/rfc9112
"""

from __future__ import annotations

from enum import Enum
from typing import Any

import httptools

from headgate.errors import PeerError, RequestError
from headgate.gateway import heads
from headgate.gateway.asgi import Headers, Scope
from headgate.gateway.hosting import Hosting

_PIPELINE_MAX = 16
"""Requests that may wait behind one that is answered. Browsers never pipelined more than eight."""
_FRAMING_SHARE = 8
"""Wire bytes per byte of a chunked body: chunks of a single byte take six."""
_NO_HEADERS: Headers = []
"""While no head is being read; nobody appends to it, since each head begins with a list of its own."""


class Stage(Enum):
    """How far the request is that is being read."""

    IDLE = "idle"  # nothing of it came yet
    HEAD = "head"  # its line or its headers are coming
    BODY = "body"  # its body is coming, and belongs to the newest account
    OVER = "over"  # nothing that still comes is read


class Parsing(Hosting):
    """A connection to an app that reads requests, within the limits of their sizes."""

    __slots__ = (
        "_body_bytes",
        "_fields",
        "_keeps",
        "_refusal",
        "_since_s",
        "_stage",
        "_wire_bytes",
        "headers",
        "parser",
        "url",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.parser: httptools.HttpRequestParser | None = None
        self.url = b""
        self.headers: Headers = _NO_HEADERS
        self._stage = Stage.IDLE
        self._since_s = 0.0  # the stage, for a request that is coming
        self._wire_bytes = 0
        self._body_bytes = 0
        self._fields = 0
        self._keeps = True  # the connection, after the reply to the newest request
        self._refusal: PeerError | None = None

    def parse(self, data: bytes) -> None:
        """Read on.

        Raises:
            HttpParserUpgrade: behind a request that wants another protocol.
            HttpParserError: for what is malformed or was refused; then `_refusal` says so.
            RequestError: for what is too large.
        """
        if self._stage is Stage.IDLE:
            self._enter(Stage.HEAD)
        self._wire_bytes += len(data)
        parser = self.parser
        if parser is None:
            parser = self.parser = httptools.HttpRequestParser(self)
            # What follows a request that closes its connection is no error: the reply comes first, and then the end.
            parser.set_dangerous_leniencies(lenient_data_after_close=True)
        parser.feed_data(data)
        self._check_sizes()
        if self._stage is Stage.IDLE:
            self._parse_no_more()

    def begin(self, said: Scope, *, waits: bool) -> None:
        """Begin with a request whose head is there; of the arguments see `cycle_of`."""
        # A reply that begins before its request is whole is the connection's last, and says so.
        self.expect(self.cycle_of(said, keep_alive=False, waits=waits))

    # The parser calls these. What they raise ends its work: `feed_data` raises in its turn.

    def on_message_begin(self) -> None:
        """A request's first byte."""
        if len(self.waiting) >= _PIPELINE_MAX:
            raise self._refused("invalid_request", f"expected at most {_PIPELINE_MAX} requests that wait, got more.")
        if self._stage is not Stage.HEAD:
            self._enter(Stage.HEAD)
            self._wire_bytes = 1  # it began in the same read in which the one before it ended
        self.url = b""
        self.headers = []

    def on_url(self, url: bytes) -> None:
        """The target, or a part of it."""
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """A field of the head; those after a chunked body are dropped, since nothing here knows any."""
        self._fields += 1
        if self._fields > self.limits.request_headers_max:
            most = f"{self.limits.request_headers_max} (limits.request_headers_max)"
            raise self._refused("invalid_request", f"expected at most {most} header fields, got more.", 431)
        if self._stage is Stage.HEAD:
            self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """Check the head before anything is started for it."""
        parser = self.parser
        assert parser is not None  # noqa: S101 - it is calling us
        if len(self.url) + heads.size(self.headers) > self.limits.request_head_bytes_max:
            raise self._too_long()
        version = parser.get_http_version()
        fault = heads.fault(version, self.url, self.headers)
        if fault:
            raise self._refused("invalid_request", fault)
        said = heads.said(version, parser.get_method(), self.url, self.headers)
        self._keeps = version != "1.0" and parser.should_keep_alive()
        self.begin(said, waits=heads.waits(self.headers))
        self._enter(Stage.BODY)
        self._fields = 0

    def on_body(self, body: bytes) -> None:
        """More of the body."""
        self._body_bytes += len(body)
        self.take_body(body)

    def on_message_complete(self) -> None:
        """The request is whole."""
        self._stage = Stage.IDLE
        account = self.newest
        if account is not None and not account.response_started:
            account.keep_alive = self._keeps
        self.take_end()

    # How far it is.

    def _enter(self, stage: Stage) -> None:
        self._stage = stage
        self._since_s = self.loop.time()
        self._wire_bytes = self._body_bytes = 0
        if stage is Stage.HEAD:
            self._fields = 0

    def _parse_no_more(self) -> None:
        """Let go of the parser, which refers to this, and of what it read."""
        self.parser = None
        self.url, self.headers = b"", _NO_HEADERS

    # Sizes.

    def _check_sizes(self) -> None:
        most = self.limits.request_head_bytes_max
        if self._stage is Stage.HEAD and self._wire_bytes > most:
            raise self._too_long()
        if self._stage is Stage.BODY and self._wire_bytes > 2 * most + _FRAMING_SHARE * self._body_bytes:
            raise RequestError("invalid_request", "expected a body, got little else than what frames its chunks.")

    def _too_long(self) -> RequestError:
        most = f"{self.limits.request_head_bytes_max:,} bytes (limits.request_head_bytes_max)"
        return self._refused("invalid_request", f"expected a request head of at most {most}, got more.", 431)

    def _refused(self, code: str, sentence: str, status: int | None = None) -> RequestError:
        """Remember a refusal; httptools hides what its callbacks raise."""
        error = RequestError(code, sentence, status=status)
        self._refusal = self._refusal or error
        return error
