"""The wire's own rules: a client that is too slow, too long or ambiguous gets a short answer and a closed connection.

Strategy: uvicorn's protocol with every gate in front of its parser's callbacks. llhttp is strict about framing; what
it lets through, or cannot know (deadlines, counts, Host, versions), is refused here before an app sees it. A refusal
is written only where no other reply could be taken for it, and no byte is parsed after one.
Spec: https://www.rfc-editor.org/rfc/rfc9112
"""

from __future__ import annotations

import asyncio
import http
import logging
from enum import Enum
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from headgate.errors import PeerError, RequestError
from headgate.gateway.door import is_host
from headgate.limits import DEFAULTS, Limits
from headgate.surfaces import surface

logger = logging.getLogger("headgate")

_PIPELINE_MAX = 16
"""Requests that may wait behind one that is answered. Browsers never pipelined more than eight."""
_FRAMING_SHARE = 8
"""Wire bytes per byte of a chunked body: chunks of a single byte take six."""
_VERSIONS = frozenset({"1.0", "1.1"})


class Stage(Enum):
    """How far the request is that is being read."""

    IDLE = "idle"  # nothing of it came yet
    HEAD = "head"  # its line or its headers are coming
    BODY = "body"  # its body is coming, and belongs to the newest cycle
    OVER = "over"  # nothing that still comes is read


class Guarded(HttpToolsProtocol):
    """uvicorn's protocol with deadlines and limits; `limits` are the class's, since uvicorn makes the instances."""

    limits: Limits = DEFAULTS

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._stage = Stage.IDLE
        self._since_s = 0.0
        self._wire_bytes = 0
        self._body_bytes = 0
        self._fields = 0
        self._field_bytes = 0
        self._cycles: list[RequestResponseCycle] = []  # those whose replies are due
        self._refusal: PeerError | None = None
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_s = 0.0

    # The transport calls these.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """A silent client has as long as one that sends a head."""
        super().connection_made(transport)
        self._enter(Stage.HEAD)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Read on, within the limits."""
        if self._stage is Stage.OVER:
            return
        self._unset_keepalive_if_required()
        if self._stage is Stage.IDLE:
            self._enter(Stage.HEAD)
        self._wire_bytes += len(data)
        try:
            self.parser.feed_data(data)  # pyright: ignore[reportOptionalMemberAccess] - dropped with the connection
            self._check_sizes()
        except httptools.HttpParserUpgrade:
            self._finish_with_this()
        except httptools.HttpParserError as error:
            self._refuse(self._refusal or _malformed(error))
        except RequestError as error:
            self._refuse(error)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody is there any more. uvicorn tells only the newest request; the one that is answered may be older."""
        self._stage = Stage.OVER
        self._disarm()
        for cycle in self._cycles:
            cycle.disconnected = not cycle.response_complete
            cycle.message_event.set()
        super().connection_lost(exc)

    # The parser calls these. What they raise ends its work: `feed_data` raises in its turn.

    def on_message_begin(self) -> None:
        """A request's first byte."""
        if len(self.pipeline) >= _PIPELINE_MAX:
            raise self._refused("invalid_request", f"expected at most {_PIPELINE_MAX} requests that wait, got more.")
        if self._stage is not Stage.HEAD:
            self._enter(Stage.HEAD)
            self._wire_bytes = 1  # it began in the same read in which the one before it ended
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """A field of the head; those after a chunked body are dropped, since nothing here knows any."""
        self._fields += 1
        self._field_bytes += len(name) + len(value) + 4
        if self._fields > self.limits.request_headers_max:
            most = f"{self.limits.request_headers_max} (limits.request_headers_max)"
            raise self._refused("invalid_request", f"expected at most {most} header fields, got more.", 431)
        if self._stage is Stage.HEAD:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Check the head before anything is started for it."""
        if len(self.url) + self._field_bytes > self.limits.request_head_bytes_max:
            raise self._too_long()
        version = self.parser.get_http_version()  # pyright: ignore[reportOptionalMemberAccess] - it is calling us
        fault = _fault(version, self.url, self.headers)
        if fault:
            raise self._refused("invalid_request", fault)
        super().on_headers_complete()
        self._cycles = [*(cycle for cycle in self._cycles if not cycle.response_complete), self.cycle]
        if version == "1.0":
            _without_chunks(self.cycle)
        self._enter(Stage.BODY)
        self._fields = self._field_bytes = 0

    def on_body(self, body: bytes) -> None:
        """More of the body."""
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is whole."""
        self._stage = Stage.IDLE
        super().on_message_complete()

    # The server and the cycles call these.

    def on_response_complete(self) -> None:
        """A reply that came before its request was whole is the connection's last: the rest is not worth reading."""
        super().on_response_complete()
        if self._stage is Stage.BODY and not self._is_answering() and not self.transport.is_closing():
            self._unset_keepalive_if_required()
            self._linger()

    def give_up(self, error: PeerError) -> None:
        """Refuse a request whose body is still coming, since nobody will wait for it."""
        if self._stage is Stage.BODY:
            self._refuse(error)

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

    # Deadlines. One timer per connection, and none at all for a request that comes in one piece.

    def _enter(self, stage: Stage) -> None:
        self._stage = stage
        self._since_s = self.loop.time()
        self._wire_bytes = self._body_bytes = 0
        if stage is Stage.HEAD:
            self._fields = self._field_bytes = 0

    def _watch(self) -> None:
        if self._stage is Stage.IDLE:
            self._disarm()
        elif self._stage is not Stage.OVER:
            deadline_s = self._deadline_s()
            if self._alarm is None or deadline_s < self._alarm_s:
                self._disarm()
                self._alarm, self._alarm_s = self.loop.call_at(deadline_s, self._late), deadline_s

    def _disarm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def _deadline_s(self) -> float:
        if self._stage is Stage.HEAD:
            return self._since_s + self.limits.request_head_s
        earned_s = self._body_bytes / self.limits.request_body_rate_min
        return self._since_s + min(self.limits.request_body_s + earned_s, self.limits.request_body_total_s)

    def _late(self) -> None:
        self._alarm = None
        if self._is_held_up():
            self._since_s = self.loop.time()  # it is we who let it wait
        if self.loop.time() < self._deadline_s():
            self._watch()
        elif self._stage is Stage.HEAD and not self._wire_bytes:
            self._end()
        else:
            part = "head" if self._stage is Stage.HEAD else "body"
            seconds = self.loop.time() - self._since_s
            sentence = f"expected the rest of the request's {part}, got too little in {seconds:.0f} s."
            self._refuse(RequestError("request_timeout", sentence))

    def _is_held_up(self) -> bool:
        """Whether the request that is being read waits for the one before it, or for whoever reads its body."""
        if self._stage is Stage.HEAD:
            return self._is_answering()
        return bool(self.pipeline) or self.flow.read_paused

    # Ends.

    def _refused(self, code: str, sentence: str, status: int | None = None) -> RequestError:
        """Remember a refusal; httptools hides what its callbacks raise."""
        error = RequestError(code, sentence, status=status)
        self._refusal = self._refusal or error
        return error

    def _refuse(self, error: PeerError) -> None:
        """Answer with an error and read no more. Behind a reply that is still written there is no place for it."""
        if self.transport.is_closing():
            return
        logger.info("refused a client: %s (HTTP %d)", error.code, error.status)
        behind = bool(self.pipeline) or self._stage is not Stage.BODY
        if self._is_answering() and (behind or self.cycle.response_started):
            self._finish_with_this()
            return
        self.transport.write(_reply(error))
        self._linger()

    def _is_answering(self) -> bool:
        return bool(self._cycles) and not self.cycle.response_complete

    def _finish_with_this(self) -> None:
        """Close after the replies that are due; one whose request never became whole is not."""
        broken = self._stage is Stage.BODY
        self._stage = Stage.OVER
        self._disarm()
        if broken or not self._is_answering():
            self._end()
        else:
            self.cycle.keep_alive = False

    def _linger(self) -> None:
        """Close so that the client can read what was written: a socket with unread bytes would be reset."""
        self._stage = Stage.OVER
        self._disarm()
        self.flow.resume_reading()
        if self._is_answering():
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if not self.transport.can_write_eof():
            self._end()
            return
        self.transport.write_eof()
        self._alarm = self.loop.call_later(self.limits.linger_s, self.transport.abort)

    def _end(self) -> None:
        self._stage = Stage.OVER
        self.transport.close()


def _fault(version: str, url: bytes, headers: list[tuple[bytes, bytes]]) -> str:
    """What is wrong with a head that llhttp took; "" if nothing is."""
    codings = [value for name, value in headers if name == b"transfer-encoding"]
    lengths = [value for name, value in headers if name == b"content-length"]
    hosts = [value for name, value in headers if name == b"host"]
    if version not in _VERSIONS:
        return "expected HTTP/1.1 or HTTP/1.0, got another version."
    if not url.startswith(b"/"):
        return "expected a path that begins with /, got another form of target: this is no proxy."
    if len(hosts) != 1 or not is_host(hosts[0].strip()):
        return "expected exactly one Host header of the form NAME or NAME:PORT."
    if codings and (version == "1.0" or lengths or len(codings) > 1 or codings[0].strip().lower() != b"chunked"):
        return "expected no transfer-encoding, or exactly `chunked` with HTTP/1.1 and without a content-length."
    if len(lengths) > 1 or not all(length.strip().isdigit() for length in lengths):
        return "expected at most one content-length, a number."
    return ""


def _malformed(error: httptools.HttpParserError) -> RequestError:
    reason = f" ({error})"  # llhttp's sentences hold nothing of what was sent
    if isinstance(error, httptools.HttpParserCallbackError):
        logger.info("a request head could not be used: %s", type(error.__context__).__name__)
        reason = ""
    return RequestError("invalid_request", f"expected an HTTP/1.1 request, got something malformed{reason}.")


def _reply(error: PeerError) -> bytes:
    status, body = surface("chat").error(error)
    head = (
        f"HTTP/1.1 {status} {http.HTTPStatus(status).phrase}\r\n"
        "content-type: application/json\r\n"
        f"content-length: {len(body)}\r\n"
        "cache-control: no-cache\r\n"
        "connection: close\r\n\r\n"
    )
    return head.encode("ascii") + body


def _without_chunks(cycle: RequestResponseCycle) -> None:
    """Let the end of the connection end a reply: HTTP/1.0 knows no chunks, and uvicorn would send them."""
    cycle.chunked_encoding = False
    plain = cycle.send

    async def send(message: Any) -> None:
        if message["type"] == "http.response.body":
            cycle.expected_content_length = len(message.get("body", b""))
        await plain(message)

    cycle.send = send  # type: ignore[method-assign]  # the app is given the instance's
