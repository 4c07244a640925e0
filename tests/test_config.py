from __future__ import annotations

import pytest

from headgate.config import (
    Config,
    UpstreamConfig,
    check_door,
    read_toml,
    request_headers,
    unique,
    upstream_from_flag,
)
from headgate.errors import ConfigError
from headgate.limits import DEFAULTS

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
        (b"zzz = 1", "headgate.toml:1: zzz: there is no such key. There are server, aliases, upstream."),
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
        (
            b'[[upstream]]\nurl = "http://x"\ndialect = "olama"',
            "headgate.toml:3: upstream[0].dialect: expected one of ollama, openai, got 'olama'.",
        ),
        (
            b'[[upstream]]\nurl = "http://x"\nextras = ["usage"]',
            'headgate.toml:3: upstream[0].extras: expected a list that may hold "timings".',
        ),
        (
            b'[[upstream]]\nurl = "http://x"\nname = "a/b"',
            "headgate.toml:3: upstream[0].name: expected letters, digits and . _ : -, got 'a/b'.",
        ),
        (
            b'[[upstream]]\nurl = "127.0.0.1:8080"',
            "headgate.toml:2: upstream[0].url: expected a URL such as http://127.0.0.1:8080, got '127.0.0.1:8080'.",
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
    assert "headgate.toml:2: this is not TOML: Invalid value (column 8)." == fault(b"[server]\nport = ,\n")


def test_unknown_markup_lists_what_there_is() -> None:
    message = fault(b'[[upstream]]\nurl = "http://x"\nmarkup = ["thinking"]')

    assert message.startswith("headgate.toml:3: upstream[0].markup: expected markup 'auto', 'off' or names of [")


def test_credentials_in_a_url_are_refused_and_not_repeated() -> None:
    message = fault(b'[[upstream]]\nurl = "http://me:hunter2@x"')

    assert message.startswith("headgate.toml:2: upstream[0].url: the URL holds credentials.")
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


def test_no_repr_shows_a_key() -> None:
    upstream = UpstreamConfig(name="u", url="http://h", api_key="sesame")

    shown = repr(Config(api_keys=("sesame",), upstreams=(upstream,))) + repr(Config().__rich_repr__())

    assert "sesame" not in shown


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        (
            b'[[upstream]]\nurl = "http://x"\nidle_s = 0',
            "headgate.toml:3: upstream[0].idle_s: expected a number of more than 0.0, got 0.",
        ),
        (b'[server]\nhost = ""', "headgate.toml:2: server.host: expected text, got an empty one."),
        (
            b'[server]\nhost = "a b"',
            "headgate.toml:2: server.host: expected an address or a host name, got 'a b'.",
        ),
        (
            b'[server]\ncors_origins = ["https://a/"]',
            (
                "headgate.toml:2: server.cors_origins[0]: expected an origin such as https://app.example.com "
                "(lower case, without a path), got 'https://a/'."
            ),
        ),
        (
            b'[server]\nlook = ["h:1"]',
            "headgate.toml:2: server.look[0]: expected a URL such as http://127.0.0.1:8080, got 'h:1'.",
        ),
        (
            b'[server]\napi_keys = ["a b"]',
            "headgate.toml:2: server.api_keys: key 1 holds a space, or a character that no header may hold.",
        ),
        (
            b'[aliases]\na = "b"\nb = "m"',
            "headgate.toml:2: aliases.a: expected the name of a model, got another alias. Name the model itself.",
        ),
        (b'[aliases]\nb = "m"\na = ""', "headgate.toml:3: aliases.a: expected text, got an empty one."),
        (b"[aliases]\na = 1", "headgate.toml:2: aliases.a: expected text, got a whole number."),
        (
            b'[[upstream]]\nurl = "http://x"\napi_key = "sesame"\napi_key_file = "f"',
            "headgate.toml:4: upstream[0].api_key_file: the key is given twice, by api_key and api_key_file. Keep one.",
        ),
        (
            b'[[upstream]]\nurl = "http://x"\napi_key_file = "f"',
            "headgate.toml:3: upstream[0].api_key_file: the file f cannot be read from here.",
        ),
    ],
)
def test_a_fault_of_a_value_names_its_line(toml: bytes, message: str) -> None:
    assert message == fault(toml)


@pytest.mark.parametrize("key", ["", "a b", "a\n", "ü"])
def test_a_key_that_no_header_may_hold_is_refused_and_not_repeated(key: str) -> None:
    with pytest.raises(ConfigError, match="the key in api_key is empty, or holds a space or a line end"):
        request_headers(UpstreamConfig(name="u", url="http://h", api_key=key), {})


def test_a_key_comes_from_one_place() -> None:
    upstream = UpstreamConfig(name="u", url="http://h", api_key="sesame", api_key_env="KEY")

    with pytest.raises(ConfigError, match="given twice, by api_key and api_key_env") as caught:
        request_headers(upstream, {"KEY": "open"})

    assert "sesame" not in str(caught.value)


def test_an_engine_has_deadlines_of_its_own() -> None:
    limits = UpstreamConfig(name="u", url="http://h", idle_s=7, total_s=9).limits(DEFAULTS)

    assert (DEFAULTS.connect_s, 7, 9) == (limits.connect_s, limits.idle_s, limits.total_s)
    assert UpstreamConfig(name="u", url="http://h").limits(DEFAULTS) is DEFAULTS


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "localhost", "LOCALHOST.", "a.localhost", "::1", "[::1]"])
def test_loopback_may_do_without_keys(host: str) -> None:
    check_door(Config(host=host))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "gate.example", "127.0.0.1.example.com", "fe80::1%lo"])
def test_other_addresses_need_keys(host: str) -> None:
    check_door(Config(host=host, api_keys=("sesame",)))
    with pytest.raises(ConfigError, match=r"expected API keys, since .+ can be reached from other machines"):
        check_door(Config(host=host))
