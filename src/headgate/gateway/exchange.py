"""One request's life: the engine's bytes are pushed in, the client's bytes go out, and every end is settled.

Strategy: a plain call from each read to at most one write; time passes only in `tick`. Until the client has a head a
failure is an HTTP status, afterwards an error frame. The client's side can be over before the engine's: what still
comes after its finish is read and dropped, so that the connection can serve again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from enum import Enum

from headgate.errors import PeerError, UpstreamError
from headgate.gateway.answer import Answer
from headgate.gateway.engine_errors import wait
from headgate.gateway.fault import internal, late_end, late_event, never_raises, too_large
from headgate.gateway.lane import Lane
from headgate.gateway.plan import Plan
from headgate.gateway.policy import Entry, MemoryPolicy, Outcome
from headgate.gateway.running import Running
from headgate.gateway.splice import Splice, splice
from headgate.gateway.ticker import Ticker
from headgate.limits import Limits
from headgate.upstream.base import Call

_REFUSAL_BYTES_MAX = 64 * 1024
"""Of an engine's error page; llama-server's longest is a few hundred bytes, a proxy's HTML a few thousand."""


class Stage(Enum):
    """How far the engine's side is."""

    WAITING = "waiting"  # asked; nothing came yet
    REFUSED = "refused"  # an HTTP error came; its body is collected
    RELAYING = "relaying"  # what comes is translated
    DRAINING = "draining"  # the client has everything; the rest is dropped
    OVER = "over"  # nothing more comes


class Exchange:
    """A `Receiver` for the upstream, and a `Source` for the lane.

    Args:
        plan: what to ask, whom, and how to read the reply.
        lane: the client.
        limits: the deadlines.
        ticker: calls `tick`.
        entry: what is known of the request; it is settled here. Without one nobody is told.
        running: holds the exchange until its client's side has its end.
    """

    def __init__(
        self,
        plan: Plan,
        lane: Lane,
        limits: Limits,
        ticker: Ticker,
        *,
        entry: Entry | None = None,
        running: Running | None = None,
    ) -> None:
        self.stage = Stage.WAITING
        self._plan = plan
        self._streamed = plan.streamed
        self._entry = entry or Entry(MemoryPolicy(), plan.surface.name)
        self._answer = Answer(plan, lane, self._entry)
        self._lane = lane
        self.through: Splice | None = None
        self._limits = limits
        self._ticker = ticker
        self._running = Running() if running is None else running  # an empty one is false
        self._call: Call | None = None
        self._status = 0
        self._headers: Sequence[tuple[str, str]] = ()
        self._refusal: list[bytes] = []
        self._bytes = 0
        self._paused = False
        self._heard = self._told = False  # since the last tick
        self._asked_s = self._heard_s = self._told_s = 0.0

    @property
    def outcome(self) -> Outcome | None:
        """How the client's side ended, if it has."""
        return self._answer.outcome

    def open(self) -> None:
        """Ask the engine. Call it in a running event loop, and run the lane afterwards."""
        self._asked_s = self._heard_s = self._told_s = asyncio.get_running_loop().time()
        plan = self._plan
        self._call = plan.ask(self)
        self._translator, self._watch = plan.translator, plan.watch
        self._answer.rest()
        self._ticker.add(self, self._limits.soonest_s)
        self._running.add(self)

    # The upstream calls these.

    @never_raises
    def head(self, status: int, headers: Sequence[tuple[str, str]], /) -> None:
        """The engine's reply begins."""
        self._heard = True
        self._status, self._headers = status, headers
        self.stage = Stage.RELAYING if 200 <= status < 300 else Stage.REFUSED
        error = self._plan.no_reply(status, headers)
        if error is not None:
            self._fail(error)

    @never_raises
    def data(self, data: bytes, /) -> None:
        """Translate one read, and write once."""
        if self.stage is Stage.RELAYING:
            self._relay(data)
        elif self.stage is Stage.REFUSED:
            self._collect(data)

    @never_raises
    def end(self) -> None:
        """The engine's reply is over."""
        if self.stage is Stage.REFUSED:
            self._refuse()
        elif self.stage is Stage.DRAINING:
            self._leave_engine()
        elif self.stage is not Stage.OVER:
            self._conclude()

    @never_raises
    def failed(self, error: UpstreamError, /) -> None:
        """The engine's reply broke off, or never came."""
        if self.stage is Stage.REFUSED:
            self._refuse()
        elif self.stage is Stage.DRAINING:
            self._leave_engine()
        elif self.stage is Stage.RELAYING and self._translator.finished:
            self._conclude()  # the engine had said that it was done
        elif self.stage is not Stage.OVER:
            self._fail(error)

    # The lane calls these.

    def pause(self) -> None:
        """The client reads too slowly."""
        self._paused = True
        if self._call is not None:
            self._call.pause()

    def resume(self) -> None:
        """The client has caught up, so that it has just been given something; the engine's silence begins anew."""
        self._paused = False
        self._heard = self._told = True
        if self._call is not None:
            self._call.resume()

    def gone(self) -> None:
        """The client is gone: so is the reason to ask."""
        self._leave_engine()
        self._answer.gone()

    # The ticker calls this.

    @never_raises
    def tick(self, now_s: float, /) -> None:
        """See which deadline has passed."""
        self._settle()
        self._heard_s = now_s if self._heard else self._heard_s
        self._told_s = now_s if self._told else self._told_s
        self._heard = self._told = False
        waited_s = now_s - self._asked_s
        is_silent = now_s - self._heard_s >= self._limits.after_finish_s and not self._paused
        if self.stage is Stage.DRAINING:
            if is_silent:
                self._leave_engine()
        elif self._limits.total_s is not None and waited_s >= self._limits.total_s:
            self._fail(late_end(self._plan.upstream.name, self._limits.total_s))
        elif self.stage is Stage.REFUSED and is_silent:
            self._refuse()
        elif self.stage is Stage.RELAYING and is_silent and self._translator.finished:
            self._conclude()
        elif self.stage is Stage.RELAYING and waited_s >= self._limits.first_byte_s and not self._plan.watch.heard:
            self._fail(late_event(self._plan.upstream.name, self._limits.first_byte_s))
        elif self._plan.streamed and now_s - self._told_s >= self._limits.keepalive_s and not self._paused:
            self._keep_alive()

    # Whoever ends the gateway calls the first of these.

    @never_raises
    def interrupt(self, error: PeerError, /) -> None:
        """End the client's side with this error, and leave the engine. Of what is over, this is nothing."""
        self._leave_engine()
        if self.outcome is None:
            self._end_with(Outcome.INTERRUPTED, error)

    def broken(self, fault: Exception, /) -> None:
        """A fault of ours, or a reply that the client's API cannot say: end with it."""
        engines = fault if isinstance(fault, UpstreamError) else None
        error = internal(fault) if engines is None else engines
        outcome = Outcome.INTERRUPTED if engines is None else Outcome.UPSTREAM_FAILED
        self._leave_engine()
        if self.outcome is not None:
            return
        try:
            # The decoder may be what failed, so its translator is not asked again.
            self._answer.fail(outcome, error, self._plan.encoder.feed, [])
        except Exception as second:
            internal(second)
            self._answer.cut()

    # The client's side.

    def _relay(self, data: bytes) -> None:
        translator = self._translator
        self._settle()
        # After its finish an engine is given a time, however much it says in it.
        self._heard = self._heard or not translator.finished
        if not self._streamed:
            self._bytes += len(data)
            if self._bytes > self._limits.body_bytes_max:
                self._fail(too_large(self._limits.body_bytes_max))
                return
        if self._answer.begun:
            self._emit(translator.feed(data))
        else:
            self._answer.work()
            self._emit(translator.feed(data))
            self._answer.rest()
            self._join()

    def _join(self) -> None:
        """Let plain tokens pass beside this from now on, where both sides are as that wants them."""
        if self.outcome is None:
            self.through = splice(self._lane.raw, self._translator.shortcut)

    def _settle(self) -> None:
        """Note what passed beside this."""
        if self.through is not None and self.through.tokens:
            self._heard = True
            given = self.through.settle()
            self._told = self._told or given > 0
            self._entry.bytes_out += given

    def _part(self) -> None:
        """From now on nothing does."""
        self._settle()
        self.through = None

    def _emit(self, out: bytes) -> None:
        """Write what was translated; a failure before the reply's first word becomes a status."""
        watch = self._watch
        if watch.error is not None and not self._answer.begun and not (self._streamed and watch.begun):
            self._fail(self._plan.failure(watch.error))
            return
        if self._translator.done:
            self._finish(out)
        elif out:
            self._told = True
            self._answer.write(out)

    def _finish(self, out: bytes) -> None:
        """Write the client's terminal."""
        if self._translator.failed:
            self._answer.broke(out)
            self._leave_engine()
            return
        self._answer.finish(out)
        self._running.discard(self)
        self._part()
        self.stage = Stage.DRAINING
        if self._paused:
            self.resume()

    def _fail(self, error: PeerError) -> None:
        self._leave_engine()
        self._end_with(Outcome.UPSTREAM_FAILED, error)

    def _end_with(self, outcome: Outcome, error: PeerError) -> None:
        more = wait(self._status, self._headers) if error.status == self._status else []
        self._answer.fail(outcome, error, lambda events: self._translator.fail(events[0]), more)

    def _collect(self, data: bytes) -> None:
        self._refusal.append(data)
        self._bytes += len(data)
        if self._bytes >= _REFUSAL_BYTES_MAX:
            self._refuse()

    def _refuse(self) -> None:
        self._fail(self._plan.refusal(self._status, b"".join(self._refusal)))

    def _keep_alive(self) -> None:
        if self.stage is Stage.WAITING or self.stage is Stage.RELAYING:
            self._told = True
            self._answer.write(self._plan.keepalive)
            self._join()

    # The engine's side.

    def _leave_engine(self) -> None:
        """Nothing more is wanted; of a call that is over, the abort is nothing."""
        self._part()
        self.stage = Stage.OVER
        self._ticker.discard(self)
        self._running.discard(self)
        call, self._call = self._call, None
        if call is not None:
            call.abort()

    def _conclude(self) -> None:
        """Nothing more will come from the engine, or is waited for."""
        self._settle()
        self._answer.work()
        self._emit(self._translator.close())
        if self.outcome is None:
            raise RuntimeError("a decoder or an encoder was closed and gave no end")
        self._leave_engine()
