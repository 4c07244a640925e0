"""Which engine serves what: every engine is asked for its models, now and then, and one that is dead hides no other.

Strategy: an OpenAI-style engine is asked for `/v1/models`, Ollama for `/api/tags`. What an engine said last is
remembered for routing, so that a model of a dead engine fails with that engine's own error.
Spec: ours (`docs/gateway.md`)
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from headgate.errors import UpstreamError
from headgate.gateway.engines import Engine
from headgate.gateway.operations.model_lists import LISTS, OPENAI, Facts, Model
from headgate.limits import Limits
from headgate.messages import HttpRequest
from headgate.routing import not_found

_FRESH_S = 5.0
"""How long an answer counts as new: a client that lists models at every turn costs an engine one look in this time."""
_NO_NAMES: frozenset[str] = frozenset()


class Listed(NamedTuple):
    """A model as clients see it. `id` is the name to ask for; an alias has no engine, but its model's facts."""

    id: str
    engine: Engine | None
    created_s: int
    facts: Facts


class Models:
    """What the engines serve.

    Args:
        engines: in the order of configuration.
        limits: `models_s`.
        aliases: names that clients may use, and the models that they stand for.

    `known` is every name that each engine answers to, as far as it has been asked; another mapping once more is known.
    """

    def __init__(self, engines: Sequence[Engine], limits: Limits, aliases: Mapping[str, str] | None = None) -> None:
        self._engines = engines
        self._limits = limits
        self._aliases = aliases or {}
        self._reported: dict[str, tuple[Model, ...]] = {}
        self.known: Mapping[str, Sequence[str]] = {}
        self._names: dict[tuple[str, str], frozenset[str]] = {}
        self._alive: set[str] = set()
        self._looked_s = float("-inf")
        self._lock = asyncio.Lock()

    def names_of(self, engine_name: str, model: str) -> frozenset[str]:
        """Every name that an engine has for a model that it reported; none if it reported no such model."""
        return self._names.get((engine_name, model), _NO_NAMES)

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
        for name in self._reported:
            self._index(name)

    async def listing(self) -> list[Listed]:
        """All models: each id once; a later engine's twin has its prefix; aliases come last."""
        await self.look()
        return list(self._listed().values())

    async def one(self, name: str) -> Listed:
        """One model, under every name that a request may use.

        Raises:
            RequestError: `model_not_found`, with near names.
        """
        await self.look()
        found = self._listed().get(name) or self._named(name)
        if found is None:
            raise not_found(name, self._engines, self.known, self._aliases)
        return found

    def _listed(self) -> dict[str, Listed]:
        listed: dict[str, Listed] = {}
        for engine in self._engines:
            for model in self._models_of(engine):
                id_ = f"{engine.name}/{model.id}" if model.id in listed else model.id
                listed[id_] = Listed(id_, engine, model.created_s, model.facts)
        for alias, name in self._aliases.items():
            found = listed.get(name) or self._named(name)
            listed.setdefault(alias, Listed(alias, None, 0, found.facts if found else Facts()))
        return listed

    def _named(self, name: str) -> Listed | None:
        """A model under a name that the list leaves out: an engine's prefix, or another name of the engine's own."""
        for engine in self._engines:
            wanted = {name, name.removeprefix(f"{engine.name}/")}
            for model in self._models_of(engine):
                if wanted & {model.id, *model.aliases}:
                    return Listed(name, engine, model.created_s, model.facts)
        return None

    def _models_of(self, engine: Engine) -> list[Model]:
        reported = self._reported[engine.name] if engine.name in self._alive else ()
        found = {model.id: model for model in reported}
        return [*(Model(name) for name in engine.models if name not in found), *found.values()]

    async def _ask(self, engine: Engine) -> None:
        path, read = LISTS.get(engine.dialect.name, OPENAI)
        self._alive.discard(engine.name)
        try:
            async with asyncio.timeout(self._limits.models_s):
                reply = await engine.upstream.fetch(HttpRequest(method="GET", path=path))
            models = tuple(read(reply))
        except (UpstreamError, TimeoutError, ValueError, RecursionError):
            return  # dead, or no such list; its configured models remain
        self._reported[engine.name] = models
        self._index(engine.name)
        self._alive.add(engine.name)

    def _index(self, engine_name: str) -> None:
        """Note the names of what an engine reported, which every request asks for."""
        named = [(model.id, *model.aliases) for model in self._reported[engine_name]]
        self.known = {**self.known, engine_name: [name for names in named for name in names]}
        self._names = {key: names for key, names in self._names.items() if key[0] != engine_name}
        for names in named:
            for name in names:
                key = engine_name, name
                self._names[key] = self._names.get(key, _NO_NAMES).union(names)
