"""The whole way of a request: an ASGI app is its task's, and uvicorn keeps the account of its reply.

Strategy: uvicorn's `RequestResponseCycle` speaks ASGI, one for each request; here is what it lives in: its scope, its
task, and the order of requests that a client sends without waiting. All of it is made when a request goes this way,
and let go of afterwards.
Spec: https://asgi.readthedocs.io/en/latest/specs/www.html; why: `docs/decisions/0019-a-small-connection.md`
"""

from __future__ import annotations

import asyncio
import functools
import logging
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT, FlowControl
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle
from uvicorn.protocols.utils import get_local_addr, get_remote_addr, is_ssl
from uvicorn.server import ServerState

from headgate.gateway.asgi import Scope
from headgate.gateway.closing import Closing, wake
from headgate.gateway.direct import DirectLane
from headgate.gateway.offer import Offer

_logger = logging.getLogger("uvicorn.error")
_access_logger = logging.getLogger("uvicorn.access")


class Way:
    """A cycle's way to its transport: closing goes through the connection, and a write costs what it did."""

    __slots__ = ("close", "is_closing", "write")

    def __init__(self, connection: Closing) -> None:
        self.write = connection.transport.write
        self.is_closing = connection.transport.is_closing
        self.close = connection.close


class Hosting(Closing):
    """A connection that ends, to an app. uvicorn makes it, and knows `transport` and `shutdown` of it.

    Args:
        config: uvicorn's.
        server_state: what uvicorn counts, and the headers of every reply.
        app_state: what the app's lifespan left for its requests.

    `lane` is what a reply is written to that no task waits for; it hears what the transport says.
    """

    __slots__ = ("_idle_since_s", "app", "app_state", "lane", "server_state")

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(_loop or asyncio.get_running_loop())
        self.app: Any = config.loaded_app
        self.app_state = app_state
        self.server_state = server_state
        self.lane: DirectLane | None = None
        self._idle_since_s = 0.0

    # The transport calls these.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # it is a socket's
        """A client is there."""
        super().connection_made(transport)
        self.server_state.connections.add(self)  # type: ignore[arg-type]  # uvicorn lists its own classes

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody is there any more."""
        self.server_state.connections.discard(self)
        super().connection_lost(exc)
        if self.flow is not None:
            self.flow.resume_writing()
        if self.lane is not None:
            self.lane.lost()

    def pause_writing(self) -> None:
        """The client reads more slowly than it is written to."""
        self._flowing().pause_writing()
        if self.lane is not None:
            self.lane.paused()

    def resume_writing(self) -> None:
        """The client has caught up."""
        self._flowing().resume_writing()
        if self.lane is not None:
            self.lane.resumed()

    # uvicorn calls this when it stops, and accounts the next.

    def shutdown(self) -> None:
        """Serve no further request."""
        if self.answering is None:
            self.transport.close()
        else:
            self.newest.keep_alive = False

    def on_response_complete(self) -> None:
        """Begin with the next request that waits, or keep the connection for one."""
        self.server_state.total_requests += 1
        self.answering = None
        if self.transport.is_closing():
            return
        if self.flow is not None:
            self.flow.resume_reading()
        if self.waiting:
            self.answering, *behind = self.waiting
            self.waiting = tuple(behind)
            self.start(self.answering)
        else:
            self._idle_since_s = self.loop.time()

    # Requests, from the head on.

    @property
    def newest(self) -> Any:  # an account; whoever asks knows of which kind
        """The account of the request that came last, if its reply is due."""
        return self.waiting[-1] if self.waiting else self.answering

    def expect(self, cycle: RequestResponseCycle) -> None:
        """Answer a request, after those that came before it."""
        if self.answering is None:
            self.answering = cycle
            self.start(cycle)
        else:
            self._flowing().pause_reading()
            self.waiting = (*self.waiting, cycle)

    def cycle_of(self, said: Scope, *, keep_alive: bool, waits: bool) -> RequestResponseCycle:
        """What uvicorn keeps account of a request in.

        Args:
            said: what its head says: `method`, `http_version`, `path`, `raw_path`, `query_string` and `headers`.
            keep_alive: whether the connection serves another request after it.
            waits: whether its client wants to be told before it sends the body.
        """
        scope: Any = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "server": get_local_addr(self.transport),
            "client": get_remote_addr(self.transport),
            "scheme": "https" if is_ssl(self.transport) else "http",
            "root_path": "",
            "state": self.app_state.copy(),
            **said,
        }
        cycle = RequestResponseCycle(
            scope=scope,
            transport=Way(self),  # type: ignore[arg-type]  # all that a cycle uses
            flow=self._flowing(),
            logger=_logger,
            access_logger=_access_logger,
            access_log=False,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=waits,
            keep_alive=keep_alive,
            on_response=self.on_response_complete,
        )
        if said["http_version"] == "1.0":
            _without_chunks(cycle)
        scope["extensions"] = Offer(self, cycle).extensions()
        return cycle

    def take_body(self, body: bytes) -> None:
        """More of the newest request's body."""
        cycle = self.newest
        if cycle is not None:
            cycle.body += body
            self.look_at_body(cycle)
            wake(cycle)

    def look_at_body(self, cycle: RequestResponseCycle) -> None:
        """Read no more, where enough of a body lies ready for whoever reads it."""
        if len(cycle.body) > HIGH_WATER_LIMIT:
            self._flowing().pause_reading()

    def take_end(self) -> None:
        """The newest request's body is whole."""
        cycle = self.newest
        if cycle is not None:
            cycle.more_body = False
            wake(cycle)

    def start(self, cycle: Any) -> None:
        """Begin with a request, in a task of its own."""
        task = self.loop.create_task(cycle.run_asgi(self.app))
        self.server_state.tasks.add(task)
        task.add_done_callback(functools.partial(self._ended, cycle))

    def _ended(self, cycle: RequestResponseCycle, task: asyncio.Task[None]) -> None:
        """Let go of what a request was offered: it refers to its cycle, which refers to the scope that has it."""
        self.server_state.tasks.discard(task)
        cycle.scope["extensions"] = {}

    def _flowing(self) -> FlowControl:
        if self.flow is None:
            self.flow = FlowControl(self.transport)
        return self.flow


def _without_chunks(cycle: RequestResponseCycle) -> None:
    """Let the end of the connection end a reply: HTTP/1.0 knows no chunks, and uvicorn would send them."""
    cycle.chunked_encoding = False
    plain = cycle.send

    async def send(message: Any) -> None:
        if message["type"] == "http.response.body":
            cycle.expected_content_length = len(message.get("body", b""))
        await plain(message)

    cycle.send = send  # type: ignore[method-assign]  # the app is given the instance's
