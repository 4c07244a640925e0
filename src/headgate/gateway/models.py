"""Which engine serves what: every engine is asked for its models, now and then, and one that is dead hides no other.

Strategy: an OpenAI-style engine is asked for `/v1/models`, Ollama for `/api/tags`. What an engine said last is
remembered for routing, so that a model of a dead engine fails with that engine's own error.
Spec: https://platform.openai.com/docs/api-reference/models/list and
https://github.com/ollama/ollama/blob/main/docs/api.md#list-local-models
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from headgate.errors import UpstreamError
from headgate.gateway.engines import Engine
from headgate.limits import Limits
from headgate.messages import HttpRequest
from headgate.routing import not_found
from headgate.upstream.base import Reply

_FRESH_S = 5.0
"""How long an answer counts as new: a client that lists models at every turn costs an engine one look in this time."""


class Model(NamedTuple):
    """A model that an engine reports; `aliases` are other names that it answers to."""

    id: str
    created_s: int = 0
    aliases: tuple[str, ...] = ()


class _Entry(msgspec.Struct, gc=False):
    id: str | None = None
    created: Any = None  # engines also put floats and strings here
    aliases: list[str] | None = None


class _List(msgspec.Struct):
    data: list[_Entry] | None = None


class _Tag(msgspec.Struct, gc=False):
    name: str | None = None
    modified_at: str | None = None


class _Tags(msgspec.Struct):
    models: list[_Tag] | None = None


class Models:
    """What the engines serve.

    Args:
        engines: in the order of configuration.
        limits: `models_s`.
        aliases: names that clients may use, and the models that they stand for.
    """

    def __init__(self, engines: Sequence[Engine], limits: Limits, aliases: Mapping[str, str] | None = None) -> None:
        self._engines = engines
        self._limits = limits
        self._aliases = aliases or {}
        self._reported: dict[str, tuple[Model, ...]] = {}
        self._alive: set[str] = set()
        self._looked_s = float("-inf")
        self._lock = asyncio.Lock()

    @property
    def known(self) -> Mapping[str, Sequence[str]]:
        """Every name that each engine answers to, as far as it has been asked."""
        return {
            name: [alias for model in models for alias in (model.id, *model.aliases)]
            for name, models in self._reported.items()
        }

    @property
    def alive(self) -> frozenset[str]:
        """The engines that answered when they were asked last."""
        return frozenset(self._alive)

    async def look(self) -> None:
        """Ask every engine, unless that was done a moment ago."""
        async with self._lock:  # who comes meanwhile gets the same answer
            now_s = asyncio.get_running_loop().time()
            if now_s - self._looked_s >= _FRESH_S:
                await asyncio.gather(*(self._ask(engine) for engine in self._engines))
                self._looked_s = asyncio.get_running_loop().time()

    def adopt(self, before: Models) -> None:
        """Take over what engines said before a reload, of those that stay."""
        upstreams = {engine.name: engine.upstream for engine in before._engines}
        stay = {engine.name for engine in self._engines if upstreams.get(engine.name) is engine.upstream}
        self._reported = {name: models for name, models in before._reported.items() if name in stay}

    async def listing(self) -> bytes:
        """The body of `GET /v1/models`: each id once; a later engine's twin has its prefix; aliases come last."""
        await self.look()
        return msgspec.json.encode({"object": "list", "data": list(self._listed().values())})

    async def one(self, name: str) -> bytes:
        """The body of `GET /v1/models/{name}`, for every name that a request may use.

        Raises:
            RequestError: `model_not_found`, with near names.
        """
        await self.look()
        found = self._listed().get(name) or self._named(name)
        if found is None:
            raise not_found(name, self._engines, self.known, self._aliases)
        return msgspec.json.encode(found)

    def _listed(self) -> dict[str, dict[str, Any]]:
        listed: dict[str, dict[str, Any]] = {}
        for engine in self._engines:
            for model in self._models_of(engine):
                id_ = f"{engine.name}/{model.id}" if model.id in listed else model.id
                listed[id_] = _entry(id_, model, engine)
        for alias in self._aliases:
            listed.setdefault(alias, _entry(alias, Model(alias), None))
        return listed

    def _named(self, name: str) -> dict[str, Any] | None:
        """A model under a name that the list leaves out: an engine's prefix, or another name of the engine's own."""
        for engine in self._engines:
            wanted = {name, name.removeprefix(f"{engine.name}/")}
            for model in self._models_of(engine):
                if wanted & {model.id, *model.aliases}:
                    return _entry(name, model, engine)
        return None

    def _models_of(self, engine: Engine) -> list[Model]:
        reported = self._reported[engine.name] if engine.name in self._alive else ()
        found = {model.id: model for model in reported}
        return [*(Model(name) for name in engine.models if name not in found), *found.values()]

    async def _ask(self, engine: Engine) -> None:
        path, read = _LISTS.get(engine.dialect.name, _OPENAI)
        self._alive.discard(engine.name)
        try:
            async with asyncio.timeout(self._limits.models_s):
                reply = await engine.upstream.fetch(HttpRequest(method="GET", path=path))
            models = read(reply)
        except (UpstreamError, TimeoutError, ValueError, RecursionError):
            return  # dead, or no such list; its configured models remain
        self._reported[engine.name] = models
        self._alive.add(engine.name)


def _entry(id_: str, model: Model, engine: Engine | None) -> dict[str, Any]:
    owner = "headgate" if engine is None else engine.name
    return {"id": id_, "object": "model", "created": model.created_s, "owned_by": owner}


def _read_openai(reply: Reply) -> tuple[Model, ...]:
    entries = msgspec.json.decode(_body(reply), type=_List).data or []
    return tuple(Model(entry.id, _seconds(entry.created), tuple(entry.aliases or ())) for entry in entries if entry.id)


def _read_ollama(reply: Reply) -> tuple[Model, ...]:
    tags = msgspec.json.decode(_body(reply), type=_Tags).models or []
    return tuple(Model(tag.name, _timestamp(tag.modified_at), _untagged(tag.name)) for tag in tags if tag.name)


def _body(reply: Reply) -> bytes:
    if reply.status != 200:
        raise ValueError(reply.status)
    return reply.body


def _untagged(name: str) -> tuple[str, ...]:
    # Ollama takes `tiny` for `tiny:latest`.
    return (name.removesuffix(":latest"),) if name.endswith(":latest") else ()


def _seconds(value: Any) -> int:
    return int(value) if isinstance(value, int | float) and 0 <= value < 1e12 else 0


def _timestamp(text: str | None) -> int:
    try:
        return int(datetime.fromisoformat(text or "").timestamp())
    except ValueError:
        return 0


_Read = Callable[[Reply], tuple[Model, ...]]
_OPENAI: tuple[str, _Read] = ("/v1/models", _read_openai)
_LISTS: dict[str, tuple[str, _Read]] = {"openai": _OPENAI, "ollama": ("/api/tags", _read_ollama)}
