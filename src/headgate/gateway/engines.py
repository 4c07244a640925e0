"""The configuration, made ready: each upstream with its connection, its dialect and its markup."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from headgate.config import Config, UpstreamConfig, request_headers
from headgate.dialects import dialect
from headgate.dialects.base import Dialect
from headgate.errors import ConfigError, UsageError
from headgate.limits import DEFAULTS, Limits
from headgate.markup import families_named
from headgate.markup.family import Families
from headgate.upstream.base import Upstream
from headgate.upstream.http import HttpUpstream

if TYPE_CHECKING:
    from headgate.record.recorder import Recorder
    from headgate.upstream.embedded_engine import EmbeddedEngine


class Engine(NamedTuple):
    """One engine that can be asked. `limits` are the gateway's, with its own deadlines.

    `process` is one of ours that is still to be started (one that stays through a reload runs already).
    """

    config: UpstreamConfig
    upstream: Upstream
    dialect: Dialect
    families: Families
    limits: Limits = DEFAULTS
    process: EmbeddedEngine | None = None

    @property
    def name(self) -> str:
        """What the operator calls it."""
        return self.config.name

    @property
    def models(self) -> tuple[str, ...]:
        """The models that the operator says it serves."""
        return self.config.models


def engines(
    config: Config,
    given: Mapping[str, Upstream],
    environ: Mapping[str, str],
    limits: Limits,
    recorder: Recorder | None = None,
) -> tuple[Engine, ...]:
    """Make every engine ready; those in `given`, by name, answer in place of their URL.

    What is said to each is recorded where its configuration says so, else by `recorder` if there is one.

    Raises:
        ConfigError: if there is none, or one cannot be used as it is configured.
    """
    if not config.upstreams:
        raise ConfigError("expected at least one upstream, got none. Name its URL in [[upstream]] or --upstream.")
    ready = tuple(_engine(upstream, given, environ, limits) for upstream in config.upstreams)
    return tuple(_recorded(engine, recorder, config, environ) for engine in ready)


def _engine(
    config: UpstreamConfig, given: Mapping[str, Upstream], environ: Mapping[str, str], limits: Limits
) -> Engine:
    own = config.limits(limits)
    try:
        upstream, process = given.get(config.name), None
        if upstream is None:
            upstream, process = reach(config, own, environ)
        return Engine(config, upstream, dialect(config.dialect), families_named(config.markup), own, process)
    except ConfigError:
        raise
    except UsageError as error:
        raise ConfigError(f"upstream {config.name}: {error}") from error


def reach(config: UpstreamConfig, limits: Limits, environ: Mapping[str, str]) -> tuple[Upstream, EmbeddedEngine | None]:
    """What asks an engine, and its process if it is one of ours; nobody has started it yet.

    Raises:
        UsageError: if it cannot be used as it is configured.
    """
    if config.embedded is None:
        headers = request_headers(config, environ)
        return HttpUpstream(config.name, config.base_url, headers=headers, limits=limits), None

    def connect(url: str, key: str) -> Upstream:
        return HttpUpstream(config.name, url, headers=[("authorization", f"Bearer {key}")], limits=limits)

    # Here so that a gateway without such an engine does not load all that it takes to run one.
    from headgate.upstream.embedded import EmbeddedUpstream  # noqa: PLC0415
    from headgate.upstream.embedded_engine import EmbeddedEngine  # noqa: PLC0415

    process = EmbeddedEngine(config.name, config.embedded, model=next(iter(config.models), None))
    return EmbeddedUpstream(config.name, process, connect, limits=limits), process


def _recorded(engine: Engine, recorder: Recorder | None, config: Config, environ: Mapping[str, str]) -> Engine:
    if recorder is None and not engine.config.record:
        return engine
    # Here so that a gateway that records nothing does not load what it takes.
    from headgate.record.recorder import Recorder, RecordingUpstream  # noqa: PLC0415

    own = Recorder(Path(engine.config.record)) if engine.config.record else recorder
    if own is None or isinstance(engine.upstream, RecordingUpstream):  # an engine that stays through a reload
        return engine
    own.prepare()
    secrets = _secrets(config, environ)
    return engine._replace(upstream=RecordingUpstream(engine.upstream, own, secrets=secrets, limits=engine.limits))


def _secrets(config: Config, environ: Mapping[str, str]) -> frozenset[str]:
    """Every key that is configured: an engine may be sent one that is not its own, and say it again."""
    from headgate.record.heads import credentials  # noqa: PLC0415 - as above

    headers = [header for upstream in config.upstreams for header in request_headers(upstream, environ)]
    keys = {value.removeprefix("Bearer ") for name, value in headers if name.lower() == "authorization"}
    return frozenset(keys) | credentials(headers) | frozenset(config.api_keys)
