from __future__ import annotations

from collections.abc import Mapping

import pytest

from headgate.config.layers import environ_layer, file_layer, flag_layer, unknown_variables
from headgate.config.read import Settings, settle
from headgate.errors import ConfigError

FILE = b"""
[server]
port = 1
drain_s = 1
api_keys_file = "keys"

[aliases]
fast = "big"

[[upstream]]
url = "http://file"
"""


def settled(environ: Mapping[str, str] = {}, *, toml: bytes = FILE, port: int | None = None) -> Settings:
    layers = [flag_layer(port=port), environ_layer(environ), file_layer(toml, "headgate.toml", environ)]
    return settle(layers, lambda _file: "from-file\n")


def fault(environ: Mapping[str, str] = {}, *, toml: bytes = b"") -> str:
    with pytest.raises(ConfigError) as caught:
        settled(environ, toml=toml)
    return str(caught.value)


def test_flags_win_over_the_environment_and_that_over_the_file() -> None:
    environ = {"HEADGATE_PORT": "2"}

    assert [1, 2, 3] == [settled().config.port, settled(environ).config.port, settled(environ, port=3).config.port]
    assert 1 == settled(environ, port=3).config.drain_s


def test_every_variable_of_the_server_arrives() -> None:
    environ = {
        "HEADGATE_HOST": "0.0.0.0",
        "HEADGATE_PORT": "7",
        "HEADGATE_API_KEYS": "a, b",
        "HEADGATE_ALLOWED_HOSTS": "x.example",
        "HEADGATE_CORS_ORIGINS": "https://a.example,https://b.example",
        "HEADGATE_DEFAULT_MODEL": "m",
        "HEADGATE_DRAIN_S": "2.5",
        "HEADGATE_LOOK": "http://127.0.0.1:1",
        "HEADGATE_UPSTREAM": "ollama=http://a http://b",
    }

    config = settled(environ).config

    assert ("0.0.0.0", 7, ("a", "b"), ("x.example",)) == (
        config.host,
        config.port,
        config.api_keys,
        config.allowed_hosts,
    )
    assert (("https://a.example", "https://b.example"), "m", 2.5, ("http://127.0.0.1:1",)) == (
        config.cors_origins,
        config.default_model,
        config.drain_s,
        config.look,
    )
    assert [("a", "ollama"), ("b", "openai")] == [(upstream.name, upstream.dialect) for upstream in config.upstreams]


def test_keys_of_the_environment_replace_those_of_the_file() -> None:
    """A key that was changed must not leave the old one valid."""
    assert ("from-file",) == settled().config.api_keys
    assert ("new",) == settled({"HEADGATE_API_KEYS": "new"}).config.api_keys


def test_an_empty_variable_counts_as_not_set() -> None:
    assert 1 == settled({"HEADGATE_PORT": ""}).config.port


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"HEADGATE_PORT": "high"}, "HEADGATE_PORT: expected a number, got 'high'."),
        ({"HEADGATE_API_KEYS": " , "}, "HEADGATE_API_KEYS: expected words separated by commas, got only commas."),
        ({"HEADGATE_PORT": "1.5"}, "HEADGATE_PORT: expected a whole number, got a number."),
        ({"HEADGATE_PORT": "70000"}, "HEADGATE_PORT: expected a whole number of at most 65535, got 70000."),
        (
            {"HEADGATE_UPSTREAM": "h:1"},
            "HEADGATE_UPSTREAM: url: expected a URL such as http://127.0.0.1:8080, got 'h:1'.",
        ),
        (
            {"HEADGATE_UPSTREAM": "http://a http://a"},
            "HEADGATE_UPSTREAM: two upstreams are called 'a'. Give one of them another name.",
        ),
    ],
)
def test_a_wrong_variable_is_named(environ: Mapping[str, str], message: str) -> None:
    assert message == fault(environ)


def test_variables_that_look_like_ours_are_found() -> None:
    environ = {"HEADGATE_PROT": "1", "HEADGATE_PORT": "1", "HEADGATE_CONFIG": "f", "HOME": "/"}

    assert ["HEADGATE_PROT"] == unknown_variables(environ)


def test_a_variable_inside_a_string_is_filled_in() -> None:
    toml = b'[[upstream]]\nurl = "http://${HOST}:${PORT}"\nheaders = { x = "$${KEY} $5 ${KEY}" }\nmodels = ["${KEY}"]'

    upstream = settled({"HOST": "h", "PORT": "1", "KEY": "k"}, toml=toml).config.upstreams[0]

    assert ("http://h:1", (("x", "${KEY} $5 k"),), ("k",)) == (upstream.url, upstream.headers, upstream.models)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("${NO}", "headgate.toml:2: server.host: the environment variable NO is not set. Set it, or write it out."),
        ("${", "headgate.toml:2: server.host: expected ${VARIABLE}, or $${ for the characters themselves."),
        ("${}", "headgate.toml:2: server.host: expected ${VARIABLE}, or $${ for the characters themselves."),
        ("${a b}", "headgate.toml:2: server.host: expected ${VARIABLE}, or $${ for the characters themselves."),
    ],
)
def test_a_variable_that_is_none_is_named(text: str, message: str) -> None:
    assert message == fault(toml=f'[server]\nhost = "{text}"'.encode())


def test_a_message_shows_the_variable_and_not_what_it_holds() -> None:
    """A key pasted into the wrong place must not end up in a log."""
    toml = b'[[upstream]]\nurl = "${KEY}"'

    assert fault({"KEY": "sesame"}, toml=toml).endswith("got '${KEY}'.")


def test_a_file_may_begin_with_a_byte_order_mark() -> None:
    assert 5 == settled(toml=b"\xef\xbb\xbf[server]\nport = 5").config.port
