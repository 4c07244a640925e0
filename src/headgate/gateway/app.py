"""The ASGI app: who comes in, and what answers them.

Strategy: the door decides on a request's head before anything else is done for it, and the policy is asked once about
the route's action. An exchange begins in the task that a host made for the request, which then only carries bytes to
the client. Our own server makes no task where it can do without (`repeating.py`), and calls `admit`, `begin`, `answer`.
Spec: https://asgi.readthedocs.io/en/latest/specs/main.html
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from headgate.config import Config
from headgate.errors import PeerError, RequestError
from headgate.gateway import door, journal
from headgate.gateway.asgi import (
    ClientGoneError,
    Receive,
    Scope,
    Send,
    read_body,
    respond_empty,
    with_headers,
)
from headgate.gateway.direct import Account, Connection, DirectLane, opener
from headgate.gateway.engines import Engine, engines
from headgate.gateway.entrance import Admitted, admit, admitted_to_exchange, head_of, hints, page
from headgate.gateway.exchange import Exchange
from headgate.gateway.fault import internal
from headgate.gateway.fleet import Chosen, Fleet
from headgate.gateway.lane import AsgiLane, Lane
from headgate.gateway.operations.answering import answer
from headgate.gateway.operations.base import Asked, Operation, model_named
from headgate.gateway.operations.table import operations
from headgate.gateway.plan import plan
from headgate.gateway.policy import Entry, MemoryPolicy, Policy, turned_away
from headgate.gateway.routes import Routes
from headgate.gateway.running import Running
from headgate.gateway.ticker import Ticker
from headgate.gateway.turn import Arrival
from headgate.gateway.visit import Visit, refuse, shutting_down
from headgate.limits import DEFAULTS, Limits
from headgate.messages import ChatRequest
from headgate.surfaces import surface, surfaces
from headgate.surfaces.base import Surface
from headgate.upstream.base import Upstream

if TYPE_CHECKING:
    from headgate.record.recorder import Recorder

_NO_CONFIG = Config()


def create_app(
    config: Config,
    *,
    upstreams: Mapping[str, Upstream] | None = None,
    environ: Mapping[str, str] | None = None,
    limits: Limits = DEFAULTS,
    policy: Policy | None = None,
    recorder: Recorder | None = None,
) -> Gateway:
    """Make the gateway; serve it with any ASGI server, or mount it in any ASGI app.

    Args:
        config: the engines, and who may ask; to listen is up to the server.
        upstreams: by name, what answers in place of a configured URL: a replay, or one of your own.
        environ: where keys are read from; the process's environment by default.
        limits: of every exchange.
        policy: is asked before each request and told after it; by default everything is allowed.
        recorder: records what is said to every engine whose configuration does not name another place.

    Raises:
        ConfigError: if the configuration cannot be used.
    """
    known = os.environ if environ is None else environ
    ready = engines(config, upstreams or {}, known, limits, recorder)
    return Gateway(ready, limits, config=config, environ=known, policy=policy, recorder=recorder)


class Gateway:
    """An ASGI app. A mounting app that does not pass on `lifespan` calls `close` itself; use it in one event loop.

    Args:
        ready: the engines.
        limits: of every exchange.
        served: the surfaces; all that are known by default.
        config: who may ask, and names for models.
        environ: as for `create_app`; `reload` reads keys from it.
        policy: as for `create_app`.
        recorder: as for `create_app`; `reload` hands it on.
    """

    def __init__(
        self,
        ready: Sequence[Engine],
        limits: Limits,
        served: Sequence[Surface] | None = None,
        *,
        config: Config = _NO_CONFIG,
        environ: Mapping[str, str] | None = None,
        policy: Policy | None = None,
        recorder: Recorder | None = None,
    ) -> None:
        self.limits = limits
        self._door = door.Door(config)
        self._fleet = Fleet(config, ready, limits, environ, recorder)
        self._ticker = Ticker()
        self._running = Running()
        self._policy = MemoryPolicy() if policy is None else policy
        self._default = surface("chat")
        self._draining = self._stopped = False
        self._routes = Routes(tuple(surfaces().values()) if served is None else served, self._default, operations())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI scope."""
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})

    @property
    def config(self) -> Config:
        """What was configured last."""
        return self._fleet.config

    @property
    def engines(self) -> tuple[Engine, ...]:
        """The engines that are asked now."""
        return self._fleet.ready

    def reload(self, config: Config, upstreams: Mapping[str, Upstream] | None = None) -> None:
        """Do as another configuration says from the next request on; where to listen stays as it is.

        Raises:
            ConfigError: if it cannot be used; then nothing has changed.
        """
        self._door, self._fleet = door.Door(config), self._fleet.renewed(config, upstreams)

    def drain(self) -> None:
        """Begin nothing new from now on: `/ready` says so, and what runs goes on."""
        self._draining = True

    def stop(self) -> None:
        """End what still runs; each client is told why."""
        self.drain()
        self._stopped = True
        self._running.interrupt(shutting_down())

    async def close(self) -> None:
        """Close every upstream; replies under way end with an error."""
        self.stop()
        await self._fleet.close()
        self._ticker.close()

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await self.close()
        await send({"type": "lifespan.shutdown.complete"})

    # Paths.

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        head = head_of(scope, self._routes)
        direct = opener(scope, send)
        try:
            origin = page(head, self._door)
            if origin is not None:
                send = with_headers(send, door.cors_headers(origin))
            if origin is not None and door.is_preflight(head.method, head.pairs):
                request_id = journal.request_id(head.headers.get("x-request-id"))
                allowed = door.preflight_headers(head.route.methods if head.route else (), head.pairs)
                await respond_empty(send, [*allowed, (b"x-request-id", request_id.encode())])
                return
            admitted = admit(head, origin, self._door, self._routes)
        except RequestError as error:
            request_id = journal.request_id(head.headers.get("x-request-id"))
            turned_away(error, request_id)
            await refuse(scope, send, head.surface, error, hints(error, head.route, request_id))
            return
        visit = Visit(scope, receive, send, admitted, self._entry(admitted), direct)
        operation = admitted.route.operation
        await (self._exchange(visit) if operation is None else self._operation(visit, operation))

    def _entry(self, admitted: Admitted) -> Entry:
        given_id = admitted.head.headers.get("x-request-id")
        return Entry(self._policy, admitted.route.action, admitted.principal, given_id)

    async def _operation(self, visit: Visit, operation: Operation) -> None:
        asked = Asked(
            self._fleet,
            visit.entry,
            visit.admitted.head.headers,
            rest=visit.admitted.head.rest,
            principal=visit.admitted.principal,
            draining=self._draining,
        )
        await answer(visit, operation, asked, self._running, self.limits.body_bytes_max)

    # Replies that models make.

    async def _exchange(self, visit: Visit) -> None:
        if self._draining:
            await visit.turn_away(shutting_down())
            return
        lane = self._lane(visit)
        try:
            body = await read_body(visit.scope, visit.receive, self.limits.body_bytes_max)
            chat = self._read(visit.admitted, visit.entry, body)
            exchange = self._open(visit.admitted, visit.entry, lane, chat, await self._fleet.choose(chat.model))
        except ClientGoneError:
            visit.entry.gone()
        except asyncio.CancelledError:
            # Some hosts cancel instead of saying that the client is gone.
            visit.entry.gone()
            raise
        except PeerError as error:
            await visit.turn_away(error)
        except Exception as fault:
            await visit.turn_away(internal(fault))
        else:
            await lane.run(exchange)

    def _lane(self, visit: Visit) -> AsgiLane | DirectLane:
        if visit.direct is not None:
            return visit.direct(self.limits, self._ticker, visit.admitted.cors)
        return AsgiLane(visit.scope, visit.receive, visit.send, self.limits, self._ticker)

    def _read(self, admitted: Admitted, entry: Entry, body: bytes) -> ChatRequest:
        """Read what is asked, and ask the policy."""
        entry.bytes_in = len(body)
        head, config = admitted.head, self._fleet.config
        chat = head.surface.parse(head.path, head.headers, body)
        model = model_named(chat.model, config)  # which can be shown
        reasoning = chat.reasoning or self._door.reasoning(admitted.principal)
        if model != chat.model or reasoning != chat.reasoning:
            chat = msgspec.structs.replace(chat, model=model, reasoning=reasoning)
        # A policy is asked about what an alias stands for: another name must not open another door.
        entry.authorise(config.aliases.get(chat.model, chat.model))
        return chat

    def _open(self, admitted: Admitted, entry: Entry, lane: Lane, chat: ChatRequest, chosen: Chosen) -> Exchange:
        """Ask the engine."""
        if self._stopped:
            raise shutting_down()
        engine, model = chosen
        entry.upstream = name = engine.config.name
        also = self._fleet.models.names_of(name, model)
        prepared = plan(admitted.head.surface, engine, chat, model, engine.limits, also=also)
        exchange = Exchange(prepared, lane, engine.limits, self._ticker, entry=entry, running=self._running)
        exchange.open()
        return exchange

    # What our own server calls where it makes no task: `_http` and `_exchange` in plain calls.

    def admit(self, scope: Scope) -> Admitted | None:
        """Decide on a head; None if it has to be answered the long way, as what is no exchange or is not let in."""
        return admitted_to_exchange(scope, self._door, self._routes)

    def begin(self, admitted: Admitted, connection: Connection, turn: Account) -> Arrival | None:
        """Begin with a request whose head is there; None if that must be decided anew, or nothing new begins."""
        if admitted.door is not self._door or self._draining:
            return None
        lane = DirectLane(connection, turn, self.limits, self._ticker, admitted.cors)
        return Arrival(admitted, self._entry(admitted), turn, lane)

    def answer(self, arrival: Arrival, body: bytes) -> Coroutine[Any, Any, None] | None:
        """Answer a request that is whole; what is returned is still to be done, if the engines must be asked first."""
        try:
            chat = self._read(arrival.admitted, arrival.entry, body)
            chosen = self._fleet.chosen(chat.model)
            if chosen is None:
                return self._answer_later(arrival, chat)
            exchange = self._open(arrival.admitted, arrival.entry, arrival.lane, chat, chosen)
        except Exception as error:
            arrival.turn_away(error)
        else:
            arrival.lane.begin(exchange)
        return None

    async def _answer_later(self, arrival: Arrival, chat: ChatRequest) -> None:
        try:
            chosen = await self._fleet.choose(chat.model)
            exchange = self._open(arrival.admitted, arrival.entry, arrival.lane, chat, chosen)
        except asyncio.CancelledError:
            arrival.gone()
            raise
        except Exception as error:
            arrival.turn_away(error)
        else:
            arrival.lane.begin(exchange)
