"""The tables of the configuration -> its values, with every check that their types cannot make.

Strategy: a fault names the place of the value, and shows the value as it was written: a variable may hold a secret that
stands in the wrong place. The files that hold keys come through a function of the caller's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import PurePath
from typing import NamedTuple, cast
from urllib.parse import urlsplit

import msgspec

from headgate.config.build_embedded import ENGINE, URL, embedded
from headgate.config.layers import Layer, is_variable
from headgate.config.lines import Path
from headgate.config.schema import EXTRAS, KINDS, ClientTable, FileTables, ServerTable, UpstreamTable
from headgate.config.values import RECORDINGS, ClientConfig, Config, Extra, UpstreamConfig, is_origin, unique
from headgate.dialects import dialects, is_dialect
from headgate.errors import ConfigError, UsageError
from headgate.markup import families_named
from headgate.messages import Spelling
from headgate.spelling import SPELLINGS


class SecretFile(NamedTuple):
    """A file that holds keys: the place of the setting, its name, and its name as messages show it."""

    place: str
    name: str
    shown: str


ReadSecret = Callable[[SecretFile], str]
"""Returns the file's text, or raises `ConfigError`."""

_NO_CHATS = frozenset({"text", "llamacpp"})
"""Dialects in which no engine can be asked for a chat."""

_is_name = re.compile(r"[A-Za-z0-9\[][A-Za-z0-9._:\[\]-]*").fullmatch
_is_host = re.compile(r"[A-Za-z0-9.:\[\]_%-]+").fullmatch
_find_strange = re.compile(r"[^!-~]|[?#]").search
_STRANGE = {"?": "a query", "#": "a fragment"}

_SAME = sorted(
    (set(UpstreamConfig.__struct_fields__) & set(UpstreamTable.__struct_fields__))
    - {"name", "url", "headers", "api_key", "extras", "record"}
)
"""What a table and its value have in common."""


def build(tables: FileTables, layer: Layer, read_secret: ReadSecret) -> Config:
    """Make the configuration of tables that `layer` held.

    Raises:
        ConfigError: naming the place, the key and the likely fix.
    """
    building = _Building(layer, read_secret)
    upstreams = [building.upstream(entry, ("upstream", n)) for n, entry in enumerate(tables.upstream)]
    return msgspec.structs.replace(
        building.server(tables.server),
        aliases=building.aliases(tables.aliases),
        clients=tuple(building.client(entry, ("client", n)) for n, entry in enumerate(tables.client)),
        upstreams=unique(upstreams, _source(layer)),
    )


class _Building:
    """Each table on its own, with a place for every message."""

    def __init__(self, layer: Layer, read_secret: ReadSecret) -> None:
        self._layer = layer
        self._read_secret = read_secret

    def server(self, table: ServerTable) -> Config:
        keys = table.api_keys
        if table.api_keys_file is not None:
            keys += self._keys(self._file(("server", "api_keys_file"), table.api_keys_file))
        for n, key in enumerate(keys):
            if not key.isascii() or not key.isprintable() or " " in key:
                place = self._layer.place(("server", "api_keys"))
                raise ConfigError(f"{place}: key {n + 1} holds a space, or a character that no header may hold.")
        if not _is_host(table.host):
            raise self._fault(("server", "host"), "expected an address or a host name", table.host)
        for n, origin in enumerate(table.cors_origins):
            if not is_origin(origin):
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

    def client(self, entry: ClientTable, path: Path) -> ClientConfig:
        self._check_word(entry.reasoning or SPELLINGS[0], SPELLINGS, (*path, "reasoning"))
        return ClientConfig(key=entry.key, reasoning=cast("Spelling | None", entry.reasoning))

    def upstream(self, entry: UpstreamTable, path: Path) -> UpstreamConfig:
        own = embedded(entry, path, self._layer.place)
        url = URL if own else entry.url or ""
        address = ENGINE if own else self._address(url, (*path, "url"))
        name = address if entry.name is None else entry.name
        if not _is_name(name):
            words = "letters, digits and . _ : -"
            if entry.name is None:
                raise self._fault((*path, "url"), f"expected a host of {words}, or a name beside it", url)
            raise self._fault((*path, "name"), f"expected {words}", name)
        if entry.dialect in _NO_CHATS or not is_dialect(entry.dialect):
            known = sorted(set(dialects()) - _NO_CHATS)
            raise self._fault((*path, "dialect"), f"expected one of {', '.join(known)}", entry.dialect)
        self._check_markup(entry.markup, (*path, "markup"))
        self._check_word(entry.reasoning or SPELLINGS[0], SPELLINGS, (*path, "reasoning"))
        self._check_word(entry.history_reasoning, SPELLINGS, (*path, "history_reasoning"))
        self._check_word(entry.call_ids, KINDS, (*path, "call_ids"))
        if not set(entry.extras) <= set(EXTRAS):
            raise ConfigError(f'{self._layer.place((*path, "extras"))}: expected a list that may hold "timings".')
        same = {key: getattr(entry, key) for key in _SAME}
        if own and not entry.models:
            same["models"] = (PurePath(own.gguf).stem,)
        same["return_progress"] = entry.return_progress or own is not None
        return UpstreamConfig(
            name=name,
            url=url,
            embedded=own,
            headers=tuple(entry.headers.items()),
            api_key=self._api_key(entry, path),
            record=RECORDINGS if entry.record is True else entry.record or None,
            extras=cast("tuple[Extra, ...]", entry.extras),
            **same,
        )

    def _check_word(self, word: str, known: Sequence[str], path: Path) -> None:
        if word not in known:
            raise self._fault(path, f"expected one of {', '.join(known)}", word)

    def _check_markup(self, markup: str | tuple[str, ...], path: Path) -> None:
        try:
            families_named(markup)
        except UsageError as error:
            filled_in = any(known[: len(path)] == path for known in self._layer.raw)
            fault = "expected 'auto', 'off' or names of families, got another word" if filled_in else error
            raise ConfigError(f"{self._layer.place(path)}: {fault}.") from None

    def _api_key(self, entry: UpstreamTable, path: Path) -> str | None:
        given = [key for key in ("api_key", "api_key_env", "api_key_file") if getattr(entry, key) is not None]
        if len(given) > 1:
            place = self._layer.place((*path, given[1]))
            raise ConfigError(f"{place}: the key is given twice, by {given[0]} and {given[1]}. Keep one.")
        self._check_variable(entry.api_key_env, (*path, "api_key_env"))
        if entry.api_key_file is None:
            return entry.api_key
        file = self._file((*path, "api_key_file"), entry.api_key_file)
        key = self._read_secret(file).strip()
        if not key:
            raise ConfigError(f"{file.place}: expected a key, got none in {file.shown}.")
        return key

    def _check_variable(self, name: str | None, path: Path) -> None:
        # Never repeated: people write the key itself here, or ${VARIABLE}, which stands for the key.
        if name is not None and (path in self._layer.raw or not is_variable(name)):
            words = "expected the name of an environment variable, such as OPENAI_API_KEY, got something else"
            raise ConfigError(f"{self._layer.place(path)}: {words}. A key itself belongs into api_key.")

    def _keys(self, file: SecretFile) -> tuple[str, ...]:
        lines = [line.strip() for line in self._read_secret(file).splitlines()]
        keys = tuple(line for line in lines if line and not line.startswith("#"))
        if not keys:
            raise ConfigError(f"{file.place}: expected one key on each line, got none in {file.shown}.")
        return keys

    def _file(self, path: Path, name: str) -> SecretFile:
        return SecretFile(self._layer.place(path), name, self._layer.raw.get(path, name))

    def _address(self, url: str, path: Path) -> str:
        """`host:port` of a URL that paths can be joined to."""
        # What is wrong with these is never repeated: it may be a password or a key.
        if "@" in url:
            place = self._layer.place(path)
            raise ConfigError(f"{place}: the URL holds credentials. Put them into api_key_env or headers.")
        if strange := _find_strange(url):
            what = _STRANGE.get(strange[0], "a space or a character beyond visible ASCII")
            raise ConfigError(f"{self._layer.place(path)}: the URL holds {what}. Leave it out.")
        authority = _authority(url)
        if not authority:
            raise self._fault(path, "expected a URL such as http://127.0.0.1:8080", url)
        return authority

    def _fault(self, path: Path, expected: str, got: str) -> ConfigError:
        # What a variable held may be a secret that stands in the wrong place.
        return ConfigError(f"{self._layer.place(path)}: {expected}, got {self._layer.raw.get(path, got)!r}.")


def _authority(url: str) -> str:
    """`host:port` of an http URL, as it stands there; "" if it is none."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:  # brackets that do not match, a port that is none
        return ""
    return parts.netloc if usable else ""


def _source(layer: Layer) -> str:
    """What an error about several upstreams begins with: their source, without a line."""
    place = layer.origin(("upstream",))
    return re.sub(r":\d+$", "", place)
