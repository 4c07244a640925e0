"""Which engines `headgate serve` asks: the configured ones, else those that run on this machine, else recordings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple, TypeAlias

import msgspec

from headgate.config.build_embedded import URL
from headgate.config.embedded import EmbeddedConfig
from headgate.config.values import Config, UpstreamConfig
from headgate.discovery import Engine, upstreams
from headgate.discovery_places import Place, places
from headgate.gateway.discover import Looked, look
from headgate.upstream.base import Upstream
from headgate.upstream.embedded_start import is_installed

Demo: TypeAlias = Literal["engine", "recordings"]
"""A real engine on a tiny model, with recordings beside it; or only those."""

DEMO = "demo"
RECORDINGS = "recordings"
"""The names of the demo's upstreams."""
_TINY_TOKENS = 16_384
"""The tiny model's context, in 32 MB of memory."""


class Chosen(NamedTuple):
    """A configuration that has engines.

    `given` answers in place of a URL; `looked` is what the search found, if there was one; `searching` says that
    nothing was found, so that it is worth another try; `places` are where it was looked for; `is_demo` says that the
    demo answers.
    """

    config: Config
    given: Mapping[str, Upstream]
    looked: Looked = Looked(())
    searching: bool = False
    places: tuple[Place, ...] = ()
    is_demo: bool = False

    @property
    def found(self) -> tuple[Engine, ...]:
        """The engines that were found."""
        return self.looked.engines


async def choose(
    config: Config,
    environ: Mapping[str, str],
    *,
    own_port: int,
    demo: Demo | None = None,
    llama_cpp: bool | None = None,
) -> Chosen:
    """Choose the engines, after a look around if none is configured.

    Args:
        config: as it was read.
        environ: `OPENAI_BASE_URL` and `OLLAMA_HOST` name places.
        own_port: which the gateway listens on.
        demo: which demo answers, whatever there is; None looks for engines.
        llama_cpp: whether the demo may run one; by default if it is installed.
    """
    runs = is_installed() if llama_cpp is None else llama_cpp
    if demo:
        return _demo(config, runs=runs and demo == "engine")
    if config.upstreams:
        return Chosen(config, {})
    at = tuple(places(environ, config.look))
    looked = await look(at, own_port=own_port)
    if not looked.engines:
        return _demo(config, runs=runs)._replace(looked=looked, searching=True, places=at)
    return Chosen(msgspec.structs.replace(config, upstreams=upstreams(looked.engines)), {}, looked, places=at)


def _demo(config: Config, *, runs: bool) -> Chosen:
    """A real engine on the tiny model, with the recordings beside it; without one, the recordings under both names."""
    # Here, since recordings are only read when they are needed.
    from headgate.demo import DEMO_MODEL, RECORDINGS_MODEL, cassettes, tiny_model  # noqa: PLC0415
    from headgate.upstream.replay import ReplayUpstream  # noqa: PLC0415

    recorded = (RECORDINGS_MODEL,) if runs else (DEMO_MODEL, RECORDINGS_MODEL)
    upstreams_ = [UpstreamConfig(name=RECORDINGS, url=f"{DEMO}:", models=recorded)]
    if runs:
        tiny = EmbeddedConfig(gguf=str(tiny_model()), n_ctx=_TINY_TOKENS, threads=1, temperature=0)
        upstreams_.insert(
            0, UpstreamConfig(name=DEMO, url=URL, models=(DEMO_MODEL,), embedded=tiny, return_progress=True)
        )
    replay = ReplayUpstream(RECORDINGS, cassettes(), models=recorded)
    return Chosen(msgspec.structs.replace(config, upstreams=tuple(upstreams_)), {RECORDINGS: replay}, is_demo=True)
