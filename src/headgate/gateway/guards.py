"""The wire's own rules: a client that is too slow, too long or ambiguous gets a short answer and a closed connection.

Strategy: uvicorn's protocol with every gate in front of its parser's callbacks. llhttp is strict about framing; what
it lets through (`heads.py`), or cannot know (deadlines, sizes), is refused here before an app sees it. A refusal is
written only where no other reply could be taken for it, and no byte is parsed after one.
Spec: https://www.rfc-editor.org/rfc/rfc9112
"""

from __future__ import annotations

import asyncio
from enum import Enum
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from headgate.errors import CODES, PeerError, RequestError
from headgate.gateway import heads, journal
from headgate.gateway.closing import Closing
from headgate.gateway.crowd import Crowd, Verdict
from headgate.gateway.policy import turned_away
from headgate.limits import DEFAULTS

_PIPELINE_MAX = 16
"""Requests that may wait behind one that is answered. Browsers never pipelined more than eight."""
_FRAMING_SHARE = 8
"""Wire bytes per byte of a chunked body: chunks of a single byte take six."""


class Stage(Enum):
    """How far the request is that is being read."""

    IDLE = "idle"  # nothing of it came yet
    HEAD = "head"  # its line or its headers are coming
    BODY = "body"  # its body is coming, and belongs to the newest cycle
    OVER = "over"  # nothing that still comes is read


class Guarded(Closing):
    """uvicorn's protocol with deadlines and limits for requests; `crowd` is the server's, as `limits` are."""

    crowd: Crowd = Crowd(DEFAULTS, None)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._stage = Stage.IDLE
        self._since_s = 0.0
        self._wire_bytes = 0
        self._body_bytes = 0
        self._fields = 0
        self._keeps = True  # the connection, after the reply to the newest request
        self._refusal: PeerError | None = None
        self._address = ""
        self._verdict = Verdict.SERVED
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_s = 0.0

    # The transport calls these.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """A silent client has as long as one that sends a head."""
        super().connection_made(transport)
        self._address = self.client[0] if self.client else ""
        self._verdict = self.crowd.enter(self._address)
        self._enter(Stage.HEAD)
        match self._verdict:
            case Verdict.SERVED:
                self._watch()
            case Verdict.TOLD:
                self._refuse(PeerError("overloaded", f"{CODES['overloaded'].meaning} Come again in a moment."))
            case Verdict.DROPPED:
                self._over()
                self.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Read on, within the limits."""
        if self._stage is Stage.OVER:
            return
        if self._stage is Stage.IDLE:
            self._enter(Stage.HEAD)
        self._wire_bytes += len(data)
        try:
            self.parser.feed_data(data)  # pyright: ignore[reportOptionalMemberAccess] - dropped with the connection
            self._check_sizes()
        except httptools.HttpParserUpgrade:
            self._finish_with_this()
        except httptools.HttpParserError as error:
            self._refuse(self._refusal or heads.malformed(error))
        except RequestError as error:
            self._refuse(error)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody is there any more."""
        self._over()
        self.crowd.leave(self._address, self._verdict)
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
        if self._fields > self.limits.request_headers_max:
            most = f"{self.limits.request_headers_max} (limits.request_headers_max)"
            raise self._refused("invalid_request", f"expected at most {most} header fields, got more.", 431)
        if self._stage is Stage.HEAD:
            self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """Check the head before anything is started for it."""
        if len(self.url) + heads.size(self.headers) > self.limits.request_head_bytes_max:
            raise self._too_long()
        version = self.parser.get_http_version()  # pyright: ignore[reportOptionalMemberAccess] - it is calling us
        fault = heads.fault(version, self.url, self.headers)
        if fault:
            raise self._refused("invalid_request", fault)
        self.expect_100_continue = heads.waits(self.headers)
        super().on_headers_complete()
        if version == "1.0":
            _without_chunks(self.cycle)
        # A reply that begins before its request is whole is the connection's last, and says so.
        self._keeps, self.cycle.keep_alive = self.cycle.keep_alive, False
        self._enter(Stage.BODY)
        self._fields = 0

    def on_body(self, body: bytes) -> None:
        """More of the body."""
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is whole."""
        self._stage = Stage.IDLE
        if not self.cycle.response_started:
            self.cycle.keep_alive = self._keeps
        super().on_message_complete()

    # The server and the cycles call these.

    @property
    def is_idle(self) -> bool:
        """Whether no request is being read or answered."""
        return self._stage is Stage.IDLE and not self.is_due

    def close(self) -> None:
        """Close after a reply; who still sends lingers, as long as the rest of it is not worth reading."""
        is_whole = self._stage is Stage.IDLE and not self.pipeline and not self.flow.read_paused
        self._over()
        if is_whole:
            super().close()
        else:
            self.linger()

    def shutdown(self) -> None:
        """Serve no further request."""
        self._keeps = False
        super().shutdown()

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

    # Deadlines. One timer per connection, which is left to run out where nothing is late; and none at all for a
    # request that comes in one piece.

    def _enter(self, stage: Stage) -> None:
        self._stage = stage
        self._since_s = self.loop.time()
        self._wire_bytes = self._body_bytes = 0
        if stage is Stage.HEAD:
            self._fields = 0

    def _watch(self) -> None:
        if self._stage is Stage.HEAD or self._stage is Stage.BODY:
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
        if self._stage is Stage.IDLE:
            return
        if self._is_held_up():
            self._since_s = self.loop.time()  # it is we who let it wait
        if self.loop.time() < self._deadline_s():
            self._watch()
        elif self._stage is Stage.HEAD and not self._wire_bytes:
            self._over()
            self.transport.close()
        else:
            part = "head" if self._stage is Stage.HEAD else "body"
            seconds = self.loop.time() - self._since_s
            sentence = f"expected the rest of the request's {part}, got too little in {seconds:.0f} s."
            self._refuse(RequestError("request_timeout", sentence))

    def _is_held_up(self) -> bool:
        """Whether the request that is being read waits for the one before it, or for whoever reads its body."""
        if self._stage is Stage.HEAD:
            return self.is_due
        return bool(self.pipeline) or self.flow.read_paused

    # Refusals.

    def _refused(self, code: str, sentence: str, status: int | None = None) -> RequestError:
        """Remember a refusal; httptools hides what its callbacks raise."""
        error = RequestError(code, sentence, status=status)
        self._refusal = self._refusal or error
        return error

    def _refuse(self, error: PeerError) -> None:
        """Answer with an error and read no more. Behind a reply that is still written there is no place for it."""
        if self.transport.is_closing():
            return
        behind = bool(self.pipeline) or self._stage is not Stage.BODY
        if self.is_due and (behind or self.cycle.response_started):
            self._finish_with_this()
            return
        request_id = journal.request_id(None)
        turned_away(error, request_id)
        self.transport.write(heads.refusal(error, request_id))
        self._over()
        if self.is_due:  # its app waits for the rest of the body
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.linger()

    def _finish_with_this(self) -> None:
        """Close after the replies that are due; one whose request never became whole is not."""
        is_broken = self._stage is Stage.BODY
        self._over()
        if is_broken or not self.is_due:
            self.linger()
        else:
            self.cycle.keep_alive = False

    def _over(self) -> None:
        self._stage = Stage.OVER
        self._disarm()


def _without_chunks(cycle: RequestResponseCycle) -> None:
    """Let the end of the connection end a reply: HTTP/1.0 knows no chunks, and uvicorn would send them."""
    cycle.chunked_encoding = False
    plain = cycle.send

    async def send(message: Any) -> None:
        if message["type"] == "http.response.body":
            cycle.expected_content_length = len(message.get("body", b""))
        await plain(message)

    cycle.send = send  # type: ignore[method-assign]  # the app is given the instance's
