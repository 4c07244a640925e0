"""The ASGI app: who comes in, and what answers them.

Strategy: the door decides on a request's head before anything else is done for it, and the policy is asked once about
the route's action. An exchange begins in the task that the host made for the request, and that task then only carries
bytes to the client.
Spec: https://asgi.readthedocs.io/en/latest/specs/main.html
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from headgate.config import Config
from headgate.errors import PeerError, RequestError
from headgate.gateway import door, journal
from headgate.gateway.asgi import (
    ClientGoneError,
    Headers,
    Receive,
    Scope,
    Send,
    headers_of,
    path_of,
    read_body,
    respond_empty,
    with_headers,
)
from headgate.gateway.direct import DirectLane, opener
from headgate.gateway.engines import Engine, engines
from headgate.gateway.exchange import Exchange
from headgate.gateway.fault import internal
from headgate.gateway.fleet import Fleet
from headgate.gateway.lane import AsgiLane, Lane
from headgate.gateway.operations.answering import answer
from headgate.gateway.operations.base import Asked, Operation, model_named
from headgate.gateway.plan import plan
from headgate.gateway.policy import Entry, MemoryPolicy, Policy, turned_away
from headgate.gateway.routes import Route, Routes
from headgate.gateway.running import Running
from headgate.gateway.ticker import Ticker
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
        self._routes = Routes(tuple(surfaces().values()) if served is None else served, self._default)

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
        path, method, headers = path_of(scope), scope["method"], scope["headers"]
        route, rest = self._routes.find(path)
        told = headers_of(scope)
        spoken = self._routes.spoken(path, route, told)
        direct, cors = opener(scope, send), Headers()
        try:
            self._door.check_host(headers)
            origin = self._door.origin(headers)
            if origin is not None:
                cors = door.cors_headers(origin)
                send = with_headers(send, cors)
            if origin is not None and door.is_preflight(method, headers):
                request_id = journal.request_id(told.get("x-request-id"))
                allowed = door.preflight_headers(route.methods if route else (), headers)
                await respond_empty(send, [*allowed, (b"x-request-id", request_id.encode())])
                return
            principal = self._door.admit(method, path, headers, origin)
            route = self._routed(route, method, spoken)
        except RequestError as error:
            request_id = journal.request_id(told.get("x-request-id"))
            turned_away(error, request_id)
            await refuse(scope, send, spoken, error, _hints(error, route, request_id))
            return
        entry = Entry(self._policy, route.action, principal, told.get("x-request-id"))
        visit = Visit(scope, told, receive, send, spoken, entry, rest, principal, direct, cors)
        await (self._exchange(visit) if route.operation is None else self._operation(visit, route.operation))

    def _routed(self, route: Route | None, method: str, spoken: Surface) -> Route:
        """The route, if it answers this method.

        Raises:
            RequestError: `not_found` or `method_not_allowed`.
        """
        if route is None:
            raise RequestError("not_found", f"expected a path of {', '.join(self._routes.paths_of(spoken))}.")
        if method not in route.methods:
            allowed = ", ".join(route.methods)
            raise RequestError("method_not_allowed", f"expected the method {allowed} here, got {method}.")
        return route

    async def _operation(self, visit: Visit, operation: Operation) -> None:
        asked = Asked(
            self._fleet,
            visit.entry,
            visit.headers,
            rest=visit.rest,
            principal=visit.principal,
            draining=self._draining,
        )
        await answer(visit, operation, asked, self._running, self.limits.body_bytes_max)

    # Replies that models make.

    async def _exchange(self, visit: Visit) -> None:
        lane = self._lane(visit)
        try:
            exchange = await self._begin(visit, lane)
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
            return visit.direct(self.limits, self._ticker, visit.cors)
        return AsgiLane(visit.scope, visit.receive, visit.send, self.limits, self._ticker)

    async def _begin(self, visit: Visit, lane: Lane) -> Exchange:
        if self._draining:
            raise shutting_down()
        served, entry, fleet = visit.surface, visit.entry, self._fleet
        body = await read_body(visit.scope, visit.receive, self.limits.body_bytes_max)
        entry.bytes_in = len(body)
        reasoning = self._door.reasoning(visit.principal)
        chat = _named(served.parse(path_of(visit.scope), visit.headers, body), fleet.config)
        chat = chat if chat.reasoning else msgspec.structs.replace(chat, reasoning=reasoning)
        # A policy is asked about what an alias stands for: another name must not open another door.
        entry.authorise(fleet.config.aliases.get(chat.model, chat.model))
        engine, model = await fleet.choose(chat.model)
        if self._stopped:
            raise shutting_down()
        entry.upstream = engine.name
        also = fleet.models.names_of(engine.name, model)
        prepared = plan(served, engine, chat, model, engine.limits, also=also)
        exchange = Exchange(prepared, lane, engine.limits, self._ticker, entry=entry, running=self._running)
        exchange.open()
        return exchange


def _named(chat: ChatRequest, config: Config) -> ChatRequest:
    """The request with a model's name, which can be shown."""
    name = model_named(chat.model, config)
    return chat if name == chat.model else msgspec.structs.replace(chat, model=name)


def _hints(error: RequestError, route: Route | None, request_id: str) -> Headers:
    """The headers that a refusal carries: some statuses demand one."""
    headers: Headers = [(b"x-request-id", request_id.encode())]
    if error.code == "method_not_allowed" and route is not None:
        headers.append((b"allow", ", ".join(route.methods).encode()))
    elif error.code == "unauthorized":
        headers.append((b"www-authenticate", b"Bearer"))
    return headers
