"""Everything that a reload replaces: the configuration, the engines that it names, and what they serve.

Strategy: a `Fleet` never changes. A gateway reads its fleet once for each request, and a reload puts another in its
place: an engine whose configuration is the same stays, with its connections; a running exchange keeps the one it has,
whose idle connections then close by themselves (`Limits.pool_idle_s`).
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakSet

from headgate.config.values import Config, UpstreamConfig, request_headers
from headgate.errors import RequestError
from headgate.gateway.engines import Engine, engines
from headgate.gateway.models import Models
from headgate.limits import DEFAULTS, Limits
from headgate.routing import choose
from headgate.upstream.base import Upstream

if TYPE_CHECKING:
    from headgate.record.recorder import Recorder


_CHOSEN_MAX = 256
"""Names of models for which it is remembered who answers: those that are asked for again and again."""


class Chosen(NamedTuple):
    """Who answers a request, and the model to ask it for."""

    engine: Engine
    model: str


class Fleet:
    """The engines of one configuration.

    Args:
        config: what they were made of (`gateway.engines.engines`).
        ready: the engines.
        limits: of every exchange.
        environ: where the keys of later configurations are read from; the process's environment by default.
        recorder: as for `engines`.
    """

    def __init__(
        self,
        config: Config,
        ready: Sequence[Engine],
        limits: Limits,
        environ: Mapping[str, str] | None = None,
        recorder: Recorder | None = None,
    ) -> None:
        self.config = config
        self.ready = tuple(ready)
        self.engines: Mapping[str, Engine] = {engine.name: engine for engine in ready}
        self.models = Models(self.ready, limits, config.aliases)
        self._limits = limits
        self._environ = os.environ if environ is None else environ
        self._recorder = recorder
        self._retired: WeakSet[Upstream] = WeakSet()
        self._known = self.models.known  # as it was when these were chosen
        self._chosen: dict[str, Chosen] = {}

    def renewed(self, config: Config, upstreams: Mapping[str, Upstream] | None = None) -> Fleet:
        """The fleet of another configuration; this one stays as it is. `upstreams` is as for `create_app`.

        Raises:
            ConfigError: if an engine cannot be used as it is configured.
        """
        given = {**self._staying(config), **(upstreams or {})}
        ready = engines(config, given, self._environ, self._limits, self._recorder)
        fleet = Fleet(config, ready, self._limits, self._environ, self._recorder)
        fleet.models.adopt(self.models)
        fleet._retired = WeakSet({*self._retired, *self._upstreams()} - set(fleet._upstreams()))
        fleet.start()
        return fleet

    def start(self) -> None:
        """Start the engines that we run ourselves, unless they run; nobody waits for them here."""
        for engine in self.ready:
            if engine.process is not None:
                engine.process.start()

    def chosen(self, model: str) -> Chosen | None:
        """Who answers, as far as that is known without asking anybody."""
        if self._known is self.models.known and (chosen := self._chosen.get(model)) is not None:
            return chosen
        try:
            return self._choose(model)
        except RequestError:
            return None

    async def choose(self, model: str) -> Chosen:
        """Choose who answers; if nobody is known to serve the model, the engines are asked for their models first.

        Raises:
            RequestError: `model_not_found`.
        """
        chosen = self.chosen(model)
        if chosen is None:
            await self.models.look()
            chosen = self._choose(model)
        return chosen

    async def close(self) -> None:
        """Close every upstream, those of running exchanges too."""
        for upstream in (*self._upstreams(), *self._retired):
            await upstream.close()

    def _choose(self, model: str) -> Chosen:
        if self._known is not self.models.known:  # an engine has reported its models
            self._known, self._chosen = self.models.known, {}
        target = choose(model, self.ready, self._known, self.config.aliases)
        chosen = Chosen(self.engines[target.upstream_name], target.model)
        if len(self._chosen) < _CHOSEN_MAX:
            self._chosen[model] = chosen
        return chosen

    def _staying(self, config: Config) -> dict[str, Upstream]:
        """What answers for the engines that are reached as before."""
        before = {name: _way(engine.config, self._environ) for name, engine in self.engines.items()}
        return {
            one.name: self.engines[one.name].upstream
            for one in config.upstreams
            if before.get(one.name) == _way(one, self._environ)
        }

    def _upstreams(self) -> list[Upstream]:
        return [engine.upstream for engine in self.ready]


def _way(upstream: UpstreamConfig, environ: Mapping[str, str]) -> tuple[object, ...]:
    """All that a connection to an engine depends on."""
    headers = request_headers(upstream, environ)
    own = (upstream.embedded, upstream.models) if upstream.embedded else None
    return (upstream.base_url, own, headers, upstream.limits(DEFAULTS), upstream.record)
