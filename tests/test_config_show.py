from __future__ import annotations

import tomllib

import msgspec

from headgate.config.layers import environ_layer, file_layer, flag_layer
from headgate.config.read import read_toml, settle
from headgate.config.schema import FileTables, schema
from headgate.config.show import STARTER, show

FILE = b"""
[server]
api_keys = ["sesame"]
drain_s = 2.5

[aliases]
"a b" = "m"

[[upstream]]
url = "http://h/${TOKEN}"
api_key = "open"
headers = { x-key = "wide", "a b" = "c" }
models = ["${TOKEN}", "m"]
starts_in_reasoning = true
"""


def shown() -> str:
    environ = {"TOKEN": "hunter2", "HEADGATE_HOST": "::1"}
    return show(settle([flag_layer(port=5), environ_layer(environ), file_layer(FILE, "headgate.toml", environ)]))


def test_every_value_has_its_origin() -> None:
    lines = [line.split("  #") for line in shown().splitlines() if " = " in line]
    origins = {line[0].split(" = ")[0]: line[1].strip() for line in lines}

    assert "HEADGATE_HOST" == origins["host"]
    assert "--port" == origins["port"]
    assert "headgate.toml:4" == origins["drain_s"]
    assert "default" == origins["cors_origins"]
    assert "headgate.toml:7" == origins['"a b"']
    assert "headgate.toml:10" == origins["url"]
    assert "default" == origins["name"]


def test_no_secret_is_shown() -> None:
    text = shown()

    assert [] == [secret for secret in ("sesame", "open", "wide", "hunter2") if f'"{secret}"' in text]
    assert "hunter2" not in text.replace("h/hunter2", "")
    assert 'url = "http://h/${TOKEN}"' in text


def test_what_is_shown_is_toml_again() -> None:
    table = tomllib.loads(shown())

    assert 5 == table["server"]["port"]
    assert {"x-key": "***", "a b": "***"} == table["upstream"][0]["headers"]
    assert {"a b": "m"} == table["aliases"]
    assert table["upstream"][0]["starts_in_reasoning"] is True
    msgspec.convert(table, FileTables)


def test_the_starter_is_a_configuration_with_its_comments_and_without() -> None:
    """Somebody will take the `#` away from any of its lines."""
    bare = [line.removeprefix("# ") for line in STARTER.splitlines() if " = " in line or line.endswith("]")]
    table = tomllib.loads("\n".join(bare))

    assert () == read_toml(STARTER.encode(), "headgate.toml").upstreams
    assert {"server", "aliases", "client", "upstream"} == set(msgspec.to_builtins(msgspec.convert(table, FileTables)))


def test_the_starter_names_every_key() -> None:
    names = {name for table in schema()["$defs"].values() for name in table["properties"]} - {"api_key", "headers"}

    assert [] == sorted(name for name in names if name not in STARTER)
