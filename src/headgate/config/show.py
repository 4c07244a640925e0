"""The effective configuration -> TOML that says where each value comes from; and a file to start with."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec

from headgate.config.layers import Layer
from headgate.config.lines import Path
from headgate.config.read import Settings

MASK = "***"
_SECRETS = frozenset({"api_key", "api_keys", "headers", "key"})
_COLUMN = 48
"""Where the origins begin, if the value leaves room."""

STARTER = """\
#:schema ./headgate.schema.json
# Headgate's configuration. `headgate config check` reads it, `headgate config show` says what comes of it,
# and `headgate config schema > headgate.schema.json` writes the schema that editors complete from.
# Everything here may be left out. ${VARIABLE} inside a string is taken from the environment.

[server]
# host = "127.0.0.1"           # any other than loopback needs api_keys
# port = 4283
# api_keys = ["${HEADGATE_KEY}"] # what clients send as a bearer token
# api_keys_file = "keys.txt"   # or one key on each line of a file that only you can read
# allowed_hosts = []           # names that requests may call this server by, besides loopback names
# cors_origins = []            # web pages that may ask, such as "https://app.example.com"
# default_model = "qwen3:8b"   # for requests that may leave the model out
# drain_s = 8                  # how long running streams may go on after SIGTERM

# Names that clients may use, and the models that they stand for.
# [aliases]
# fast = "qwen3:8b"

# What clients with certain keys get.
# [[client]]
# key = "${HEADGATE_KEY}"      # one of api_keys
# reasoning = "none"           # or "reasoning_content", "reasoning", "tags"

# One table for each engine. Without any, `headgate serve` looks for engines on this machine.
# [[upstream]]
# name = "local"
# url = "http://127.0.0.1:8080"
# dialect = "openai"           # or "ollama"
# api_key_env = "LOCAL_KEY"    # or api_key_file
# models = []                  # besides those that it reports itself
# markup = "auto"              # or "off", or names such as ["think", "harmony"]
# starts_in_reasoning = true   # if its template opens the thought in the prompt
# whole_calls = false
# reasoning = "reasoning"      # how clients are written its thoughts
# history_reasoning = "reasoning" # how it is sent those of earlier turns
# call_ids = "any"             # or "mistral"
# extras = ["timings"]
# record = "recordings"        # keep what is said to it, prompts included
# connect_s = 10
# first_byte_s = 600
# idle_s = 300
# total_s = 3600
# return_progress = true       # if it is llama.cpp: it then stops reading a prompt when its client goes

# An engine that starts and ends with the gateway (pip install 'headgate[engine]').
# [[upstream]]
# engine = "embedded"
# gguf = "model.gguf"
# n_ctx = 0                    # tokens of context; 0 is what the model and the memory allow
# slots = 4                    # requests that it answers at once
# threads = 8
# template = "chat.jinja"      # replaces its own
# gpu_layers = 99
# engine_port = 0              # 0 takes a free one
"""


def show(settings: Settings) -> str:
    """Write the configuration as TOML, each value with its origin, secrets masked."""
    tables, layer = settings.tables, settings.layer
    lines = ["[server]", *_table(tables.server, ("server",), layer)]
    if tables.aliases:
        lines += ["", "[aliases]"]
        lines += [_line(name, model, ("aliases", name), layer) for name, model in tables.aliases.items()]
    for number, client in enumerate(tables.client):
        lines += ["", "[[client]]", *_table(client, ("client", number), layer)]
    for number, (entry, upstream) in enumerate(zip(tables.upstream, settings.config.upstreams, strict=True)):
        named = msgspec.structs.replace(entry, name=upstream.name)
        lines += ["", "[[upstream]]", *_table(named, ("upstream", number), layer)]
    return "\n".join(lines) + "\n"


def _table(table: msgspec.Struct, path: Path, layer: Layer) -> Iterator[str]:
    for name in table.__struct_fields__:
        value = getattr(table, name)
        if value is None:
            yield f"# {name} is not set"
        else:
            yield _line(name, value, (*path, name), layer)


def _line(name: str, value: Any, path: Path, layer: Layer) -> str:
    shown = _masked(value) if name in _SECRETS else _raw(value, path, layer)
    return f"{_key(name)} = {_toml(shown)}".ljust(_COLUMN) + f"  # {_origin(path, layer)}"


def _origin(path: Path, layer: Layer) -> str:
    found: Any = layer.table
    for part in path:
        if isinstance(found, dict) and part not in found:
            return "default"
        found = found[part]
    return layer.origin(path)


def _masked(value: Any) -> Any:
    match value:
        case dict():
            return dict.fromkeys(value, MASK)
        case tuple():
            return [MASK] * len(value)
        case _:
            return MASK


def _raw(value: Any, path: Path, layer: Layer) -> Any:
    """The value as it was written: what a variable held may be a secret."""
    if isinstance(value, tuple):
        return [_raw(inner, (*path, number), layer) for number, inner in enumerate(value)]
    return layer.raw.get(path, value)


def _toml(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case list():
            return f"[{', '.join(_toml(inner) for inner in value)}]"
        case dict():
            inside = ", ".join(f"{_key(key)} = {_toml(inner)}" for key, inner in value.items())
            return f"{{ {inside} }}" if inside else "{}"
        case int() | float():
            return f"{value:g}" if isinstance(value, float) else str(value)
        case _:
            return json.dumps(str(value))  # its escapes are TOML's too


def _key(name: str) -> str:
    bare = name.isascii() and name.replace("-", "").replace("_", "").isalnum()
    return name if bare else json.dumps(name)
