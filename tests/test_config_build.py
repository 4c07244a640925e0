from __future__ import annotations

from collections.abc import Mapping

import pytest

from headgate.config import read_toml
from headgate.config.build import SecretFile
from headgate.config.layers import file_layer
from headgate.config.read import settle
from headgate.errors import ConfigError


def fault(toml: bytes, environ: Mapping[str, str] | None = None, files: Mapping[str, str] = {}) -> str:
    def read(file: SecretFile) -> str:
        if file.name not in files:
            raise ConfigError(f"{file.place}: no {file.shown}.")
        return files[file.name]

    with pytest.raises(ConfigError) as caught:
        settle([file_layer(toml, "headgate.toml", environ or {})], read)
    return str(caught.value)


def test_unknown_markup_lists_what_there_is() -> None:
    message = fault(b'[[upstream]]\nurl = "http://x"\nmarkup = ["thinking"]')

    assert message.startswith("headgate.toml:3: upstream[0].markup: expected markup 'auto', 'off' or names of [")


def test_credentials_in_a_url_are_refused_and_not_repeated() -> None:
    message = fault(b'[[upstream]]\nurl = "http://me:hunter2@x"')

    assert message.startswith("headgate.toml:2: upstream[0].url: the URL holds credentials.")
    assert "hunter2" not in message


@pytest.mark.parametrize(
    ("toml", "message"),
    [
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
        (
            b'[[upstream]]\nurl = "http://h!:80"',
            (
                "headgate.toml:2: upstream[0].url: expected a host of letters, digits and . _ : -, or a name beside "
                "it, got 'http://h!:80'."
            ),
        ),
        (
            b'[[upstream]]\nurl = "http://x"\napi_key_env = "sk-sesame"',
            (
                "headgate.toml:3: upstream[0].api_key_env: expected the name of an environment variable, such as "
                "OPENAI_API_KEY, got something else. A key itself belongs into api_key."
            ),
        ),
        (
            b'[server]\nhost = "a b"',
            "headgate.toml:2: server.host: expected an address or a host name, got 'a b'.",
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
        (
            b'[[upstream]]\nurl = "http://x"\napi_key = "sesame"\napi_key_file = "f"',
            "headgate.toml:4: upstream[0].api_key_file: the key is given twice, by api_key and api_key_file. Keep one.",
        ),
        (
            b'[[upstream]]\nurl = "http://x"\napi_key_file = "f"',
            "headgate.toml:3: upstream[0].api_key_file: no f.",
        ),
    ],
)
def test_a_fault_of_a_value_names_its_line(toml: bytes, message: str) -> None:
    assert message == fault(toml)


@pytest.mark.parametrize(
    "url", ["ftp://h", "http://", "http://:80", "h", "http://h:x", "http://h:99999", "http://[::1"]
)
def test_a_url_that_is_none_is_refused_where_it_stands(url: str) -> None:
    expected = f"headgate.toml:2: upstream[0].url: expected a URL such as http://127.0.0.1:8080, got {url!r}."

    assert expected == fault(f'[[upstream]]\nurl = "{url}"'.encode())


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("http://h?key=sesame", "a query"),
        ("http://h/v1?", "a query"),
        ("http://h/#sesame", "a fragment"),
        ("http://h#a?b", "a fragment"),
        ("http://h/a b", "a space or a character beyond visible ASCII"),
        (" http://h", "a space or a character beyond visible ASCII"),
        ("http://h\u00fc:80", "a space or a character beyond visible ASCII"),
        ("http://h\\n", "a space or a character beyond visible ASCII"),
    ],
)
@pytest.mark.parametrize(
    ("toml", "key"), [('[[upstream]]\nurl = "{}"', "upstream[0].url"), ('[server]\nlook = ["{}"]', "server.look[0]")]
)
def test_a_url_that_no_path_can_be_joined_to_is_refused_where_it_stands(
    toml: str, key: str, url: str, what: str
) -> None:
    """It is not shown: a query may hold a key."""
    expected = f"headgate.toml:2: {key}: the URL holds {what}. Leave it out."

    assert expected == fault(toml.format(url).encode())


@pytest.mark.parametrize(
    "origin", ["https://a/", "https://*.a", "*", "null", "https://A", "https://ü", "https://a?", "https://", "a"]
)
def test_an_origin_that_no_browser_sends_is_refused_where_it_stands(origin: str) -> None:
    """The gateway would refuse some of them too, but without a line; others would never be let in."""
    assert (
        "headgate.toml:2: server.cors_origins[0]: expected an origin such as https://app.example.com "
        f"(lower case, without a path), got {origin!r}."
    ) == fault(f'[server]\ncors_origins = ["{origin}"]'.encode())


@pytest.mark.parametrize(
    "origin", ["https://a", "http://localhost:3000", "http://[::1]:80", "app://obsidian.md", "file://"]
)
def test_an_origin_is_taken_as_browsers_send_it(origin: str) -> None:
    assert (origin,) == read_toml(f'[server]\ncors_origins = ["{origin}"]'.encode(), "headgate.toml").cors_origins


@pytest.mark.parametrize(
    "line",
    [
        'url = "${KEY}"',
        'url = "http://h:${KEY}"',
        'url = "http://${KEY} x"',
        'url = "http://x"\nname = "${KEY} x"',
        'url = "http://x"\ndialect = "${KEY}"',
        'url = "http://x"\nmarkup = "${KEY}"',
        'url = "http://x"\nmarkup = ["think", "${KEY}"]',
        'url = "http://x"\nextras = ["${KEY}"]',
        'url = "http://x"\napi_key_env = "${KEY}"',
        'url = "http://x"\napi_key_file = "${KEY}"',
    ],
)
def test_no_message_shows_what_a_variable_held(line: str) -> None:
    """A key that stands in the wrong place must not end up in a log."""
    assert "sesame" not in fault(f"[[upstream]]\n{line}".encode(), {"KEY": "sesame"})


def test_a_file_is_shown_by_the_variable_that_names_it() -> None:
    assert "headgate.toml:2: server.api_keys_file: no ${KEYS}/k." == fault(
        b'[server]\napi_keys_file = "${KEYS}/k"', {"KEYS": "/secret"}
    )


def test_a_file_without_a_key_is_named() -> None:
    toml = b'[[upstream]]\nurl = "http://x"\napi_key_file = "f"'

    assert "headgate.toml:3: upstream[0].api_key_file: expected a key, got none in f." == fault(
        toml, files={"f": " \n"}
    )


def test_keys_of_the_list_and_of_the_file_count_together_each_once() -> None:
    toml = b'[server]\napi_keys = ["a", "b"]\napi_keys_file = "f"'
    settings = settle([file_layer(toml, "headgate.toml", {})], lambda _file: "# mine\n b\n\nc\n")

    assert ("a", "b", "c") == settings.config.api_keys
