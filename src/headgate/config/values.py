"""What the gateway is to do, as values: where it listens, who may ask, and which engines it asks."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Literal

import msgspec

from headgate.call_ids import Kind
from headgate.config.embedded import EmbeddedConfig
from headgate.errors import ConfigError
from headgate.limits import Limits
from headgate.messages import Spelling
from headgate.spelling import DEFAULT

Extra = Literal["timings"]
"""What an upstream's replies may carry without being asked by the client."""

HOST = "127.0.0.1"
PORT = 4283
"""GATE on a telephone's keypad."""
RECORDINGS = "recordings"
"""Where `record = true` records to, in the working directory."""
DRAIN_S = 8.0
"""`docker stop` kills after 10 s."""

_CREDENTIAL = "authorization"
_DEADLINES = ("connect_s", "first_byte_s", "idle_s", "total_s")
_is_key = re.compile(r"[!-~]+").fullmatch

is_origin = re.compile(r"file://|[a-z][a-z0-9+.-]*://(?:(?![A-Z/?#@*])[!-~])+").fullmatch
"""Whether a page's origin is written as programs send it: browsers in lower case, and Android's web views as `file://`.

Spec: https://html.spec.whatwg.org/multipage/browsers.html#ascii-serialisation-of-an-origin
"""


class ClientConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What a client that sends a key gets. The key lets in only who has one of `Config.api_keys`.

    Args:
        key: the key.
        reasoning: how it is written thoughts in OpenAI's format; None leaves it to the engine's configuration.
    """

    key: str
    reasoning: Spelling | None = None

    def __repr__(self) -> str:
        """The fields, without the key."""
        return f"ClientConfig(key='...', reasoning={self.reasoning!r})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """What the rich library prints."""
        return [("reasoning", self.reasoning)]


class UpstreamConfig(msgspec.Struct, frozen=True, kw_only=True):
    """One engine.

    Args:
        name: what requests (`NAME/model`), logs and messages call it.
        url: where it listens; with `openai` a final `/v1` may be there or not. Of an embedded engine it is only shown.
        dialect: `openai` for every `/v1/chat/completions` engine, `ollama` for Ollama's native API.
        api_key: its key, which is sent as a bearer token to this engine only.
        api_key_env: the environment variable that holds its key.
        headers: sent with every request to it.
        models: models that it serves, besides those that it reports itself.
        markup: markup families to look for in its text: `auto`, `off`, or names.
        starts_in_reasoning: whether its template opens the thought in the prompt; None lets the stream tell.
        whole_calls: whether a tool call taken out of its text is held back until it is complete.
        reasoning: how clients are written its thoughts in OpenAI's format; None leaves it to the client.
        history_reasoning: how it is sent the thoughts of earlier turns, if it speaks OpenAI's format.
        call_ids: which ids of tool calls it takes: `any`, or nine letters and digits (`mistral`).
        extras: `timings` adds them to every reply.
        record: the directory where all that is said to it is recorded; None records nothing.
        embedded: how to start it, if we run it ourselves.
        return_progress: whether it is asked how far it has read a prompt; only llama.cpp knows the question, and it
            notices only between two such answers that a client has gone.
        connect_s: its own deadlines, in seconds, see `Limits`; None keeps the gateway's.
        first_byte_s: as `connect_s`.
        idle_s: as `connect_s`.
        total_s: as `connect_s`.
    """

    name: str
    url: str
    dialect: str = "openai"
    api_key: str | None = None
    api_key_env: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    models: tuple[str, ...] = ()
    markup: str | tuple[str, ...] = "auto"
    starts_in_reasoning: bool | None = None
    whole_calls: bool = False
    reasoning: Spelling | None = None
    history_reasoning: Spelling = DEFAULT
    call_ids: Kind = "any"
    extras: tuple[Extra, ...] = ()
    record: str | None = None
    embedded: EmbeddedConfig | None = None
    return_progress: bool = False
    connect_s: float | None = None
    first_byte_s: float | None = None
    idle_s: float | None = None
    total_s: float | None = None

    def __repr__(self) -> str:
        """The fields, without the key, and without the headers' values: they may be keys."""
        shown = {**msgspec.structs.asdict(self), "headers": tuple(name for name, _ in self.headers)}
        shown["api_key"] = None if self.api_key is None else "..."
        return f"UpstreamConfig({', '.join(f'{name}={value!r}' for name, value in shown.items())})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """What the rich library prints."""
        return [("name", self.name), ("url", self.url)]

    @property
    def base_url(self) -> str:
        """The URL that the dialect's paths are joined to, such as `/v1/chat/completions`."""
        url = self.url.rstrip("/")
        return url.removesuffix("/v1") if self.dialect == "openai" else url

    def limits(self, limits: Limits) -> Limits:
        """The gateway's limits with this engine's own deadlines in place of its."""
        own = {name: value for name in _DEADLINES if (value := getattr(self, name)) is not None}
        return msgspec.structs.replace(limits, **own) if own else limits


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """What the gateway is to do: where it listens, who may ask, and which engines it asks.

    Args:
        host: the address to listen on.
        port: the port; 0 takes a free one.
        api_keys: what clients send as bearer tokens; empty lets everybody in, which only loopback may.
        allowed_hosts: names that a request's Host may have, besides loopback names and `host` itself.
        cors_origins: origins of web pages that may ask, exactly as browsers send them.
        default_model: the model for requests that may leave it out (`POST /chat`).
        aliases: names that clients may use, and the models that they stand for.
        drain_s: how long running streams may go on after SIGTERM, in seconds.
        look: where `headgate serve` looks for engines when it is given none; None is the usual local ports.
        clients: what clients with certain keys get.
        upstreams: the engines.
    """

    host: str = HOST
    port: int = PORT
    api_keys: tuple[str, ...] = ()
    allowed_hosts: tuple[str, ...] = ()
    cors_origins: tuple[str, ...] = ()
    default_model: str | None = None
    aliases: dict[str, str] = {}
    drain_s: float = DRAIN_S
    look: tuple[str, ...] | None = None
    clients: tuple[ClientConfig, ...] = ()
    upstreams: tuple[UpstreamConfig, ...] = ()

    def __repr__(self) -> str:
        """The fields, with the keys left out."""
        return f"Config(host={self.host!r}, port={self.port}, upstreams={self.upstreams!r})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """What the rich library prints."""
        return [("host", self.host), ("port", self.port), ("upstreams", self.upstreams)]


def unique(upstreams: Iterable[UpstreamConfig], name: str) -> tuple[UpstreamConfig, ...]:
    """Return the upstreams if no two have the same name.

    Raises:
        ConfigError: naming the one that comes twice; `name` is where they were configured.
    """
    found: dict[str, UpstreamConfig] = {}
    for upstream in upstreams:
        if upstream.name in found:
            raise ConfigError(f"{name}: two upstreams are called {upstream.name!r}. Give one of them another name.")
        found[upstream.name] = upstream
    return tuple(found.values())


def request_headers(upstream: UpstreamConfig, environ: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """The headers that every request to an engine carries, its key included.

    Raises:
        ConfigError: if the environment variable of the key is not set, or the key is given twice or is none.
    """
    key, source = upstream.api_key, "api_key"
    if upstream.api_key_env is not None:
        if key is not None:
            raise ConfigError(
                f"upstream {upstream.name}: the key is given twice, by api_key and api_key_env. Keep one."
            )
        key, source = _from_environ(upstream.name, upstream.api_key_env, environ), "api_key_env"
    if key is None:
        return upstream.headers
    if not _is_key(key):
        raise ConfigError(f"upstream {upstream.name}: the key in {source} is empty, or holds a space or a line end.")
    if any(header.lower() == _CREDENTIAL for header, _ in upstream.headers):
        raise ConfigError(f"upstream {upstream.name}: the key is given twice, by {source} and by headers. Keep one.")
    return (*upstream.headers, (_CREDENTIAL, f"Bearer {key}"))


@lru_cache(maxsize=256)
def is_loopback(host: str) -> bool:
    """Whether only programs on this machine reach what listens on a host."""
    name = host.strip("[]").rstrip(".").lower()
    try:
        return ipaddress.ip_address(name.partition("%")[0]).is_loopback
    except ValueError:
        return name == "localhost" or name.endswith(".localhost")


def check_door(config: Config) -> None:
    """Refuse to open the gateway to other machines without keys.

    Raises:
        ConfigError: if its host is not loopback and it has no API keys.
    """
    if not config.api_keys and not is_loopback(config.host):
        raise ConfigError(
            f"expected API keys, since {config.host} can be reached from other machines. Set api_keys or "
            f"api_keys_file in [server], or HEADGATE_API_KEYS, or listen on {HOST}."
        )


def _from_environ(name: str, variable: str, environ: Mapping[str, str]) -> str:
    key = environ.get(variable, "").strip()
    if not key:
        next_step = "Set it, or leave api_key_env out."
        raise ConfigError(f"upstream {name}: the environment variable {variable} is not set. {next_step}")
    return key
