"""The ASGI app: paths, and what answers them.

Strategy: each surface names its own paths, so that a new surface is served without a change here. An exchange
begins in the task that the host made for the request, and that task then only carries bytes to the client.
Spec: https://asgi.readthedocs.io/en/latest/specs/main.html
"""

from __future__ import annotations

import functools
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence

import msgspec

from headgate.config import Config
from headgate.errors import PeerError, RequestError
from headgate.gateway.asgi import ClientGoneError, Receive, Scope, Send, headers_of, path_of, read_body, respond
from headgate.gateway.engines import Engine, engines
from headgate.gateway.exchange import Exchange
from headgate.gateway.fault import internal
from headgate.gateway.lane import AsgiLane
from headgate.gateway.models import Models
from headgate.gateway.plan import plan
from headgate.gateway.ticker import Ticker
from headgate.limits import DEFAULTS, Limits
from headgate.routing import Target, choose
from headgate.surfaces import surface, surfaces
from headgate.surfaces.base import Surface
from headgate.upstream.base import Upstream

Action = Callable[[Scope, Receive, Send], Awaitable[None]]


def create_app(
    config: Config,
    *,
    upstreams: Mapping[str, Upstream] | None = None,
    environ: Mapping[str, str] | None = None,
    limits: Limits = DEFAULTS,
) -> Gateway:
    """Make the gateway; serve it with any ASGI server, or mount it in any ASGI app.

    Args:
        config: the engines; where to listen is up to the server.
        upstreams: by name, what answers in place of a configured URL: a replay, or one of your own.
        environ: where keys are read from; the process's environment by default.
        limits: of every exchange.

    Raises:
        ConfigError: if the configuration cannot be used.
    """
    return Gateway(engines(config, upstreams or {}, os.environ if environ is None else environ, limits), limits)


class Gateway:
    """An ASGI app. A mounting app that does not pass on `lifespan` calls `close` itself; use it in one event loop.

    Args:
        ready: the engines.
        limits: of every exchange.
        served: the surfaces; all that are known by default.
    """

    def __init__(self, ready: Sequence[Engine], limits: Limits, served: Sequence[Surface] | None = None) -> None:
        self._engines = {engine.name: engine for engine in ready}
        self._limits = limits
        self._models = Models(ready, limits)
        self._ticker = Ticker(limits)
        self._routes = self._make_routes(tuple(surfaces().values()) if served is None else served)
        self._default = surface("chat")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI scope."""
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})

    async def close(self) -> None:
        """Close every upstream; replies under way end with an error."""
        for engine in self._engines.values():
            await engine.upstream.close()
        self._ticker.close()

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await self.close()
        await send({"type": "lifespan.shutdown.complete"})

    def _make_routes(self, served: Sequence[Surface]) -> dict[str, Mapping[str, Action]]:
        """Each path, and the action of each of its methods."""
        routes: dict[str, Mapping[str, Action]] = {
            path: {"POST": functools.partial(self._exchange, one)} for one in served for path in one.paths
        }
        reads = {"/v1/models": self._models.listing, "/health": self._health}
        for path, read in reads.items():
            routes[path] = dict.fromkeys(("GET", "HEAD"), self._reading(read))
        return routes

    def _reading(self, read: Callable[[], Awaitable[bytes]]) -> Action:
        """The action that answers with what `read` returns."""

        async def action(scope: Scope, receive: Receive, send: Send) -> None:
            del receive
            try:
                status, body = 200, await read()
            except Exception as fault:
                status, body = self._default.error(internal(fault))
            await respond(scope, send, status, body)

        return action

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        actions = self._routes.get(path_of(scope))
        action = actions.get(scope["method"]) if actions else None
        if action is not None:
            await action(scope, receive, send)
        elif actions:
            allowed = ", ".join(actions)
            error = RequestError("method_not_allowed", f"expected the method {allowed} here, got {scope['method']}.")
            await self._refuse(scope, send, self._default, error, [(b"allow", allowed.encode())])
        else:
            paths = ", ".join(self._routes)
            await self._refuse(scope, send, self._default, RequestError("not_found", f"expected a path of {paths}."))

    async def _exchange(self, served: Surface, scope: Scope, receive: Receive, send: Send) -> None:
        lane = AsgiLane(scope, receive, send, self._limits, self._ticker)
        try:
            exchange = await self._begin(served, lane, scope, receive)
        except ClientGoneError:
            return
        except PeerError as error:
            await self._refuse(scope, send, served, error)
            return
        except Exception as fault:
            await self._refuse(scope, send, served, internal(fault))
            return
        await lane.run(exchange)

    async def _begin(self, served: Surface, lane: AsgiLane, scope: Scope, receive: Receive) -> Exchange:
        body = await read_body(scope, receive, self._limits.body_bytes_max)
        chat = served.parse(path_of(scope), headers_of(scope), body)
        target = await self._choose(chat.model)
        prepared = plan(served, self._engines[target.upstream_name], chat, target.model, self._limits)
        exchange = Exchange(prepared, lane, self._limits, self._ticker)
        exchange.open()
        return exchange

    async def _choose(self, model: str) -> Target:
        sources = tuple(self._engines.values())
        try:
            return choose(model, sources, self._models.known)
        except RequestError:
            await self._models.look()
            return choose(model, sources, self._models.known)

    async def _health(self) -> bytes:
        return msgspec.json.encode({"status": "ok", "upstreams": list(self._engines)})

    async def _refuse(
        self, scope: Scope, send: Send, served: Surface, error: PeerError, more: Sequence[tuple[bytes, bytes]] = ()
    ) -> None:
        status, body = served.error(error)
        await respond(scope, send, status, body, more)
