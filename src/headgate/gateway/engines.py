"""The configuration, made ready: each upstream with its connection, its dialect and its markup."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from headgate.config import Config, UpstreamConfig, request_headers
from headgate.dialects import dialect
from headgate.dialects.base import Dialect
from headgate.errors import ConfigError, UsageError
from headgate.limits import DEFAULTS, Limits
from headgate.markup import families
from headgate.markup.family import Families
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
    config: Config, given: Mapping[str, Upstream], environ: Mapping[str, str], limits: Limits
) -> tuple[Engine, ...]:
    """Make every engine ready; those in `given`, by name, answer in place of their URL.

    Raises:
        ConfigError: if there is none, or one cannot be used as it is configured.
    """
    if not config.upstreams:
        raise ConfigError("expected at least one upstream, got none. Name its URL in [[upstream]] or --upstream.")
    return tuple(_engine(upstream, given, environ, limits) for upstream in config.upstreams)


def _engine(
    config: UpstreamConfig, given: Mapping[str, Upstream], environ: Mapping[str, str], limits: Limits
) -> Engine:
    own = config.limits(limits)
    try:
        upstream = given.get(config.name) or HttpUpstream(
            config.name, config.base_url, headers=request_headers(config, environ), limits=own
        )
        return Engine(config, upstream, dialect(config.dialect), families(config.markup), own)
    except ConfigError:
        raise
    except UsageError as error:
        raise ConfigError(f"upstream {config.name}: {error}") from error
