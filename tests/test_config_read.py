from __future__ import annotations

import pytest

from headgate.config import Config, UpstreamConfig, read_toml, upstream_from_flag
from headgate.errors import ConfigError

WHOLE = b"""
[server]
host = "0.0.0.0"
port = 80
api_keys = ["sesame", "open"]
allowed_hosts = ["gate.example"]
cors_origins = ["https://app.example.com"]
default_model = "fast"
drain_s = 3
look = ["http://127.0.0.1:1"]

[aliases]
fast = "big/huge"

[[upstream]]
name = "big"
url = "https://api.example.com/v1"
api_key_env = "EXAMPLE_KEY"
headers = { "x-team" = "blue" }
models = ["huge", "org/large"]

[[upstream]]
name = "local"
url = "http://127.0.0.1:11434"
dialect = "ollama"
markup = ["think", "harmony"]
starts_in_reasoning = true
whole_calls = true
extras = ["timings"]
connect_s = 1
first_byte_s = 2.5
idle_s = 3
total_s = 4
"""


def fault(toml: bytes) -> str:
    with pytest.raises(ConfigError) as caught:
        read_toml(toml, "headgate.toml")
    return str(caught.value)


def test_an_empty_file_is_the_default() -> None:
    assert Config(host="127.0.0.1", port=4283, upstreams=()) == read_toml(b"", "headgate.toml")


def test_every_key_arrives() -> None:
    big = UpstreamConfig(
        name="big",
        url="https://api.example.com/v1",
        api_key_env="EXAMPLE_KEY",
        headers=(("x-team", "blue"),),
        models=("huge", "org/large"),
    )
    local = UpstreamConfig(
        name="local",
        url="http://127.0.0.1:11434",
        dialect="ollama",
        markup=("think", "harmony"),
        starts_in_reasoning=True,
        whole_calls=True,
        extras=("timings",),
        connect_s=1,
        first_byte_s=2.5,
        idle_s=3,
        total_s=4,
    )

    expected = Config(
        host="0.0.0.0",
        port=80,
        api_keys=("sesame", "open"),
        allowed_hosts=("gate.example",),
        cors_origins=("https://app.example.com",),
        default_model="fast",
        aliases={"fast": "big/huge"},
        drain_s=3,
        look=("http://127.0.0.1:1",),
        upstreams=(big, local),
    )
    assert expected == read_toml(WHOLE, "headgate.toml")


@pytest.mark.parametrize("markup", ["auto", "off", "think"])
def test_markup_may_be_one_word(markup: str) -> None:
    config = read_toml(f'[[upstream]]\nurl = "http://x"\nmarkup = "{markup}"'.encode(), "headgate.toml")

    assert markup == config.upstreams[0].markup


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        (b"[sever]", "headgate.toml:1: sever: there is no such key. Did you mean server?"),
        (b"zzz = 1", "headgate.toml:1: zzz: there is no such key. There are server, aliases, client, upstream."),
        (b"[server]\nprot = 1", "headgate.toml:2: server.prot: there is no such key. Did you mean port?"),
        (
            b'[[upstream]]\nurl = "http://x"\n[[upstream]]\nurl = "http://y"\nmodel = ["m"]',
            "headgate.toml:5: upstream[1].model: there is no such key. Did you mean models?",
        ),
        (b'[server]\nport = "80"', "headgate.toml:2: server.port: expected a whole number, got text."),
        (
            b"[server]\nport = 65536",
            "headgate.toml:2: server.port: expected a whole number of at most 65535, got 65536.",
        ),
        (b"server = 1", "headgate.toml:1: server: expected a table, got a whole number."),
        (b"upstream = 1", "headgate.toml:1: upstream: expected a list, got a whole number."),
        (b"upstream = [1]", "headgate.toml:1: upstream[0]: expected a table, got a whole number."),
        (b"[[upstream]]\n", "headgate.toml:1: upstream[0]: the key url is missing."),
        (
            b'[[upstream]]\nurl = "http://x"\nmarkup = 1',
            "headgate.toml:3: upstream[0].markup: expected text or a list, got a whole number.",
        ),
        (b'[server]\nhost = ""', "headgate.toml:2: server.host: expected text, got an empty one."),
        (b'[server]\ndefault_model = ""', "headgate.toml:2: server.default_model: expected text, got an empty one."),
        (
            b"[server]\ndrain_s = inf",
            "headgate.toml:2: server.drain_s: expected a number of at most 86400.0, got inf.",
        ),
        (
            b'[[upstream]]\nurl = "http://x"\nidle_s = 0',
            "headgate.toml:3: upstream[0].idle_s: expected a number of more than 0.0, got 0.",
        ),
        (
            b'[[upstream]]\nurl = "http://x"\nidle_s = nan',
            "headgate.toml:3: upstream[0].idle_s: expected a number of more than 0.0, got nan.",
        ),
        (b'[aliases]\nb = "m"\na = ""', "headgate.toml:3: aliases.a: expected text, got an empty one."),
        (b"[aliases]\na = 1", "headgate.toml:2: aliases.a: expected text, got a whole number."),
        (b"\xff", "headgate.toml: expected UTF-8, got another byte at offset 0."),
    ],
)
def test_a_fault_names_the_file_the_key_and_the_likely_fix(toml: bytes, message: str) -> None:
    assert message == fault(toml)


def test_broken_toml_names_the_line() -> None:
    assert "headgate.toml:2: this is not TOML: Invalid value (column 8)." == fault(b"[server]\nport = ,\n")


@pytest.mark.parametrize(
    ("flag", "name", "dialect", "base_url"),
    [
        ("http://127.0.0.1:8080", "127.0.0.1:8080", "openai", "http://127.0.0.1:8080"),
        ("http://127.0.0.1:8080/v1/", "127.0.0.1:8080", "openai", "http://127.0.0.1:8080"),
        ("https://host/openai/v1", "host", "openai", "https://host/openai"),
        ("openai=http://h:1", "h:1", "openai", "http://h:1"),
        ("ollama=http://127.0.0.1:11434", "127.0.0.1:11434", "ollama", "http://127.0.0.1:11434"),
        ("ollama=http://h/v1", "h", "ollama", "http://h/v1"),
        ("http://[::1]:8080", "[::1]:8080", "openai", "http://[::1]:8080"),
        ("http://h/a=b", "h", "openai", "http://h/a=b"),
    ],
)
def test_a_flag_names_an_engine(flag: str, name: str, dialect: str, base_url: str) -> None:
    upstream = upstream_from_flag(flag)

    assert (name, dialect, base_url) == (upstream.name, upstream.dialect, upstream.base_url)


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("llama=http://h", "--upstream: dialect: expected one of ollama, openai, got 'llama'."),
        ("text=http://h", "--upstream: dialect: expected one of ollama, openai, got 'text'."),
        ("localhost:8080", "--upstream: url: expected a URL such as http://127.0.0.1:8080, got 'localhost:8080'."),
        ("ftp://h", "--upstream: url: expected a URL such as http://127.0.0.1:8080, got 'ftp://h'."),
        ("http://", "--upstream: url: expected a URL such as http://127.0.0.1:8080, got 'http://'."),
        ("", "--upstream: url: expected a URL such as http://127.0.0.1:8080, got ''."),
    ],
)
def test_a_wrong_flag_is_explained(flag: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        upstream_from_flag(flag)

    assert message == str(caught.value)


def test_a_file_of_keys_is_for_whoever_may_open_files() -> None:
    message = fault(b'[[upstream]]\nurl = "http://x"\napi_key_file = "f"')

    assert "headgate.toml:3: upstream[0].api_key_file: the file f cannot be read from here." == message
