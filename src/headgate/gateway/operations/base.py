"""An operation: what a client asks of the gateway beside a reply that a model generates.

Strategy: an operation is a value (where, whose errors, what answers), so that another API's paths are lines in a table
(`operations.py`). What answers is one async function from what was asked to a whole response; its request's body,
deadlines, cancelling and accounts are the same for all (`answering.py`).
Spec: ours (`docs/gateway.md`)
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from headgate.config import Config
from headgate.errors import RequestError
from headgate.events import Usage
from headgate.gateway import engine_errors
from headgate.gateway.asgi import Headers
from headgate.gateway.door import check_name
from headgate.gateway.engines import Engine
from headgate.gateway.fault import late_end
from headgate.gateway.fleet import Chosen, Fleet
from headgate.gateway.policy import Entry
from headgate.messages import AS_JSON, HttpRequest
from headgate.upstream.base import Reply

JSON = "application/json"


class Response(NamedTuple):
    """A whole response."""

    status: int
    body: bytes
    content_type: str = JSON
    headers: Sequence[tuple[bytes, bytes]] = ()


class Asked:
    """One request to an operation, and the way to the engine that is to answer it.

    Args:
        fleet: what is served at the moment.
        entry: what is known of the request; `choose` authorises it.
        headers: the request's, names in lower case.
        rest: what of the path stands for `{…}` in the operation's.
        principal: who asks.
        draining: whether the gateway is being stopped.
    """

    def __init__(
        self,
        fleet: Fleet,
        entry: Entry,
        headers: Mapping[str, str],
        *,
        rest: str = "",
        principal: str = "",
        draining: bool = False,
    ) -> None:
        self.fleet = fleet
        self.headers = headers
        self.rest = rest
        self.principal = principal
        self.draining = draining
        self.body = b""
        self._entry = entry
        self._chosen: Chosen | None = None
        self._reply: Reply | None = None
        self._waited_s = 0.0

    async def choose(self, model: str) -> Chosen:
        """Say who answers for a model, and what it is called there; "" stands for the default model.

        Raises:
            RequestError: `forbidden` as the policy says, `model_not_found`, or `invalid_request` for no model's name.
        """
        config = self.fleet.config
        name = model_named(model, config)
        # A policy is asked about what an alias stands for: another name must not open another door.
        self._entry.authorise(config.aliases.get(name, name))
        self._chosen = await self.fleet.choose(name)
        self._entry.upstream = self._chosen.engine.name
        return self._chosen

    async def post(self, engine: Engine, path: str, body: bytes) -> Reply:
        """Send an engine JSON, and wait for its whole reply, whatever its status.

        Raises:
            UpstreamError: if there is none in time, or none that can be read.
        """
        return await self.ask(engine, HttpRequest(path=path, headers=AS_JSON, body=body))

    async def ask(self, engine: Engine, request: HttpRequest) -> Reply:
        """As `post`, for any request."""
        since_s = self._entry.clock()
        limit = asyncio.timeout(engine.limits.total_s)
        try:
            async with limit:
                self._reply = reply = await engine.upstream.fetch(request)
        except TimeoutError:
            if not limit.expired() or engine.limits.total_s is None:
                raise
            raise late_end(engine.name, engine.limits.total_s) from None
        finally:
            self._waited_s += self._entry.clock() - since_s
        if error := engine_errors.no_reply(engine.name, reply.status, reply.headers, "JSON"):
            raise error
        return reply

    def used(self, usage: Usage) -> None:
        """Note what the engine says it used, for the policy and the journal."""
        self._entry.usage = usage

    def identity(self) -> Headers:
        """The headers that say who answers, and what Headgate added to its time; none if no engine was chosen."""
        since_s = self._entry.parsed_s
        if self._chosen is None or since_s is None:
            return []
        own_s = max(0.0, self._entry.clock() - since_s - self._waited_s)
        told = (b"x-headgate-overhead-us", b"%d" % round(own_s * 1_000_000))
        return [*engine_errors.identity(self._chosen.engine.name, self._chosen.model), told]

    def wait(self, status: int) -> Headers:
        """The engine's `Retry-After`, if the client is told the status that it came with."""
        reply = self._reply
        return engine_errors.wait(status, reply.headers) if reply is not None and reply.status == status else []


Answer = Callable[[Asked], Coroutine[Any, Any, Response]]


class Operation(NamedTuple):
    """What answers a path.

    `path` may end in `{name}`, which stands for the rest of any path, `/` included. `action` is what policies call it,
    and `surface` names whose errors it wears. One that `asks` reads a JSON body and an engine's answer, and begins
    nothing while the gateway drains; it authorises itself, by `Asked.choose`. `shape` is its body and `answers` its
    answer's, as far as they are published, and `content_type` the answer's.
    """

    path: str
    methods: tuple[str, ...]
    action: str
    answer: Answer
    summary: str
    surface: str = "chat"
    asks: bool = False
    shape: type[msgspec.Struct] | None = None
    content_type: str = JSON
    answers: type[msgspec.Struct] | None = None

    @property
    def prefix(self) -> str | None:
        """What comes before `{name}`; None if there is none."""
        before, brace, _ = self.path.partition("{")
        return before if brace else None


def model_named(model: str, config: Config) -> str:
    """The name of a request's model, or of the default one if it has none; either can be shown.

    Raises:
        RequestError: `invalid_request`.
    """
    if not model and config.default_model:
        return config.default_model
    if not model:
        sentence = "expected a model: this request names none, and no default_model is configured."
        raise RequestError("invalid_request", sentence, param="/model")
    check_name(model, "/model")
    return model
