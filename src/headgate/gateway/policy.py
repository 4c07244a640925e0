"""Who may do what, and what became of it: the seam where keys, quotas and ledgers plug in.

Strategy: a `Policy` hears of every request that reaches a surface exactly twice: `authorise` before anything is asked
for it, `settle` once its end is known and before its last bytes leave. An `Entry` is what is known of one request
meanwhile; it keeps the count, whichever of the ways a request can end in is taken.
Spec: ours (`docs/reliability.md`)
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Protocol

import msgspec

from headgate.errors import PeerError, RequestError, UpstreamError
from headgate.events import Timings, Usage
from headgate.gateway import journal
from headgate.gateway.asgi import Headers
from headgate.gateway.fault import internal
from headgate.library import new_id

NO_REPAIRS: Mapping[str, int] = MappingProxyType({})
_SETTLED_MAX = 1000
"""What `MemoryPolicy` remembers, so that a gateway which runs for a year does not grow."""


class Outcome(StrEnum):
    """How a request ended, as its client saw it."""

    OK = "ok"  # the reply is whole
    CLIENT_GONE = "client_gone"  # the client left first
    UPSTREAM_FAILED = "upstream_failed"  # the client was told a failure of the engine
    INTERRUPTED = "interrupted"  # the client was told a failure of ours, or that we stop
    REFUSED = "refused"  # the client was told what is wrong with its request; no engine was asked


class Settlement(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one request. No prompt, no key, nothing that a model said.

    Args:
        request_id: as the reply's `x-request-id` has it.
        principal: who asked.
        action: what for.
        outcome: how it ended.
        code: the error's, one of `headgate.errors.CODES`; None for a whole reply, `cancelled` if the client left.
        status: the HTTP status that the client was given; 0 if it left before it was given one.
        upstream: the engine that was chosen, if one was.
        model: the model that the client asked for, made safe to be shown.
        answered_model: the model that the engine says it is, if that is another one, made safe to be shown.
        usage: what the engine reported; None if it reported nothing.
        measured: how long the engine took, as measured here from when it was asked (`headgate.stopwatch`); None if it
            was not asked.
        started_s: when the request's head was there, on the clock of `time.perf_counter`.
        first_byte_s: when the first byte of the reply's body was written, on the same clock; None if none was.
        ended_s: when the outcome was known, on the same clock.
        bytes_in: the request's body, as far as it was read.
        bytes_out: the reply's body, as far as it was written.
        repairs: how often each repair of `headgate.repairs.CODES` was made.
    """

    request_id: str
    principal: str
    action: str
    outcome: Outcome
    code: str | None = None
    status: int = 0
    upstream: str | None = None
    model: str | None = None
    answered_model: str | None = None
    usage: Usage | None = None
    measured: Timings | None = None
    started_s: float
    first_byte_s: float | None = None
    ended_s: float
    bytes_in: int = 0
    bytes_out: int = 0
    repairs: dict[str, int] = {}


class Policy(Protocol):
    """What a gateway asks before a request, and tells after it. Both are called in the event loop: do not wait."""

    def authorise(self, principal: str, action: str, model: str | None, /) -> None:
        """Let somebody do something, or not; `model` is None where the request names none, or could not be read.

        Raises:
            RequestError: `forbidden`.
        """

    def settle(self, settlement: Settlement, /) -> None:
        """Note what became of a request. What this raises is logged, and the client is none the wiser."""


class MemoryPolicy:
    """Allows everything, and counts: `authorised` requests, and `outcomes`; `settled` are the last ones."""

    def __init__(self) -> None:
        self.authorised = 0
        self.outcomes: Counter[Outcome] = Counter()
        self.settled: deque[Settlement] = deque(maxlen=_SETTLED_MAX)

    def authorise(self, principal: str, action: str, model: str | None, /) -> None:
        """Count."""
        self.authorised += 1

    def settle(self, settlement: Settlement, /) -> None:
        """Count, and remember."""
        self.outcomes[settlement.outcome] += 1
        self.settled.append(settlement)


def turned_away(error: PeerError, request_id: str) -> None:
    """Tell the journal of a request that never got as far as an `Entry`: nobody was asked about it."""
    now_s = time.perf_counter()
    outcome = Outcome.REFUSED if isinstance(error, RequestError) else Outcome.INTERRUPTED
    settlement = Settlement(
        request_id=request_id,
        principal="",
        action="",
        outcome=outcome,
        code=error.code,
        status=error.status,
        started_s=now_s,
        ended_s=now_s,
    )
    journal.write(settlement)


class Entry:
    """One request from its head to its end.

    Make it when a route is found; then `authorise` as soon as the model is known, and give it to the exchange, which
    settles it. A request that gets no exchange ends with `refuse` or `gone`. Whatever is called twice counts once.

    Args:
        policy: is asked and told.
        action: of the route.
        principal: who asks.
        given_id: the client's `x-request-id`, if it sent one.
        clock: monotonic, in seconds.
    """

    __slots__ = (
        "_action",
        "_asked",
        "_policy",
        "_principal",
        "_started_s",
        "answered_model",
        "bytes_in",
        "bytes_out",
        "clock",
        "first_byte_s",
        "measured",
        "model",
        "parsed_s",
        "repairs",
        "request_id",
        "settlement",
        "upstream",
        "usage",
    )

    def __init__(
        self,
        policy: Policy,
        action: str,
        principal: str = "",
        given_id: str | None = None,
        *,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.clock = clock
        self.request_id = new_id("req_") if given_id is None else journal.request_id(given_id)
        self.upstream: str | None = None
        self.model: str | None = None
        self.answered_model: str | None = None
        self.usage: Usage | None = None
        self.measured: Timings | None = None
        self.parsed_s: float | None = None
        self.first_byte_s: float | None = None
        self.bytes_in = self.bytes_out = 0
        self.repairs: Mapping[str, int] = NO_REPAIRS
        self.settlement: Settlement | None = None
        self._policy = policy
        self._action = action
        self._principal = principal
        self._asked = False
        self._started_s = clock()

    @property
    def headers(self) -> Headers:
        """What every reply to this request carries."""
        return [(b"x-request-id", self.request_id.encode())]

    def authorise(self, model: str | None, /) -> None:
        """Ask the policy, unless it was asked already.

        Raises:
            RequestError: as the policy says.
        """
        if not self._asked:
            self._asked = True
            self.model = model
            self.parsed_s = self.clock()
            self._policy.authorise(self._principal, self._action, model)

    def wrote(self, size: int, /) -> None:
        """So many bytes of the reply's body were written."""
        if self.first_byte_s is None and size:
            self.first_byte_s = self.clock()
        self.bytes_out += size

    def refuse(self, error: PeerError, /) -> PeerError:
        """Settle a request that gets no exchange, and return the error to tell its client.

        Who may not ask is told only that: of a request that failed before `authorise`, the policy is asked now.
        """
        told = self._ask_late() or error
        match told:
            case UpstreamError():
                outcome = Outcome.UPSTREAM_FAILED
            case RequestError():
                outcome = Outcome.REFUSED
            case _:
                outcome = Outcome.INTERRUPTED
        self.settle(outcome, told.code, told.status)
        return told

    def gone(self) -> None:
        """Settle a request whose client left before it got an exchange."""
        self._ask_late()
        self.settle(Outcome.CLIENT_GONE, "cancelled")

    def settle(self, outcome: Outcome, code: str | None = None, status: int = 0) -> None:
        """Tell the policy and the journal how it ended, unless that was done already."""
        if self.settlement is not None:
            return
        self.settlement = self._settlement(outcome, code, status)
        try:
            self._policy.settle(self.settlement)
        except Exception as fault:
            internal(fault)
        journal.write(self.settlement)

    def _ask_late(self) -> PeerError | None:
        try:
            self.authorise(None)
        except PeerError as error:
            return error
        except Exception as fault:
            return internal(fault)
        return None

    def _settlement(self, outcome: Outcome, code: str | None, status: int) -> Settlement:
        return Settlement(
            request_id=self.request_id,
            principal=self._principal,
            action=self._action,
            outcome=outcome,
            code=code,
            status=status,
            upstream=self.upstream,
            model=None if self.model is None else journal.safe(self.model),
            answered_model=None if self.answered_model is None else journal.safe(self.answered_model),
            usage=self.usage,
            measured=self.measured,
            started_s=self._started_s,
            first_byte_s=self.first_byte_s,
            ended_s=self.clock(),
            bytes_in=self.bytes_in,
            bytes_out=self.bytes_out,
            repairs=dict(self.repairs),
        )
