"""The short way of a request to an exchange: from its bytes to the app in plain calls.

Strategy: the first request of a connection is parsed (`guards.py`, uvicorn); if it is whole in one read, no task is
made for it. It leaves its head behind, and what follows with that very head and the length of its body needs no parser,
no scope and no second thought at the door either. That body may come in pieces, under the same deadlines. All that is
unusual in any way goes the whole way, as on every ASGI host.
Why: `docs/decisions/0017-plain-calls-for-a-head-that-comes-again.md`
"""

from __future__ import annotations

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from headgate.gateway.again import KnownHead, learn
from headgate.gateway.app import Gateway
from headgate.gateway.direct import DirectLane
from headgate.gateway.guards import Guarded, Stage
from headgate.gateway.turn import Arrival, Turn

_SAID = ("method", "path", "root_path", "headers")
"""What a head says, of all that a scope holds."""


class Repeating(Guarded):
    """The guards, and the short way into a gateway. Of any other app, a middleware included, there is none."""

    lane: DirectLane | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._gateway = self.app if isinstance(self.app, Gateway) else None
        self._holds = False  # requests back, until the data are read in which they begin
        self._held: RequestResponseCycle | None = None
        self._known: KnownHead | None = None
        self._arrival: Arrival | None = None  # whose body is coming
        self._pieces: list[bytes] = []
        self._missing_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """A client is there."""
        super().connection_made(transport)
        if self._gateway is not None:
            transport.set_write_buffer_limits(high=self._gateway.limits.write_bytes_mark)

    def data_received(self, data: bytes) -> None:
        """Read on, by the short way if it can be."""
        if self._arrival is not None:
            self._read_on(self._arrival, data)
        elif self._known is None or not self.is_idle or not self._repeats(self._known, data):
            self._read_new(data)

    def _over(self) -> None:
        """Whatever ends the reading, a body that was still coming is not waited for."""
        super()._over()
        if self._arrival is not None:
            self._arrival.gone()
            self._arrival = None
            self._pieces = []

    # The whole way.

    def _read_new(self, data: bytes) -> None:
        """Parse what comes. A request that is alone in its data is not left to a task, and its head is remembered."""
        begins = self._stage is Stage.IDLE or (self._stage is Stage.HEAD and not self._wire_bytes)
        self._holds = begins and self._gateway is not None
        super().data_received(data)
        self._holds = False
        cycle, self._held = self._held, None
        if cycle is not None and not (self._is_alone(cycle) and self._takes(cycle, data)):
            self._start_asgi_task(cycle, self.app)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        """Begin with a request, unless that waits until its data are read."""
        if self._holds:
            self._held = cycle
        else:
            super()._start_asgi_task(cycle, app)

    def _is_alone(self, cycle: RequestResponseCycle) -> bool:
        """Whether nothing follows the request of a cycle in its data, and nothing about it is unusual."""
        if self._stage is Stage.OVER or self.pipeline or cycle.waiting_for_100_continue:
            return False
        return cycle.scope["http_version"] == "1.1"

    def _takes(self, cycle: RequestResponseCycle, data: bytes) -> bool:
        """Answer a request that is whole in plain calls, if that can be."""
        gateway, scope = self._gateway, cast("dict[str, Any]", cycle.scope)
        assert gateway is not None  # noqa: S101 - nothing is held without one
        known = learn(data, {name: scope[name] for name in _SAID}) if self._keeps else None
        self._known = known
        if self._stage is not Stage.IDLE or len(cycle.body) > self.limits.body_bytes_max:
            return False
        admitted = gateway.admit(scope)
        arrival = None if admitted is None else gateway.begin(admitted, self, cycle)
        if arrival is None:
            self._known = None
            return False
        if known is not None:
            known.admitted = admitted
        self.flow.resume_reading()  # uvicorn stops at a large body; whoever reads on hears of the client's end
        body, cycle.body = bytes(cycle.body), bytearray()  # a stream may be long, and needs it no more
        self._answer(arrival, body)
        return True

    # The short way.

    def _repeats(self, known: KnownHead, data: bytes) -> bool:
        """Take a request by the short way, if it has the head that is known, and no other follows it."""
        found = known.find(data)
        if found is None:
            return False
        start, length = found
        missing = start + length - len(data)
        arrival = None if missing < 0 or length > self.limits.body_bytes_max else self._arrive(known)
        if arrival is None:
            return False
        if missing:
            self._enter(Stage.BODY)
            self._arrival, self._pieces, self._missing_bytes = arrival, [data[start:]], missing
            self._body_bytes = length - missing
            self._watch()
        else:
            self._answer(arrival, data[start:])
        return True

    def _arrive(self, known: KnownHead) -> Arrival | None:
        """Tell the app of a head; None if it wants to see it the whole way."""
        gateway = self._gateway
        assert gateway is not None  # noqa: S101 - nothing is known without one
        if known.admitted is None:
            known.admitted = gateway.admit(known.scope)
        turn = Turn(self._way, self.flow, self.server_state.default_headers, self.on_response_complete)
        arrival = None if known.admitted is None else gateway.begin(known.admitted, self, turn)
        if arrival is None:
            self._known = None
            return None
        self.cycle = turn  # type: ignore[assignment]  # it stands in for one
        self._expect_reply(self.cycle)
        return arrival

    def _read_on(self, arrival: Arrival, data: bytes) -> None:
        """Read more of a body, and what follows it."""
        rest = data[self._missing_bytes :]
        data = data[: self._missing_bytes]
        self._pieces.append(data)
        self._body_bytes += len(data)
        self._missing_bytes -= len(data)
        if self._missing_bytes:
            return
        body, self._pieces, self._arrival = b"".join(self._pieces), [], None
        self._stage = Stage.IDLE
        self._answer(arrival, body)
        if rest:
            self.data_received(rest)

    def _answer(self, arrival: Arrival, body: bytes) -> None:
        assert self._gateway is not None  # noqa: S101 - as above
        rest = self._gateway.answer(arrival, body)
        if rest is not None:
            task = self.loop.create_task(rest)
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)
