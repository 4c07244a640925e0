"""Which engines `headgate serve` asks: the configured ones, else those that run on this machine, else recordings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from headgate.config.values import Config, UpstreamConfig
from headgate.discovery import Engine, upstreams
from headgate.discovery_places import Place, places
from headgate.gateway.discover import Looked, look
from headgate.upstream.base import Upstream

DEMO = "demo"


class Chosen(NamedTuple):
    """A configuration that has engines.

    `given` answers in place of a URL; `looked` is what the search found, if there was one; `searching` says that
    nothing was found, so that it is worth another try; `places` are where it was looked for.
    """

    config: Config
    given: Mapping[str, Upstream]
    looked: Looked = Looked(())
    searching: bool = False
    places: tuple[Place, ...] = ()

    @property
    def found(self) -> tuple[Engine, ...]:
        """The engines that were found."""
        return self.looked.engines


async def choose(config: Config, environ: Mapping[str, str], *, own_port: int, demo: bool = False) -> Chosen:
    """Choose the engines, after a look around if none is configured.

    Args:
        config: as it was read.
        environ: `OPENAI_BASE_URL` and `OLLAMA_HOST` name places.
        own_port: which the gateway listens on.
        demo: whether recordings answer, whatever there is.
    """
    if demo:
        return _demo(config)
    if config.upstreams:
        return Chosen(config, {})
    at = tuple(places(environ, config.look))
    looked = await look(at, own_port=own_port)
    if not looked.engines:
        return _demo(config)._replace(looked=looked, searching=True, places=at)
    return Chosen(msgspec.structs.replace(config, upstreams=upstreams(looked.engines)), {}, looked, places=at)


def _demo(config: Config) -> Chosen:
    from headgate.demo import DEMO_MODEL, cassettes  # noqa: PLC0415 - its recordings are only read when they are needed
    from headgate.upstream.replay import ReplayUpstream  # noqa: PLC0415

    upstream = UpstreamConfig(name=DEMO, url=f"{DEMO}:", models=(DEMO_MODEL,))
    replay = ReplayUpstream(DEMO, cassettes(), models=(DEMO_MODEL,))
    return Chosen(msgspec.structs.replace(config, upstreams=(upstream,)), {DEMO: replay})
