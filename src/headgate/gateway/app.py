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
from typing import NamedTuple

import msgspec

from headgate.config import Config
from headgate.errors import CODES, PeerError, RequestError
from headgate.gateway import door, journal, reads
from headgate.gateway.asgi import (
    ClientGoneError,
    Headers,
    Receive,
    Scope,
    Send,
    headers_of,
    path_of,
    read_body,
    respond,
    respond_empty,
    with_headers,
)
from headgate.gateway.direct import DirectLane, Opener, opener
from headgate.gateway.engines import Engine, engines
from headgate.gateway.exchange import Exchange
from headgate.gateway.fault import internal
from headgate.gateway.fleet import Fleet
from headgate.gateway.lane import AsgiLane, Lane
from headgate.gateway.plan import plan
from headgate.gateway.policy import Entry, MemoryPolicy, Outcome, Policy, turned_away
from headgate.gateway.reads import Asked, Read
from headgate.gateway.routes import Route, Routes
from headgate.gateway.running import Running
from headgate.gateway.ticker import Ticker
from headgate.limits import DEFAULTS, Limits
from headgate.messages import ChatRequest
from headgate.record.recorder import Recorder
from headgate.surfaces import surface, surfaces
from headgate.surfaces.base import Surface
from headgate.upstream.base import Upstream

_NO_CONFIG = Config()


class Visit(NamedTuple):
    """One request that was let in."""

    scope: Scope
    receive: Receive
    send: Send
    route: Route
    entry: Entry
    rest: str
    principal: str
    direct: Opener | None
    cors: Headers


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
        self._routes = Routes(tuple(surfaces().values()) if served is None else served, self._default, self._ready)

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
        served = route.surface if route else self._default
        direct, cors = opener(scope, send), Headers()
        try:
            self._door.check_host(headers)
            origin = self._door.origin(headers)
            if origin is not None:
                cors = door.cors_headers(origin)
                send = with_headers(send, cors)
            if origin is not None and door.is_preflight(method, headers):
                await respond_empty(send, door.preflight_headers(route.methods if route else (), headers))
                return
            principal = self._door.admit(method, path, headers, origin)
            route = self._routed(route, method)
        except RequestError as error:
            request_id = journal.request_id(headers_of(scope).get("x-request-id"))
            turned_away(error, request_id)
            await _refuse(scope, send, served, error, _hints(error, route, request_id))
            return
        entry = Entry(self._policy, route.action, principal, headers_of(scope).get("x-request-id"))
        visit = Visit(scope, receive, send, route, entry, rest, principal, direct, cors)
        await (self._exchange(visit) if route.read is None else self._read(visit, route.read))

    def _routed(self, route: Route | None, method: str) -> Route:
        """The route, if it answers this method.

        Raises:
            RequestError: `not_found` or `method_not_allowed`.
        """
        if route is None:
            raise RequestError("not_found", f"expected a path of {', '.join(self._routes.paths)}.")
        if method not in route.methods:
            allowed = ", ".join(route.methods)
            raise RequestError("method_not_allowed", f"expected the method {allowed} here, got {method}.")
        return route

    # Replies that no engine makes.

    async def _read(self, visit: Visit, read: Read) -> None:
        entry = visit.entry
        try:
            entry.authorise(None)
            status, body = await read(Asked(self._fleet, visit.rest, visit.principal))
        except PeerError as error:
            await self._turn_away(visit, error)
        except Exception as fault:
            await self._turn_away(visit, internal(fault))
        else:
            entry.wrote(len(body))
            entry.settle(Outcome.OK, status=status)
            await respond(visit.scope, visit.send, status, body, entry.headers)

    async def _ready(self, asked: Asked, /) -> tuple[int, bytes]:
        return reads.draining() if self._draining else await reads.ready(asked)

    async def _turn_away(self, visit: Visit, error: PeerError) -> None:
        told = visit.entry.refuse(error)
        await _refuse(visit.scope, visit.send, visit.route.surface, told, visit.entry.headers)

    # Replies that engines make.

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
            await self._turn_away(visit, error)
        except Exception as fault:
            await self._turn_away(visit, internal(fault))
        else:
            await lane.run(exchange)

    def _lane(self, visit: Visit) -> AsgiLane | DirectLane:
        if visit.direct is not None:
            return visit.direct(self.limits, self._ticker, visit.cors)
        return AsgiLane(visit.scope, visit.receive, visit.send, self.limits, self._ticker)

    async def _begin(self, visit: Visit, lane: Lane) -> Exchange:
        if self._draining:
            raise shutting_down()
        served, entry, fleet = visit.route.surface, visit.entry, self._fleet
        body = await read_body(visit.scope, visit.receive, self.limits.body_bytes_max)
        entry.bytes_in = len(body)
        chat = _named(served.parse(path_of(visit.scope), headers_of(visit.scope), body), fleet.config)
        # A policy is asked about what an alias stands for: another name must not open another door.
        entry.authorise(fleet.config.aliases.get(chat.model, chat.model))
        engine, model = await fleet.choose(chat.model)
        if self._stopped:
            raise shutting_down()
        entry.upstream = engine.name
        prepared = plan(served, engine, chat, model, engine.limits)
        exchange = Exchange(prepared, lane, engine.limits, self._ticker, entry=entry, running=self._running)
        exchange.open()
        return exchange


def _named(chat: ChatRequest, config: Config) -> ChatRequest:
    """The request with a model's name, which can be shown."""
    if not chat.model and config.default_model:
        return msgspec.structs.replace(chat, model=config.default_model)
    if not chat.model:
        sentence = "expected a model: this request names none, and no default_model is configured."
        raise RequestError("invalid_request", sentence, param="/model")
    door.check_name(chat.model, "/model")
    return chat


async def _refuse(scope: Scope, send: Send, served: Surface, error: PeerError, more: Headers) -> None:
    status, body = served.error(error)
    await respond(scope, send, status, body, more)


def _hints(error: RequestError, route: Route | None, request_id: str) -> Headers:
    """The headers that a refusal carries: some statuses demand one."""
    headers: Headers = [(b"x-request-id", request_id.encode())]
    if error.code == "method_not_allowed" and route is not None:
        headers.append((b"allow", ", ".join(route.methods).encode()))
    elif error.code == "unauthorized":
        headers.append((b"www-authenticate", b"Bearer"))
    return headers


def shutting_down() -> PeerError:
    """What clients are told whose request cannot be served to its end."""
    return PeerError("shutting_down", f"{CODES['shutting_down'].meaning} Nothing is wrong with the request.")
