"""The configuration, made ready: each upstream with its connection, its dialect and its markup."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from headgate.config import Config, UpstreamConfig, request_headers
from headgate.dialects import dialect
from headgate.dialects.base import Dialect
from headgate.errors import ConfigError, UsageError
from headgate.limits import DEFAULTS, Limits
from headgate.markup import families_named
from headgate.markup.family import Families
from headgate.record.heads import credentials
from headgate.record.recorder import Recorder, RecordingUpstream
from headgate.upstream.base import Upstream
from headgate.upstream.http import HttpUpstream


class Engine(NamedTuple):
    """One engine that can be asked. `limits` are the gateway's, with its own deadlines."""

    config: UpstreamConfig
    upstream: Upstream
    dialect: Dialect
    families: Families
    limits: Limits = DEFAULTS

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
        upstream = given.get(config.name) or HttpUpstream(
            config.name, config.base_url, headers=request_headers(config, environ), limits=own
        )
        return Engine(config, upstream, dialect(config.dialect), families_named(config.markup), own)
    except ConfigError:
        raise
    except UsageError as error:
        raise ConfigError(f"upstream {config.name}: {error}") from error


def _recorded(engine: Engine, recorder: Recorder | None, config: Config, environ: Mapping[str, str]) -> Engine:
    own = Recorder(Path(engine.config.record)) if engine.config.record else recorder
    if own is None or isinstance(engine.upstream, RecordingUpstream):  # an engine that stays through a reload
        return engine
    own.prepare()
    secrets = _secrets(config, environ)
    return engine._replace(upstream=RecordingUpstream(engine.upstream, own, secrets=secrets, limits=engine.limits))


def _secrets(config: Config, environ: Mapping[str, str]) -> frozenset[str]:
    """Every key that is configured: an engine may be sent one that is not its own, and say it again."""
    headers = [header for upstream in config.upstreams for header in request_headers(upstream, environ)]
    keys = {value.removeprefix("Bearer ") for name, value in headers if name.lower() == "authorization"}
    return frozenset(keys) | credentials(headers) | frozenset(config.api_keys)
