"""`headgate.toml`, or command-line flags -> what the gateway is to do.

Strategy: the file's tables are checked key by key against their Structs, so that a misspelt key is an error that
names the right one; then msgspec checks the types. Keys of engines never enter: `api_key_env` only names the
environment variable, and `request_headers` reads it from a mapping that the caller passes.
Spec: https://toml.io/en/v1.0.0
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

import msgspec

from headgate.dialects import dialects
from headgate.errors import ConfigError, UsageError
from headgate.markup import families

Extra = Literal["timings"]
"""What an upstream's replies may carry without being asked by the client."""

HOST = "127.0.0.1"
PORT = 4283
"""GATE on a telephone's keypad."""

_READ_ONLY = frozenset({"text"})
"""Dialects in which nobody can be asked."""

_CREDENTIAL = "authorization"
_Place = Callable[[str], str]
"""Given a key, says where it stands."""

_is_name = re.compile(r"[A-Za-z0-9\[][A-Za-z0-9._:\[\]-]*").fullmatch
_TYPE = re.compile(r"Expected `(.+?)`, got `(.+?)`")
_TYPE_WORDS = {"int": "a whole number", "str": "text", "bool": "true or false", "array": "a list", "object": "a table"}


class UpstreamConfig(msgspec.Struct, frozen=True, kw_only=True):
    """One engine.

    Args:
        name: what requests (`NAME/model`), logs and messages call it.
        url: where it listens; a final `/v1` may be there or not.
        dialect: `openai` for every `/v1/chat/completions` engine, `ollama` for Ollama's native API.
        api_key_env: the environment variable that holds its key, which is sent as a bearer token.
        headers: sent with every request to it.
        models: models that it serves, besides those that it reports itself.
        markup: markup families to look for in its text: `auto`, `off`, or names.
        starts_in_reasoning: whether its template opens the thought in the prompt; None lets the stream tell.
        extras: `timings` adds them to every reply.
    """

    name: str
    url: str
    dialect: str = "openai"
    api_key_env: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    models: tuple[str, ...] = ()
    markup: str | tuple[str, ...] = "auto"
    starts_in_reasoning: bool | None = None
    extras: tuple[Extra, ...] = ()

    def __repr__(self) -> str:
        """The fields, with the headers' values left out: they may be keys."""
        shown = {**msgspec.structs.asdict(self), "headers": tuple(name for name, _ in self.headers)}
        return f"UpstreamConfig({', '.join(f'{name}={value!r}' for name, value in shown.items())})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """What the rich library prints."""
        return [("name", self.name), ("url", self.url)]

    @property
    def base_url(self) -> str:
        """The URL that the dialect's paths are joined to, such as `/v1/chat/completions`."""
        url = self.url.rstrip("/")
        return url.removesuffix("/v1") if self.dialect == "openai" else url


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """What the gateway is to do: where it listens, and which engines it asks."""

    host: str = HOST
    port: int = PORT
    upstreams: tuple[UpstreamConfig, ...] = ()


class _Server(msgspec.Struct):
    host: str = HOST
    port: int = PORT


class _Upstream(msgspec.Struct):
    url: str
    name: str | None = None
    dialect: str = "openai"
    api_key_env: str | None = None
    headers: dict[str, str] = {}
    models: tuple[str, ...] = ()
    markup: str | tuple[str, ...] = "auto"
    starts_in_reasoning: bool | None = None
    extras: tuple[str, ...] = ()


class _File(msgspec.Struct):
    server: _Server = msgspec.field(default_factory=_Server)
    upstream: list[_Upstream] = []


def read_toml(data: bytes, name: str) -> Config:
    """Read a configuration file.

    Args:
        data: the file's bytes.
        name: what messages call the file.

    Raises:
        ConfigError: naming the file, the key and the likely fix.
    """
    try:
        table = tomllib.loads(data.decode())
    except UnicodeDecodeError as error:
        raise ConfigError(f"{name}: expected UTF-8, got another byte at offset {error.start:,}.") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{name}: this is not TOML: {error}.") from error
    _check_keys(table, name)
    try:
        file = msgspec.convert(table, _File)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{name}: {_explain(str(error))}.") from None
    if not 0 <= file.server.port < 65536:
        raise ConfigError(f"{name}: server.port: expected a port from 0 to 65535, got {file.server.port}.")
    upstreams = [_read_upstream(entry, _at(f"{name}: upstream[{n}].")) for n, entry in enumerate(file.upstream)]
    return Config(host=file.server.host, port=file.server.port, upstreams=unique(upstreams, name))


def upstream_from_flag(flag: str) -> UpstreamConfig:
    """Read `[DIALECT=]URL`, such as `http://127.0.0.1:8080` or `ollama=http://127.0.0.1:11434`.

    Raises:
        ConfigError: if the dialect is unknown or the URL is none.
    """
    before, _, after = flag.partition("=")
    named = after and "://" not in before
    entry = _Upstream(url=after if named else flag, dialect=before if named else "openai")
    return _read_upstream(entry, _at("--upstream: "))


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
        ConfigError: if the environment variable of the key is not set, or the key is given twice.
    """
    variable = upstream.api_key_env
    if variable is None:
        return upstream.headers
    key = environ.get(variable, "").strip()
    if not key:
        next_step = "Set it, or leave api_key_env out."
        raise ConfigError(f"upstream {upstream.name}: the environment variable {variable} is not set. {next_step}")
    if any(header.lower() == _CREDENTIAL for header, _ in upstream.headers):
        raise ConfigError(f"upstream {upstream.name}: the key is given twice, by api_key_env and by headers. Keep one.")
    return (*upstream.headers, (_CREDENTIAL, f"Bearer {key}"))


def _at(where: str) -> _Place:
    return lambda key: where + key


def _read_upstream(entry: _Upstream, place: _Place) -> UpstreamConfig:
    address = _checked_url(entry.url, place("url"))
    name = address if entry.name is None else entry.name
    if not _is_name(name):
        raise ConfigError(f"{place('name')}: expected letters, digits and . _ : -, got {name!r}.")
    known = sorted(set(dialects()) - _READ_ONLY)
    if entry.dialect not in known:
        raise ConfigError(f"{place('dialect')}: expected one of {', '.join(known)}, got {entry.dialect!r}.")
    try:
        families(entry.markup)
        extras = msgspec.convert(entry.extras, tuple[Extra, ...])
    except UsageError as error:
        raise ConfigError(f"{place('markup')}: {error}.") from None
    except msgspec.ValidationError:
        raise ConfigError(f'{place("extras")}: expected a list that may hold "timings".') from None
    return UpstreamConfig(
        name=name,
        url=entry.url,
        dialect=entry.dialect,
        api_key_env=entry.api_key_env,
        headers=tuple(entry.headers.items()),
        models=entry.models,
        markup=entry.markup,
        starts_in_reasoning=entry.starts_in_reasoning,
        extras=extras,
    )


def _checked_url(url: str, where: str) -> str:
    """Return `host:port` of a URL; whoever connects checks the rest."""
    if "@" in url:
        # Never repeated: it may hold a password.
        raise ConfigError(f"{where}: the URL holds credentials. Put them into api_key_env or headers.")
    scheme, found, rest = url.partition("://")
    if not found or scheme.lower() not in {"http", "https"} or not rest.partition("/")[0]:
        raise ConfigError(f"{where}: expected a URL such as http://127.0.0.1:8080, got {url!r}.")
    return rest.partition("/")[0]


def _check_keys(table: dict[str, Any], name: str) -> None:
    _check(table, _File, f"{name}: ")
    if isinstance(server := table.get("server"), dict):
        _check(server, _Server, f"{name}: server.")
    entries: Any = table.get("upstream")
    if isinstance(entries, list):
        for number, entry in enumerate(entries):
            if isinstance(entry, dict):
                _check(entry, _Upstream, f"{name}: upstream[{number}].")


def _check(table: dict[str, Any], kind: type[msgspec.Struct], where: str) -> None:
    known = kind.__struct_fields__
    for key in table:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            likely = f"Did you mean {near[0]}?" if near else f"There are {', '.join(known)}."
            raise ConfigError(f"{where}{key}: there is no such key. {likely}")


def _explain(fault: str) -> str:
    """Say msgspec's message in our words, the place first."""
    message, _, path = fault.partition(" - at `$.")
    match = _TYPE.search(message)
    if match:
        message = f"expected {_words(match[1])}, got {_words(match[2])}"
    elif "missing required field" in message:
        message = f"the key {message.rpartition('field ')[2].strip('`')} is missing"
    return f"{path.rstrip('`') or 'the file'}: {message}"


def _words(types: str) -> str:
    return " or ".join(_TYPE_WORDS.get(name, name) for name in types.split(" | "))
