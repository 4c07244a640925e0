"""The wire's own rules: a client that is too slow, too long or ambiguous gets a short answer and a closed connection.

Strategy: what the parser's gates refuse (`parsing.py`), and what is late, is answered here. A refusal is written only
where no other reply could be taken for it, and no byte is parsed after one. Deadlines cost a request nothing but a look
at the clock: they are looked at in rounds (`rounds.py`).
Spec: https://www.rfc-editor.org/rfc/rfc9112
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import httptools

from headgate.errors import CODES, PeerError, RequestError
from headgate.gateway import heads, journal
from headgate.gateway.closing import leave
from headgate.gateway.crowd import Crowd, Verdict
from headgate.gateway.parsing import Parsing, Stage
from headgate.gateway.policy import turned_away
from headgate.gateway.rounds import Rounds
from headgate.limits import DEFAULTS

_KEPT_S = 75.0
"""How long an idle client's connection is kept; nginx's keepalive_timeout."""


class Guarded(Parsing):
    """A connection that reads requests, with deadlines; `crowd` and `rounds` are the server's."""

    __slots__ = ("_address", "_verdict")
    crowd: Crowd = Crowd(DEFAULTS, None)
    rounds: Rounds = Rounds(DEFAULTS)
    kept_s: float = _KEPT_S

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._address = ""
        self._verdict = Verdict.SERVED

    # The transport calls these.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # it is a socket's
        """A silent client has as long as one that sends a head."""
        super().connection_made(transport)
        self.rounds.begin(self.loop, self.server_state.connections)  # type: ignore[arg-type]  # uvicorn's classes
        self._address = _address_of(transport)
        self._verdict = self.crowd.enter(self._address)
        self._enter(Stage.HEAD)
        match self._verdict:
            case Verdict.SERVED:
                pass
            case Verdict.TOLD:
                self._refuse(PeerError("overloaded", f"{CODES['overloaded'].meaning} Come again in a moment."))
            case Verdict.DROPPED:
                self._over()
                self.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Read on, within the limits."""
        if self._stage is Stage.OVER:
            return
        try:
            self.parse(data)
        except httptools.HttpParserUpgrade:
            self._finish_with_this()
        except httptools.HttpParserError as error:
            self._refuse(self._refusal or heads.malformed(error))
        except RequestError as error:
            self._refuse(error)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody is there any more."""
        self._over()
        self.crowd.leave(self._address, self._verdict)
        super().connection_lost(exc)

    def tick(self, now_s: float, /) -> None:
        """Look at the deadlines of a request that is coming, and of a connection that is kept for one."""
        super().tick(now_s)
        if self._stage is Stage.IDLE:
            if self.answering is None and now_s - self._idle_since_s >= self.kept_s:
                self.transport.close()
        elif self._stage is not Stage.OVER:
            self._wait_on(now_s)

    # The server and the accounts call these.

    @property
    def is_idle(self) -> bool:
        """Whether no request is being read or answered."""
        return self._stage is Stage.IDLE and self.answering is None

    def close(self) -> None:
        """Close after a reply; who still sends lingers, as long as the rest of it is not worth reading."""
        is_whole = self._stage is Stage.IDLE and not self.waiting and not self._reads_no_more()
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

    # Deadlines.

    def _wait_on(self, now_s: float) -> None:
        """Wait for more of a request, unless it is late."""
        if self._is_held_up():
            self._since_s = now_s  # it is we who let it wait
        elif now_s < self._deadline_s():
            return
        elif self._stage is Stage.HEAD and not self._wire_bytes:
            self._over()
            self.transport.close()
        else:
            part = "head" if self._stage is Stage.HEAD else "body"
            seconds = now_s - self._since_s
            sentence = f"expected the rest of the request's {part}, got too little in {seconds:.0f} s."
            self._refuse(RequestError("request_timeout", sentence))

    def _deadline_s(self) -> float:
        if self._stage is Stage.HEAD:
            return self._since_s + self.limits.request_head_s
        earned_s = self._body_bytes / self.limits.request_body_rate_min
        return self._since_s + min(self.limits.request_body_s + earned_s, self.limits.request_body_total_s)

    def _is_held_up(self) -> bool:
        """Whether the request that is being read waits for the one before it, or for whoever reads its body."""
        if self._stage is Stage.HEAD:
            return self.answering is not None
        return bool(self.waiting) or self._reads_no_more()

    def _reads_no_more(self) -> bool:
        """Whether reading was stopped, until somebody has taken what was read."""
        return self.flow is not None and self.flow.read_paused

    # Refusals.

    def _refuse(self, error: PeerError) -> None:
        """Answer with an error and read no more. Behind a reply that is still written there is no place for it."""
        if self.transport.is_closing():
            return
        behind = bool(self.waiting) or self._stage is not Stage.BODY
        account = self.answering
        if account is not None and (behind or account.response_started):
            self._finish_with_this()
            return
        request_id = journal.request_id(None)
        turned_away(error, request_id)
        self.transport.write(heads.refusal(error, request_id))
        self._over()
        if account is not None:  # its app waits for the rest of the body
            leave(account)
        self.linger()

    def _finish_with_this(self) -> None:
        """Close after the replies that are due; one whose request never became whole is not."""
        is_broken = self._stage is Stage.BODY
        self._over()
        if is_broken or self.answering is None:
            self.linger()
        else:
            self.newest.keep_alive = False

    def _over(self) -> None:
        self._stage = Stage.OVER
        self._parse_no_more()


def _address_of(transport: asyncio.Transport) -> str:
    """A client's address; those of one address share the string. A socket that is a file's has none."""
    peer = transport.get_extra_info("peername")
    return sys.intern(str(peer[0])) if isinstance(peer, tuple) else ""
