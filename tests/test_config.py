from __future__ import annotations

import pytest

from headgate.config import Config, UpstreamConfig, read_toml, request_headers, unique, upstream_from_flag
from headgate.errors import ConfigError

WHOLE = b"""
[server]
host = "0.0.0.0"
port = 80

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
extras = ["timings"]
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
        extras=("timings",),
    )

    assert Config(host="0.0.0.0", port=80, upstreams=(big, local)) == read_toml(WHOLE, "headgate.toml")


@pytest.mark.parametrize("markup", ["auto", "off", "think"])
def test_markup_may_be_one_word(markup: str) -> None:
    config = read_toml(f'[[upstream]]\nurl = "http://x"\nmarkup = "{markup}"'.encode(), "headgate.toml")

    assert markup == config.upstreams[0].markup


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        (b"[sever]", "headgate.toml: sever: there is no such key. Did you mean server?"),
        (b"zzz = 1", "headgate.toml: zzz: there is no such key. There are server, upstream."),
        (b"[server]\nprot = 1", "headgate.toml: server.prot: there is no such key. Did you mean port?"),
        (
            b'[[upstream]]\nurl = "http://x"\n[[upstream]]\nurl = "http://y"\nmodel = ["m"]',
            "headgate.toml: upstream[1].model: there is no such key. Did you mean models?",
        ),
        (b'[server]\nport = "80"', "headgate.toml: server.port: expected a whole number, got text."),
        (b"[server]\nport = 65536", "headgate.toml: server.port: expected a port from 0 to 65535, got 65536."),
        (b"server = 1", "headgate.toml: server: expected a table, got a whole number."),
        (b"upstream = 1", "headgate.toml: upstream: expected a list, got a whole number."),
        (b"upstream = [1]", "headgate.toml: upstream[0]: expected a table, got a whole number."),
        (b"[[upstream]]\n", "headgate.toml: upstream[0]: the key url is missing."),
        (
            b'[[upstream]]\nurl = "http://x"\nmarkup = 1',
            "headgate.toml: upstream[0].markup: expected text or a list, got a whole number.",
        ),
        (
            b'[[upstream]]\nurl = "http://x"\ndialect = "olama"',
            "headgate.toml: upstream[0].dialect: expected one of ollama, openai, got 'olama'.",
        ),
        (
            b'[[upstream]]\nurl = "http://x"\nextras = ["usage"]',
            'headgate.toml: upstream[0].extras: expected a list that may hold "timings".',
        ),
        (
            b'[[upstream]]\nurl = "http://x"\nname = "a/b"',
            "headgate.toml: upstream[0].name: expected letters, digits and . _ : -, got 'a/b'.",
        ),
        (
            b'[[upstream]]\nurl = "127.0.0.1:8080"',
            "headgate.toml: upstream[0].url: expected a URL such as http://127.0.0.1:8080, got '127.0.0.1:8080'.",
        ),
        (
            b'[[upstream]]\nurl = "http://x"\n[[upstream]]\nurl = "http://x/"',
            "headgate.toml: two upstreams are called 'x'. Give one of them another name.",
        ),
        (b"\xff", "headgate.toml: expected UTF-8, got another byte at offset 0."),
    ],
)
def test_a_fault_names_the_file_the_key_and_the_likely_fix(toml: bytes, message: str) -> None:
    assert message == fault(toml)


def test_broken_toml_names_the_line() -> None:
    assert "line 2" in fault(b"[server]\nport = ,\n")


def test_unknown_markup_lists_what_there_is() -> None:
    message = fault(b'[[upstream]]\nurl = "http://x"\nmarkup = ["thinking"]')

    assert message.startswith("headgate.toml: upstream[0].markup: expected markup 'auto', 'off' or names of [")


def test_credentials_in_a_url_are_refused_and_not_repeated() -> None:
    message = fault(b'[[upstream]]\nurl = "http://me:hunter2@x"')

    assert message.startswith("headgate.toml: upstream[0].url: the URL holds credentials.")
    assert "hunter2" not in message


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


def test_two_flags_for_the_same_place_are_refused() -> None:
    upstream = upstream_from_flag("http://h")

    with pytest.raises(ConfigError, match="--upstream: two upstreams are called 'h'"):
        unique([upstream, upstream], "--upstream")


def test_the_key_comes_from_the_environment_that_is_passed() -> None:
    upstream = UpstreamConfig(name="u", url="http://h", api_key_env="KEY", headers=(("x-a", "b"),))

    headers = request_headers(upstream, {"KEY": " sesame\n"})

    assert (("x-a", "b"), ("authorization", "Bearer sesame")) == headers


def test_no_key_is_sent_where_none_is_named() -> None:
    assert () == request_headers(UpstreamConfig(name="u", url="http://h"), {"OPENAI_API_KEY": "sesame"})


@pytest.mark.parametrize("environ", [{}, {"KEY": ""}, {"KEY": " "}])
def test_a_missing_key_is_an_error(environ: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="upstream u: the environment variable KEY is not set"):
        request_headers(UpstreamConfig(name="u", url="http://h", api_key_env="KEY"), environ)


def test_a_key_that_is_given_twice_is_an_error() -> None:
    upstream = UpstreamConfig(name="u", url="http://h", api_key_env="KEY", headers=(("Authorization", "Basic x"),))

    with pytest.raises(ConfigError, match="given twice") as caught:
        request_headers(upstream, {"KEY": "sesame"})

    assert "sesame" not in str(caught.value)


def test_no_repr_shows_a_header_value() -> None:
    """A configuration ends up in tracebacks and logs."""
    upstream = UpstreamConfig(name="u", url="http://h", headers=(("authorization", "Bearer sesame"),))

    shown = repr(Config(upstreams=(upstream,))) + repr(upstream.__rich_repr__())

    assert "authorization" in shown
    assert "sesame" not in shown
