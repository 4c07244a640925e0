"""A file, the environment, flags -> one table each, and the tables -> one, in which the strongest word counts.

Strategy: a layer is the table as TOML would give it and the place of each of its keys, so that what comes of all of
them is checked once, and every message names the place where the wrong value stands.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from headgate.config.lines import Path, find_lines
from headgate.errors import ConfigError

FLAG = "--upstream"
_GGUF_FLAG = "--gguf"

is_variable = re.compile(r"[A-Za-z_][A-Za-z0-9_]*").fullmatch
"""Whether a text can be the name of an environment variable."""

_match_expansion = re.compile(r"\$(\$\{|\{([^}]*)\}?)")
_at_line = re.compile(r" \(at line (\d+), column (\d+)\)")
_SECRETS = ("api_keys", "api_keys_file")

_PREFIX = "HEADGATE_"
_OTHER_VARIABLES = frozenset({"CONFIG", "LOG", "LOG_LEVEL", "GOLDEN"})
"""Variables with our prefix that are no setting of `[server]`."""


class Layer(NamedTuple):
    """Settings from one source.

    `place` says where a key stands, as messages begin with it; `origin` says it shorter, for lists. `raw` has the text
    of strings that named a variable, as it stands in the file: what came of it may be a secret.
    """

    table: dict[str, Any]
    place: Callable[[Path], str]
    origin: Callable[[Path], str]
    raw: Mapping[Path, str] = {}


def dotted(path: Path) -> str:
    """Write a path as people do: `upstream[0].url`."""
    words = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return words.removeprefix(".") or "the file"


def file_layer(data: bytes, name: str, environ: Mapping[str, str]) -> Layer:
    """Read `headgate.toml`; `${VARIABLE}` inside its strings becomes what `environ` says.

    Raises:
        ConfigError: if it is no TOML, or a variable is not set.
    """
    try:
        text = data.decode("utf-8-sig")
        table = tomllib.loads(text)
    except UnicodeDecodeError as error:
        raise ConfigError(f"{name}: expected UTF-8, got another byte at offset {error.start:,}.") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(_not_toml(name, str(error))) from error
    lines = find_lines(text)

    def origin(path: Path) -> str:
        line = lines.of(path)
        return name if line is None else f"{name}:{line}"

    def place(path: Path) -> str:
        return f"{origin(path)}: {dotted(path)}"

    raw: dict[Path, str] = {}
    return Layer(_expanded(table, (), environ, place, raw), place, origin, raw)


def environ_layer(environ: Mapping[str, str]) -> Layer:
    """Read the `HEADGATE_*` variables; an empty one counts as not set.

    Raises:
        ConfigError: naming the variable that cannot be read.
    """
    server: dict[str, Any] = {}
    for key, read in _SERVER.items():
        variable = _PREFIX + key.upper()
        if text := environ.get(variable, "").strip():
            server[key] = read(variable, text)
    table: dict[str, Any] = {"server": server} if server else {}
    if flags := environ.get(f"{_PREFIX}UPSTREAM", "").replace(",", " ").split():
        table["upstream"] = [_upstream(flag) for flag in flags]

    def name(path: Path) -> str:
        return _PREFIX + str(path[1] if len(path) > 1 and path[0] == "server" else "upstream").upper()

    return Layer(table, _placing(name), name)


def unknown_variables(environ: Mapping[str, str]) -> list[str]:
    """The variables that look like ours and are none."""
    known = {_PREFIX + key.upper() for key in (*_SERVER, "upstream")} | {_PREFIX + key for key in _OTHER_VARIABLES}
    return sorted(name for name in environ if name.startswith(_PREFIX) and name not in known)


def flag_layer(upstreams: Sequence[str | Mapping[str, Any]] = (), **server: Any) -> Layer:
    """Take what the command line says; None counts as not said. An upstream is `[DIALECT=]URL`, or a table."""
    said = {key: value for key, value in server.items() if value is not None}
    table: dict[str, Any] = {"server": said} if said else {}
    if upstreams:
        table["upstream"] = [_upstream(flag) if isinstance(flag, str) else dict(flag) for flag in upstreams]

    def name(path: Path) -> str:
        if path[:1] == ("server",):
            return f"--{path[1]}".replace("_", "-")
        return _GGUF_FLAG if path[:1] == ("upstream",) and _is_embedded(table, path) else FLAG

    def place(path: Path) -> str:
        # The keys of an embedded engine have flags of their own.
        key = path[2] if len(path) > 2 else "engine"
        own = key != "engine" and _is_embedded(table, path)
        return f"--{key}".replace("_", "-") if own else _placing(name)(path)

    return Layer(table, place, name)


def _is_embedded(table: dict[str, Any], path: Path) -> bool:
    return len(path) > 1 and isinstance(path[1], int) and "engine" in table["upstream"][path[1]]


def merged(layers: Sequence[Layer]) -> Layer:
    """One layer out of several, the strongest first.

    A setting of `[server]` replaces a weaker one; a list of upstreams or the aliases replace the weaker ones whole.
    """
    table: dict[str, Any] = {}
    owners: dict[Path, Layer] = {}
    for layer in reversed(layers):
        for key, value in layer.table.items():
            owners[key,] = layer
            if key == "server" and isinstance(value, dict) and isinstance(table.get(key), dict):
                _lay_over(table[key], value)
            else:
                table[key] = dict(value) if isinstance(value, dict) else value
            if isinstance(value, dict):
                owners.update({(key, inner): layer for inner in value})

    def owner(path: Path) -> Layer | None:
        return owners.get(path[:2]) or owners.get(path[:1]) or (layers[-1] if layers else None)

    def place(path: Path) -> str:
        found = owner(path)
        return found.place(path) if found else dotted(path)

    def origin(path: Path) -> str:
        found = owners.get(path[:2]) if path[:1] == ("server",) else owner(path)
        return found.origin(path) if found else "default"

    raw = {path: text for layer in layers for path, text in layer.raw.items() if owner(path) is layer}
    return Layer(table, place, origin, raw)


def _lay_over(server: dict[str, Any], stronger: dict[str, Any]) -> None:
    # Keys from the environment do not join those of a file that the file names: they replace them.
    if any(key in stronger for key in _SECRETS):
        for key in _SECRETS:
            server.pop(key, None)
    server.update(stronger)


def _not_toml(name: str, fault: str) -> str:
    at = _at_line.search(fault)
    sentence = _at_line.sub("", fault)
    return (
        f"{name}:{at[1]}: this is not TOML: {sentence} (column {at[2]})."
        if at
        else f"{name}: this is not TOML: {fault}."
    )


def _expanded(
    value: Any, path: Path, environ: Mapping[str, str], place: Callable[[Path], str], raw: dict[Path, str]
) -> Any:
    match value:
        case str() if "$" in value:
            text = _expand(value, environ, place, path)
            if text != value:
                raw[path] = value
            return text
        case dict():
            return {key: _expanded(inner, (*path, key), environ, place, raw) for key, inner in value.items()}
        case list():
            return [_expanded(inner, (*path, n), environ, place, raw) for n, inner in enumerate(value)]
        case _:
            return value


def _expand(text: str, environ: Mapping[str, str], place: Callable[[Path], str], path: Path) -> str:
    def replace(match: re.Match[str]) -> str:
        if match[1] == "${":
            return "${"  # written as $${
        if not match[0].endswith("}") or not is_variable(match[2]):
            raise ConfigError(f"{place(path)}: expected ${{VARIABLE}}, or $${{ for the characters themselves.")
        if match[2] not in environ:
            raise ConfigError(
                f"{place(path)}: the environment variable {match[2]} is not set. Set it, or write it out."
            )
        return environ[match[2]]

    return _match_expansion.sub(replace, text)


def _placing(name: Callable[[Path], str]) -> Callable[[Path], str]:
    def place(path: Path) -> str:
        inner = dotted(path[2:]) if path[:1] == ("upstream",) and len(path) > 2 else ""
        return f"{name(path)}: {inner}" if inner else name(path)

    return place


def _upstream(flag: str) -> dict[str, Any]:
    before, _, after = flag.partition("=")
    if after and "://" not in before:
        return {"dialect": before, "url": after}
    return {"url": flag}


def _text(variable: str, text: str) -> str:
    del variable
    return text


def _list(variable: str, text: str) -> list[str]:
    words = [word for word in (part.strip() for part in text.split(",")) if word]
    if not words:
        # Keys of two variables that are both empty: taken as no keys, they would open the door to everybody.
        raise ConfigError(f"{variable}: expected words separated by commas, got only commas.")
    return words


def _number(variable: str, text: str) -> int | float:
    try:
        return int(text) if text.lstrip("+-").isdigit() else float(text)
    except ValueError:
        raise ConfigError(f"{variable}: expected a number, got {text[:20]!r}.") from None


_SERVER: dict[str, Callable[[str, str], Any]] = {
    "host": _text,
    "port": _number,
    "api_keys": _list,
    "api_keys_file": _text,
    "allowed_hosts": _list,
    "cors_origins": _list,
    "default_model": _text,
    "drain_s": _number,
    "look": _list,
}
