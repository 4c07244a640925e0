"""The short way of a request to an exchange: from its bytes to the app in plain calls.

Strategy: a request whose head nobody knows is parsed (`parsing.py`); if it is whole in the read in which it began, no
task is made for it. It leaves its head behind, and what comes with that very head and the length of its body, on this
connection or another, needs no parser, no scope and no second thought at the door either. That body may come in pieces,
under the same deadlines. All that is unusual in any way goes the whole way, as on every ASGI host (`hosting.py`).
Why: `docs/decisions/0017-plain-calls-for-a-head-that-comes-again.md`, `docs/decisions/0019-a-small-connection.md`
"""

from __future__ import annotations

import asyncio
from typing import Any

from headgate.gateway.again import KnownHead, KnownHeads
from headgate.gateway.app import Gateway
from headgate.gateway.asgi import Scope
from headgate.gateway.closing import wake
from headgate.gateway.guards import Guarded
from headgate.gateway.parsing import Stage
from headgate.gateway.turn import Arrival, Turn

_IDLE = Stage.IDLE  # a global is found sooner than a member


class Begun(Turn):
    """The account of a request until its data are read: then it is answered in plain calls, or becomes a cycle.

    Args:
        connection: the client's.
        said: what its head says.
    """

    __slots__ = ("body", "more_body", "said")

    def __init__(self, connection: Repeating, said: Scope) -> None:
        super().__init__(connection, keep_alive=False)
        self.said = said
        self.body = b""
        self.more_body = True


class Repeating(Guarded):
    """The guards, and the short way into a gateway. Of any other app, a middleware included, there is none.

    `known` are the heads that the connections of the server know.
    """

    __slots__ = ("_arrival", "_begun", "_gateway", "_holds", "_known", "_missing_bytes", "_pieces")
    known: KnownHeads = KnownHeads()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._gateway = self.app if isinstance(self.app, Gateway) else None
        self._holds = False  # a request back, until the data are read in which it begins
        self._begun: Begun | None = None  # which that is
        self._known: KnownHead | None = None
        self._arrival: Arrival | None = None  # whose body is coming
        self._pieces: list[bytes] | None = None
        self._missing_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # it is a socket's
        """A client is there."""
        super().connection_made(transport)
        if self._gateway is not None:
            transport.set_write_buffer_limits(high=self._gateway.limits.write_bytes_mark)

    def data_received(self, data: bytes) -> None:
        """Read on, by the short way if it can be."""
        gateway = self._gateway
        if self._arrival is not None:
            self._read_on(self._arrival, data)
        elif gateway is None or self.answering is not None or not (self._stage is _IDLE or self._is_new()):
            super().data_received(data)
        elif not self._repeats(gateway, data):
            self._read_new(gateway, data)

    def _is_new(self) -> bool:
        """Whether nothing has come yet."""
        return self._stage is Stage.HEAD and not self._wire_bytes

    def _over(self) -> None:
        """Whatever ends the reading, a body that was still coming is not waited for."""
        super()._over()
        if self._arrival is not None:
            self._arrival.gone()
            self._arrival = self._pieces = None

    # A head that is not known.

    def _read_new(self, gateway: Gateway, data: bytes) -> None:
        """Parse what comes. A request that is alone in its data is not left to a task, and its head is remembered."""
        self._holds = True
        super().data_received(data)
        self._holds = False
        begun, self._begun = self._begun, None
        if begun is not None and not self._takes(gateway, begun, data):
            self._leave_to_task(begun)

    def begin(self, said: Scope, *, waits: bool) -> None:
        """Begin with a request, unless that waits until its data are read."""
        if self._holds and self.answering is None and not waits and said["http_version"] == "1.1":
            self.answering = self._begun = Begun(self, said)
        else:
            super().begin(said, waits=waits)

    def take_body(self, body: bytes) -> None:
        """More of the newest request's body."""
        if self._begun is not None and self._begun.more_body:
            self._begun.body += body
        else:
            super().take_body(body)

    def _takes(self, gateway: Gateway, begun: Begun, data: bytes) -> bool:
        """Answer a request in plain calls, if it is alone in its data and whole; its head is learned in any case."""
        if self._stage is Stage.OVER or self.waiting:
            return False
        admitted = gateway.admit(begun.said)
        if admitted is None:
            self._known = None
            return False
        self._known = self.known.learn(data, begun.said["headers"], admitted) if self._keeps else None
        if self._stage is not Stage.IDLE or len(begun.body) > self.limits.body_bytes_max:
            return False
        turn = Turn(self, keep_alive=begun.keep_alive)
        arrival = gateway.begin(admitted, self, turn)
        if arrival is None:
            return False
        self.answering = turn
        self._answer(gateway, arrival, begun.body)
        return True

    def _leave_to_task(self, begun: Begun) -> None:
        """Let uvicorn go on with what was read of a request."""
        cycle = self.cycle_of(begun.said, keep_alive=begun.keep_alive, waits=False)
        cycle.disconnected = begun.disconnected
        cycle.body += begun.body
        cycle.more_body = begun.more_body
        self.answering = cycle
        if self._stage is not Stage.OVER:  # what a refused client still sends is read
            self.look_at_body(cycle)
        if begun.body or begun.disconnected or not begun.more_body:
            wake(cycle)
        self.start(cycle)

    # A head that is known.

    def _repeats(self, gateway: Gateway, data: bytes) -> bool:
        """Take a request by the short way, if it has a head that is known, and no other follows it."""
        known = self._known
        found = None if known is None else known.find(data)
        if found is None:
            known = self.known.find(data)
            found = None if known is None else known.find(data)
        if known is None or found is None:
            return False
        start, length = found
        missing = start + length - len(data)
        if missing < 0 or length > self.limits.body_bytes_max:
            return False
        turn = Turn(self, keep_alive=True)
        arrival = gateway.begin(known.admitted, self, turn)
        if arrival is None:
            return False
        self._known = known
        self.answering = turn
        if missing:
            self._enter(Stage.BODY)
            self._arrival, self._pieces, self._missing_bytes = arrival, [data[start:]], missing
            self._body_bytes = length - missing
        else:
            self._stage = _IDLE
            self._answer(gateway, arrival, data[start:])
        return True

    def _read_on(self, arrival: Arrival, data: bytes) -> None:
        """Read more of a body, and what follows it."""
        gateway, pieces = self._gateway, self._pieces
        assert gateway is not None  # noqa: S101 - nothing arrives without one
        assert pieces is not None  # noqa: S101 - as above
        rest = data[self._missing_bytes :]
        data = data[: self._missing_bytes]
        pieces.append(data)
        self._body_bytes += len(data)
        self._missing_bytes -= len(data)
        if self._missing_bytes:
            return
        self._arrival = self._pieces = None
        self._stage = Stage.IDLE
        self._answer(gateway, arrival, b"".join(pieces))
        if rest:
            self.data_received(rest)

    def _answer(self, gateway: Gateway, arrival: Arrival, body: bytes) -> None:
        rest = gateway.answer(arrival, body)
        if rest is not None:
            task = self.loop.create_task(rest)
            tasks = self.server_state.tasks
            tasks.add(task)
            task.add_done_callback(tasks.discard)
