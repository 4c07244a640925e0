"""Layers of settings -> the configuration, checked key by key.

Strategy: a key that does not exist is found first, so that a misspelt one is an error that names the right one; then
msgspec checks the types, and what it cannot know is checked last (`build.py`).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from headgate.config.build import ReadSecret, SecretFile, build
from headgate.config.layers import Layer, file_layer, flag_layer, merged
from headgate.config.lines import Path
from headgate.config.schema import ClientTable, FileTables, ServerTable, UpstreamTable
from headgate.config.values import Config, UpstreamConfig
from headgate.errors import ConfigError

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
    return Settings(build(tables, layer, read_secret or _no_secrets), tables, layer)


def _no_secrets(file: SecretFile) -> str:
    raise ConfigError(f"{file.place}: the file {file.shown} cannot be read from here.")


def _misspelt(layer: Layer) -> Iterator[str]:
    yield from _unknown(layer, layer.table, FileTables, ())
    server = layer.table.get("server")
    if isinstance(server, dict):
        yield from _unknown(layer, server, ServerTable, ("server",))
    for name, kind in (("client", ClientTable), ("upstream", UpstreamTable)):
        entries = layer.table.get(name)
        for number, entry in enumerate(entries if isinstance(entries, list) else []):
            if isinstance(entry, dict):
                yield from _unknown(layer, entry, kind, (name, number))


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
