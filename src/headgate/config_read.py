"""Layers of settings -> the configuration, checked key by key.

Strategy: a key that does not exist is found first, so that a misspelt one is an error that names the right one; then
msgspec checks the types, and what it cannot know is checked last. Secrets come through a function of the caller's.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, cast

import msgspec

from headgate.config_layers import Layer, file_layer, flag_layer, merged
from headgate.config_lines import Path
from headgate.config_schema import EXTRAS, FileTables, ServerTable, UpstreamTable
from headgate.config_values import Config, Extra, UpstreamConfig, unique
from headgate.dialects import dialects
from headgate.errors import ConfigError, UsageError
from headgate.markup import families

ReadSecret = Callable[[str, str], str]
"""Given the place of the setting and the name of a file, returns the file's text, or raises `ConfigError`."""

_READ_ONLY = frozenset({"text"})
"""Dialects in which nobody can be asked."""

_is_name = re.compile(r"[A-Za-z0-9\[][A-Za-z0-9._:\[\]-]*").fullmatch
_is_host = re.compile(r"[A-Za-z0-9.:\[\]_%-]+").fullmatch
_is_origin = re.compile(r"[a-z][a-z0-9+.-]*://[^/\s@]+").fullmatch
_TYPE = re.compile(r"Expected `(.+?)`, got `(.+?)`")
_BOUND = re.compile(r"Expected `(.+?)` (>=|<=|>|<) (\S+)")
_TYPE_WORDS = {
    "int": "a whole number",
    "float": "a number",
    "str": "text",
    "bool": "true or false",
    "array": "a list",
    "object": "a table",
    "null": "nothing",
}
_BOUND_WORDS = {">=": "at least", "<=": "at most", ">": "more than", "<": "less than"}


class Settings(NamedTuple):
    """What was read: the configuration, its tables with all defaults, and where each key of them comes from."""

    config: Config
    tables: FileTables
    layer: Layer


def read_toml(data: bytes, name: str, environ: Mapping[str, str] | None = None) -> Config:
    """Read a configuration file that names no secret files.

    Args:
        data: the file's bytes.
        name: what messages call the file.
        environ: what `${VARIABLE}` means; nothing by default.

    Raises:
        ConfigError: naming the file, the line, the key and the likely fix.
    """
    return settle([file_layer(data, name, environ or {})]).config


def upstream_from_flag(flag: str) -> UpstreamConfig:
    """Read `[DIALECT=]URL`, such as `http://127.0.0.1:8080` or `ollama=http://127.0.0.1:11434`.

    Raises:
        ConfigError: if the dialect is unknown or the URL is none.
    """
    return settle([flag_layer([flag])]).config.upstreams[0]


def settle(layers: Sequence[Layer], read_secret: ReadSecret | None = None) -> Settings:
    """Read the configuration that several layers come to, the strongest first.

    Raises:
        ConfigError: naming the place, the key and the likely fix.
    """
    layer = merged(layers)
    for fault in _misspelt(layer):
        raise ConfigError(fault)
    try:
        tables = msgspec.convert(layer.table, FileTables)
    except msgspec.ValidationError as error:
        raise ConfigError(_explain(str(error), layer)) from None
    reading = _Reading(layer, read_secret or _no_secrets)
    upstreams = [reading.upstream(entry, ("upstream", n)) for n, entry in enumerate(tables.upstream)]
    server = reading.server(tables.server)
    config = msgspec.structs.replace(
        server, aliases=reading.aliases(tables.aliases), upstreams=unique(upstreams, _source(layer))
    )
    return Settings(config, tables, layer)


class _Reading:
    """What msgspec cannot check, with a place for every message."""

    def __init__(self, layer: Layer, read_secret: ReadSecret) -> None:
        self._layer = layer
        self._read_secret = read_secret

    def server(self, table: ServerTable) -> Config:
        keys = table.api_keys
        if table.api_keys_file is not None:
            keys += self._keys(table.api_keys_file)
        for n, key in enumerate(keys):
            if not key.isascii() or not key.isprintable() or " " in key:
                place = self._layer.place(("server", "api_keys"))
                raise ConfigError(f"{place}: key {n + 1} holds a space, or a character that no header may hold.")
        if not _is_host(table.host):
            raise self._fault(("server", "host"), "expected an address or a host name", table.host)
        for n, origin in enumerate(table.cors_origins):
            if not _is_origin(origin):
                words = "expected an origin such as https://app.example.com (lower case, without a path)"
                raise self._fault(("server", "cors_origins", n), words, origin)
        for n, url in enumerate(table.look or ()):
            self._address(url, ("server", "look", n))
        return Config(
            host=table.host.strip("[]"),
            port=table.port,
            api_keys=tuple(dict.fromkeys(keys)),
            allowed_hosts=table.allowed_hosts,
            cors_origins=table.cors_origins,
            default_model=table.default_model,
            drain_s=table.drain_s,
            look=table.look,
        )

    def aliases(self, aliases: dict[str, str]) -> dict[str, str]:
        for alias, model in aliases.items():
            if model in aliases and model != alias:
                place = self._layer.place(("aliases", alias))
                raise ConfigError(f"{place}: expected the name of a model, got another alias. Name the model itself.")
        return aliases

    def upstream(self, entry: UpstreamTable, path: Path) -> UpstreamConfig:
        address = self._address(entry.url, (*path, "url"))
        name = address if entry.name is None else entry.name
        if not _is_name(name):
            raise self._fault((*path, "name"), "expected letters, digits and . _ : -", name)
        known = sorted(set(dialects()) - _READ_ONLY)
        if entry.dialect not in known:
            raise self._fault((*path, "dialect"), f"expected one of {', '.join(known)}", entry.dialect)
        try:
            families(entry.markup)
        except UsageError as error:
            raise ConfigError(f"{self._layer.place((*path, 'markup'))}: {error}.") from None
        if not set(entry.extras) <= set(EXTRAS):
            raise ConfigError(f'{self._layer.place((*path, "extras"))}: expected a list that may hold "timings".')
        same = {key: getattr(entry, key) for key in _SAME}
        return UpstreamConfig(
            name=name,
            headers=tuple(entry.headers.items()),
            api_key=self._api_key(entry, path),
            extras=cast("tuple[Extra, ...]", entry.extras),
            **same,
        )

    def _api_key(self, entry: UpstreamTable, path: Path) -> str | None:
        given = [key for key in ("api_key", "api_key_env", "api_key_file") if getattr(entry, key) is not None]
        if len(given) > 1:
            place = self._layer.place((*path, given[1]))
            raise ConfigError(f"{place}: the key is given twice, by {given[0]} and {given[1]}. Keep one.")
        if entry.api_key_file is None:
            return entry.api_key
        return self._read_secret(self._layer.place((*path, "api_key_file")), entry.api_key_file).strip()

    def _keys(self, file: str) -> tuple[str, ...]:
        place = self._layer.place(("server", "api_keys_file"))
        lines = [line.strip() for line in self._read_secret(place, file).splitlines()]
        keys = tuple(line for line in lines if line and not line.startswith("#"))
        if not keys:
            raise ConfigError(f"{place}: expected one key on each line, got none in {file}.")
        return keys

    def _address(self, url: str, path: Path) -> str:
        """`host:port` of a URL; whoever connects checks the rest."""
        if "@" in url:
            # Never repeated: it may hold a password.
            place = self._layer.place(path)
            raise ConfigError(f"{place}: the URL holds credentials. Put them into api_key_env or headers.")
        scheme, found, rest = url.partition("://")
        if not found or scheme.lower() not in {"http", "https"} or not rest.partition("/")[0]:
            raise self._fault(path, "expected a URL such as http://127.0.0.1:8080", url)
        return rest.partition("/")[0]

    def _fault(self, path: Path, expected: str, got: str) -> ConfigError:
        # What a variable held may be a secret that stands in the wrong place.
        return ConfigError(f"{self._layer.place(path)}: {expected}, got {self._layer.raw.get(path, got)!r}.")


_SAME = sorted(
    (set(UpstreamConfig.__struct_fields__) & set(UpstreamTable.__struct_fields__))
    - {"name", "headers", "api_key", "extras"}
)
"""What a table and its value have in common."""


def _no_secrets(place: str, file: str) -> str:
    raise ConfigError(f"{place}: the file {file} cannot be read from here.")


def _source(layer: Layer) -> str:
    """What an error about several upstreams begins with: their source, without a line."""
    place = layer.origin(("upstream",))
    return re.sub(r":\d+$", "", place)


def _misspelt(layer: Layer) -> Iterator[str]:
    yield from _unknown(layer, layer.table, FileTables, ())
    server, entries = layer.table.get("server"), layer.table.get("upstream")
    if isinstance(server, dict):
        yield from _unknown(layer, server, ServerTable, ("server",))
    for number, entry in enumerate(entries if isinstance(entries, list) else []):
        if isinstance(entry, dict):
            yield from _unknown(layer, entry, UpstreamTable, ("upstream", number))


def _unknown(layer: Layer, table: dict[str, Any], kind: type[msgspec.Struct], path: Path) -> Iterator[str]:
    known = kind.__struct_fields__
    for key in table:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            likely = f"Did you mean {near[0]}?" if near else f"There are {', '.join(known)}."
            yield f"{layer.place((*path, key))}: there is no such key. {likely}"


def _explain(fault: str, layer: Layer) -> str:
    """Say msgspec's message in our words, the place first."""
    message, _, where = fault.partition(" - at `$")
    path = _path(where.rstrip("`"), layer.table)
    if match := _TYPE.search(message):
        message = f"expected {_words(match[1])}, got {_words(match[2])}"
    elif match := _BOUND.search(message):
        message = f"expected {_words(match[1])} of {_BOUND_WORDS[match[2]]} {match[3]}"
        message += f", got {_value(layer.table, path)}"
    elif "missing required field" in message:
        message = f"the key {message.rpartition('field ')[2].strip('`')} is missing"
    elif "length" in message:
        message = "expected text, got an empty one"
    return f"{layer.place(path)}: {message}."


def _path(where: str, table: Any) -> Path:
    path = tuple(int(index) if index else key for key, index in re.findall(r"\.(\w+)|\[(\d+)\]", where))
    if where.endswith("[...]"):  # msgspec does not say which value of a table of texts is none
        path += next((key,) for key, value in _value(table, path).items() if not (isinstance(value, str) and value))
    return path


def _value(table: Any, path: Path) -> Any:
    for part in path:
        table = table[part]
    return table


def _words(types: str) -> str:
    named = [name for name in types.split(" | ") if name != "null"] or [types]
    return " or ".join(_TYPE_WORDS.get(name, name) for name in named)
