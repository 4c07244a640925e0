"""The keys of an `[[upstream]]` that make it an embedded engine -> its configuration."""

from __future__ import annotations

from collections.abc import Callable

from headgate.config.embedded import EmbeddedConfig
from headgate.config.lines import Path
from headgate.config.schema import UpstreamTable
from headgate.errors import ConfigError

ENGINE = "embedded"
URL = "embedded:"
"""Stands where other engines have an address."""

_OWN = {"gguf", "n_ctx", "slots", "threads", "template", "gpu_layers", "engine_port"}
_OTHERS = {"url", "dialect", "api_key", "api_key_env", "api_key_file", "headers"}
"""Keys that say how to reach an engine which somebody else has started."""

_DEFAULTS = UpstreamTable()


def embedded(entry: UpstreamTable, path: Path, place: Callable[[Path], str]) -> EmbeddedConfig | None:
    """Read the keys of an embedded engine; None if the table is for another one.

    Args:
        entry: the table.
        path: where it stands.
        place: says where a key stands, for messages.

    Raises:
        ConfigError: if keys of both are there, or one that is needed is not.
    """
    if entry.engine is None:
        if own := _said(entry, _OWN):
            raise ConfigError(f'{place((*path, own[0]))}: only an embedded engine has this. Add engine = "{ENGINE}".')
        if entry.url is None:
            raise ConfigError(f"{place(path)}: the key url is missing.")
        return None
    if entry.engine != ENGINE:
        raise ConfigError(f"{place((*path, 'engine'))}: expected {ENGINE!r}, got {entry.engine[:40]!r}.")
    if others := _said(entry, _OTHERS):
        raise ConfigError(f"{place((*path, others[0]))}: an embedded engine has its own. Leave it out.")
    if entry.gguf is None:
        raise ConfigError(f"{place((*path, 'engine'))}: expected a gguf beside it, the file of the model.")
    return EmbeddedConfig(
        gguf=entry.gguf,
        n_ctx=entry.n_ctx,
        slots=entry.slots,
        threads=entry.threads,
        template=entry.template,
        gpu_layers=entry.gpu_layers,
        port=entry.engine_port,
    )


def _said(entry: UpstreamTable, keys: set[str]) -> list[str]:
    return sorted(key for key in keys if getattr(entry, key) != getattr(_DEFAULTS, key))
